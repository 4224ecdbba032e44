// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth/jwks"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// A client rotates the key that it publishes on a real server, and goes on at once; an old key is good no more.
func TestClientRotatesItsKey(t *testing.T) {
	var published atomic.Pointer[jose.JSONWebKeySet]
	publish := func(keys ...jose.JSONWebKey) { published.Store(&jose.JSONWebKeySet{Keys: keys}) }
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(published.Load())
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	a := withKeys()
	r, _ := a.Clients.(registry)
	r["jwt"].AssertionKeys, r["jwt"].JWKSURI = nil, server.URL+"/jwks?token=hush"
	a.Assertions.Keys = jwks.New(jwks.Options{Roots: roots, AllowLocal: true, Now: now})
	authenticate := func(name, keyID string) *oauth2.Error {
		method := jwt.SigningMethod(jwt.SigningMethodES256)
		if name == "rsa" {
			method = jwt.SigningMethodRS256
		}
		_, err := a.Authenticate(t.Context(), source, presented(sign(t, method, signingKeys()[name], goodClaims(), "kid", keyID)))
		return err
	}

	publish(public("ec", "first", "ES256", "sig"))
	if err := authenticate("ec", "first"); err != nil {
		t.Fatalf("the first key is refused: %v because %v", err, err.Unwrap())
	}
	publish(public("rsa", "second", "RS256", "sig"))
	if err := authenticate("rsa", "second"); err != nil {
		t.Fatalf("the second key is refused: %v because %v", err, err.Unwrap())
	}
	wantRefused(t, nil, authenticate("ec", "first"), errWrongSignature)
	wantRefused(t, nil, authenticate("ec", "second"), errWrongSignature)

	// A server that may not reach its own host cannot check the client, and says so without the URL's query.
	a.Assertions.Keys = jwks.New(jwks.Options{Roots: roots, Now: now})
	err := authenticate("rsa", "second")
	if err == nil || err.Status() != http.StatusServiceUnavailable {
		t.Fatalf("got %v, want temporarily_unavailable", err)
	}
	if got, want := err.Unwrap().Error(), "fetch the client's keys at "+server.URL+"/jwks: "; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("the cause is %q, want %q and why", got, want)
	}
}
