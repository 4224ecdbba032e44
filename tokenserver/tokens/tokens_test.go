// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
)

// now has a fraction of a second, which no claim may have.
var now = time.Date(2026, 11, 22, 10, 0, 0, 999_000_000, time.UTC)

func newSet(tb testing.TB, algorithm string) (*signer.Set, crypto.PublicKey) {
	tb.Helper()
	pemBytes, err := signertest.NewKey(algorithm)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := signer.ParseKey(pemBytes)
	if err != nil {
		tb.Fatal(err)
	}
	key.ID, key.Active, key.ActivatedAt = "kid-1", true, now
	set, err := signer.NewSet([]*signer.Key{key})
	if err != nil {
		tb.Fatal(err)
	}
	return set, key.Private.Public()
}

func newTerms(algorithm, scope string) Terms {
	return Terms{
		Client: &clients.Client{
			ID: "shop.order-sync", Namespace: "shop", Name: "order-sync", UID: "uid-1",
			SigningAlgorithm: algorithm, TokenLifetime: 90 * time.Second,
		},
		Subject: "subject-1", Audience: []string{"https://orders.shop.example"}, Scope: scope,
	}
}

func TestAccessToken(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			set, public := newSet(t, algorithm)
			issuer := &Issuer{URL: "https://tokens.example", Keys: set, Now: func() time.Time { return now }}
			got, err := issuer.AccessToken(newTerms(algorithm, "read write&more"))
			if err != nil {
				t.Fatal(err)
			}
			// An independent parser, which checks the signature too.
			parsed, err := jwt.Parse(got.Token, func(*jwt.Token) (any, error) { return public, nil },
				jwt.WithValidMethods([]string{algorithm}), jwt.WithTimeFunc(func() time.Time { return now }))
			if err != nil {
				t.Fatalf("parse the token: %v", err)
			}
			wantHeader := map[string]any{"typ": "at+jwt", "alg": algorithm, "kid": "kid-1"}
			if diff := cmp.Diff(wantHeader, parsed.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			wantClaims := jwt.MapClaims{
				"iss": "https://tokens.example", "sub": "subject-1", "aud": []any{"https://orders.shop.example"},
				"client_id": "shop.order-sync", "scope": "read write&more", "jti": got.ID,
				"iat": float64(now.Unix()), "nbf": float64(now.Unix()), "exp": float64(now.Unix() + 90),
				"integration-operator.io": map[string]any{"namespace": "shop", "name": "order-sync", "uid": "uid-1"},
			}
			if diff := cmp.Diff(wantClaims, parsed.Claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if got.Lifetime != 90*time.Second {
				t.Errorf("got the lifetime %s, want that of the client", got.Lifetime)
			}
			issued := now.Truncate(time.Second)
			if !got.IssuedAt.Equal(issued) || !got.ExpiresAt.Equal(issued.Add(90*time.Second)) || IsOpaque(got.Token) {
				t.Errorf("got a token from %s to %s, opaque %t; want what its claims say", got.IssuedAt, got.ExpiresAt, IsOpaque(got.Token))
			}
		})
	}
}

func TestAccessTokenTimesAreWholeSeconds(t *testing.T) {
	payload := payloadOf(t, newTerms("ES256", ""))
	for _, want := range []string{`"iat":1795341600,`, `"nbf":1795341600,`, `"exp":1795341690,`} {
		if !strings.Contains(payload, want) {
			t.Errorf("got the claims %s, want %s", payload, want)
		}
	}
}

func TestAccessTokenWithoutScopeHasNoScopeClaim(t *testing.T) {
	var claims map[string]any
	if err := json.Unmarshal([]byte(payloadOf(t, newTerms("ES256", ""))), &claims); err != nil {
		t.Fatal(err)
	}
	if scope, ok := claims["scope"]; ok {
		t.Errorf("got the scope %v, want no such claim", scope)
	}
}

// payloadOf issues a token and returns its claims as they were written.
func payloadOf(t *testing.T, terms Terms) string {
	t.Helper()
	set, _ := newSet(t, terms.Client.SigningAlgorithm)
	token, err := (&Issuer{URL: "https://tokens.example", Keys: set, Now: func() time.Time { return now }}).AccessToken(terms)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

func TestClientTokensNameNoUser(t *testing.T) {
	payload := payloadOf(t, newTerms("ES256", "read"))
	for _, absent := range []string{"sid", "username", "kind"} {
		if strings.Contains(payload, absent) {
			t.Errorf("got the claims %s, want no %s", payload, absent)
		}
	}
}

func TestSubjectOf(t *testing.T) {
	client := &clients.Client{ID: "shop.sync"}
	if got := SubjectOf(client, nil); got != "shop.sync" {
		t.Errorf("got the subject %q for the client itself", got)
	}
	if got := SubjectOf(client, &clients.User{Name: "a:b"}); got != "shop.sync:a:b" {
		t.Errorf("got the subject %q for a user", got)
	}
}

func TestTokenIDsAreRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		raw, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil || len(raw) != 16 || seen[id] {
			t.Fatalf("got the ID %q (%v), want 128 new bits as base64url", id, err)
		}
		seen[id] = true
	}
}

func TestAccessTokenFailures(t *testing.T) {
	set, _ := newSet(t, "ES256")
	issuer := &Issuer{URL: "https://tokens.example", Keys: set, Now: func() time.Time { return now }}
	if got, err := issuer.AccessToken(newTerms("RS256", "")); !errors.Is(err, ErrNoActiveKey) || got.Token != "" {
		t.Errorf("got %v without a key for the algorithm, want ErrNoActiveKey", err)
	}
	for name, key := range map[string]*signer.Key{
		"a key of another type":    {ID: "k", Algorithm: "RS256", Active: true, Private: mustActive(t, set, "ES256").Private},
		"an algorithm not in JOSE": {ID: "k", Algorithm: "ROT13", Active: true, Private: mustActive(t, set, "ES256").Private},
	} {
		t.Run(name, func(t *testing.T) {
			broken, err := signer.NewSet([]*signer.Key{key})
			if err != nil {
				t.Fatal(err)
			}
			issuer := &Issuer{URL: "https://tokens.example", Keys: broken, Now: func() time.Time { return now }}
			got, err := issuer.AccessToken(newTerms(key.Algorithm, ""))
			if err == nil || errors.Is(err, ErrNoActiveKey) || got.Token != "" {
				t.Errorf("got %v, want an error of its own and no token", err)
			}
		})
	}
}

func mustActive(t *testing.T, set *signer.Set, algorithm string) *signer.Key {
	t.Helper()
	key, ok := set.Active(algorithm)
	if !ok {
		t.Fatalf("no active key for %s", algorithm)
	}
	return key
}

func TestTokensForTooMuchAreRefused(t *testing.T) {
	issuer, _ := newPair(t, "RS256")
	for _, opaque := range []bool{false, true} {
		terms := newUserTerms("RS256", opaque)
		terms.Scope = strings.Repeat("a&b<c> ", 6_000)
		token, err := issuer.AccessToken(terms)
		if err != nil || len(token.Token) > 60<<10 {
			t.Errorf("opaque %t: 42,000 characters that HTML would escape make a token of %d bytes (%v)", opaque, len(token.Token), err)
		}
		terms.Scope = strings.Repeat("scope ", 10_000)
		if _, err := issuer.AccessToken(terms); !errors.Is(err, ErrTooLarge) {
			t.Errorf("opaque %t: got %v, want ErrTooLarge", opaque, err)
		}
	}
}
