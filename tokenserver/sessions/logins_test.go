// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

var (
	start = time.Unix(1_800_000_000, 0).UTC()
	owner = sessions.Owner{Namespace: "shop", Name: "web", UID: "uid-1"}
)

func digest(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// begun returns a session that Begin has added, whose current token is "first", and what refreshes it.
func begun(t *testing.T, grace time.Duration) (*sessions.Session, *sessions.Logins, *memory, *time.Time) {
	t.Helper()
	store, now := newMemory(), start
	logins := &sessions.Logins{Store: store, Grace: grace, Most: 10, Now: func() time.Time { return now }}
	s := &sessions.Session{
		Owner: owner, ID: sessions.NewID(), ClientID: "shop.web", Username: "alice", UserKind: "Admin", Scopes: []string{"read"},
		IssuedAt: start, ExpiresAt: start.Add(time.Hour), Current: digest("first"), KeyID: "kid",
	}
	if err := logins.Begin(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s, logins, store, &now
}

// refresh presents a token and makes another the current one.
func refresh(ctx context.Context, l *sessions.Logins, id, presented, next string) (*sessions.Session, error) {
	s, err := l.Present(ctx, owner, id, digest(presented))
	if err != nil {
		return nil, err
	}
	successor := *s
	successor.Current, successor.ExpiresAt = digest(next), l.Now().Add(time.Hour)
	if err := l.Rotate(ctx, s, digest(presented), &successor); err != nil {
		return nil, err
	}
	return &successor, nil
}

// mustRefresh is refresh for what has to succeed.
func mustRefresh(t *testing.T, l *sessions.Logins, id, presented, next string) *sessions.Session {
	t.Helper()
	s, err := refresh(t.Context(), l, id, presented, next)
	if err != nil {
		t.Fatalf("refresh with %q: %v", presented, err)
	}
	return s
}

// mustFail presents a token that must not be good for anything.
func mustFail(t *testing.T, l *sessions.Logins, id, presented string, want error) {
	t.Helper()
	if s, err := refresh(t.Context(), l, id, presented, "never"); s != nil || !errors.Is(err, want) {
		t.Errorf("refresh with %q: got %v (%v), want %v", presented, s, err, want)
	}
}

func TestRefreshes(t *testing.T) {
	s, logins, store, now := begun(t, 0)
	*now = now.Add(time.Minute)
	second := mustRefresh(t, logins, s.ID, "first", "second")
	if second.Rotations != 1 || second.Previous != digest("first") || !second.RotatedAt.Equal(*now) || second.Version == s.Version {
		t.Errorf("got %+v, want a session that was refreshed once", second)
	}
	stored, err := store.Get(t.Context(), owner, s.ID)
	if diff := cmp.Diff(second, stored); err != nil || diff != "" {
		t.Errorf("Rotate returned another session than the store has (%v):\n%s", err, diff)
	}
	*now = now.Add(time.Hour - 1)
	mustRefresh(t, logins, s.ID, "second", "third")
	*now = now.Add(time.Hour)
	mustFail(t, logins, s.ID, "third", sessions.ErrExpired)
	mustFail(t, logins, "none", "third", sessions.ErrNotFound)
	if _, err := logins.Present(t.Context(), sessions.Owner{UID: "other"}, s.ID, digest("third")); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("got %v for another owner, want %v", err, sessions.ErrNotFound)
	}
}

func TestATokenThatWasRedeemedEndsTheFamily(t *testing.T) {
	for _, presented := range []string{"first", "second", "never given out"} {
		s, logins, _, now := begun(t, 10*time.Second)
		mustRefresh(t, logins, s.ID, "first", "second")
		*now = now.Add(time.Second)
		mustRefresh(t, logins, s.ID, "second", "third")
		*now = now.Add(10 * time.Second)
		mustFail(t, logins, s.ID, presented, sessions.ErrReused)
		mustFail(t, logins, s.ID, "third", sessions.ErrNotFound)
	}
}

func TestWithoutAGracePeriodALostReplyEndsTheFamily(t *testing.T) {
	s, logins, _, _ := begun(t, 0)
	mustRefresh(t, logins, s.ID, "first", "lost")
	mustFail(t, logins, s.ID, "first", sessions.ErrReused)
	mustFail(t, logins, s.ID, "lost", sessions.ErrNotFound)
}

func TestAReplyThatWasLost(t *testing.T) {
	const grace = 10 * time.Second
	t.Run("gives another successor, and the first is no longer valid", func(t *testing.T) {
		s, logins, _, now := begun(t, grace)
		mustRefresh(t, logins, s.ID, "first", "lost")
		*now = now.Add(grace - 1)
		again := mustRefresh(t, logins, s.ID, "first", "second")
		if again.Rotations != 2 || again.Previous != digest("first") || !again.RotatedAt.Equal(start) {
			t.Errorf("got %+v, want a replay to keep which token is the one before, and since when", again)
		}
		mustFail(t, logins, s.ID, "lost", sessions.ErrReused)
		mustFail(t, logins, s.ID, "second", sessions.ErrNotFound)
	})
	t.Run("does not prolong the period", func(t *testing.T) {
		s, logins, _, now := begun(t, grace)
		mustRefresh(t, logins, s.ID, "first", "lost")
		*now = now.Add(grace - 1)
		mustRefresh(t, logins, s.ID, "first", "lost too")
		*now = now.Add(1)
		mustFail(t, logins, s.ID, "first", sessions.ErrReused)
	})
	t.Run("is over once the successor is redeemed", func(t *testing.T) {
		s, logins, _, _ := begun(t, grace)
		mustRefresh(t, logins, s.ID, "first", "second")
		mustRefresh(t, logins, s.ID, "second", "third")
		mustFail(t, logins, s.ID, "first", sessions.ErrReused)
	})
}

// atOnce redeems a token twice, where both callers were told that it is current before either redeemed it.
func atOnce(t *testing.T, l *sessions.Logins, id, token string) (errs [2]error, issued [2]string) {
	t.Helper()
	var presented [2]*sessions.Session
	for i := range presented {
		s, err := l.Present(t.Context(), owner, id, digest(token))
		if err != nil {
			t.Fatal(err)
		}
		presented[i] = s
	}
	for i, s := range presented {
		next := *s
		issued[i] = fmt.Sprint(token, " ", i)
		next.Current = digest(issued[i])
		errs[i] = l.Rotate(t.Context(), s, digest(token), &next)
	}
	return errs, issued
}

func TestTwoRefreshesWithOneToken(t *testing.T) {
	t.Run("one is given a token, and the other ends the family", func(t *testing.T) {
		s, logins, _, _ := begun(t, 0)
		errs, issued := atOnce(t, logins, s.ID, "first")
		if errs[0] != nil || !errors.Is(errs[1], sessions.ErrReused) {
			t.Errorf("got %v, want success and %v", errs, sessions.ErrReused)
		}
		mustFail(t, logins, s.ID, issued[0], sessions.ErrNotFound)
	})
	t.Run("within the grace period both are given one, of which the last is valid", func(t *testing.T) {
		s, logins, _, _ := begun(t, time.Second)
		errs, issued := atOnce(t, logins, s.ID, "first")
		if errs[0] != nil || errs[1] != nil {
			t.Errorf("got %v, want success twice", errs)
		}
		mustRefresh(t, logins, s.ID, issued[1], "third")
		mustFail(t, logins, s.ID, issued[0], sessions.ErrReused)
	})
	t.Run("from many goroutines, one at most is given a token", func(t *testing.T) {
		s, logins, _, _ := begun(t, 0)
		errs := make([]error, 32)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { _, errs[i] = refresh(t.Context(), logins, s.ID, "first", fmt.Sprint("second ", i)) })
		}
		group.Wait()
		succeeded := 0
		for _, err := range errs {
			switch {
			case err == nil:
				succeeded++
			case !errors.Is(err, sessions.ErrReused) && !errors.Is(err, sessions.ErrNotFound):
				t.Errorf("got %v, want %v or %v", err, sessions.ErrReused, sessions.ErrNotFound)
			}
		}
		if succeeded != 1 {
			t.Errorf("%d were given a token, want 1", succeeded)
		}
		mustFail(t, logins, s.ID, "first", sessions.ErrNotFound)
	})
}

// A session that ended or expired between Present and Rotate gives nothing.
func TestSessionsThatEndDuringARefresh(t *testing.T) {
	s, logins, store, now := begun(t, 0)
	presented, err := logins.Present(t.Context(), owner, s.ID, digest("first"))
	if err != nil {
		t.Fatal(err)
	}
	next := *presented
	next.Current = digest("second")
	*now = now.Add(time.Hour)
	if err := logins.Rotate(t.Context(), presented, digest("first"), &next); !errors.Is(err, sessions.ErrExpired) {
		t.Errorf("got %v, want %v", err, sessions.ErrExpired)
	}
	*now = start
	if err := store.End(t.Context(), owner, s.ID); err != nil {
		t.Fatal(err)
	}
	if err := logins.Rotate(t.Context(), presented, digest("first"), &next); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("got %v, want %v", err, sessions.ErrNotFound)
	}
}

func TestAStoreThatIsAway(t *testing.T) {
	away := func(operations ...string) func(string) error {
		return func(operation string) error {
			if slices.Contains(operations, operation) {
				return fmt.Errorf("%w: %w", sessions.ErrUnavailable, errBroken)
			}
			return nil
		}
	}
	t.Run("a family that cannot be ended gives no token, and ends once the store is back", func(t *testing.T) {
		s, logins, store, _ := begun(t, 0)
		mustRefresh(t, logins, s.ID, "first", "second")
		store.before = away("End")
		mustFail(t, logins, s.ID, "first", sessions.ErrUnavailable)
		store.before = nil
		mustFail(t, logins, s.ID, "first", sessions.ErrReused)
	})
	t.Run("a refresh that was not written leaves the token as good as before", func(t *testing.T) {
		s, logins, store, _ := begun(t, 0)
		for _, operation := range []string{"Get", "Replace"} {
			store.before = away(operation)
			mustFail(t, logins, s.ID, "first", sessions.ErrUnavailable)
		}
		store.before = nil
		mustRefresh(t, logins, s.ID, "first", "second")
	})
	t.Run("a refresh that was written but not answered succeeds", func(t *testing.T) {
		for name, failure := range map[string]error{"no answer": sessions.ErrUnavailable, "a second attempt of the store's": sessions.ErrConflict} {
			s, logins, store, _ := begun(t, 0)
			store.after = func(operation string) error {
				if operation == "Replace" {
					return failure
				}
				return nil
			}
			second := mustRefresh(t, logins, s.ID, "first", "second")
			store.after = nil
			if second.Version == s.Version || second.Rotations != 1 {
				t.Errorf("%s: got %+v, want what the store has", name, second)
			}
			mustRefresh(t, logins, s.ID, "second", "third")
		}
	})
	t.Run("a session that changes under every attempt", func(t *testing.T) {
		s, logins, store, _ := begun(t, 0)
		replaced := 0
		store.before = func(operation string) error {
			if operation == "Replace" {
				replaced++
				return sessions.ErrConflict
			}
			return nil
		}
		mustFail(t, logins, s.ID, "first", sessions.ErrUnavailable)
		if replaced < 2 || replaced > 20 {
			t.Errorf("Rotate tried %d times, want a few", replaced)
		}
	})
	t.Run("a login is not begun", func(t *testing.T) {
		_, logins, store, _ := begun(t, 0)
		store.before = away("Create")
		if err := logins.Begin(t.Context(), &sessions.Session{Owner: owner, ID: sessions.NewID()}); !errors.Is(err, sessions.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, sessions.ErrUnavailable)
		}
	})
}
