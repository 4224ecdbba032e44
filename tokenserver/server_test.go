// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// credentials are good ones, as a form.
var credentials = "client_id=es256&client_secret=" + url.QueryEscape(clientSecret)

func TestTokensVerifyWithIndependentLibraries(t *testing.T) {
	for _, path := range []string{"", "/tokens/v1"} {
		s := start(t, path)
		for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
			for style, name := range map[oauth2.AuthStyle]string{
				oauth2.AuthStyleInHeader: "header", oauth2.AuthStyleInParams: "parameters",
			} {
				t.Run(algorithm+" with credentials in the "+name+" at the issuer path "+path, func(t *testing.T) {
					provider, err := oidc.NewProvider(t.Context(), s.issuer)
					if err != nil {
						t.Fatal(err)
					}
					config := clientcredentials.Config{
						ClientID: strings.ToLower(algorithm), ClientSecret: clientSecret, AuthStyle: style,
						TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"orders.write"},
						EndpointParams: url.Values{"resource": {"https://orders.shop.example"}},
					}
					token, err := config.Token(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if token.Type() != "Bearer" || token.Extra("scope") != "orders.write" || token.Extra("expires_in") != 600.0 {
						t.Errorf("got the token type %s, scope %v, lifetime %d", token.Type(), token.Extra("scope"), token.Extra("expires_in"))
					}
					verified, err := provider.Verifier(&oidc.Config{ClientID: "https://orders.shop.example", Now: clock}).
						Verify(t.Context(), token.AccessToken)
					if err != nil {
						t.Fatal(err)
					}
					checkClaims(t, s.issuer, algorithm, verified)
				})
			}
		}
	}
}

// checkClaims checks every claim of a token for https://orders.shop.example with the scope orders.write.
func checkClaims(t *testing.T, issuer, algorithm string, token *oidc.IDToken) {
	t.Helper()
	var got map[string]any
	if err := token.Claims(&got); err != nil {
		t.Fatal(err)
	}
	if id, _ := got["jti"].(string); len(id) != 22 {
		t.Errorf("got the jti %q, want 128 bits", id)
	}
	delete(got, "jti")
	client, at := strings.ToLower(algorithm), float64(now().Unix())
	want := map[string]any{
		"iss": issuer, "sub": client, "client_id": client, "aud": []any{"https://orders.shop.example"}, "scope": "orders.write",
		"iat": at, "nbf": at, "exp": at + 600,
		"integration-operator.io": map[string]any{"namespace": "shop", "name": "order-sync", "uid": "uid-" + algorithm},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestTokenReply(t *testing.T) {
	s := start(t, "")
	secret := "&client_secret=" + url.QueryEscape(clientSecret)
	tests := []struct {
		name, contentType, body string
		wantScope               any
	}{
		{"a form", "application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=es256" + secret, "orders.read"},
		{
			"a form with the previous secret", "application/x-www-form-urlencoded; charset=utf-8",
			"grant_type=client_credentials&client_id=es256&client_secret=" + previousSecret, "orders.read",
		},
		{
			"JSON", "application/json", `{"grant_type":"client_credentials","client_id":"es256","client_secret":` + quote(t, clientSecret) +
				`,"scope":"orders.write orders.read","resource":["https://orders.shop.example"]}`, "orders.write orders.read",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.do(t, http.MethodPost, "/oauth2/token", tt.body, "Content-Type", tt.contentType)
			var body map[string]any
			if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != 200 {
				t.Fatalf("got %d %s (%v)", got.status, got.body, err)
			}
			delete(body, "access_token")
			want := map[string]any{"token_type": "Bearer", "expires_in": 600.0, "scope": tt.wantScope}
			if diff := cmp.Diff(want, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			got.header.Del("Content-Length")
			wantHeader := http.Header{
				"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
				"X-Content-Type-Options": {"nosniff"},
			}
			if diff := cmp.Diff(wantHeader, got.header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

// quote writes a JSON string.
func TestUsesOfThePreviousSecretAreSeen(t *testing.T) {
	s := start(t, "")
	s.token(t, "grant_type=client_credentials&"+credentials)
	s.token(t, "grant_type=client_credentials&client_id=es256&client_secret="+previousSecret)
	s.token(t, "grant_type=client_credentials&client_id=rs256&client_secret="+previousSecret)
	var told []string
	for _, id := range []string{"es256", "rs256", "eddsa"} {
		if s.previousUses(id) > 0 {
			told = append(told, id)
		}
	}
	if diff := cmp.Diff([]string{"es256", "rs256"}, told); diff != "" {
		t.Errorf("clients that used a previous secret (-want +got):\n%s", diff)
	}
	var logged []any
	for _, line := range s.log.lines(t) {
		logged = append(logged, line["credential"])
	}
	if diff := cmp.Diff([]any{nil, "previous_secret", "previous_secret"}, logged); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
	want := `
# HELP integration_operator_token_server_previous_secret_uses_total Requests of clients that got in by the client secret from before their last rotation.
# TYPE integration_operator_token_server_previous_secret_uses_total counter
integration_operator_token_server_previous_secret_uses_total 2
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want),
		"integration_operator_token_server_previous_secret_uses_total"); err != nil {
		t.Error(err)
	}
}

func quote(t *testing.T, s string) string {
	t.Helper()
	quoted, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}

func TestBadRequests(t *testing.T) {
	s := start(t, "")
	const form, js = "application/x-www-form-urlencoded", "application/json"
	good := "grant_type=client_credentials&" + credentials
	tests := []struct {
		name, method, path, contentType, body string
		basic                                 bool
		wantStatus                            int
		wantCode                              string
	}{
		{name: "broken JSON", contentType: js, body: `{"client_secret":"hush`, wantStatus: 400, wantCode: "invalid_request"},
		{name: "a wrong type in JSON", contentType: js, body: `{"client_secret":["hush"]}`, wantStatus: 400, wantCode: "invalid_request"},
		{name: "a duplicate in JSON", contentType: js, body: `{"hush":1,"hush":2}`, wantStatus: 400, wantCode: "invalid_request"},
		{name: "1 MiB", body: good + "&a=" + strings.Repeat("hush", 1<<18), wantStatus: 413, wantCode: "invalid_request"},
		{name: "bad percent-encoding", body: good + "&scope=%hush", wantStatus: 400, wantCode: "invalid_request"},
		{name: "a duplicate", body: good + "&client_secret=hush", wantStatus: 400, wantCode: "invalid_request"},
		{name: "an unknown duplicate", body: good + "&hush=1&hush=2", wantStatus: 400, wantCode: "invalid_request"},
		{name: "two ways to authenticate", body: good, basic: true, wantStatus: 400, wantCode: "invalid_request"},
		{name: "no grant_type", body: credentials, wantStatus: 400, wantCode: "invalid_request"},
		{name: "an unknown grant_type", body: "grant_type=hush&" + credentials, wantStatus: 400, wantCode: "unsupported_grant_type"},
		{name: "an unknown grant_type without client", body: "grant_type=implicit", wantStatus: 400, wantCode: "unsupported_grant_type"},
		{name: "another content type", contentType: "text/plain", body: good, wantStatus: 400, wantCode: "invalid_request"},
		{name: "credentials in the URL", path: "?" + good, body: good, wantStatus: 400, wantCode: "invalid_request"},
		{name: "GET with credentials in the URL", method: http.MethodGet, path: "?" + good, wantStatus: 405, wantCode: "invalid_request"},
		{name: "DELETE", method: http.MethodDelete, wantStatus: 405, wantCode: "invalid_request"},
		{name: "a scope that is not granted", body: good + "&scope=hush", wantStatus: 400, wantCode: "invalid_scope"},
		{name: "a scope of one audience only", body: good + "&scope=orders.write", wantStatus: 400, wantCode: "invalid_scope"},
		{name: "a malformed scope", body: good + "&scope=%22hush", wantStatus: 400, wantCode: "invalid_scope"},
		{name: "a resource that is not granted", body: good + "&resource=https://hush", wantStatus: 400, wantCode: "invalid_target"},
		{
			name: "a client that may not", body: strings.Replace(good, "es256", "idle", 1),
			wantStatus: 400, wantCode: "unauthorized_client",
		},
		{
			name: "a client whose key is being made", body: strings.Replace(good, "es256", "es384", 1),
			wantStatus: 503, wantCode: "temporarily_unavailable",
		},
		{name: "a panic", body: strings.Replace(good, "es256", panicID, 1), wantStatus: 500, wantCode: "server_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			if tt.contentType == "" {
				tt.contentType = form
			}
			headers := []string{"Content-Type", tt.contentType}
			if tt.basic {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
				r.SetBasicAuth("es256", url.QueryEscape(clientSecret))
				headers = append(headers, "Authorization", r.Header.Get("Authorization"))
			}
			got := s.do(t, tt.method, "/oauth2/token"+tt.path, tt.body, headers...)
			// A client hears which of its scopes or resources is refused; the log does not.
			got.body = strings.NewReplacer("the scope hush", "the scope", "https://hush", "").Replace(got.body)
			got.wantError(t, tt.wantStatus, tt.wantCode)
			if allow := got.header.Get("Allow"); (tt.wantStatus == 405) != (allow == "POST") {
				t.Errorf("got Allow %q with %d", allow, tt.wantStatus)
			}
			if after := got.header.Get("Retry-After"); (tt.wantStatus == 503) != (after == "5") {
				t.Errorf("got Retry-After %q with %d", after, tt.wantStatus)
			}
		})
	}
	if lines := s.log.lines(t); len(lines) != len(tests) {
		t.Errorf("got %d lines in the log, want one a request:\n%s", len(lines), s.log)
	}
}

func TestWhoFailsToAuthenticateLearnsNothing(t *testing.T) {
	s := start(t, "")
	const grant = "grant_type=client_credentials"
	encoded := url.QueryEscape(clientSecret)
	want := s.token(t, grant+"&client_id=es256&client_secret="+otherSecret)
	want.wantError(t, 401, "invalid_client")
	for name, body := range map[string]string{
		"an unknown client":                    "&client_id=nobody&client_secret=" + otherSecret,
		"an unknown client with a good secret": "&client_id=nobody&client_secret=" + encoded,
		"a suspended client":                   "&client_id=suspended&client_secret=" + encoded,
		"a suspended client, wrong secret":     "&client_id=suspended&client_secret=" + otherSecret,
		"a wrong secret that may not anyway":   "&client_id=idle&client_secret=" + otherSecret,
		"a wrong secret with a wrong scope":    "&client_id=es256&scope=nothing&client_secret=" + otherSecret,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, s.token(t, grant+body), cmp.AllowUnexported(reply{})); diff != "" {
				t.Errorf("the reply differs from that to a wrong secret (-want +got):\n%s", diff)
			}
		})
	}
	noSecret := s.token(t, grant+"&client_id=es256")
	noSecret.wantError(t, 401, "invalid_client")
	if diff := cmp.Diff(noSecret, s.token(t, grant+"&client_id=nobody"), cmp.AllowUnexported(reply{})); diff != "" {
		t.Errorf("without a secret, the replies to known and unknown clients differ:\n%s", diff)
	}
	s.token(t, grant, "Authorization", "Bearer hush").wantError(t, 401, "invalid_client")
}

func TestLog(t *testing.T) {
	s := start(t, "")
	const grant = "grant_type=client_credentials"
	s.token(t, grant+"&"+credentials)
	s.token(t, grant+"&client_id=es256&client_secret="+otherSecret)
	s.token(t, grant+"&client_secret=x&client_id="+url.QueryEscape("a\u2028\"b"+strings.Repeat("c", 100)))
	s.token(t, grant+"&client_id=suspended&client_secret="+url.QueryEscape(clientSecret))
	s.token(t, grant+"&scope=nope&"+credentials)
	s.token(t, "grant_type=made+up")
	s.token(t, "grant_type=%zz")
	s.token(t, grant+"&client_secret="+url.QueryEscape(clientSecret)+"&client_id=es384")

	got := s.log.lines(t)
	if id, _ := got[0]["token_id"].(string); len(id) != 22 {
		t.Errorf("got the token ID %q", id)
	}
	delete(got[0], "token_id")
	refused := func(result string, status float64, grant, cause string, more ...string) map[string]any {
		line := map[string]any{
			"level": "INFO", "msg": "audit", "action": "refuse", "result": result, "status": status, "grant": grant, "cause": cause,
		}
		for pair := range slices.Chunk(more, 2) {
			line[pair[0]] = pair[1]
		}
		return line
	}
	const cc, name = "client_credentials", "shop/order-sync"
	unavailable := refused("temporarily_unavailable", 503, cc, "sign token with ES384: no active key",
		"client", "es384", "integration", name, "level", "ERROR")
	want := []map[string]any{
		{"level": "INFO", "msg": "audit", "action": "issue", "result": "ok", "status": 200.0, "grant": cc, "client": "es256", "integration": name},
		refused("invalid_client", 401, cc, "the client secret is wrong", "client", "es256", "integration", name),
		refused("invalid_client", 401, cc, "the client is unknown", "unknown_client", `"a\u2028\"bcc"`),
		refused("invalid_client", 401, cc, "the client is suspended, or all that it might get is revoked", "client", "suspended", "integration", name),
		refused("invalid_scope", 400, cc, "a scope is not granted for each of the audiences", "client", "es256", "integration", name),
		refused("unsupported_grant_type", 400, "unknown", "there is no such grant_type"),
		refused("invalid_request", 400, "unknown", "the body is not form-encoded: a percent sign needs two hex digits and UTF-8"),
		unavailable,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestPanicIsLoggedWithoutItsMessage(t *testing.T) {
	s := start(t, "")
	s.token(t, "grant_type=client_credentials&client_id="+panicID+"&client_secret=x").wantError(t, 500, "server_error")
	lines := s.log.lines(t)
	if len(lines) != 1 || lines[0]["msg"] != "request panicked" || lines[0]["panic"] != "string" ||
		!strings.Contains(lines[0]["stack"].(string), "tokenserver_test.(*memory).Client") {
		t.Errorf("got the log %v, want one line that says where", lines)
	}
	if got := s.token(t, "grant_type=client_credentials&"+credentials); got.status != 200 {
		t.Errorf("got %d after the panic, want the server to go on", got.status)
	}
}

func TestRoutes(t *testing.T) {
	const jwks, metadata, openID = "/oauth2/jwks", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	tests := []struct {
		name, issuerPath string
		paths            []string
		wantStatus       int
	}{
		{"documents", "", []string{jwks, metadata, openID}, 200},
		{
			"documents of an issuer with a path, below it and beside it", "/tokens/v1",
			[]string{jwks, metadata, openID, "/tokens/v1" + jwks, "/tokens/v1" + metadata, "/tokens/v1" + openID, metadata + "/tokens/v1"},
			200,
		},
		{"documents of an issuer with a path that is not clean", "//odd/{path}/", []string{jwks, "/odd/%7Bpath%7D" + jwks}, 200},
		{"a document with a query", "", []string{jwks + "?a=b"}, 200},
		{"what is not there", "", []string{"/", "/oauth2", "/oauth2/token/", jwks + "/", metadata + "/x", "/tokens/v1" + jwks}, 404},
		{"paths that are not clean", "", []string{"//oauth2/jwks", "/oauth2/../oauth2/jwks", "/oauth2//token?client_secret=hush"}, 404},
	}
	for _, tt := range tests {
		s := start(t, tt.issuerPath)
		for _, path := range tt.paths {
			t.Run(tt.name+": "+path, func(t *testing.T) {
				got := s.do(t, http.MethodGet, path, "")
				if tt.wantStatus == 404 {
					got.wantError(t, 404, "not_found")
					return
				}
				if got.status != tt.wantStatus || got.header.Get("X-Content-Type-Options") != "nosniff" ||
					got.header.Get("Cache-Control") != "public, max-age=300" || got.header.Get("ETag") == "" {
					t.Errorf("got %d and %v", got.status, got.header)
				}
			})
		}
	}
}

func TestMetadataNamesEndpointsThatWork(t *testing.T) {
	s := start(t, "/tokens/v1")
	var document struct {
		Issuer        string   `json:"issuer"`
		Token         string   `json:"token_endpoint"`
		Introspection string   `json:"introspection_endpoint"`
		Revocation    string   `json:"revocation_endpoint"`
		JWKS          string   `json:"jwks_uri"`
		Grants        []string `json:"grant_types_supported"`
		Response      []string `json:"response_types_supported"`
	}
	body := s.do(t, http.MethodGet, "/.well-known/oauth-authorization-server/tokens/v1", "").body
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	wantGrants := []string{"client_credentials", "password", "refresh_token"}
	if document.Issuer != s.issuer || !slices.Equal(document.Grants, wantGrants) || document.Response == nil {
		t.Errorf("got the document %s", body)
	}
	// What the controllers write into Secrets and status must be what the server serves.
	got := &v1alpha1.Endpoints{
		Issuer: document.Issuer, Token: document.Token, Introspection: document.Introspection, Revocation: document.Revocation,
		JWKS: document.JWKS, Verify: s.issuer + "/verify",
	}
	if diff := cmp.Diff(v1alpha1.EndpointsOf(s.issuer), got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	path := func(endpoint string) string { return strings.TrimPrefix(endpoint, s.URL) }
	if got := s.do(t, http.MethodGet, path(document.JWKS), ""); got.status != 200 {
		t.Errorf("got %d at jwks_uri", got.status)
	}
	for endpoint, parameter := range map[string]string{
		document.Token: "grant_type=client_credentials", document.Introspection: "token=nonsense", document.Revocation: "token=nonsense",
	} {
		got := s.do(t, http.MethodPost, path(endpoint), parameter+"&"+credentials, "Content-Type", "application/x-www-form-urlencoded")
		if got.status != 200 {
			t.Errorf("got %d at %s", got.status, endpoint)
		}
	}
	if got := s.do(t, http.MethodGet, path(s.issuer+"/verify"), ""); got.status != 401 {
		t.Errorf("got %d at /verify without a token", got.status)
	}
}

func TestServerWithoutLogAndMetrics(t *testing.T) {
	set, err := signer.NewSet([]*signer.Key{newKey(t, "ES256")})
	if err != nil {
		t.Fatal(err)
	}
	store := &memory{set: set, sealing: newSealingKeys(t)}
	h := (&tokenserver.Server{
		Issuer: "https://tokens.example", Clients: store, Keys: store, Sessions: sessionstest.NewMemory(), MaxSessions: 1,
		Limits: limits.NewMemory(clock), JWKSMaxAge: time.Minute, Now: clock,
	}).Handler()
	for path, want := range map[string]int{"/oauth2/jwks": 200, "/oauth2/token": 405, "/": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("got %d for %s, want %d", w.Code, path, want)
		}
	}
}

func TestClientThatGoesAwayHarmsNobody(t *testing.T) {
	s := start(t, "")
	// A client that goes away in the middle of its body gets no reply, and the server goes on.
	reader, writer := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/oauth2/token", reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	go func() {
		_, _ = io.WriteString(writer, "grant_type=client_credentials&client_secret=hush")
		_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if response, err := s.Client().Do(r); err == nil {
		_ = response.Body.Close()
		t.Errorf("got %d for half a request", response.StatusCode)
	}
	if got := s.token(t, "grant_type=client_credentials&"+credentials); got.status != 200 {
		t.Errorf("got %d afterwards, want a token", got.status)
	}
}
