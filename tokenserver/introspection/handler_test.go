// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// An endpoint is the introspection endpoint over HTTP.
type endpoint struct {
	*world.World
	url string
	// log is the audit log.
	log *bytes.Buffer
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{World: world.New(t), log: &bytes.Buffer{}}
	server := httptest.NewServer(&introspection.Handler{
		Checker: e.Checker(), Authenticator: e.Authenticator(), Sources: limits.Sources{Trusted: []netip.Prefix{}}, Now: e.Now,
		Audit: &audit.Recorder{Log: slog.New(slog.NewJSONHandler(e.log, nil))},
	})
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// ask asks about a token, and returns the status, the headers, the body and the audit line.
func (e *endpoint) ask(t *testing.T, clientID, token string) (status int, header http.Header, body string, line map[string]any) {
	t.Helper()
	form := url.Values{"token": {token}}
	for name, value := range world.Credentials(clientID) {
		form.Set(name, value)
	}
	return e.post(t, form)
}

func (e *endpoint) post(t *testing.T, form url.Values) (status int, header http.Header, body string, line map[string]any) {
	t.Helper()
	e.log.Reset()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return e.do(t, request)
}

func (e *endpoint) do(t *testing.T, request *http.Request) (status int, header http.Header, body string, line map[string]any) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.log.Bytes(), &line); err != nil {
		t.Fatalf("read the audit line %q: %v", e.log, err)
	}
	return response.StatusCode, response.Header, string(read), line
}

func TestIntrospect(t *testing.T) {
	e := newEndpoint(t)
	for _, clientID := range []string{world.Signed, world.Opaque} {
		t.Run(clientID, func(t *testing.T) {
			access, _, sessionID := e.Login(t, clientID, world.Admin)
			for _, asks := range []string{clientID, world.Resource} {
				status, header, body, line := e.ask(t, asks, access.Token)
				var got map[string]any
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatalf("read the reply %s: %v", body, err)
				}
				at := float64(e.Now().Unix())
				name := strings.TrimPrefix(clientID, "shop.")
				want := map[string]any{
					"active": true, "token_type": "Bearer", "scope": "read write", "client_id": clientID, "username": "zoë",
					"sub": clientID + ":zoë", "aud": []any{world.Audience}, "iss": world.Issuer, "jti": access.ID, "sid": sessionID,
					"iat": at, "nbf": at, "exp": at + 600,
					"integration-operator.io": map[string]any{
						"namespace": "shop", "name": name, "uid": "uid-of-" + clientID, "username": "zoë", "kind": "Admin",
					},
				}
				if diff := cmp.Diff(want, got); diff != "" || status != http.StatusOK {
					t.Errorf("%s got %d; reply (-want +got):\n%s", asks, status, diff)
				}
				if header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" {
					t.Errorf("got the headers %v", header)
				}
				delete(line, "time")
				wantLine := map[string]any{
					"level": "INFO", "msg": "audit", "action": "introspect", "result": "ok", "status": float64(200), "client": asks,
					"integration": strings.Replace(asks, ".", "/", 1), "user": "zoë", "token_id": access.ID, "session": sessionID,
					"source": "127.0.0.1",
				}
				if diff := cmp.Diff(wantLine, line); diff != "" {
					t.Errorf("audit line (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestIntrospectionOfAClientsTokenNamesNoUser(t *testing.T) {
	e := newEndpoint(t)
	_, _, body, _ := e.ask(t, world.Resource, e.AccessToken(t, world.Signed, nil).Token)
	if !strings.HasPrefix(body, `{"active":true,`) || strings.Contains(body, "username") || strings.Contains(body, "sid") {
		t.Errorf("got %s, want an active token of no user", body)
	}
}

// TestInactive checks that every token that does not count, or not for whoever asks, gets the same reply.
func TestInactive(t *testing.T) {
	e := newEndpoint(t)
	valid := e.AccessToken(t, world.Signed, nil).Token
	access, refresh, _ := e.Login(t, world.Signed, world.Admin)
	elsewhere := e.AccessToken(t, world.Signed, func(terms *tokens.Terms) { terms.Audience = []string{"https://bank.example"} }).Token
	another := world.New(t)
	tests := []struct{ name, asks, token string }{
		{"junk", world.Resource, "junk"},
		{"JSON", world.Resource, `{"alg":"none"}`},
		{"a token edited by one bit", world.Resource, valid[:len(valid)-1] + string(valid[len(valid)-1]^1)},
		{"a token of another server", world.Resource, another.AccessToken(t, world.Signed, nil).Token},
		{"an opaque token of another server", world.Resource, another.AccessToken(t, world.Opaque, nil).Token},
		{"a refresh token", world.Signed, refresh.Token},
		{"a good token that is none of the caller's business", world.Stranger, valid},
		{"a user's token that is none of the caller's business", world.Stranger, access.Token},
		{"a token for an API that the caller does not serve", world.Resource, elsewhere},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body, line := e.ask(t, tt.asks, tt.token)
			if status != http.StatusOK || body != `{"active":false}` {
				t.Errorf("got %d %s, want that it is inactive and nothing else", status, body)
			}
			for _, absent := range []string{"token_id", "user", "session"} {
				if value, ok := line[absent]; ok {
					t.Errorf("the log says %s=%v of a token that the caller may not know", absent, value)
				}
			}
			if line["result"] != "inactive" || line["cause"] == nil || line["client"] != tt.asks {
				t.Errorf("got the audit line %v", line)
			}
		})
	}
}

// TestTheFormerOwnerMayNotAsk checks that a client that was deleted and made anew does not get to see its predecessor's
// tokens.
func TestTheFormerOwnerMayNotAsk(t *testing.T) {
	e := newEndpoint(t)
	token := e.AccessToken(t, world.Signed, nil).Token
	e.Change(world.Signed, func(c *clients.Client) { c.UID = "another" })
	if _, _, body, _ := e.ask(t, world.Signed, token); body != `{"active":false}` {
		t.Errorf("got %s", body)
	}
}

func TestIntrospectionRefuses(t *testing.T) {
	e := newEndpoint(t)
	token := e.AccessToken(t, world.Signed, nil).Token
	tests := []struct {
		name       string
		form       url.Values
		wantStatus int
		wantError  string
		wantLog    map[string]any
	}{
		{
			"no credentials", url.Values{"token": {token}}, http.StatusUnauthorized, "invalid_client", map[string]any{"status": 401.0},
		},
		{
			"a public client",
			url.Values{"token": {token}, "client_id": {world.Public}},
			http.StatusUnauthorized, "invalid_client",
			map[string]any{"client": world.Public, "cause": "a public client asks about a token"},
		},
		{
			"a wrong secret",
			url.Values{"token": {token}, "client_id": {world.Signed}, "client_secret": {"x"}},
			http.StatusUnauthorized, "invalid_client",
			map[string]any{"client": world.Signed, "cause": "the client secret is wrong"},
		},
		{
			"an unknown client",
			url.Values{"token": {token}, "client_id": {"nobody"}, "client_secret": {"x"}},
			http.StatusUnauthorized, "invalid_client",
			map[string]any{"unknown_client": `"nobody"`},
		},
		{
			"no token",
			url.Values{"client_id": {world.Signed}, "client_secret": {world.Secret}},
			http.StatusBadRequest, "invalid_request",
			map[string]any{"action": "introspect"},
		},
		{
			"two tokens",
			url.Values{"token": {token, token}, "client_id": {world.Signed}, "client_secret": {world.Secret}},
			http.StatusBadRequest, "invalid_request",
			map[string]any{"action": "introspect"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body, line := e.post(t, tt.form)
			var got struct{ Error string }
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != tt.wantStatus || got.Error != tt.wantError {
				t.Errorf("got %d %s (%v), want %d %s", status, body, err, tt.wantStatus, tt.wantError)
			}
			if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 comes without a challenge")
			}
			if header.Get("Cache-Control") != "no-store" {
				t.Errorf("got the headers %v", header)
			}
			for name, want := range tt.wantLog {
				if line[name] != want {
					t.Errorf("the log says %s=%v, want %v", name, line[name], want)
				}
			}
			if strings.Contains(e.log.String(), token[:20]) || strings.Contains(e.log.String(), world.Secret) {
				t.Errorf("the log holds a secret: %s", e.log)
			}
		})
	}
}

func TestIntrospectionTakesNoGET(t *testing.T) {
	e := newEndpoint(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.url+"?token=x", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	status, header, body, _ := e.do(t, request)
	if status != http.StatusMethodNotAllowed || header.Get("Allow") != "POST" {
		t.Errorf("got %d %s with %v, want 405", status, body, header)
	}
}

func TestIntrospectionWithoutStore(t *testing.T) {
	e := newEndpoint(t)
	token := e.AccessToken(t, world.Signed, nil).Token
	repair := e.Store.Break()
	status, header, body, line := e.ask(t, world.Resource, token)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "5" || !strings.Contains(body, "temporarily_unavailable") {
		t.Errorf("got %d %s with %v, want 503 and when to try again", status, body, header)
	}
	if line["level"] != "ERROR" || line["result"] != "temporarily_unavailable" {
		t.Errorf("got the audit line %v", line)
	}
	if status, _, body, _ := e.ask(t, world.Resource, "junk"); status != http.StatusOK || body != `{"active":false}` {
		t.Errorf("got %d %s for junk, which needs no store", status, body)
	}
	repair()
	if status, _, body, _ := e.ask(t, world.Resource, token); status != http.StatusOK || !strings.Contains(body, "true") {
		t.Errorf("got %d %s once the store is back", status, body)
	}
}

func TestIntrospectionIsObserved(t *testing.T) {
	w := world.New(t)
	var results []string
	handler := &introspection.Handler{
		Checker: w.Checker(), Authenticator: w.Authenticator(), Now: w.Now,
		Observe: func(result string, _ time.Duration) { results = append(results, result) },
	}
	for _, body := range []string{
		"client_secret=" + world.Secret + "&client_id=" + world.Signed + "&token=" + w.AccessToken(t, world.Signed, nil).Token,
		"client_secret=" + world.Secret + "&client_id=" + world.Signed + "&token=junk", "token=junk",
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth2/introspect", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	if diff := cmp.Diff([]string{"ok", "inactive", "invalid_client"}, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}
