// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A testMinter signs tokens as the token server does, by a key and a clock of its own.
type testMinter struct {
	key *ecdsa.PrivateKey
	now func() time.Time

	mu     sync.Mutex
	fails  error
	minted int
}

type testClaims struct {
	jwt.RegisteredClaims

	Scope string `json:"scope"`
	UID   string `json:"uid"`
}

func newTestMinter(t *testing.T, now func() time.Time) *testMinter {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &testMinter{key: key, now: now}
}

// fail has MintToken fail from now on; nil has it succeed again.
func (m *testMinter) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = err
}

// count returns how many tokens were made.
func (m *testMinter) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.minted
}

// MintToken implements TokenMinter.
func (m *testMinter) MintToken(_ context.Context, intg *v1alpha1.Integration, ask v1alpha1.AccessTokenSpec) (MintedToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return MintedToken{}, m.fails
	}
	granted := intg.Status.Granted
	minted := MintedToken{Scopes: granted.DefaultScopes, IssuedAt: m.now().UTC().Truncate(time.Second)}
	if ask.Scopes != nil {
		minted.Scopes = *ask.Scopes
	}
	for _, access := range granted.Access {
		if ask.Audience == "" || ask.Audience == access.Audience {
			minted.Audiences = append(minted.Audiences, access.Audience)
		}
	}
	for _, scope := range minted.Scopes {
		if !slices.ContainsFunc(granted.Access, func(a v1alpha1.Access) bool { return slices.Contains(a.Scopes, scope) }) {
			return MintedToken{}, fmt.Errorf("scope %s is not granted", scope)
		}
	}
	if len(minted.Audiences) == 0 {
		return MintedToken{}, fmt.Errorf("audience %s is not granted", ask.Audience)
	}
	minted.ExpiresAt = minted.IssuedAt.Add(granted.Lifetime.Duration)
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, testClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: intg.Status.ClientID, Audience: minted.Audiences, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(minted.IssuedAt), ExpiresAt: jwt.NewNumericDate(minted.ExpiresAt),
		},
		Scope: strings.Join(minted.Scopes, " "), UID: string(intg.UID),
	}).SignedString(m.key)
	minted.Token = []byte(token)
	m.minted++
	return minted, err
}

// InspectToken implements TokenMinter.
func (m *testMinter) InspectToken(_ context.Context, intg *v1alpha1.Integration, token []byte) (MintedToken, error) {
	claims := &testClaims{}
	_, err := jwt.ParseWithClaims(string(token), claims, func(*jwt.Token) (any, error) { return &m.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(m.now), jwt.WithExpirationRequired())
	if err != nil || claims.Subject != intg.Status.ClientID || claims.UID != string(intg.UID) {
		return MintedToken{}, errors.New("the token is not sound")
	}
	return MintedToken{
		Token: token, Scopes: strings.Fields(claims.Scope), Audiences: claims.Audience,
		IssuedAt: claims.IssuedAt.UTC(), ExpiresAt: claims.ExpiresAt.UTC(),
	}, nil
}
