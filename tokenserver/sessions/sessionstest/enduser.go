// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"sync"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// endUser ends a user's sessions at a view, and checks how many there were.
func (f *fixture) endUser(store sessions.Store, s *sessions.Session, want int) {
	f.Helper()
	got, err := store.EndUser(f.Context(), s.Owner, s.Username, s.UserKind)
	if got != want || err != nil {
		f.Errorf("end the sessions of %q: got %d (%v), want %d", s.Username, got, err, want)
	}
}

// theirs adds some sessions of one user, in turn at both views.
func (f *fixture) theirs(count int) []*sessions.Session {
	f.Helper()
	made := make([]*sessions.Session, count)
	for i := range made {
		made[i] = f.create(f.views()[i%2], f.session())
	}
	return made
}

func (f *fixture) endUserEverywhere() {
	others := f.othersSessions()
	theirs := f.theirs(5)
	theirs[1] = f.refreshed(theirs[1])
	f.want("refresh", f.here.Replace(f.Context(), theirs[1]), nil)
	f.want("end", f.there.End(f.Context(), f.owner, theirs[4].ID), nil)

	// Right after they were made, the other view may have heard of none of them.
	f.endUser(f.there, theirs[0], 4)
	for _, s := range theirs {
		f.mustBeGone(s.Owner, s.ID)
	}
	f.want("replace what has ended", f.here.Replace(f.Context(), f.refreshed(theirs[1])), sessions.ErrNotFound)
	f.endUser(f.here, theirs[0], 0)
	for name, s := range others {
		if _, err := f.there.Get(f.Context(), s.Owner, s.ID); err != nil {
			f.Errorf("the session of %s: %v, want it", name, err)
		}
		if _, got, err := f.here.Standing(f.Context(), s.Owner, "", s.ID); got == nil || err != nil {
			f.Errorf("standing of the session of %s: got %v (%v), want the session", name, got, err)
		}
	}

	// The user may log in again.
	again := f.create(f.here, f.session())
	for _, store := range f.views() {
		f.mustBe(store, again)
		_, got, err := store.Standing(f.Context(), again.Owner, "", again.ID)
		if got == nil || err != nil {
			f.Errorf("standing after another login: got %v (%v), want the session", got, err)
		}
	}
	f.endUser(f.there, again, 1)
}

// othersSessions adds sessions that are not those of the user of f.session, by whose they are.
func (f *fixture) othersSessions() map[string]*sessions.Session {
	f.Helper()
	elsewhere := f.newNamespace()
	others := map[string]*sessions.Session{}
	for name, edit := range map[string]func(*sessions.Session){
		"another user":                  func(s *sessions.Session) { s.Username = "bob" },
		"a user whose name begins so":   func(s *sessions.Session) { s.Username += "x" },
		"a user in other letters":       func(s *sessions.Session) { s.Username = "ÄLICE@example.org" },
		"a user of another kind":        func(s *sessions.Session) { s.UserKind = "Admin" },
		"the user, of another UID":      func(s *sessions.Session) { s.Owner.UID = sessions.NewID() },
		"the user, of another name":     func(s *sessions.Session) { s.Owner.Name = "shop-2" },
		"the user, of another place":    func(s *sessions.Session) { s.Owner.Namespace = elsewhere },
		"a user that is called a glob":  func(s *sessions.Session) { s.Username = "*" },
		"a user that is called a space": func(s *sessions.Session) { s.Username = " " },
	} {
		others[name] = f.session()
		edit(others[name])
		f.create(f.here, others[name])
	}
	return others
}

func (f *fixture) endUserWhileRefreshed() {
	for range 5 {
		theirs := f.theirs(4)
		var group sync.WaitGroup
		for i, s := range theirs {
			next := f.refreshed(s)
			group.Go(func() {
				if err := f.views()[i%2].Replace(f.Context(), next); err != nil {
					f.want("replace", err, sessions.ErrNotFound)
				}
			})
		}
		group.Go(func() { f.endUser(f.there, theirs[0], len(theirs)) })
		group.Wait()
		for _, s := range theirs {
			f.mustBeGone(s.Owner, s.ID)
		}
	}
}

func (f *fixture) endUserConcurrently() {
	for range 5 {
		theirs := f.theirs(8)
		counts := make([]int, 6)
		var group sync.WaitGroup
		for i := range counts {
			group.Go(func() {
				var err error
				counts[i], err = f.views()[i%2].EndUser(f.Context(), f.owner, theirs[0].Username, theirs[0].UserKind)
				f.want("end a user's sessions", err, nil)
			})
		}
		group.Wait()
		ended := 0
		for _, count := range counts {
			ended += count
		}
		if ended != len(theirs) {
			f.Errorf("%d sessions were counted as ended, want each of the %d once", ended, len(theirs))
		}
		for _, s := range theirs {
			f.mustBeGone(s.Owner, s.ID)
		}
	}
}

// callEndUser ends the sessions of a session's user.
func callEndUser(s *sessions.Session) func(context.Context, sessions.Store) error {
	return func(ctx context.Context, store sessions.Store) error {
		_, err := store.EndUser(ctx, s.Owner, s.Username, s.UserKind)
		return err
	}
}
