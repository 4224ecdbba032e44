// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/discovery"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const (
	issuer   = "https://tokens.example"
	audience = "https://orders.shop.example"
	clientID = "shop.order-sync"
	// unknownID is as long as clientID.
	unknownID = "shop.order-none"
	scope     = "orders.read orders.write"
	lifetime  = 10 * time.Minute

	tokenPath         = discovery.PathToken
	introspectionPath = discovery.PathIntrospection
)

// A subject is the server that is measured, with what it takes to ask it.
type subject struct {
	key     *signer.Key
	handler http.Handler
	// secret is the client's, and wrongSecret is one like it.
	secret, wrongSecret string
	// token is an access token of the client.
	token string
}

// newSubject returns the token server as the manager runs it, but for what the package comment says, with the log formatted and thrown
// away. It has one client, whose tokens are signed with a new key for an algorithm.
func newSubject(algorithm string) (*subject, error) {
	key, err := newKey(algorithm)
	if err != nil {
		return nil, err
	}
	set, err := signer.NewSet([]*signer.Key{key})
	if err != nil {
		return nil, err
	}
	sealingKey, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		return nil, err
	}
	sealingKey.Active = true
	subject := &subject{key: key, secret: newSecret(), wrongSecret: newSecret()}
	s := &store{set: set, sealing: sealing.NewSet([]*sealing.Key{sealingKey}), client: &clients.Client{
		ID: clientID, Namespace: "shop", Name: "order-sync", UID: "0b9e4a3e-6b0e-4a57-9d3c-1f2f3a4b5c6d",
		Methods:          []clients.Method{clients.MethodClientSecret},
		Secrets:          []clients.Secret{{Hash: sha256.Sum256([]byte(subject.secret))}},
		GrantTypes:       []string{"client_credentials"},
		Access:           []clients.Access{{Audience: audience, Scopes: []string{"orders.read", "orders.write"}}},
		DefaultScopes:    []string{"orders.read", "orders.write"},
		SigningAlgorithm: key.Algorithm,
		TokenLifetime:    lifetime,
	}}
	metrics := tokenserver.NewMetrics(func() int { return 1 }, s, time.Now)
	if err := prometheus.NewRegistry().Register(metrics); err != nil {
		return nil, err
	}
	server := &tokenserver.Server{
		Issuer: issuer, Clients: s, Keys: s, Sessions: &lookup{}, MaxSessions: 1,
		Limits:     limits.Observed(counting{limits.NewMemory(time.Now)}, metrics.CountLimited),
		JWKSMaxAge: 5 * time.Minute, Now: time.Now, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Metrics: metrics,
	}
	subject.handler = server.Handler()
	issued, err := (&tokens.Issuer{URL: issuer, Keys: set, Now: time.Now}).AccessToken(tokens.Terms{
		Client: s.client, Subject: tokens.SubjectOf(s.client, nil), Audience: []string{audience}, Scope: scope,
	})
	subject.token = issued.Token
	return subject, err
}

// newSecret returns a client secret as long as the operator's.
func newSecret() string { return rand.Text() + rand.Text() }

// newKey makes an active key of an algorithm.
func newKey(algorithm string) (*signer.Key, error) {
	pemBytes, err := signertest.NewKey(algorithm)
	if err != nil {
		return nil, err
	}
	key, err := signer.ParseKey(pemBytes)
	if err != nil {
		return nil, err
	}
	key.Active = true
	return key, nil
}

// store has one client and one key of each sort.
type store struct {
	client  *clients.Client
	set     *signer.Set
	sealing *sealing.Set
}

// Client returns the client.
func (s *store) Client(id string) (*clients.Client, bool) { return s.client, id == s.client.ID }

// Keys returns the signing key.
func (s *store) Keys() *signer.Set { return s.set }

// SealingKeys returns the sealing key.
func (s *store) SealingKeys() *sealing.Set { return s.sealing }

// errNoLogins is what lookup says to everything but Standing.
var errNoLogins = fmt.Errorf("%w: %w", sessions.ErrUnavailable, errors.New("the benchmark has no logins"))

// lookup is a sessions.Store without sessions in which a token's standing is looked up by what it is kept under in the real ones.
type lookup struct {
	mu    sync.RWMutex
	spent map[[sha256.Size]byte]struct{}
}

var _ sessions.Store = (*lookup)(nil)

// Standing tells that the token is not spent and has no session.
func (l *lookup) Standing(_ context.Context, owner sessions.Owner, tokenID, _ string) (bool, *sessions.Session, error) {
	name := sha256.Sum256([]byte(owner.UID + "/" + sessions.KindAccessToken + "/" + tokenID))
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, spent := l.spent[name]
	return spent, nil, nil
}

// Create fails.
func (*lookup) Create(context.Context, *sessions.Session, int) error { return errNoLogins }

// Get fails.
func (*lookup) Get(context.Context, sessions.Owner, string) (*sessions.Session, error) {
	return nil, errNoLogins
}

// Replace fails.
func (*lookup) Replace(context.Context, *sessions.Session) error { return errNoLogins }

// End fails.
func (*lookup) End(context.Context, sessions.Owner, string) error { return errNoLogins }

// EndUser fails.
func (*lookup) EndUser(context.Context, sessions.Owner, string, string) (int, error) {
	return 0, errNoLogins
}

// Spend fails.
func (*lookup) Spend(context.Context, sessions.Spent) error { return errNoLogins }

// Sweep fails.
func (*lookup) Sweep(context.Context, time.Time, func(*sessions.Session) bool) (int, error) {
	return 0, errNoLogins
}

// counting is a Limiter that counts like another one and blocks nobody.
type counting struct{ limits.Limiter }

// Blocked looks, and returns zero.
func (c counting) Blocked(ctx context.Context, keys ...limits.Key) time.Duration {
	_ = c.Limiter.Blocked(ctx, keys...)
	return 0
}

// Failed counts, and returns zero.
func (c counting) Failed(ctx context.Context, keys ...limits.Key) time.Duration {
	_ = c.Limiter.Failed(ctx, keys...)
	return 0
}
