// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package introspectiontest is a token server's surroundings in memory, for the tests of what answers questions about
// tokens: clients, keys, a clock, a session store, and tokens of every kind made as the grants make them.
package introspectiontest

import (
	"crypto/sha256"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const (
	// Issuer is the issuer URL.
	Issuer = "https://tokens.example"
	// Audience is what the tokens are meant for unless a test says otherwise.
	Audience = "https://orders.example"
	// Secret is the secret of every client that has one.
	Secret = "correct-horse-battery-staple"
	// Password is the password of every user.
	Password = "hunter2"
)

// The clients.
const (
	// Signed is a client whose access tokens are JWTs.
	Signed = "shop.signed"
	// Opaque is a client whose access tokens are opaque.
	Opaque = "shop.opaque"
	// Public is a public client with the users Admin and Customer.
	Public = "shop.public"
	// Resource is the client of the API that tokens with the audience Audience are meant for.
	Resource = "shop.resource"
	// Stranger is a client that has nothing to do with the others.
	Stranger = "bank.stranger"
)

// The users of every client. The first one's name is not ASCII.
const (
	Admin    = "zoë"
	Customer = "carl"
)

// A World has everything that the endpoints need.
type World struct {
	// Store is the session store.
	Store *sessionstest.Memory

	signing *signer.Set
	sealing *sealing.Set

	mu      sync.Mutex
	clients map[string]*clients.Client
	now     time.Time
}

// New returns a World at a fixed time.
func New(tb testing.TB) *World {
	tb.Helper()
	w := &World{
		Store: sessionstest.NewMemory(), clients: map[string]*clients.Client{},
		now: time.Date(2026, 11, 22, 10, 0, 0, 500_000_000, time.UTC),
	}
	signing, err := signertest.NewKey("ES256")
	if err != nil {
		tb.Fatal(err)
	}
	signingKey, err := signer.ParseKey(signing)
	if err != nil {
		tb.Fatal(err)
	}
	signingKey.Active = true
	if w.signing, err = signer.NewSet([]*signer.Key{signingKey}); err != nil {
		tb.Fatal(err)
	}
	sealingKey, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	sealingKey.Active = true
	w.sealing = sealing.NewSet([]*sealing.Key{sealingKey})
	password, err := passwords.New([]byte(Password))
	if err != nil {
		tb.Fatal(err)
	}
	for _, id := range []string{Signed, Opaque, Public, Resource, Stranger} {
		w.clients[id] = newClient(id, password)
	}
	return w
}

// newClient returns the client of an ID.
func newClient(id string, password *passwords.Password) *clients.Client {
	c := &clients.Client{
		ID: id, Namespace: id[:4], Name: id[5:], UID: "uid-of-" + id, Methods: []clients.Method{clients.MethodClientSecret},
		Secrets: []clients.Secret{{Hash: sha256.Sum256([]byte(Secret))}}, SigningAlgorithm: "ES256",
		TokenLifetime: 10 * time.Minute, RefreshLifetime: time.Hour,
		Users: map[string]*clients.User{
			Admin:    {Name: Admin, Kind: "Admin", Password: password},
			Customer: {Name: Customer, Kind: "Customer", Password: password},
		},
	}
	switch id {
	case Opaque:
		c.Opaque = true
	case Public:
		c.Methods, c.Secrets = []clients.Method{clients.MethodNone}, nil
	case Resource:
		c.IntrospectedAudiences = []string{"https://nobody.example", Audience}
	}
	return c
}

// Now returns the time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Move moves the clock.
func (w *World) Move(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Client implements clientauth.Clients.
func (w *World) Client(id string) (*clients.Client, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.clients[id]
	return c, ok
}

// Change replaces a client by a changed copy, as kubestore does.
func (w *World) Change(id string, change func(*clients.Client)) {
	old, _ := w.Client(id)
	c := *old
	c.Users = maps.Clone(c.Users)
	change(&c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clients[id] = &c
}

// Delete removes a client.
func (w *World) Delete(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.clients, id)
}

// Keys returns the signing keys.
func (w *World) Keys() *signer.Set { return w.signing }

// SealingKeys returns the sealing keys.
func (w *World) SealingKeys() *sealing.Set { return w.sealing }

// Checker returns a checker of access tokens.
func (w *World) Checker() *introspection.Checker {
	return &introspection.Checker{Issuer: Issuer, Clients: w, Keys: w, Sessions: w.Store, Now: w.Now}
}

// Authenticator returns an authenticator of clients.
func (w *World) Authenticator() *clientauth.Authenticator {
	return &clientauth.Authenticator{
		Clients: w, Limits: limits.NewMemory(w.Now), Now: w.Now,
		Assertions: &clientauth.Assertions{Audiences: []string{Issuer}, Spent: w.Store, Now: w.Now},
	}
}

// AccessToken issues an access token of a client, on terms that change may alter.
func (w *World) AccessToken(tb testing.TB, clientID string, change func(*tokens.Terms)) tokens.AccessToken {
	tb.Helper()
	c, ok := w.Client(clientID)
	if !ok {
		tb.Fatalf("there is no client %s", clientID)
	}
	terms := tokens.Terms{Client: c, Subject: c.ID, Audience: []string{Audience}, Scope: "read write"}
	if change != nil {
		change(&terms)
	}
	issuer := w.issuer()
	token, err := issuer.AccessToken(terms)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// Login logs a user in to a client, and returns what the login gets.
func (w *World) Login(tb testing.TB, clientID, username string) (access tokens.AccessToken, refresh tokens.RefreshToken, sessionID string) {
	tb.Helper()
	c, ok := w.Client(clientID)
	if !ok {
		tb.Fatalf("there is no client %s", clientID)
	}
	user := c.Users[username]
	sessionID = sessions.NewID()
	issuer := w.issuer()
	refresh, err := issuer.RefreshToken(c, sessionID)
	if err != nil {
		tb.Fatal(err)
	}
	key, _ := w.sealing.Active()
	owner := sessions.OwnerOf(c)
	logins := sessions.Logins{Store: w.Store, Most: 100, Now: w.Now}
	if err := logins.Begin(tb.Context(), &sessions.Session{
		Owner: owner, ID: sessionID, ClientID: c.ID, Username: user.Name, UserKind: user.Kind, Audiences: []string{Audience},
		Scopes: []string{"read", "write"}, IssuedAt: refresh.IssuedAt, ExpiresAt: refresh.ExpiresAt, Current: refresh.Hash,
		KeyID: refresh.KeyID, Fingerprint: sessions.Fingerprint(key, owner, user),
	}); err != nil {
		tb.Fatal(err)
	}
	access = w.AccessToken(tb, clientID, func(terms *tokens.Terms) {
		terms.User, terms.Subject, terms.SessionID = user, tokens.SubjectOf(c, user), sessionID
	})
	return access, refresh, sessionID
}

// issuer returns an issuer of tokens.
func (w *World) issuer() *tokens.Issuer {
	return &tokens.Issuer{URL: Issuer, Keys: w.signing, Sealing: w.sealing, Now: w.Now}
}

// Credentials returns what a client puts into the body of a request.
func Credentials(clientID string) map[string]string {
	if clientID == Public {
		return map[string]string{"client_id": clientID}
	}
	return map[string]string{"client_id": clientID, "client_secret": Secret}
}
