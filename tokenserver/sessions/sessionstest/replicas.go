// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func (f *fixture) standing() {
	spentSoon, endedSoon := 0, 0
	for range 10 {
		s := f.create(f.here, f.session())
		jti := sessions.NewID()
		spent, got, err := f.there.Standing(f.Context(), s.Owner, jti, s.ID)
		if spent || got == nil || err != nil {
			f.Fatalf("right after the session was created: got %t, %v (%v), want the session", spent, got, err)
		}
		f.same(got, s)

		f.want("spend", f.here.Spend(f.Context(), f.spent(sessions.KindAccessToken, jti)), nil)
		if f.soon("the other view should tell that the token is spent", func(ctx context.Context) bool {
			spent, got, err := f.there.Standing(ctx, s.Owner, jti, s.ID)
			return spent && got != nil && err == nil
		}) {
			spentSoon++
		}
		f.want("end", f.here.End(f.Context(), s.Owner, s.ID), nil)
		if f.soon("the other view should tell that the session has ended", func(ctx context.Context) bool {
			spent, got, err := f.there.Standing(ctx, s.Owner, jti, s.ID)
			return spent && got == nil && err == nil
		}) {
			endedSoon++
		}
	}
	// A busy machine may be late now and then; a view that is not told in time is late always.
	if spentSoon == 0 || endedSoon == 0 {
		f.Errorf("%d of 10 tokens and %d of 10 sessions were gone from the other view within %s", spentSoon, endedSoon, lag)
	}
}

func (f *fixture) sweep() {
	now := f.options.Now()
	// Whatever other tests have left goes first.
	if _, err := f.here.Sweep(f.Context(), now.Add(24*time.Hour), nobody); err != nil {
		f.Fatalf("sweep: %v", err)
	}
	live, dead, old := f.create(f.here, f.session()), f.create(f.there, f.session()), f.session()
	old.ExpiresAt = now.Add(time.Minute).Truncate(time.Second)
	f.create(f.there, old)
	short, long := f.spent(sessions.KindAccessToken, sessions.NewID()), f.spent(sessions.KindAccessToken, sessions.NewID())
	short.ExpiresAt = old.ExpiresAt
	for _, spent := range []sessions.Spent{short, long} {
		f.want("spend", f.here.Spend(f.Context(), spent), nil)
	}

	// A view may know of all this a moment later, so a sweep may have to be repeated.
	removed, seen := 0, map[string]*sessions.Session{}
	f.eventually("a session that is dead, one that expired and a token ID that expired should go", func(ctx context.Context) bool {
		n, err := f.here.Sweep(ctx, old.ExpiresAt, func(s *sessions.Session) bool {
			seen[s.ID] = s
			return s.ID == dead.ID
		})
		if err != nil {
			f.Fatalf("sweep: %v", err)
		}
		removed += n
		return removed >= 3 && seen[live.ID] != nil
	})
	for _, s := range []*sessions.Session{dead, live} {
		if diff := cmp.Diff(s, seen[s.ID], cmpopts.EquateEmpty()); diff != "" {
			f.Errorf("what is asked to be dead differs from the session (-want +got):\n%s", diff)
		}
	}
	f.mustBeGone(dead.Owner, dead.ID)
	f.mustBeGone(old.Owner, old.ID)
	f.mustBe(f.there, live)
	if removed != 3 {
		f.Errorf("got %d removed, want 3", removed)
	}
	f.want("spend what has not expired", f.here.Spend(f.Context(), long), sessions.ErrUsed)
	f.eventually("an expired token ID should be forgotten", func(ctx context.Context) bool {
		spent, _, err := f.there.Standing(ctx, f.owner, short.TokenID, "")
		return !spent && err == nil
	})
}

// calls are all methods of a store but Standing, on a session that is there.
func (f *fixture) calls(s *sessions.Session) map[string]func(context.Context, sessions.Store) error {
	created, replaced := f.session(), f.refreshed(s)
	return map[string]func(context.Context, sessions.Store) error{
		"Create": func(ctx context.Context, store sessions.Store) error { return store.Create(ctx, created, 1000) },
		"Get": func(ctx context.Context, store sessions.Store) error {
			_, err := store.Get(ctx, s.Owner, s.ID)
			return err
		},
		"Replace": func(ctx context.Context, store sessions.Store) error { return store.Replace(ctx, replaced) },
		"End":     func(ctx context.Context, store sessions.Store) error { return store.End(ctx, s.Owner, s.ID) },
		"EndUser": callEndUser(s),
		"Spend": func(ctx context.Context, store sessions.Store) error {
			return store.Spend(ctx, f.spent(sessions.KindAccessToken, s.ID))
		},
		"Sweep": func(ctx context.Context, store sessions.Store) error {
			_, err := store.Sweep(ctx, f.options.Now(), func(*sessions.Session) bool { return true })
			return err
		},
	}
}

func (f *fixture) cancelled() {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	s := f.create(f.here, f.session())
	for name, call := range f.calls(s) {
		for _, store := range f.views() {
			f.want(name, f.inTime(name, func() error { return call(ctx, store) }), sessions.ErrUnavailable)
		}
	}
	if _, got, err := f.here.Standing(ctx, s.Owner, s.ID, s.ID); err != nil {
		f.want("Standing", err, sessions.ErrUnavailable)
	} else {
		f.same(got, s)
	}
	f.mustBe(f.there, s)
	f.want("spend", f.there.Spend(f.Context(), f.spent(sessions.KindAccessToken, s.ID)), nil)
}

func (f *fixture) unreachable() {
	s := f.create(f.here, f.session())
	for _, store := range f.views() {
		f.eventually("Standing should know the session", func(ctx context.Context) bool {
			_, got, err := store.Standing(ctx, s.Owner, "", s.ID)
			return err == nil && got != nil
		})
	}
	calls := f.calls(s)
	// An End or a Spend that was not answered may happen all the same once the store is back.
	kept := f.session()
	kept.Username = "another user"
	f.create(f.here, kept)
	repair := f.options.Break(f.T)
	var group sync.WaitGroup
	for _, store := range f.views() {
		for name, call := range calls {
			group.Go(func() {
				f.want(name, f.inTime(name, func() error { return call(f.Context(), store) }), sessions.ErrUnavailable)
			})
		}
		group.Go(func() { f.standingUnreachable(store, s) })
	}
	group.Wait()
	repair()
	for _, store := range f.views() {
		f.eventually("the store should work again", func(ctx context.Context) bool {
			_, err := store.Get(ctx, kept.Owner, kept.ID)
			return err == nil
		})
		f.mustBe(store, kept)
		f.eventually("the store should take writes again", func(ctx context.Context) bool {
			return store.Spend(ctx, f.spent(sessions.KindAccessToken, sessions.NewID())) == nil
		})
		next := f.refreshed(kept)
		f.want("replace", store.Replace(f.Context(), next), nil)
		kept = next
	}
}

// standingUnreachable checks Standing while the store cannot be reached.
func (f *fixture) standingUnreachable(store sessions.Store, s *sessions.Session) {
	f.Helper()
	unknown := f.inTime("Standing", func() error {
		_, _, err := store.Standing(f.Context(), s.Owner, "", sessions.NewID())
		return err
	})
	f.want("Standing of a session that is not known", unknown, sessions.ErrUnavailable)
	known := f.inTime("Standing", func() error {
		_, got, err := store.Standing(f.Context(), s.Owner, "", s.ID)
		if err == nil && (got == nil || got.Current != s.Current) {
			f.Errorf("standing: got %v, want the session or an error", got)
		}
		return err
	})
	if known != nil || !f.options.StandingFromMemory {
		f.want("Standing of a session that is known", known, sessions.ErrUnavailable)
	}
}

// inTime returns the error of a call, and fails the test if it takes longer than a store may.
func (f *fixture) inTime(name string, call func() error) error {
	f.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	expired := time.NewTimer(answer)
	defer expired.Stop()
	select {
	case err := <-done:
		return err
	case <-expired.C:
		f.Errorf("%s takes longer than %s", name, answer)
		return errors.New("no answer in time")
	}
}
