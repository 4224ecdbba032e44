// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// newAssertionKey returns a private key, and its public half as spec.credentials.jwks takes it.
func newAssertionKey(t *testing.T) (*ecdsa.PrivateKey, *v1alpha1.JSONWebKeySet) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	set := &v1alpha1.JSONWebKeySet{}
	if err := json.Unmarshal(public, set); err != nil {
		t.Fatal(err)
	}
	return key, set
}

// assert signs an assertion that is good for a minute, with an independent library.
func assert(t *testing.T, key crypto.Signer, clientID, audience string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: clientID, Subject: clientID, Audience: jwt.ClaimStrings{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute)),
	})
	token.Header["kid"] = "one"
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// However many replicas it is sent to, at once or one after the other, an assertion is good for one use.
func TestAnAssertionIsGoodForOneUse(t *testing.T) {
	key, set := newAssertionKey(t)
	onEveryStore(t, func(t *testing.T, _ bool, args ...string) {
		t.Helper()
		at, _, intg := startTwo(t, func(intg *v1alpha1.Integration) {
			intg.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT}
			intg.Spec.Credentials.JWKS = set
		}, args...)
		for i := range at {
			at[i].data = map[string][]byte{} // It has no other credentials than its assertion.
		}
		for _, audience := range []string{at[0].issuer, intg.Status.Endpoints.Token} {
			assertion := assert(t, key, intg.Status.ClientID, audience)
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for n := range 4 {
				wg.Go(func() {
					r, err := at[n%2].post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials",
						"client_assertion_type", assertionType, "client_assertion", assertion)
					switch {
					case err != nil:
						t.Error(err)
					case r.status == http.StatusOK:
						won.Add(1)
					case r.status == http.StatusUnauthorized && r.Error == "invalid_client":
						lost.Add(1)
					default:
						t.Errorf("got %d %s", r.status, r.body)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 3 {
				t.Errorf("of four uses of one assertion %d succeeded and %d were refused", won.Load(), lost.Load())
			}
		}
		other, _ := newAssertionKey(t)
		at[0].mustPost(t, http.StatusUnauthorized, v1alpha1.PathToken, "grant_type", "client_credentials",
			"client_assertion_type", assertionType, "client_assertion", assert(t, other, intg.Status.ClientID, at[0].issuer))
	})
}

// The keys of a client may be at a URL, but not of the operator's own host unless a flag says so.
func TestKeysAtAURL(t *testing.T) {
	key, set := newAssertionKey(t)
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(site.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})
	if err := os.WriteFile(roots, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", roots) // The manager trusts what its system trusts.
	for _, tt := range []struct {
		name       string
		args       []string
		wantStatus int
	}{
		{"with the flag", []string{"--allow-local-jwks-uri"}, http.StatusOK},
		{"without the flag", nil, http.StatusServiceUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, r, intg := startLogin(t, func(intg *v1alpha1.Integration) {
				intg.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT}
				intg.Spec.Credentials.JWKSURI = site.URL + "/jwks.json"
			}, tt.args...)
			r.mayFail = tt.wantStatus != http.StatusOK
			at.data = map[string][]byte{}
			at.mustPost(t, tt.wantStatus, v1alpha1.PathToken, "grant_type", "client_credentials", "client_assertion_type", assertionType,
				"client_assertion", assert(t, key, intg.Status.ClientID, at.issuer))
		})
	}
}
