// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

type keys struct{ set *signer.Set }

func (k keys) Keys() *signer.Set { return k.set }

func newKeys(t *testing.T) keys {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := signer.NewSet([]*signer.Key{{ID: "kid-1", Algorithm: "EdDSA", Private: private}})
	if err != nil {
		t.Fatal(err)
	}
	return keys{set}
}

// ask serves one request. Headers come in pairs of name and value.
func ask(t *testing.T, h http.Handler, method string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDocumentsSayWhatWorksAndNothingElse(t *testing.T) {
	grants := []string{"client_credentials"}
	const algorithms = `["ES256","EdDSA","RS256","PS256"]`
	const common = `{"issuer":"https://tokens.example/a","token_endpoint":"https://tokens.example/a/oauth2/token",` +
		`"introspection_endpoint":"https://tokens.example/a/oauth2/introspect","revocation_endpoint":"https://tokens.example/a/oauth2/revoke",` +
		`"jwks_uri":"https://tokens.example/a/oauth2/jwks","grant_types_supported":["client_credentials"],` +
		`"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","private_key_jwt","none"],` +
		`"token_endpoint_auth_signing_alg_values_supported":` + algorithms + `,` +
		`"introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","private_key_jwt"],` +
		`"introspection_endpoint_auth_signing_alg_values_supported":` + algorithms + `,` +
		`"revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","private_key_jwt","none"],` +
		`"revocation_endpoint_auth_signing_alg_values_supported":` + algorithms + `,"response_types_supported":[]`
	tests := []struct {
		name     string
		document *Document
		want     string
	}{
		{"RFC 8414", AuthorizationServer("https://tokens.example/a", grants, time.Minute), common + `}`},
		{
			"OpenID Connect Discovery", OpenIDConfiguration("https://tokens.example/a", grants, time.Minute),
			common + `,"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256","RS256","EdDSA"]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, tt.document, http.MethodGet)
			if diff := cmp.Diff(tt.want, got.Body.String()); diff != "" || got.Code != 200 {
				t.Errorf("got %d; document (-want +got):\n%s", got.Code, diff)
			}
			if got.Header().Get("Content-Type") != "application/json" || got.Header().Get("Cache-Control") != "public, max-age=60" {
				t.Errorf("got the headers %v", got.Header())
			}
		})
	}
}

func TestJWKS(t *testing.T) {
	k := newKeys(t)
	body, etag := k.Keys().JWKS()
	jwks := &JWKS{Keys: k, MaxAge: 5 * time.Minute}

	got := ask(t, jwks, http.MethodGet)
	if got.Code != 200 || got.Body.String() != string(body) {
		t.Errorf("got %d %s, want the keys", got.Code, got.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "ETag": etag,
	} {
		if got.Header().Get(name) != want {
			t.Errorf("got %s %q, want %q", name, got.Header().Get(name), want)
		}
	}
	head := ask(t, jwks, http.MethodHead)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("ETag") != etag {
		t.Errorf("got %d, %d bytes and %v for HEAD, want the headers alone", head.Code, head.Body.Len(), head.Header())
	}
	for name, match := range map[string]string{"the tag": etag, "a list": `"other", W/` + etag, "a star": "*"} {
		t.Run("a client that has "+name+" gets 304", func(t *testing.T) {
			got := ask(t, jwks, http.MethodGet, "If-None-Match", match)
			if got.Code != 304 || got.Body.Len() != 0 || got.Header().Get("Cache-Control") != "public, max-age=300" {
				t.Errorf("got %d, %d bytes and %v", got.Code, got.Body.Len(), got.Header())
			}
		})
	}
	if got := ask(t, jwks, http.MethodGet, "If-None-Match", `"other"`); got.Code != 200 {
		t.Errorf("got %d for another tag, want 200", got.Code)
	}
	other := &JWKS{Keys: newKeys(t), MaxAge: time.Minute}
	if got := ask(t, other, http.MethodGet, "If-None-Match", etag); got.Code != 200 {
		t.Errorf("got %d after the keys changed, want 200", got.Code)
	}
}

func TestOtherMethods(t *testing.T) {
	document := AuthorizationServer("https://tokens.example", nil, time.Minute)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		for name, h := range map[string]http.Handler{"JWKS": &JWKS{Keys: newKeys(t)}, "document": document} {
			t.Run(method+" on the "+name, func(t *testing.T) {
				got := ask(t, h, method)
				if got.Code != 405 || got.Header().Get("Allow") != "GET, HEAD" || got.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("got %d and %v, want 405 with the methods that there are", got.Code, got.Header())
				}
				if !strings.Contains(got.Body.String(), `"error":"invalid_request"`) {
					t.Errorf("got the body %s", got.Body)
				}
			})
		}
	}
}
