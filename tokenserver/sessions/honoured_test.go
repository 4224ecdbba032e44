// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func newKey(t *testing.T) *sealing.Key {
	t.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	key.Active = true
	return key
}

func newUser(t *testing.T, name, password string) *clients.User {
	t.Helper()
	p, err := passwords.New([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return &clients.User{Name: name, Kind: "Admin", Password: p}
}

// newClient returns a client with the users alice and bob, who have one password.
func newClient(t *testing.T) *clients.Client {
	t.Helper()
	return &clients.Client{
		ID: "shop.web", Namespace: owner.Namespace, Name: owner.Name, UID: owner.UID,
		Users: map[string]*clients.User{"alice": newUser(t, "alice", "open sesame"), "bob": newUser(t, "bob", "open sesame")},
	}
}

// loggedIn returns a session of alice's that began at start and expires an hour later.
func loggedIn(c *clients.Client, key *sealing.Key) *sessions.Session {
	return &sessions.Session{
		Owner: sessions.OwnerOf(c), ID: sessions.NewID(), ClientID: c.ID, Username: "alice", UserKind: "Admin", IssuedAt: start,
		ExpiresAt: start.Add(time.Hour), Current: digest("first"), KeyID: key.ID,
		Fingerprint: sessions.Fingerprint(key, sessions.OwnerOf(c), c.Users["alice"]),
	}
}

// visiting returns a session of a visitor's like that of loggedIn.
func visiting(t *testing.T, c *clients.Client, key *sealing.Key, name string) *sessions.Session {
	t.Helper()
	visitor, ok := c.User(name)
	if !ok {
		t.Fatalf("%q is no visitor of the client", name)
	}
	s := loggedIn(c, key)
	s.Username, s.UserKind, s.Fingerprint = name, clients.KindVisitor, sessions.Fingerprint(key, s.Owner, visitor)
	return s
}

func TestHonoured(t *testing.T) {
	key, other := newKey(t), newKey(t)
	tests := []struct {
		name string
		edit func(*sessions.Session, *clients.Client)
		keys []*sealing.Key
		now  time.Time
		// want is part of the reason; empty for none.
		want string
	}{
		{name: "as it began"},
		{name: "a moment before it expires", now: start.Add(time.Hour - 1)},
		{name: "when it expires", now: start.Add(time.Hour), want: "expired"},
		{name: "another namespace", edit: func(_ *sessions.Session, c *clients.Client) { c.Namespace = "other" }, want: "another client's"},
		{name: "another Integration", edit: func(_ *sessions.Session, c *clients.Client) { c.Name = "other" }, want: "another client's"},
		{name: "an Integration that was made anew", edit: func(_ *sessions.Session, c *clients.Client) { c.UID = "uid-2" }, want: "another client's"},
		{name: "another client ID", edit: func(_ *sessions.Session, c *clients.Client) { c.ID = "shop.other" }, want: "another client's"},
		{name: "a suspended client", edit: func(_ *sessions.Session, c *clients.Client) { c.Suspended = true }},
		{name: "what was issued before the login is revoked", edit: func(_ *sessions.Session, c *clients.Client) { c.RevokedBefore = start }},
		{
			name: "what was issued at the login is revoked", edit: func(_ *sessions.Session, c *clients.Client) { c.RevokedBefore = start.Add(time.Second) },
			want: "revoked",
		},
		{name: "a user who is gone", edit: func(_ *sessions.Session, c *clients.Client) { delete(c.Users, "alice") }, want: "may not log in"},
		{
			name: "a user who is something else", edit: func(_ *sessions.Session, c *clients.Client) { c.Users["alice"].Kind = "Customer" },
			want: "another kind",
		},
		{
			name: "a client that users of another kind may log in to", edit: func(_ *sessions.Session, c *clients.Client) { c.UserKind = "Customer" },
			want: "may not log in",
		},
		{name: "a client that only users of the kind may log in to", edit: func(_ *sessions.Session, c *clients.Client) { c.UserKind = "Admin" }},
		{name: "a login without refresh tokens", edit: func(s *sessions.Session, _ *clients.Client) { s.Current = [32]byte{} }},
		{
			name: "another password", edit: func(_ *sessions.Session, c *clients.Client) { c.Users["alice"] = newUser(t, "alice", "open says me") },
			want: "password",
		},
		{
			name: "the same password written again", edit: func(_ *sessions.Session, c *clients.Client) { c.Users["alice"] = newUser(t, "alice", "open sesame") },
		},
		{name: "another user with the same password", edit: func(s *sessions.Session, _ *clients.Client) { s.Username = "bob" }, want: "password"},
		{name: "a fingerprint that is missing", edit: func(s *sessions.Session, _ *clients.Client) { s.Fingerprint = [32]byte{} }, want: "password"},
		{name: "a key that no longer signs", keys: []*sealing.Key{other, key}},
		{name: "a key that is gone", keys: []*sealing.Key{other}, want: "key"},
		{name: "no keys at all", keys: []*sealing.Key{}, want: "key"},
		{name: "another key than it names", edit: func(s *sessions.Session, _ *clients.Client) { s.KeyID = other.ID }, keys: []*sealing.Key{other, key}, want: "password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t)
			s := loggedIn(c, key)
			if tt.edit != nil {
				tt.edit(s, c)
			}
			if tt.keys == nil {
				tt.keys = []*sealing.Key{key}
			}
			if tt.now.IsZero() {
				tt.now = start
			}
			err := sessions.Honoured(s, c, sealing.NewSet(tt.keys), tt.now)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestHonouredVisitors(t *testing.T) {
	key, name := newKey(t), clients.NewVisitor()
	for _, tt := range []struct {
		name string
		edit func(*sessions.Session, *clients.Client)
		// want is part of the reason; empty for none.
		want string
	}{
		{name: "a visitor", edit: func(*sessions.Session, *clients.Client) {}},
		{name: "visitors may not log in any more", edit: func(_ *sessions.Session, c *clients.Client) { c.Guests = false }, want: "may not log in"},
		{name: "a client for customers only", edit: func(_ *sessions.Session, c *clients.Client) { c.UserKind = "Customer" }},
		{
			name: "somebody who is called so by now", edit: func(_ *sessions.Session, c *clients.Client) { c.Users[name] = newUser(t, name, "mine") },
			want: "another kind",
		},
		{name: "another visitor's session", edit: func(s *sessions.Session, _ *clients.Client) { s.Username = clients.NewVisitor() }, want: "password"},
		{name: "a visitor who claims to be a customer", edit: func(s *sessions.Session, _ *clients.Client) { s.UserKind = "Customer" }, want: "another kind"},
		{name: "a user who claims to be a visitor", edit: func(s *sessions.Session, _ *clients.Client) { s.Username = "alice" }, want: "another kind"},
		{name: "revoked", edit: func(_ *sessions.Session, c *clients.Client) { c.RevokedBefore = start.Add(time.Second) }, want: "revoked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t)
			c.Guests = true
			s := visiting(t, c, key, name)
			tt.edit(s, c)
			err := sessions.Honoured(s, c, sealing.NewSet([]*sealing.Key{key}), start)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFingerprintsDiffer(t *testing.T) {
	key := newKey(t)
	alice := newUser(t, "alice", "open sesame")
	with := func(seed string, keys ...clients.SecurityKey) *clients.User {
		u := newUser(t, "alice", "open sesame")
		if seed != "" {
			u.TOTP = clients.Conceal(seed)
		}
		u.SecurityKeys = keys
		return u
	}
	yubi, other := clients.SecurityKey{ID: []byte("yubi"), PublicKey: []byte("key")}, clients.SecurityKey{ID: []byte("other"), PublicKey: []byte("key")}
	seen := map[[32]byte]string{}
	for name, fingerprint := range map[string][32]byte{
		"alice":                     sessions.Fingerprint(key, owner, alice),
		"another key":               sessions.Fingerprint(newKey(t), owner, alice),
		"another user":              sessions.Fingerprint(key, owner, newUser(t, "bob", "open sesame")),
		"another password":          sessions.Fingerprint(key, owner, newUser(t, "alice", "open sesame!")),
		"another UID":               sessions.Fingerprint(key, sessions.Owner{Namespace: "shop", Name: "web", UID: "uid-2"}, alice),
		"one-time codes":            sessions.Fingerprint(key, owner, with("AAAAAAAAAAAAAAAA")),
		"another seed":              sessions.Fingerprint(key, owner, with("BBBBBBBBBBBBBBBB")),
		"a security key":            sessions.Fingerprint(key, owner, with("", yubi)),
		"another security key":      sessions.Fingerprint(key, owner, with("", other)),
		"two security keys":         sessions.Fingerprint(key, owner, with("", yubi, other)),
		"codes and a security key":  sessions.Fingerprint(key, owner, with("AAAAAAAAAAAAAAAA", yubi)),
		"names that join to others": sessions.Fingerprint(key, sessions.Owner{Namespace: "shopw", Name: "eb", UID: "uid-1"}, alice),
	} {
		if first, ok := seen[fingerprint]; ok {
			t.Errorf("%q and %q have one fingerprint", first, name)
		}
		seen[fingerprint] = name
	}
	if again := sessions.Fingerprint(key, owner, newUser(t, "alice", "open sesame")); seen[again] != "alice" {
		t.Error("one password has two fingerprints")
	}
}
