// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	// lag is how long a view may take to tell of a revocation that another made, but for a machine that has no time for it now and then, and
	// patience how long anything may.
	lag, patience = time.Second, 10 * time.Second
	// answer is how long a store may take when it cannot answer, with room for a busy machine.
	answer = 5 * time.Second
	// poll is how often a condition is looked at.
	poll = 5 * time.Millisecond
)

// Options are what the suite has to know of a store.
type Options struct {
	// Now is the clock that the store goes by, near enough.
	Now func() time.Time
	// MostSpent is how many spent token IDs of one kind the opened stores allow an owner. A few dozens do.
	MostSpent int
	// NewNamespace returns the name of a namespace that is there and that nothing else uses; nil makes one up.
	NewNamespace func(t *testing.T) string
	// Break makes the store unreachable and returns what repairs it. Sessions must outlive both.
	Break func(t *testing.T) (repair func())
	// StandingFromMemory says that Standing knows what it has seen while the store is unreachable. What it has not seen is then
	// ErrUnavailable as everywhere else.
	StandingFromMemory bool
}

// Run checks a store. The function open returns two views of one store, as two replicas have them; it is called for each subtest
// and may return the same views again.
func Run(t *testing.T, open func(t *testing.T) []sessions.Store, o Options) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"a session comes back as it was written", (*fixture).roundTrip},
		{"a session that is not there", (*fixture).notFound},
		{"a session is replaced from the version that was read", (*fixture).replace},
		{"one of many concurrent replacements wins", (*fixture).replaceConcurrently},
		{"a session that ends while it is replaced does not come back", (*fixture).endWhileReplaced},
		{"ending twice is ending", (*fixture).end},
		{"all sessions of a user end and nobody else's", (*fixture).endUserEverywhere},
		{"a user's session that is refreshed while they all end does not come back", (*fixture).endUserWhileRefreshed},
		{"of many that end a user's sessions at once each is counted by one", (*fixture).endUserConcurrently},
		{"a token ID is spent once", (*fixture).spend},
		{"hostile token IDs and session IDs", (*fixture).hostileIDs},
		{"one of many concurrent calls spends a token ID", (*fixture).spendConcurrently},
		{"an owner has room for so many spent token IDs of each kind", (*fixture).spendTooMany},
		{"every view tells of what another wrote", (*fixture).standing},
		{"the sessions that expire first make room", (*fixture).most},
		{"visitors make room first, and nobody for them", (*fixture).visitors},
		{"owners share nothing", (*fixture).owners},
		{"a sweep removes what expired and what is dead", (*fixture).sweep},
		{"a caller that has gone", (*fixture).cancelled},
		{"a store that cannot be reached", (*fixture).unreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			views := open(t)
			if len(views) != 2 {
				t.Fatalf("open returned %d views, want 2", len(views))
			}
			f := &fixture{T: t, here: views[0], there: views[1], options: o}
			f.namespace = f.newNamespace()
			f.owner = sessions.Owner{Namespace: f.namespace, Name: "shop", UID: sessions.NewID()}
			test.run(f)
		})
	}
}

// A fixture is one subtest with its two views.
type fixture struct {
	*testing.T
	here, there sessions.Store
	options     Options
	namespace   string
	owner       sessions.Owner
}

func (f *fixture) newNamespace() string {
	f.Helper()
	if f.options.NewNamespace != nil {
		return f.options.NewNamespace(f.T)
	}
	return "ns-" + sessions.NewID()
}

// session returns a session that is yet to be created.
func (f *fixture) session() *sessions.Session {
	now := f.options.Now().UTC().Truncate(time.Second)
	return &sessions.Session{
		Owner: f.owner, ID: sessions.NewID(), ClientID: "shop.web", Username: "älice@example.org", UserKind: "Customer",
		Audiences: []string{"https://orders.example", "https://billing.example"}, Scopes: []string{"orders.read", "orders.write"},
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Current: digest(), KeyID: "kid-1", Fingerprint: digest(),
	}
}

// refreshed returns a session as its next refresh leaves it.
func (f *fixture) refreshed(s *sessions.Session) *sessions.Session {
	next := *s
	next.Previous, next.Current, next.Fingerprint, next.KeyID = s.Current, digest(), digest(), "kid-2"
	next.RotatedAt = f.options.Now().UTC().Truncate(time.Microsecond)
	next.Rotations++
	next.ExpiresAt = s.ExpiresAt.Add(time.Minute)
	return &next
}

// digest returns one that is like no other.
func digest() [sha256.Size]byte { return sha256.Sum256([]byte(rand.Text())) }

// create adds a session at a view.
func (f *fixture) create(store sessions.Store, s *sessions.Session) *sessions.Session {
	f.Helper()
	if err := store.Create(f.Context(), s, 1000); err != nil {
		f.Fatalf("create: %v", err)
	}
	return s
}

// spent returns a token ID of the owner's that is yet to be spent.
func (f *fixture) spent(kind, tokenID string) sessions.Spent {
	return sessions.Spent{Owner: f.owner, Kind: kind, TokenID: tokenID, ExpiresAt: f.options.Now().Add(time.Hour).Truncate(time.Second)}
}

// mustBe checks that a view has a session as it should be.
func (f *fixture) mustBe(store sessions.Store, want *sessions.Session) {
	f.Helper()
	got, err := store.Get(f.Context(), want.Owner, want.ID)
	if err != nil {
		f.Fatalf("get: %v", err)
	}
	f.same(got, want)
}

// same checks that a session is another one, where no list is the same as an empty one.
func (f *fixture) same(got, want *sessions.Session) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Errorf("the session differs (-want +got):\n%s", diff)
	}
}

// mustBeGone checks that both views say that a session is not there, and that Standing comes to say so.
func (f *fixture) mustBeGone(owner sessions.Owner, id string) {
	f.Helper()
	for _, store := range f.views() {
		if s, err := store.Get(f.Context(), owner, id); s != nil || !errors.Is(err, sessions.ErrNotFound) {
			f.Errorf("get: got %v (%v), want %v", s, err, sessions.ErrNotFound)
		}
		f.eventually("Standing should say that the session has ended", func(ctx context.Context) bool {
			_, s, err := store.Standing(ctx, owner, "no-such-token", id)
			return err == nil && s == nil
		})
	}
}

func (f *fixture) views() []sessions.Store { return []sessions.Store{f.here, f.there} }

// want checks the error of a call.
func (f *fixture) want(what string, got, want error) {
	f.Helper()
	if !errors.Is(got, want) {
		f.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// eventually fails the test unless a condition comes to hold.
func (f *fixture) eventually(what string, holds func(context.Context) bool) {
	f.Helper()
	if !f.within(patience, holds) {
		f.Fatalf("%s within %s", what, patience)
	}
}

// within reports whether a condition holds before the limit.
func (f *fixture) within(limit time.Duration, holds func(context.Context) bool) bool {
	expired := time.NewTimer(limit)
	defer expired.Stop()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for !holds(f.Context()) {
		select {
		case <-expired.C:
			// What became true while this was waiting for its turn is true.
			return holds(f.Context())
		case <-ticker.C:
		}
	}
	return true
}

// soon fails the test unless a condition comes to hold, and reports whether it did so within the lag.
func (f *fixture) soon(what string, holds func(context.Context) bool) bool {
	f.Helper()
	if f.within(lag, holds) {
		return true
	}
	f.eventually(what, holds)
	return false
}

// hostile are token IDs as a client may make them up, and session IDs that no NewID makes.
func hostile() map[string]string {
	return map[string]string{
		"empty": "", "64 KiB": strings.Repeat("x", 64<<10), "64 KiB and one more": strings.Repeat("x", 64<<10) + "y", "NUL": "a\x00b", "other NUL": "a\x00c",
		"slashes": "../../api/v1/secrets", "one slash": "/", "dots": "..", "unicode": "ключ-鍵-🔑", "not UTF-8": "\xff\xfe", "upper case": "ABC", "lower case": "abc",
		"line breaks": "a\r\nDEL b\r\n", "spaces": "a b", "glob": "*", "colons": "a:b:c", "percent": "%2e%2e%2f", "quotes": `"'` + "`",
	}
}
