// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"errors"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// visitor returns a visitor's session that expires after some minutes and is yet to be created.
func (f *fixture) visitor(minutes time.Duration) *sessions.Session {
	s := f.session()
	s.Username, s.UserKind, s.ExpiresAt = "visitor:0123456789abcdef0123", clients.KindVisitor, s.IssuedAt.Add(minutes*time.Minute)
	return s
}

// customer returns somebody else's.
func (f *fixture) customer(minutes time.Duration) *sessions.Session {
	s := f.session()
	s.ExpiresAt = s.IssuedAt.Add(minutes * time.Minute)
	return s
}

// left checks which sessions there are, once those that make room have gone.
func (f *fixture) left(there []*sessions.Session, gone ...*sessions.Session) {
	f.Helper()
	for _, s := range gone {
		f.eventually("a session should make room", func(ctx context.Context) bool {
			_, err := f.here.Get(ctx, s.Owner, s.ID)
			return errors.Is(err, sessions.ErrNotFound)
		})
		f.mustBeGone(s.Owner, s.ID)
	}
	for _, s := range there {
		f.mustBe(f.there, s)
	}
}

func (f *fixture) visitors() {
	const most = 3
	views := 0
	create := func(s *sessions.Session, want error) *sessions.Session {
		f.Helper()
		views++
		f.want("create", f.views()[views%2].Create(f.Context(), s, most), want)
		return s
	}
	customer := create(f.customer(10), nil)
	early, late := create(f.visitor(50), nil), create(f.visitor(40), nil)
	next := f.refreshed(late)
	next.ExpiresAt = late.IssuedAt.Add(60 * time.Minute)
	f.want("refresh", f.here.Replace(f.Context(), next), nil)
	for _, store := range f.views() {
		f.eventually("Standing should tell of the refresh", func(ctx context.Context) bool {
			_, s, err := store.Standing(ctx, next.Owner, "", next.ID)
			return err == nil && s != nil && s.ExpiresAt.Equal(next.ExpiresAt)
		})
	}

	// Of visitors, those that expire first; the customer expires before all of them.
	third := create(f.visitor(70), nil)
	f.left([]*sessions.Session{customer, next, third}, early)
	second := create(f.customer(20), nil)
	f.left([]*sessions.Session{customer, second, third}, next)
	last := create(f.customer(30), nil)
	f.left([]*sessions.Session{customer, second, last}, third)

	// There is nobody left to make room for a visitor, who may try again once there is.
	refused := create(f.visitor(90), sessions.ErrNoRoom)
	f.want("create a visitor's where there is no room", sessions.ErrNoRoom, sessions.ErrUnavailable)
	f.left([]*sessions.Session{customer, second, last}, refused)
	f.want("end", f.here.End(f.Context(), second.Owner, second.ID), nil)
	f.mustBeGone(second.Owner, second.ID)
	again := f.visitor(80)
	f.eventually("there should be room for a visitor", func(ctx context.Context) bool {
		return f.here.Create(ctx, again, most) == nil
	})

	// Visitors' that have ended make no room any more, however they ended.
	f.want("end", f.there.End(f.Context(), again.Owner, again.ID), nil)
	f.mustBeGone(again.Owner, again.ID)
	again = create(f.visitor(80), nil)
	ended, err := f.there.EndUser(f.Context(), f.owner, again.Username, again.UserKind)
	if ended != 1 || err != nil {
		f.Errorf("got %d ended (%v), want the visitor's", ended, err)
	}
	fourth, fifth := create(f.customer(40), nil), create(f.customer(50), nil)
	f.left([]*sessions.Session{last, fourth, fifth}, customer)
	create(f.visitor(90), sessions.ErrNoRoom)
	f.left([]*sessions.Session{last, fourth, fifth})
}
