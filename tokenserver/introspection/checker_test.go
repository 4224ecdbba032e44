// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// counting counts the questions to a store.
type counting struct {
	sessions.Store
	asked int
}

func (c *counting) Standing(ctx context.Context, owner sessions.Owner, tokenID, sessionID string) (bool, *sessions.Session, error) {
	c.asked++
	return c.Store.Standing(ctx, owner, tokenID, sessionID)
}

// a tokenMaker makes the token that a case is about, and whatever has to be there for it to count.
type tokenMaker func(t *testing.T, w *world.World) string

func ofClient(id string) tokenMaker {
	return func(t *testing.T, w *world.World) string {
		t.Helper()
		return w.AccessToken(t, id, nil).Token
	}
}

func ofUser(id string) tokenMaker {
	return func(t *testing.T, w *world.World) string {
		t.Helper()
		access, _, _ := w.Login(t, id, world.Admin)
		return access.Token
	}
}

// ofUserWithoutSession makes what a client without refresh tokens gets.
func ofUserWithoutSession(t *testing.T, w *world.World) string {
	t.Helper()
	return w.AccessToken(t, world.Signed, func(terms *tokens.Terms) {
		terms.User = terms.Client.Users[world.Admin]
		terms.Subject = tokens.SubjectOf(terms.Client, terms.User)
	}).Token
}

func TestCheck(t *testing.T) {
	newPassword, err := passwords.New([]byte("another"))
	if err != nil {
		t.Fatal(err)
	}
	const signed, opaque = world.Signed, world.Opaque
	change := func(id string, change func(*clients.Client)) func(*testing.T, *world.World) {
		return func(_ *testing.T, w *world.World) { w.Change(id, change) }
	}
	tests := []struct {
		name  string
		token tokenMaker
		// then happens after the token was made.
		then func(t *testing.T, w *world.World)
		// wantCause is a part of why the token does not count; empty if it does.
		wantCause string
		// wantAsked is how often the store is asked.
		wantAsked int
	}{
		{name: "a JWT", token: ofClient(signed), wantAsked: 1},
		{name: "an opaque token", token: ofClient(opaque), wantAsked: 1},
		{name: "a user's JWT", token: ofUser(signed), wantAsked: 1},
		{name: "a user's opaque token", token: ofUser(opaque), wantAsked: 1},
		{name: "a user's token without session", token: ofUserWithoutSession, wantAsked: 1},
		{
			name: "junk", token: func(*testing.T, *world.World) string { return "a.b.c" }, wantCause: "invalid",
		},
		{
			name: "a refresh token", wantCause: "invalid",
			token: func(t *testing.T, w *world.World) string {
				t.Helper()
				_, refresh, _ := w.Login(t, signed, world.Admin)
				return refresh.Token
			},
		},
		{
			name: "an expired JWT", token: ofClient(signed), wantCause: "expired",
			then: func(_ *testing.T, w *world.World) { w.Move(10 * time.Minute) },
		},
		{
			name: "an expired opaque token", token: ofClient(opaque), wantCause: "expired",
			then: func(_ *testing.T, w *world.World) { w.Move(10 * time.Minute) },
		},
		{
			name: "a token of a client that was deleted", token: ofClient(signed), wantCause: "does not exist",
			then: func(_ *testing.T, w *world.World) { w.Delete(signed) },
		},
		{
			name: "a token of a client that was deleted and made anew", token: ofClient(opaque), wantCause: "does not exist",
			then: change(opaque, func(c *clients.Client) { c.UID = "another" }),
		},
		{
			name: "a token of a suspended client", token: ofClient(signed), wantCause: "suspended",
			then: change(signed, func(c *clients.Client) { c.Suspended = true }),
		},
		{
			name: "a token from before a revocation", token: ofClient(signed), wantCause: "revoked",
			then: func(_ *testing.T, w *world.World) {
				w.Move(time.Second)
				w.Change(signed, func(c *clients.Client) { c.RevokedBefore = w.Now().Truncate(time.Second) })
			},
		},
		{
			name: "a token from the second of a revocation", token: ofClient(signed), wantAsked: 1,
			then: func(_ *testing.T, w *world.World) {
				w.Change(signed, func(c *clients.Client) { c.RevokedBefore = w.Now().Truncate(time.Second) })
			},
		},
		{
			name: "a token while a revocation lies in the future", token: ofClient(signed), wantCause: "suspended",
			then: func(_ *testing.T, w *world.World) {
				w.Change(signed, func(c *clients.Client) { c.RevokedBefore = w.Now().Add(time.Hour) })
			},
		},
		{
			name: "a token of a user that is gone", token: ofUserWithoutSession, wantCause: "user",
			then: change(signed, func(c *clients.Client) { delete(c.Users, world.Admin) }),
		},
		{
			name: "a token of a user who is an admin no more", token: ofUserWithoutSession, wantCause: "kind",
			then: change(signed, func(c *clients.Client) {
				user := *c.Users[world.Admin]
				user.Kind = "Customer"
				c.Users[world.Admin] = &user
			}),
		},
		{
			name: "a token whose user has another password", token: ofUser(signed), wantCause: "password", wantAsked: 1,
			then: change(signed, func(c *clients.Client) {
				user := *c.Users[world.Admin]
				user.Password = newPassword
				c.Users[world.Admin] = &user
			}),
		},
		{
			name: "a token whose session has ended", wantCause: "session has ended", wantAsked: 1,
			token: func(t *testing.T, w *world.World) string {
				t.Helper()
				access, _, id := w.Login(t, signed, world.Admin)
				client, _ := w.Client(signed)
				if err := w.Store.End(t.Context(), sessions.OwnerOf(client), id); err != nil {
					t.Fatal(err)
				}
				return access.Token
			},
		},
		{
			name: "a token with another user's session", wantCause: "session has ended", wantAsked: 1,
			token: func(t *testing.T, w *world.World) string {
				t.Helper()
				_, _, id := w.Login(t, signed, world.Customer)
				return w.AccessToken(t, signed, func(terms *tokens.Terms) {
					terms.User, terms.SessionID = terms.Client.Users[world.Admin], id
				}).Token
			},
		},
		{
			name: "a token whose session has expired", wantCause: "expired", wantAsked: 1,
			token: func(t *testing.T, w *world.World) string {
				t.Helper()
				w.Change(signed, func(c *clients.Client) { c.RefreshLifetime = 5 * time.Minute })
				return ofUser(signed)(t, w)
			},
			then: func(_ *testing.T, w *world.World) { w.Move(5 * time.Minute) },
		},
		{
			name: "a token that was revoked", wantCause: "it was revoked", wantAsked: 1,
			token: func(t *testing.T, w *world.World) string {
				t.Helper()
				access := w.AccessToken(t, signed, nil)
				client, _ := w.Client(signed)
				if err := w.Store.Spend(t.Context(), sessions.Spent{
					Owner: sessions.OwnerOf(client), Kind: sessions.KindAccessToken, TokenID: access.ID, ExpiresAt: w.Now().Add(time.Hour),
				}); err != nil {
					t.Fatal(err)
				}
				return access.Token
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(t)
			token := tt.token(t, w)
			if tt.then != nil {
				tt.then(t, w)
			}
			store := &counting{Store: w.Store}
			checker := w.Checker()
			checker.Sessions = store
			got, err := checker.Check(t.Context(), token)
			if store.asked != tt.wantAsked {
				t.Errorf("the store was asked %d times, want %d", store.asked, tt.wantAsked)
			}
			if tt.wantCause == "" {
				if err != nil || got.Claims == nil || got.Client == nil || got.Client.ID != got.Claims.ClientID {
					t.Errorf("got %+v (%v), want a token that counts", got, err)
				}
				return
			}
			if !errors.Is(err, introspection.ErrInactive) || got != nil || !strings.Contains(err.Error(), tt.wantCause) {
				t.Errorf("got %+v (%v), want ErrInactive because of %q", got, err, tt.wantCause)
			}
		})
	}
}

func TestCheckWithoutStore(t *testing.T) {
	w := world.New(t)
	checker := w.Checker()
	token := w.AccessToken(t, world.Signed, nil).Token
	repair := w.Store.Break()
	if got, err := checker.Check(t.Context(), token); !errors.Is(err, sessions.ErrUnavailable) || errors.Is(err, introspection.ErrInactive) || got != nil {
		t.Errorf("got %+v (%v), want ErrUnavailable alone", got, err)
	}
	if _, err := checker.Check(t.Context(), "junk"); !errors.Is(err, introspection.ErrInactive) {
		t.Errorf("got %v for junk, want ErrInactive: the store is not needed to tell", err)
	}
	repair()
	if _, err := checker.Check(t.Context(), token); err != nil {
		t.Errorf("got %v once the store is back", err)
	}
}

// otherKeys has keys that the tokens were not made with.
type otherKeys struct {
	signing *signer.Set
	sealing *sealing.Set
}

func (o otherKeys) Keys() *signer.Set         { return o.signing }
func (o otherKeys) SealingKeys() *sealing.Set { return o.sealing }

// TestCheckAfterKeysAreGone checks that tokens count for nothing once the key that made them is no longer there, and that
// a session whose key is gone takes its tokens with it.
func TestCheckAfterKeysAreGone(t *testing.T) {
	w := world.New(t)
	access, _, _ := w.Login(t, world.Signed, world.Admin)
	opaque := w.AccessToken(t, world.Opaque, nil)
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	checker := w.Checker()
	checker.Keys = otherKeys{w.Keys(), sealing.NewSet([]*sealing.Key{key})}
	for name, token := range map[string]string{"a JWT of a session": access.Token, "an opaque token": opaque.Token} {
		if got, err := checker.Check(t.Context(), token); !errors.Is(err, introspection.ErrInactive) {
			t.Errorf("%s: got %+v (%v), want ErrInactive", name, got, err)
		}
	}
	if _, err := checker.Check(t.Context(), w.AccessToken(t, world.Signed, nil).Token); err != nil {
		t.Errorf("got %v for a JWT without session, which needs no sealing key", err)
	}
}

func TestCheckReturnsTheClaims(t *testing.T) {
	w := world.New(t)
	access, _, sessionID := w.Login(t, world.Opaque, world.Admin)
	got, err := w.Checker().Check(t.Context(), access.Token)
	if err != nil {
		t.Fatal(err)
	}
	want := &tokens.Claims{
		Issuer: world.Issuer, Subject: "shop.opaque:zoë", Audience: []string{world.Audience}, ClientID: world.Opaque, Scope: "read write",
		IssuedAt: w.Now().Unix(), NotBefore: w.Now().Unix(), ExpiresAt: w.Now().Unix() + 600, ID: access.ID, SessionID: sessionID,
		Integration: tokens.Integration{Namespace: "shop", Name: "opaque", UID: "uid-of-shop.opaque", Username: "zoë", Kind: "Admin"},
	}
	if diff := cmp.Diff(want, got.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}
