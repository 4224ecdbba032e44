// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

var errAway = errors.New("the test has taken the store away")

// Memory is a sessions.Store for the tests of what uses one. It keeps everything in the process, so it is none for replicas.
type Memory struct {
	// MostSpent is how many spent token IDs of one kind an owner may have.
	MostSpent int

	mu       sync.Mutex
	sessions map[memoryKey]sessions.Session
	spent    map[memoryKey]time.Time
	version  int
	away     bool
}

// A memoryKey names a session, or with its kind a spent token ID.
type memoryKey struct {
	owner    sessions.Owner
	kind, id string
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{MostSpent: 10_000, sessions: map[memoryKey]sessions.Session{}, spent: map[memoryKey]time.Time{}}
}

// Break makes every call fail until repair is called.
func (m *Memory) Break() (repair func()) {
	set := func(away bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.away = away
	}
	set(true)
	return func() { set(false) }
}

// Len returns how many sessions there are.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sessions)
}

// do runs f under the lock, unless the store is away.
func (m *Memory) do(ctx context.Context, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away:
		return errors.Join(sessions.ErrUnavailable, errAway)
	case ctx.Err() != nil:
		return errors.Join(sessions.ErrUnavailable, ctx.Err())
	}
	return f()
}

func (m *Memory) write(key memoryKey, s *sessions.Session) {
	m.version++
	s.Version = strconv.Itoa(m.version)
	m.sessions[key] = copyOf(*s)
}

func copyOf(s sessions.Session) sessions.Session {
	s.Audiences, s.Scopes = slices.Clone(s.Audiences), slices.Clone(s.Scopes)
	return s
}

// Create implements sessions.Store.
func (m *Memory) Create(ctx context.Context, s *sessions.Session, most int) error {
	return m.do(ctx, func() error {
		var visitors, others []memoryKey
		for key, other := range m.sessions {
			switch {
			case key.owner != s.Owner || key.id == s.ID:
			case other.IsVisitors():
				visitors = append(visitors, key)
			default:
				others = append(others, key)
			}
		}
		if s.IsVisitors() && len(others) >= most {
			return sessions.ErrNoRoom
		}
		for _, keys := range [][]memoryKey{visitors, others} {
			slices.SortFunc(keys, func(a, b memoryKey) int { return m.sessions[a].ExpiresAt.Compare(m.sessions[b].ExpiresAt) })
		}
		owned := slices.Concat(visitors, others)
		for _, key := range owned[:min(max(len(owned)+1-most, 0), len(owned))] {
			delete(m.sessions, key)
		}
		m.write(memoryKey{owner: s.Owner, id: s.ID}, s)
		return nil
	})
}

// Get implements sessions.Store.
func (m *Memory) Get(ctx context.Context, owner sessions.Owner, id string) (found *sessions.Session, err error) {
	err = m.do(ctx, func() error {
		s, ok := m.sessions[memoryKey{owner: owner, id: id}]
		if !ok {
			return sessions.ErrNotFound
		}
		s = copyOf(s)
		found = &s
		return nil
	})
	return found, err
}

// Replace implements sessions.Store.
func (m *Memory) Replace(ctx context.Context, s *sessions.Session) error {
	return m.do(ctx, func() error {
		key := memoryKey{owner: s.Owner, id: s.ID}
		current, ok := m.sessions[key]
		switch {
		case !ok:
			return sessions.ErrNotFound
		case current.Version != s.Version:
			return sessions.ErrConflict
		}
		m.write(key, s)
		return nil
	})
}

// End implements sessions.Store.
func (m *Memory) End(ctx context.Context, owner sessions.Owner, id string) error {
	return m.do(ctx, func() error {
		delete(m.sessions, memoryKey{owner: owner, id: id})
		return nil
	})
}

// EndUser implements sessions.Store.
func (m *Memory) EndUser(ctx context.Context, owner sessions.Owner, username, kind string) (ended int, err error) {
	err = m.do(ctx, func() error {
		for key, s := range m.sessions {
			if s.Owner == owner && s.Username == username && s.UserKind == kind {
				delete(m.sessions, key)
				ended++
			}
		}
		return nil
	})
	return ended, err
}

// Spend implements sessions.Store.
func (m *Memory) Spend(ctx context.Context, spent sessions.Spent) error {
	return m.do(ctx, func() error {
		key := memoryKey{spent.Owner, spent.Kind, spent.TokenID}
		if _, used := m.spent[key]; used {
			return sessions.ErrUsed
		}
		count := 0
		for other := range m.spent {
			if other.owner == spent.Owner && other.kind == spent.Kind {
				count++
			}
		}
		if count >= m.MostSpent {
			return sessions.ErrFull
		}
		m.spent[key] = spent.ExpiresAt
		return nil
	})
}

// Standing implements sessions.Store.
func (m *Memory) Standing(ctx context.Context, owner sessions.Owner, tokenID, sessionID string) (spent bool, s *sessions.Session, err error) {
	err = m.do(ctx, func() error {
		_, spent = m.spent[memoryKey{owner, sessions.KindAccessToken, tokenID}]
		if found, ok := m.sessions[memoryKey{owner: owner, id: sessionID}]; ok && sessionID != "" {
			found = copyOf(found)
			s = &found
		}
		return nil
	})
	return spent, s, err
}

// Sweep implements sessions.Store.
func (m *Memory) Sweep(ctx context.Context, now time.Time, dead func(*sessions.Session) bool) (removed int, err error) {
	err = m.do(ctx, func() error {
		for key, s := range m.sessions {
			if !now.Before(s.ExpiresAt) || dead(&s) {
				delete(m.sessions, key)
				removed++
			}
		}
		for key, expiresAt := range m.spent {
			if !now.Before(expiresAt) {
				delete(m.spent, key)
				removed++
			}
		}
		return nil
	})
	return removed, err
}
