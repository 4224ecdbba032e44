// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

func TestAssertionsThatAreGood(t *testing.T) {
	k := signingKeys()
	tests := []struct {
		name   string
		keys   []jose.JSONWebKey
		method jwt.SigningMethod
		key    any
		change map[string]any
		header []any
	}{
		{name: "ES256", keys: []jose.JSONWebKey{public("ec", "", "", "")}, method: jwt.SigningMethodES256, key: k["ec"]},
		{name: "RS256", keys: []jose.JSONWebKey{public("rsa", "", "", "")}, method: jwt.SigningMethodRS256, key: k["rsa"]},
		{name: "PS256", keys: []jose.JSONWebKey{public("rsa", "", "", "")}, method: jwt.SigningMethodPS256, key: k["rsa"]},
		{name: "EdDSA", keys: []jose.JSONWebKey{public("ed", "", "", "")}, method: jwt.SigningMethodEdDSA, key: k["ed"]},
		{
			name: "a key that says what it is for", keys: []jose.JSONWebKey{public("ec", "k1", "ES256", "sig")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"kid", "k1"},
		},
		{
			name: "the kid chooses among several keys", keys: []jose.JSONWebKey{public("ec2", "k1", "", ""), public("ec", "k2", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"kid", "k2"},
		},
		{
			name:   "without a kid every key that fits is tried",
			keys:   []jose.JSONWebKey{public("rsa", "k0", "", ""), public("ec2", "k1", "", ""), public("ec", "k2", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"],
		},
		{
			name: "two keys of one kid", keys: []jose.JSONWebKey{public("ec2", "k", "", ""), public("ec", "k", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"kid", "k"},
		},
		{
			name: "the token endpoint as audience, among others", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], change: map[string]any{"aud": []string{"https://other", issuer + "/oauth2/token"}},
		},
		{
			name: "only the claims that are needed", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], change: map[string]any{"iat": nil, "nbf": nil}, header: []any{"typ", nil},
		},
		{
			name: "clocks that differ a little, and fractions of a second", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"],
			change: map[string]any{"iat": float64(at.Unix()) + 9.5, "nbf": float64(at.Unix()) + 9.5, "exp": float64(at.Unix()) + 309.5},
		},
		{
			name: "the typ of RFC 7523's successor", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"typ", "client-authentication+jwt"},
		},
		{
			name: "a typ in full", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"typ", "application/JWT"},
		},
		{
			name: "a header that points to other keys, which it ignores", keys: []jose.JSONWebKey{public("ec", "", "", "")},
			method: jwt.SigningMethodES256, key: k["ec"], header: []any{"jku", "https://evil.example", "x5u", "https://evil.example", "x5t", "eA"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := withKeys(tt.keys...)
			claims := goodClaims()
			merge(claims, tt.change)
			assertion := sign(t, tt.method, tt.key, claims, tt.header...)
			caller, err := a.Authenticate(t.Context(), source, presented(assertion))
			if err != nil {
				t.Fatalf("%v: %v", err, err.Unwrap())
			}
			if caller.Client().ID != "jwt" || caller.Public() {
				t.Errorf("got the client %q, public %t", caller.Client().ID, caller.Public())
			}
			_, err = a.Authenticate(t.Context(), source, presented(assertion))
			wantRefused(t, nil, err, errReplayed)
		})
	}
}

func merge(claims jwt.MapClaims, change map[string]any) {
	for name, value := range change {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
}

// What is wrong with an assertion in itself is said, before anybody looks for the client.
func TestAssertionsThatAreWrongForEverybody(t *testing.T) {
	ec := signingKeys()["ec"]
	claims := func(change map[string]any) oauth2.Secret {
		c := goodClaims()
		merge(c, change)
		return sign(t, jwt.SigningMethodES256, ec, c)
	}
	header := func(headers ...any) oauth2.Secret {
		return sign(t, jwt.SigningMethodES256, ec, goodClaims(), headers...)
	}
	raw := func(header, payload string) oauth2.Secret {
		return oauth2.Secret(encode(header) + "." + encode(payload) + "." + encode("signature"))
	}
	seconds := func(d time.Duration) int64 { return at.Add(d).Unix() }
	tests := []struct {
		name      string
		assertion oauth2.Secret
		want      string
	}{
		{"something else", "not a JWT", "compact form"},
		{"nothing much", "..", "compact form"},
		{"four parts", "a.b.c.d", "compact form"},
		{"JSON serialization", `{"payload":"e30","signatures":[]}`, "compact form"},
		{"no algorithm", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, goodClaims()), "signed with ES256"},
		{"a symmetric algorithm", sign(t, jwt.SigningMethodHS256, []byte("k"), goodClaims()), "signed with ES256"},
		{"a larger curve", sign(t, jwt.SigningMethodES384, signingKeys()["p384"], goodClaims()), "signed with ES256"},
		{"claims that are no object", raw(`{"alg":"ES256"}`, `[]`), "compact form"},
		{"claims that are no JSON", raw(`{"alg":"ES256"}`, `{`), "compact form"},
		{"an audience that is no string", claims(map[string]any{"aud": 1}), "compact form"},
		{"an exp that is no number", claims(map[string]any{"exp": "soon"}), "compact form"},
		{"an exp beyond all numbers", raw(`{"alg":"ES256"}`, `{"exp":1e999}`), "compact form"},
		{"an assertion that is too long", claims(map[string]any{"x": strings.Repeat("x", 16<<10)}), "compact form"},
		{
			"an embedded private key",
			header("jwk", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode("x"), "d": encode("d")}), "compact form",
		},
		{"a critical header", header("crit", []string{"exp"}, "exp", 1), "crit"},
		{"a payload that is not encoded", header("crit", []string{"b64"}, "b64", true), "crit"},
		{"an access token", header("typ", "at+jwt"), "typ"},
		{"a refresh token", header("typ", "rt+jwt"), "typ"},
		{"a typ that is no string", header("typ", 1), "typ"},
		{"an empty typ", header("typ", ""), "typ"},
		{"a long kid", header("kid", strings.Repeat("k", 257)), "kid"},
		{"no issuer", claims(map[string]any{"iss": nil}), "iss"},
		{"no subject", claims(map[string]any{"sub": nil}), "iss"},
		{"neither", claims(map[string]any{"iss": nil, "sub": nil}), "iss"},
		{"another issuer", claims(map[string]any{"iss": "secret"}), "iss"},
		{"no audience", claims(map[string]any{"aud": nil}), "aud"},
		{"another audience", claims(map[string]any{"aud": "https://other.example"}), "aud"},
		{"an audience that differs by a slash", claims(map[string]any{"aud": issuer + "/"}), "aud"},
		{"no audience in the list", claims(map[string]any{"aud": []string{}}), "aud"},
		{"too many audiences", claims(map[string]any{"aud": append(slices.Repeat([]string{"x"}, 16), issuer)}), "aud"},
		{"no exp", claims(map[string]any{"exp": nil}), "at most 5 minutes"},
		{"an exp that is past", claims(map[string]any{"exp": seconds(-time.Second)}), "at most 5 minutes"},
		{"an exp that is now", claims(map[string]any{"exp": seconds(0)}), "at most 5 minutes"},
		{"an exp too far ahead", claims(map[string]any{"exp": seconds(311 * time.Second)}), "at most 5 minutes"},
		{"an exp in another age", claims(map[string]any{"exp": 1e300}), "at most 5 minutes"},
		{"an nbf to come", claims(map[string]any{"nbf": seconds(11 * time.Second)}), "nbf"},
		{"an iat to come", claims(map[string]any{"iat": seconds(11 * time.Second)}), "iat"},
		{"no jti", claims(map[string]any{"jti": nil}), "jti"},
		{"an empty jti", claims(map[string]any{"jti": ""}), "jti"},
		{"a long jti", claims(map[string]any{"jti": strings.Repeat("j", 257)}), "jti"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, l := withKeys(public("ec", "", "", "")), &denying{}
			a.Limits = l
			caller, err := a.Authenticate(t.Context(), source, presented(tt.assertion))
			if err == nil {
				t.Fatalf("the assertion gets in as %q", caller.Client().ID)
			}
			if err.Code() != "invalid_client" || err.Status() != 401 || !strings.Contains(err.Description(), tt.want) {
				t.Errorf("got %d %v, want invalid_client with %q", err.Status(), err, tt.want)
			}
			if l.asked != 0 {
				t.Error("what is no guess must not be counted")
			}
		})
	}
	t.Run("another client_id", func(t *testing.T) {
		c := presented(claims(nil))
		c.ClientID = "secret"
		_, err := withKeys(public("ec", "", "", "")).Authenticate(t.Context(), source, c)
		if err == nil || !strings.Contains(err.Description(), "client_id") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the same client_id", func(t *testing.T) {
		c := presented(claims(nil))
		c.ClientID = "jwt"
		if _, err := withKeys(public("ec", "", "", "")).Authenticate(t.Context(), source, c); err != nil {
			t.Errorf("got %v", err)
		}
	})
}
