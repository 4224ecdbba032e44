// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// A directory knows one client and one set of keys.
type directory struct {
	client *clients.Client
	keys   *sealing.Set
}

func (d directory) Client(id string) (*clients.Client, bool) {
	return d.client, d.client != nil && d.client.ID == id
}

func (d directory) SealingKeys() *sealing.Set { return d.keys }

// A logBuffer may be written and read at once.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// startCleaner runs a cleaner until the test ends or stop is called.
func startCleaner(t *testing.T, c *sessions.Cleaner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v when the cleaner was stopped, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestCleanerRemovesWhatIsOfNoUse(t *testing.T) {
	key, other := newKey(t), newKey(t)
	later := start.Add(10 * time.Minute)
	visit := func(s *sessions.Session, d *directory) {
		d.client.Guests = true
		*s = *visiting(t, d.client, key, clients.NewVisitor())
	}
	expiredSpent := sessions.Spent{Owner: owner, Kind: sessions.KindAccessToken, TokenID: "expired", ExpiresAt: later}
	tests := []struct {
		name string
		edit func(*sessions.Session, *directory)
		// wantKept says that the session stays.
		wantKept bool
	}{
		{"a login that counts", func(*sessions.Session, *directory) {}, true},
		{"an expired session", func(s *sessions.Session, _ *directory) { s.ExpiresAt = later }, false},
		{"an expired session of a moment ago", func(s *sessions.Session, _ *directory) { s.IssuedAt, s.ExpiresAt = later, later }, false},
		{"a client that is not there, and may be back in a moment", func(_ *sessions.Session, d *directory) { d.client = nil }, true},
		{"an expired session of a client that is gone", func(s *sessions.Session, d *directory) { s.ExpiresAt, d.client = later, nil }, false},
		{"a client that was made anew", func(_ *sessions.Session, d *directory) { d.client.UID = "uid-2" }, false},
		{"a suspended client", func(_ *sessions.Session, d *directory) { d.client.Suspended = true }, true},
		{"revoked", func(_ *sessions.Session, d *directory) { d.client.RevokedBefore = later }, false},
		{"a changed password", func(_ *sessions.Session, d *directory) { d.client.Users["alice"] = newUser(t, "alice", "new") }, false},
		{"a user who is gone", func(_ *sessions.Session, d *directory) { d.client.Users = nil }, false},
		{"a visitor", visit, true},
		{"a visitor where those may not log in any more", func(s *sessions.Session, d *directory) { visit(s, d); d.client.Guests = false }, false},
		{"an expired session of a visitor", func(s *sessions.Session, d *directory) { visit(s, d); s.ExpiresAt = later }, false},
		{"a login without refresh tokens", func(s *sessions.Session, _ *directory) { s.Current = [32]byte{} }, true},
		{"an expired login without refresh tokens", func(s *sessions.Session, _ *directory) { s.Current, s.ExpiresAt = [32]byte{}, later }, false},
		{"a changed password of a login without refresh tokens", func(s *sessions.Session, d *directory) {
			s.Current, d.client.Users["alice"] = [32]byte{}, newUser(t, "alice", "new")
		}, false},
		{"a key that is gone", func(_ *sessions.Session, d *directory) { d.keys = sealing.NewSet([]*sealing.Key{other}) }, false},
		{"no keys at all, so that there is nothing to judge by", func(_ *sessions.Session, d *directory) { d.keys = nil }, true},
		{"a login of a moment ago, whose client may be known here as it was", func(s *sessions.Session, d *directory) {
			s.IssuedAt, d.client.UID = later.Add(-time.Minute), "uid-2"
		}, true},
		{"a refresh of a moment ago, whose password may not be known here yet", func(s *sessions.Session, d *directory) {
			s.RotatedAt, d.client.Users["alice"] = later.Add(-time.Minute), newUser(t, "alice", "new")
		}, true},
		{"a refresh of a while ago", func(s *sessions.Session, d *directory) {
			s.RotatedAt, d.client.Users["alice"] = later.Add(-2*time.Minute), newUser(t, "alice", "new")
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &directory{client: newClient(t), keys: sealing.NewSet([]*sealing.Key{key})}
			s := loggedIn(d.client, key)
			tt.edit(s, d)
			store := newMemory()
			if err := errors.Join(store.Create(t.Context(), s, 10), store.Spend(t.Context(), expiredSpent)); err != nil {
				t.Fatal(err)
			}
			stop := startCleaner(t, &sessions.Cleaner{
				Store: store, Clients: d, Keys: d, Ready: func() bool { return true }, Every: time.Hour, Now: func() time.Time { return later },
			})
			NewWithT(t).Eventually(func() error { return store.Spend(t.Context(), expiredSpent) }, 10*time.Second, time.Millisecond).
				Should(Succeed(), "the first sweep should be at once")
			stop()
			_, err := store.Get(t.Context(), owner, s.ID)
			if (err == nil) != tt.wantKept {
				t.Errorf("got %v for the session, want it kept: %t", err, tt.wantKept)
			}
		})
	}
}

func TestCleanerWaitsUntilItKnowsEverything(t *testing.T) {
	var ready atomic.Bool
	var asked atomic.Int64
	store, key := newMemory(), newKey(t)
	d := &directory{client: newClient(t), keys: sealing.NewSet([]*sealing.Key{key})}
	s := loggedIn(d.client, key)
	d.client.Users = nil
	if err := store.Create(t.Context(), s, 10); err != nil {
		t.Fatal(err)
	}
	startCleaner(t, &sessions.Cleaner{
		Store: store, Clients: d, Keys: d, Every: time.Millisecond, Now: func() time.Time { return start.Add(10 * time.Minute) },
		Ready: func() bool { asked.Add(1); return ready.Load() },
	})
	g := NewWithT(t)
	g.Eventually(asked.Load, 10*time.Second, time.Millisecond).Should(BeNumerically(">", 5))
	if _, err := store.Get(t.Context(), owner, s.ID); err != nil {
		t.Errorf("got %v before everything is known, want the session", err)
	}
	ready.Store(true)
	g.Eventually(func() error {
		_, err := store.Get(t.Context(), owner, s.ID)
		return err
	}, 10*time.Second, time.Millisecond).Should(MatchError(sessions.ErrNotFound))
}

func TestCleanerTriesAgain(t *testing.T) {
	store, key, log := newMemory(), newKey(t), &logBuffer{}
	d := &directory{client: newClient(t), keys: sealing.NewSet([]*sealing.Key{key})}
	s := loggedIn(d.client, key)
	d.client.Users = nil
	if err := store.Create(t.Context(), s, 10); err != nil {
		t.Fatal(err)
	}
	failures := 3
	store.before = func(operation string) error {
		if operation == "Sweep" && failures > 0 {
			failures--
			return errBroken
		}
		return nil
	}
	stop := startCleaner(t, &sessions.Cleaner{
		Store: store, Clients: d, Keys: d, Every: time.Millisecond, Now: func() time.Time { return start.Add(10 * time.Minute) },
		Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	NewWithT(t).Eventually(log.String, 10*time.Second, time.Millisecond).Should(ContainSubstring("removed=1"))
	stop()
	if got := strings.Count(log.String(), errBroken.Error()); got != 3 {
		t.Errorf("got %d lines about failures, want 3:\n%s", got, log)
	}
}
