// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"errors"
	"sync"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func (f *fixture) spend() {
	jti := sessions.NewID()
	// An access token's comes last: until then Standing must not say that it is spent.
	for _, kind := range []string{sessions.KindClientAssertion, sessions.KindOneTimeCode, sessions.KindNonce, sessions.KindAccessToken} {
		spent, _, err := f.here.Standing(f.Context(), f.owner, jti, "")
		if spent || err != nil {
			f.Errorf("before the access token's ID is spent: got %t (%v), want false", spent, err)
		}
		f.want("spend "+kind, f.here.Spend(f.Context(), f.spent(kind, jti)), nil)
		for _, store := range f.views() {
			f.want("spend again "+kind, store.Spend(f.Context(), f.spent(kind, jti)), sessions.ErrUsed)
		}
	}
	for _, store := range f.views() {
		f.eventually("Standing should say that the token is spent", func(ctx context.Context) bool {
			spent, s, err := store.Standing(ctx, f.owner, jti, "")
			return spent && s == nil && err == nil
		})
		if spent, _, err := store.Standing(f.Context(), f.owner, jti+"x", ""); spent || err != nil {
			f.Errorf("of another token: got %t (%v), want false", spent, err)
		}
	}
}

func (f *fixture) hostileIDs() {
	for name, id := range hostile() {
		f.want(name+": spend", f.here.Spend(f.Context(), f.spent(sessions.KindClientAssertion, id)), nil)
		f.want(name+": spend again", f.there.Spend(f.Context(), f.spent(sessions.KindClientAssertion, id)), sessions.ErrUsed)
		if spent, _, err := f.there.Standing(f.Context(), f.owner, id, ""); spent || err != nil {
			f.Errorf("%s: standing of an access token: got %t (%v), want false", name, spent, err)
		}

		if s, err := f.here.Get(f.Context(), f.owner, id); s != nil || !errors.Is(err, sessions.ErrNotFound) {
			f.Errorf("%s: get: got %v (%v), want %v", name, s, err, sessions.ErrNotFound)
		}
		if _, s, err := f.here.Standing(f.Context(), f.owner, "", id); s != nil || err != nil {
			f.Errorf("%s: standing of a session: got %v (%v), want none", name, s, err)
		}
		f.want(name+": end", f.here.End(f.Context(), f.owner, id), nil)
		s := f.session()
		s.ID, s.Version = id, "1"
		f.want(name+": replace", f.here.Replace(f.Context(), s), sessions.ErrNotFound)
	}
}

func (f *fixture) spendConcurrently() {
	for range 5 {
		jti := sessions.NewID()
		errs := make([]error, 16)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = f.views()[i%2].Spend(f.Context(), f.spent(sessions.KindClientAssertion, jti)) })
		}
		group.Wait()
		succeeded := 0
		for _, err := range errs {
			switch {
			case err == nil:
				succeeded++
			case !errors.Is(err, sessions.ErrUsed):
				f.Errorf("got %v, want %v", err, sessions.ErrUsed)
			}
		}
		if succeeded != 1 {
			f.Fatalf("%d concurrent calls spent one token ID, want 1", succeeded)
		}
	}
}

func (f *fixture) spendTooMany() {
	most := f.options.MostSpent
	kinds := []string{sessions.KindClientAssertion, sessions.KindAccessToken}
	spend := func(ctx context.Context, kind string) error {
		return f.here.Spend(ctx, f.spent(kind, sessions.NewID()))
	}
	for _, kind := range kinds {
		// One kind does not take the room of the other.
		for i := range most {
			if err := spend(f.Context(), kind); err != nil {
				f.Fatalf("spend %s %d of %d: %v", kind, i+1, most, err)
			}
		}
		// A store may count with the lag of its memory, which ends.
		f.eventually("the owner should be full", func(ctx context.Context) bool {
			return errors.Is(spend(ctx, kind), sessions.ErrFull)
		})
	}
	other := f.spent(sessions.KindAccessToken, sessions.NewID())
	other.Owner.UID = sessions.NewID()
	f.want("another owner", f.here.Spend(f.Context(), other), nil)

	after := other.ExpiresAt.Add(1)
	f.eventually("there should be room once the token IDs have expired", func(ctx context.Context) bool {
		if _, err := f.there.Sweep(ctx, after, nobody); err != nil {
			f.Fatalf("sweep: %v", err)
		}
		return spend(ctx, kinds[0]) == nil && spend(ctx, kinds[1]) == nil
	})
}

// nobody is dead.
func nobody(*sessions.Session) bool { return false }
