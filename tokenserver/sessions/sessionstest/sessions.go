// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func (f *fixture) roundTrip() {
	full := f.session()
	bare := f.session()
	bare.Audiences, bare.Scopes, bare.UserKind, bare.Username = nil, nil, "Admin", "a"
	bare.Current = [sha256.Size]byte{} // A login without refresh tokens.
	visiting := f.session()
	visiting.UserKind, visiting.Username = "Visitor", "visitor:0123456789abcdef0123"
	for _, s := range []*sessions.Session{full, bare, visiting} {
		f.create(f.here, s)
		if s.Version == "" {
			f.Error("Create left Version empty")
		}
		for _, store := range f.views() {
			f.mustBe(store, s)
		}
		next := f.refreshed(s)
		if err := f.there.Replace(f.Context(), next); err != nil {
			f.Fatalf("replace: %v", err)
		}
		if next.Version == "" || next.Version == s.Version {
			f.Errorf("Replace left Version at %q after %q", next.Version, s.Version)
		}
		for _, store := range f.views() {
			f.mustBe(store, next)
			f.eventually("Standing should tell of the refresh", func(ctx context.Context) bool {
				_, got, err := store.Standing(ctx, s.Owner, "", s.ID)
				return err == nil && got != nil && got.Current == next.Current
			})
			_, got, err := store.Standing(f.Context(), s.Owner, "", s.ID)
			if err != nil || got == nil {
				f.Fatalf("standing: got %v (%v), want the session", got, err)
			}
			f.same(got, next)
		}
	}

	mine, err := f.here.Get(f.Context(), full.Owner, full.ID)
	if err != nil {
		f.Fatal(err)
	}
	mine.Scopes[0], mine.Audiences[0] = "all", "all"
	again, err := f.here.Get(f.Context(), full.Owner, full.ID)
	if err != nil || again.Scopes[0] == "all" || again.Audiences[0] == "all" {
		f.Errorf("got %v (%v), want a session that no other caller changed", again, err)
	}
}

func (f *fixture) notFound() {
	s := f.session()
	f.mustBeGone(s.Owner, s.ID)
	s.Version = "1"
	f.want("replace", f.here.Replace(f.Context(), s), sessions.ErrNotFound)
	f.want("end", f.here.End(f.Context(), s.Owner, s.ID), nil)
	f.mustBeGone(s.Owner, s.ID)
}

func (f *fixture) replace() {
	s := f.create(f.here, f.session())
	first, second := f.refreshed(s), f.refreshed(s)
	f.want("the first replacement", f.there.Replace(f.Context(), first), nil)
	f.want("another from the same version", f.here.Replace(f.Context(), second), sessions.ErrConflict)
	f.mustBe(f.here, first)
	third := f.refreshed(first)
	f.want("the next from what was replaced", f.here.Replace(f.Context(), third), nil)
	f.want("one from two versions ago", f.there.Replace(f.Context(), second), sessions.ErrConflict)
	f.mustBe(f.there, third)
}

func (f *fixture) replaceConcurrently() {
	s := f.create(f.here, f.session())
	for range 5 {
		candidates := make([]*sessions.Session, 16)
		errs := make([]error, len(candidates))
		var group sync.WaitGroup
		for i := range candidates {
			candidates[i] = f.refreshed(s)
			group.Go(func() { errs[i] = f.views()[i%2].Replace(f.Context(), candidates[i]) })
		}
		group.Wait()
		var winners []*sessions.Session
		for i, err := range errs {
			switch {
			case err == nil:
				winners = append(winners, candidates[i])
			case !errors.Is(err, sessions.ErrConflict):
				f.Errorf("got %v, want %v", err, sessions.ErrConflict)
			}
		}
		if len(winners) != 1 {
			f.Fatalf("%d concurrent replacements succeeded, want 1", len(winners))
		}
		s = winners[0]
		f.mustBe(f.here, s)
		f.mustBe(f.there, s)
	}
}

func (f *fixture) endWhileReplaced() {
	for range 10 {
		s := f.create(f.here, f.session())
		next := f.refreshed(s)
		var group sync.WaitGroup
		var ended, replaced error
		group.Go(func() { ended = f.here.End(f.Context(), s.Owner, s.ID) })
		group.Go(func() { replaced = f.there.Replace(f.Context(), next) })
		group.Wait()
		f.want("end", ended, nil)
		if replaced != nil {
			f.want("replace", replaced, sessions.ErrNotFound)
		}
		f.mustBeGone(s.Owner, s.ID)
	}
}

func (f *fixture) end() {
	s, other := f.create(f.here, f.session()), f.create(f.here, f.session())
	for range 2 {
		f.want("end", f.there.End(f.Context(), s.Owner, s.ID), nil)
		f.mustBeGone(s.Owner, s.ID)
	}
	f.want("replace what has ended", f.here.Replace(f.Context(), f.refreshed(s)), sessions.ErrNotFound)
	f.mustBeGone(s.Owner, s.ID)
	f.mustBe(f.here, other)
}

func (f *fixture) most() {
	const most = 3
	soon := f.session()
	// Made in an order that is neither that of their age nor the other way round.
	expiries := []time.Duration{40, 20, 30, 50, 10}
	made := make([]*sessions.Session, len(expiries))
	for i, minutes := range expiries {
		made[i] = f.session()
		made[i].ExpiresAt = soon.IssuedAt.Add(minutes * time.Minute)
		if err := f.views()[i%2].Create(f.Context(), made[i], most); err != nil {
			f.Fatalf("create session %d: %v", i, err)
		}
		// The fourth makes the one of 20 minutes go, and the fifth, which is new, that of 30.
		gone := map[int][]int{3: {1}, 4: {1, 2}}[i]
		for j, s := range made[:i+1] {
			if slices.Contains(gone, j) {
				f.eventually("a session should make room", func(ctx context.Context) bool {
					_, err := f.here.Get(ctx, s.Owner, s.ID)
					return errors.Is(err, sessions.ErrNotFound)
				})
				f.mustBeGone(s.Owner, s.ID)
				continue
			}
			f.mustBe(f.there, s)
		}
	}

	// A refreshed session expires later than those that are not.
	next := f.refreshed(made[4])
	next.ExpiresAt = soon.IssuedAt.Add(90 * time.Minute)
	f.want("refresh", f.here.Replace(f.Context(), next), nil)
	last := f.session()
	f.eventually("the owner should count on both views", func(ctx context.Context) bool {
		_, s, err := f.there.Standing(ctx, next.Owner, "", next.ID)
		return err == nil && s != nil && s.ExpiresAt.Equal(next.ExpiresAt)
	})
	f.want("create", f.there.Create(f.Context(), last, most), nil)
	f.eventually("the session that expires first should make room", func(ctx context.Context) bool {
		_, err := f.here.Get(ctx, made[0].Owner, made[0].ID)
		return errors.Is(err, sessions.ErrNotFound)
	})
	for _, s := range []*sessions.Session{made[3], next, last} {
		f.mustBe(f.here, s)
	}
}

func (f *fixture) owners() {
	mine := f.create(f.here, f.session())
	jti := sessions.NewID()
	f.want("spend", f.here.Spend(f.Context(), f.spent(sessions.KindAccessToken, jti)), nil)
	otherUID, otherName, otherNamespace := f.owner, f.owner, f.owner
	otherUID.UID, otherName.Name, otherNamespace.Namespace = sessions.NewID(), "shop-2", f.newNamespace()
	for name, owner := range map[string]sessions.Owner{
		"another UID": otherUID, "another name": otherName, "another namespace": otherNamespace,
	} {
		if s, err := f.there.Get(f.Context(), owner, mine.ID); !errors.Is(err, sessions.ErrNotFound) {
			f.Errorf("%s: get: got %v (%v), want %v", name, s, err, sessions.ErrNotFound)
		}
		foreign := f.refreshed(mine)
		foreign.Owner = owner
		f.want(name+": replace", f.there.Replace(f.Context(), foreign), sessions.ErrNotFound)
		f.want(name+": end", f.there.End(f.Context(), owner, mine.ID), nil)
		spent, s, err := f.there.Standing(f.Context(), owner, jti, mine.ID)
		if spent || s != nil || err != nil {
			f.Errorf("%s: standing: got %t, %v (%v), want nothing", name, spent, s, err)
		}
		other := f.spent(sessions.KindAccessToken, jti)
		other.Owner = owner
		f.want(name+": spend", f.there.Spend(f.Context(), other), nil)
		theirs := f.session()
		theirs.Owner = owner
		f.want(name+": create", f.there.Create(f.Context(), theirs, 1), nil)
		f.mustBe(f.here, theirs)
		f.mustBe(f.there, mine)
	}
}
