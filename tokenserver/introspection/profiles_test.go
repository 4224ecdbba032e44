// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// wantInactive checks that a token does not count, for a cause that holds some words; none means that it counts.
func wantInactive(t *testing.T, c *introspection.Checker, token, words string) {
	t.Helper()
	_, err := c.Check(t.Context(), token)
	switch {
	case words == "" && err != nil:
		t.Errorf("the token does not count: %v", err)
	case words != "" && (!errors.Is(err, introspection.ErrInactive) || !strings.Contains(err.Error(), words)):
		t.Errorf("got %v, want a cause that holds %q", err, words)
	}
}

func TestATokenIsGoodInTheProfileOfItsClient(t *testing.T) {
	w := world.New(t)
	plain := w.AccessToken(t, world.Signed, nil).Token
	w.Change(world.Signed, func(c *clients.Client) { c.Profile, c.Application = clients.ProfileOroCommerce, "BackOffice" })
	profiled := w.AccessToken(t, world.Signed, nil).Token
	wantInactive(t, w.Checker(), plain, "another profile")
	wantInactive(t, w.Checker(), profiled, "")
	w.Change(world.Signed, func(c *clients.Client) { c.Application = "Storefront" })
	wantInactive(t, w.Checker(), profiled, "another application")
	w.Change(world.Signed, func(c *clients.Client) { c.Profile, c.Application = clients.ProfileShopware, "BackOffice" })
	wantInactive(t, w.Checker(), profiled, "another profile")
}

// An access token that is one of a pair dies with its refresh token, and a fresh one counts although a replica has not heard of the
// refresh yet.
func TestAPairDiesTogether(t *testing.T) {
	w := world.New(t)
	_, refresh, sessionID := w.Login(t, world.Signed, world.Admin)
	client, _ := w.Client(world.Signed)
	token := func(r tokens.RefreshToken) string {
		return w.AccessToken(t, world.Signed, func(terms *tokens.Terms) {
			terms.User, terms.SessionID, terms.Pair = client.Users[world.Admin], sessionID, tokens.PairOf(r.Hash)
		}).Token
	}
	w.Change(world.Signed, func(c *clients.Client) { c.Profile = clients.ProfileOroCommerce })
	client, _ = w.Client(world.Signed)
	first := token(refresh)
	wantInactive(t, w.Checker(), first, "")

	owner := sessions.OwnerOf(client)
	before, err := w.Store.Get(t.Context(), owner, sessionID)
	if err != nil {
		t.Fatal(err)
	}
	next := *before
	next.Current = tokens.HashOf("the next refresh token")
	if err := w.Store.Replace(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	second := token(tokens.RefreshToken{Hash: next.Current})
	wantInactive(t, w.Checker(), first, "refreshed since")
	wantInactive(t, w.Checker(), second, "")

	// This replica's informer still has the session from before.
	lagging := w.Checker()
	lagging.Sessions = lag{w.Store, before}
	wantInactive(t, lagging, second, "")
	// What is older than what a replica knows is dead for good, and takes no look at the store, which is away.
	known := next
	known.Previous, known.RotatedAt = refresh.Hash, w.Now()
	lagging.Sessions = lag{w.Store, &known}
	repaired := w.Store.Break()
	wantInactive(t, lagging, first, "refreshed since")
	known.Previous, known.RotatedAt = tokens.HashOf("another"), w.Now().Add(time.Hour)
	wantInactive(t, lagging, first, "refreshed since")
	repaired()
	lagging.Sessions = lag{w.Store, before}
	if err := w.Store.End(t.Context(), owner, sessionID); err != nil {
		t.Fatal(err)
	}
	wantInactive(t, lagging, second, "session has ended")
}

// lag tells of a session as it was.
type lag struct {
	sessions.Store
	session *sessions.Session
}

// Standing implements sessions.Store.
func (l lag) Standing(context.Context, sessions.Owner, string, string) (bool, *sessions.Session, error) {
	return false, l.session, nil
}

// lasting is the client of one lasting token.
type lasting struct {
	token  string
	client func() *clients.Client
}

// LastingClient implements introspection.LastingClients.
func (l lasting) LastingClient(token string) (*clients.Client, bool) {
	if token != l.token {
		return nil, false
	}
	return l.client(), true
}

func TestALastingToken(t *testing.T) {
	const token = "abcdefghijklmnopqrstuvwxyz012345"
	w := world.New(t)
	change := func(change func(*clients.Client)) { w.Change(world.Signed, change) }
	change(func(c *clients.Client) {
		c.Profile, c.Access = clients.ProfileMagento, []clients.Access{{Audience: world.Audience, Scopes: []string{"a", "b"}}, {Audience: "https://b.example", Scopes: []string{"a"}}}
		c.DefaultScopes = []string{"a", "b"}
		c.Lasting = &clients.LastingToken{IssuedAt: w.Now().Truncate(time.Second), Bearer: true}
	})
	checker := w.Checker()
	wantInactive(t, checker, token, "nobody's")
	checker.Lasting = lasting{token, func() *clients.Client { c, _ := w.Client(world.Signed); return c }}
	got, err := checker.Check(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Claims
	if c.ClientID != world.Signed || c.Subject != world.Signed || c.Scope != "a" || len(c.Audience) != 2 || c.ExpiresAt != 0 || c.ID != "" {
		t.Errorf("claims: %+v", c)
	}
	w.Move(10_000 * time.Hour)
	wantInactive(t, checker, token, "")
	wantInactive(t, checker, strings.Repeat("0", 32), "nobody's")
	wantInactive(t, checker, strings.ToUpper(token), "invalid")

	change(func(c *clients.Client) { c.Lasting = &clients.LastingToken{IssuedAt: c.Lasting.IssuedAt} })
	wantInactive(t, checker, token, "may not use it as a bearer token")
	client, _ := w.Client(world.Signed)
	if _, err := checker.LastingToken(client); err != nil {
		t.Errorf("a request that is signed with it: %v", err)
	}
	change(func(c *clients.Client) { c.Lasting.Bearer, c.RevokedBefore = true, c.Lasting.IssuedAt.Add(time.Second) })
	wantInactive(t, checker, token, "revoked")
	change(func(c *clients.Client) { c.Suspended, c.RevokedBefore = true, time.Time{} })
	wantInactive(t, checker, token, "suspended")
	change(func(c *clients.Client) { c.Lasting = nil })
	wantInactive(t, checker, token, "nobody's")
}
