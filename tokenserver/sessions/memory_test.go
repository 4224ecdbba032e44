// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions_test

import (
	"context"
	"errors"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
)

var errBroken = errors.New("broken for a test")

// A memory is a store that can fail before or after it does what it is asked for.
type memory struct {
	*sessionstest.Memory
	// before and after, where they are set, return the error of an operation instead of doing it or in spite of having done it.
	before, after func(operation string) error
}

func newMemory() *memory { return &memory{Memory: sessionstest.NewMemory()} }

// do runs an operation, unless it is to fail.
func (m *memory) do(operation string, f func() error) error {
	if m.before != nil {
		if err := m.before(operation); err != nil {
			return err
		}
	}
	if err := f(); err != nil || m.after == nil {
		return err
	}
	return m.after(operation)
}

func (m *memory) Create(ctx context.Context, s *sessions.Session, most int) error {
	return m.do("Create", func() error { return m.Memory.Create(ctx, s, most) })
}

func (m *memory) Get(ctx context.Context, owner sessions.Owner, id string) (s *sessions.Session, err error) {
	err = m.do("Get", func() error {
		s, err = m.Memory.Get(ctx, owner, id)
		return err
	})
	return s, err
}

func (m *memory) Replace(ctx context.Context, s *sessions.Session) error {
	return m.do("Replace", func() error { return m.Memory.Replace(ctx, s) })
}

func (m *memory) End(ctx context.Context, owner sessions.Owner, id string) error {
	return m.do("End", func() error { return m.Memory.End(ctx, owner, id) })
}

func (m *memory) Sweep(ctx context.Context, now time.Time, dead func(*sessions.Session) bool) (removed int, err error) {
	err = m.do("Sweep", func() error {
		removed, err = m.Memory.Sweep(ctx, now, dead)
		return err
	})
	return removed, err
}
