// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// newHandler returns the endpoint of a world.
func newHandler(w *world.World) *forwardauth.Handler {
	return &forwardauth.Handler{Checker: w.Checker(), Issuer: world.Issuer, Now: w.Now}
}

// A reply is what a request gets.
type reply struct {
	StatusCode int
	Header     http.Header
	Body       string
}

// ask asks the endpoint, with headers as pairs of name and value.
func ask(t *testing.T, h http.Handler, target string, headers ...string) reply {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Add(pair[0], pair[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

const (
	here    = "/verify?audience=" + world.Audience
	plain   = `Bearer realm="integration-operator"`
	badAuth = plain + `, error="invalid_request", error_description="send one Authorization header: Bearer, a space and the token"`
	invalid = plain + `, error="invalid_token", error_description="the token is invalid or was revoked"`
)

func TestIdentity(t *testing.T) {
	w := world.New(t)
	opaque, _, _ := w.Login(t, world.Opaque, world.Admin)
	tests := []struct {
		name, target, token string
		headers             []string
		wantStatus          int
		want                map[string]string
	}{
		{
			name: "a client's JWT", target: here, token: w.AccessToken(t, world.Signed, nil).Token, wantStatus: http.StatusNoContent,
			want: map[string]string{
				"X-Auth-Client-Id": "shop.signed", "X-Auth-Subject": "shop.signed", "X-Auth-Scope": "read write", "X-Auth-Integration": "shop/signed",
			},
		},
		{
			name: "a user's opaque token", target: here, token: opaque.Token, wantStatus: http.StatusNoContent,
			want: map[string]string{
				"X-Auth-Client-Id": "shop.opaque", "X-Auth-Subject": "shop.opaque:zo%C3%AB", "X-Auth-Scope": "read write",
				"X-Auth-Integration": "shop/opaque",
			},
		},
		{
			name: "a name that would be another header", target: here, wantStatus: http.StatusNoContent,
			token: w.AccessToken(t, world.Signed, func(terms *tokens.Terms) {
				terms.Subject, terms.Scope = "a b%0d\r\nX-Auth-Client-Id: root\x00\u2028", ""
			}).Token,
			want: map[string]string{
				"X-Auth-Client-Id": "shop.signed", "X-Auth-Subject": "a%20b%250d%0D%0AX-Auth-Client-Id:%20root%00%E2%80%A8", "X-Auth-Scope": "",
				"X-Auth-Integration": "shop/signed",
			},
		},
		{
			name: "Envoy gets the status that it takes for a yes", target: "/verify/orders/1?scope=nonsense&x=%zz", wantStatus: http.StatusOK,
			token: w.AccessToken(t, world.Signed, nil).Token, headers: []string{"X-Verify-Audience", world.Audience},
			want: map[string]string{
				"X-Auth-Client-Id": "shop.signed", "X-Auth-Subject": "shop.signed", "X-Auth-Scope": "read write", "X-Auth-Integration": "shop/signed",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, newHandler(w), tt.target, append(tt.headers, "Authorization", "Bearer "+tt.token)...)
			if got.StatusCode != tt.wantStatus || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d with %v, want %d", got.StatusCode, got.Header, tt.wantStatus)
			}
			for name, want := range tt.want {
				if diff := cmp.Diff([]string{want}, got.Header[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, nil).Token
	_, refresh, _ := w.Login(t, world.Signed, world.Admin)
	tests := []struct {
		name          string
		headers       []string
		wantStatus    int
		wantChallenge string
	}{
		{"none", nil, 401, plain},
		{"another scheme", []string{"Authorization", "Basic YTpi"}, 401, plain},
		{"the scheme in other letters", []string{"Authorization", "bEARER " + token}, 204, ""},
		{"the scheme alone", []string{"Authorization", "Bearer"}, 401, badAuth},
		{"nothing after the scheme", []string{"Authorization", "Bearer  "}, 401, badAuth},
		{"two tokens", []string{"Authorization", "Bearer " + token + " " + token}, 401, badAuth},
		{"two headers", []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}, 401, badAuth},
		{"two headers that a proxy joined", []string{"Authorization", "Bearer " + token + ", Bearer " + token}, 401, badAuth},
		{"junk", []string{"Authorization", "Bearer junk"}, 401, invalid},
		{"no algorithm", []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}, 401, invalid},
		{"a refresh token", []string{"Authorization", "Bearer " + refresh.Token}, 401, invalid},
		{"the token in another header", []string{"X-Authorization", "Bearer " + token}, 401, plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, newHandler(w), here, tt.headers...)
			if got.StatusCode != tt.wantStatus || got.Header.Get("WWW-Authenticate") != tt.wantChallenge {
				t.Errorf("got %d, challenge %q, want %d, challenge %q", got.StatusCode, got.Header.Get("WWW-Authenticate"), tt.wantStatus, tt.wantChallenge)
			}
			if got.Header.Get("Cache-Control") != "no-store" || (got.StatusCode != 204 && got.Header.Get("X-Auth-Subject") != "") {
				t.Errorf("got the headers %v", got.Header)
			}
			if got.StatusCode == 401 && !json.Valid([]byte(got.Body)) {
				t.Errorf("got the body %s", got.Body)
			}
		})
	}
}

func TestTokensThatDoNotCount(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, nil).Token
	w.Change(world.Signed, func(c *clients.Client) { c.Suspended = true })
	if got := ask(t, newHandler(w), here, "Authorization", "Bearer "+token); got.Header.Get("WWW-Authenticate") != invalid || got.StatusCode != 401 {
		t.Errorf("got %d with %v for a suspended client", got.StatusCode, got.Header)
	}
	w.Change(world.Signed, func(c *clients.Client) { c.Suspended = false })
	w.Move(time.Hour)
	const expired = plain + `, error="invalid_token", error_description="the token has expired"`
	if got := ask(t, newHandler(w), here, "Authorization", "Bearer "+token); got.Header.Get("WWW-Authenticate") != expired || got.StatusCode != 401 {
		t.Errorf("got %d with %v for an expired token", got.StatusCode, got.Header)
	}
}

func TestRequirements(t *testing.T) {
	w := world.New(t)
	admin, _, _ := w.Login(t, world.Signed, world.Admin)
	byKind := map[string]string{
		"Client": w.AccessToken(t, world.Signed, nil).Token, "Admin": admin.Token,
		"issuer": w.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Audience = []string{world.Issuer} }).Token,
		"none":   w.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Scope = "" }).Token,
	}
	const (
		wrongAudience = plain + `, error="invalid_token", error_description="the token is not meant for this API"`
		lacks         = plain + `, error="insufficient_scope", error_description="the token lacks a scope that the API requires", scope=`
		wrongKind     = plain + `, error="insufficient_scope", error_description="the API is for tokens of another kind: `
		audience      = "X-Verify-Audience"
	)
	tests := []struct {
		name, token, target string
		headers             []string
		wantStatus          int
		wantChallenge       string
	}{
		{"a scope", "Client", here + "&scope=read", nil, 204, ""},
		{"two scopes, in any order", "Client", here + "&scope=write+read", nil, 204, ""},
		{"a scope twice over", "Client", here + "&scope=write&scope=read", nil, 204, ""},
		{"a scope that it lacks", "Client", here + "&scope=read&scope=delete", nil, 403, lacks + `"read delete"`},
		{"a scope that begins alike", "Client", here + "&scope=rea", nil, 403, lacks + `"rea"`},
		{"a scope, of a token without any", "none", here + "&scope=read", nil, 403, lacks + `"read"`},
		{"no audience means the issuer", "Client", "/verify", nil, 401, wrongAudience},
		{"no audience, and a token for the issuer", "issuer", "/verify", nil, 204, ""},
		{"another audience", "Client", "/verify?audience=https://bank.example", nil, 401, wrongAudience},
		{"one of two audiences", "Client", here + "&audience=https://bank.example", nil, 204, ""},
		{"an audience that begins alike", "Client", "/verify?audience=https://orders", nil, 401, wrongAudience},
		{"the kind Client", "Client", here + "&kind=Client", nil, 204, ""},
		{"the kind Client, of a user's token", "Admin", here + "&kind=Client", nil, 403, wrongKind + `Client"`},
		{"the kind Admin", "Admin", here + "&kind=Admin", nil, 204, ""},
		{"the kind Admin, of a client's token", "Client", here + "&kind=Admin", nil, 403, wrongKind + `Admin"`},
		{"one of two kinds", "Admin", here + "&kind=Customer&kind=Admin", nil, 204, ""},
		{"none of two kinds", "Client", here + "&kind=Customer&kind=Admin", nil, 403, wrongKind + `Customer, Admin"`},

		{"Envoy: an audience", "Client", "/verify/", []string{audience, world.Audience}, 200, ""},
		{"Envoy: one of two audiences", "Client", "/verify/a", []string{audience, "https://bank.example " + world.Audience}, 200, ""},
		{"Envoy: another audience", "Client", "/verify/a", []string{audience, "https://bank.example"}, 401, wrongAudience},
		{"Envoy: the query is the client's", "Client", "/verify/a?audience=" + world.Audience, []string{audience, "https://bank.example"}, 401, wrongAudience},
		{"Envoy: a path that pretends", "Client", "/verify/verify?audience=" + world.Audience, []string{audience, "https://bank.example"}, 401, wrongAudience},
		{"Envoy: a scope that it lacks", "Client", "/verify/a", []string{audience, world.Audience, "X-Verify-Scope", "read delete"}, 403, lacks + `"read delete"`},
		{"Envoy: the scopes it has", "Client", "/verify/a", []string{audience, world.Audience, "X-Verify-Scope", "read write"}, 200, ""},
		{"Envoy: a kind", "Client", "/verify/a", []string{audience, world.Audience, "X-Verify-Kind", "Admin Customer"}, 403, wrongKind + `Admin, Customer"`},
		{"Envoy: no audience", "issuer", "/verify/a", nil, 400, ""},

		// What a client gets past its proxy restricts nobody but itself.
		{"a client's own audience opens nothing", "Client", "/verify", []string{audience, world.Audience}, 401, wrongAudience},
		{
			"a client's own audience opens nothing beside another", "Client", "/verify?audience=https://bank.example",
			[]string{audience, world.Audience},
			401, wrongAudience,
		},
		{
			"a client's own audience opens nothing beside Envoy's", "Client", "/verify/a",
			[]string{audience, world.Audience, audience, "https://bank.example"},
			401, wrongAudience,
		},
		{
			"a client's own audience that is joined with Envoy's", "Client", "/verify/a",
			[]string{audience, world.Audience + ", https://bank.example"},
			400, "",
		},
		{"a client's own kind opens nothing", "Client", here + "&kind=Admin", []string{"X-Verify-Kind", "Client"}, 403, wrongKind + `Admin"`},
		{"a client's own scope is one more", "Client", here + "&scope=read", []string{"X-Verify-Scope", "delete"}, 403, lacks + `"delete read"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, newHandler(w), tt.target, append(tt.headers, "Authorization", "Bearer "+byKind[tt.token])...)
			if got.StatusCode != tt.wantStatus || got.Header.Get("WWW-Authenticate") != tt.wantChallenge {
				t.Errorf("got %d, challenge %q, want %d, challenge %q", got.StatusCode, got.Header.Get("WWW-Authenticate"), tt.wantStatus, tt.wantChallenge)
			}
		})
	}
}

// TestMistakesOfTheProxy checks that nothing passes by mistake, with the best of tokens.
func TestMistakesOfTheProxy(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Audience = []string{world.Issuer, world.Audience} }).Token
	many := make([]string, 0, 20)
	for range 9 {
		many = append(many, "X-Verify-Kind", "Client")
	}
	tests := []struct {
		name, target string
		headers      []string
	}{
		{"an unknown parameter", here + "&scopes=read", nil},
		{"a parameter in other letters", here + "&Scope=read", nil},
		{"an empty scope", here + "&scope=", nil},
		{"two spaces in a scope", here + "&scope=read++write", nil},
		{"a quote in a scope", here + "&scope=%22", nil},
		{"a line break in a scope", here + "&scope=read%0d%0awrite", nil},
		{"a scope that is too long", here + "&scope=" + strings.Repeat("s", 129), nil},
		{"too many scopes", here + "&scope=" + strings.Repeat("s+", 256) + "s", nil},
		{"an empty audience", "/verify?audience=", nil},
		{"an audience with a space", "/verify?audience=a+b", nil},
		{"an empty audience beside another", here + "&audience=", nil},
		{"an unknown kind", here + "&kind=client", nil},
		{"an empty kind", here + "&kind=", nil},
		{"a broken query", here + "&scope=%zz", nil},
		{"a semicolon", here + ";scope=read", nil},
		{"a query that is too long", here + "&" + strings.Repeat("scope=read&", 800), nil},
		{"an empty header", "/verify/", []string{"X-Verify-Audience", ""}},
		{"an empty scope header", "/verify/", []string{"X-Verify-Audience", world.Audience, "X-Verify-Scope", ""}},
		{"an unknown kind in a header", "/verify/", []string{"X-Verify-Audience", world.Audience, "X-Verify-Kind", "Root"}},
		{"a header that is too long", here, []string{"X-Verify-Scope", strings.Repeat("s ", 5000)}},
		{"a header too often", here, many},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, newHandler(w), tt.target, append(tt.headers, "Authorization", "Bearer "+token)...)
			var body struct {
				Error       string
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(got.Body), &body); err != nil || got.StatusCode != 400 {
				t.Fatalf("got %d (%v), want 400", got.StatusCode, err)
			}
			if body.Error != "invalid_request" || body.Description == "" || got.Header.Get("X-Auth-Subject") != "" {
				t.Errorf("got %+v with %v", body, got.Header)
			}
		})
	}
}

func TestEveryMethod(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, nil).Token
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		request := httptest.NewRequestWithContext(t.Context(), method, here, strings.NewReader("token=x"))
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		newHandler(w).ServeHTTP(response, request)
		if response.Code != http.StatusNoContent {
			t.Errorf("%s: got %d", method, response.Code)
		}
	}
}

// TestIssuerWithPath checks that the operator's query counts below the path of the issuer too.
func TestIssuerWithPath(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, nil).Token
	handler := newHandler(w)
	handler.Issuer = "https://example.org/tokens"
	for target, want := range map[string]int{
		"/tokens" + here: 204, here: 204, "/tokens/verify": 401, "/tokens/verify?scope=delete&audience=" + world.Audience: 403,
		"/tokens/verify/?audience=" + world.Audience: 400, "/other/verify?audience=" + world.Audience: 400,
	} {
		if got := ask(t, handler, target, "Authorization", "Bearer "+token); got.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, got.StatusCode, want)
		}
	}
}

func TestVerifyWithoutStore(t *testing.T) {
	w := world.New(t)
	token := w.AccessToken(t, world.Signed, nil).Token
	log := &bytes.Buffer{}
	handler := newHandler(w)
	handler.Log = slog.New(slog.NewJSONHandler(log, nil))
	repair := w.Store.Break()
	got := ask(t, handler, here, "Authorization", "Bearer "+token)
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "5" || got.Header.Get("X-Auth-Subject") != "" {
		t.Errorf("got %d with %v, want 503 and when to try again", got.StatusCode, got.Header)
	}
	if !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), "temporarily_unavailable") {
		t.Errorf("got the log %s", log)
	}
	if got := ask(t, handler, here, "Authorization", "Bearer junk"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d for junk, which needs no store", got.StatusCode)
	}
	repair()
	if got := ask(t, handler, here, "Authorization", "Bearer "+token); got.StatusCode != http.StatusNoContent {
		t.Errorf("got %d once the store is back", got.StatusCode)
	}
}

func TestRefusalsAreLoggedForDebuggingAndObserved(t *testing.T) {
	w := world.New(t)
	log := &bytes.Buffer{}
	handler := newHandler(w)
	handler.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var results []string
	handler.Observe = func(result string, _ time.Duration) { results = append(results, result) }
	token := w.AccessToken(t, world.Signed, nil).Token
	serve := func(target, authorization string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	serve(here, "Bearer "+token)
	if log.Len() > 0 {
		t.Errorf("a request that may pass is logged: %s", log)
	}
	serve(here, "")
	serve(here, "Bearer "+token[:len(token)-8]+"AAAAAAAA")
	serve(here+"&scope=delete", "Bearer "+token)
	serve(here+"&x=y", "Bearer "+token)
	want := []string{"ok", "no_token", "invalid_token", "insufficient_scope", "invalid_request"}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := strings.Count(log.String(), `"level":"DEBUG"`); got != 4 || !strings.Contains(log.String(), "its signature is wrong") {
		t.Errorf("got the log %s, want four lines with causes", log)
	}
	if strings.Contains(log.String(), token[:30]) {
		t.Error("the log holds a token")
	}
}

func BenchmarkVerify(b *testing.B) {
	w := world.New(b)
	handler := newHandler(w)
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, here+"&scope=read", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+w.AccessToken(b, world.Signed, nil).Token)
	b.ReportAllocs()
	for b.Loop() {
		response := httptest.NewRecorder()
		if handler.ServeHTTP(response, request); response.Code != http.StatusNoContent {
			b.Fatal(response.Code)
		}
	}
}
