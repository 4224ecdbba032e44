// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package revocation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
	"github.com/integration-operator/integration-operator/tokenserver/revocation"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// An endpoint is the revocation endpoint over HTTP.
type endpoint struct {
	*world.World
	url string
	// log is the audit log.
	log *bytes.Buffer
}

func newHandler(w *world.World) *revocation.Handler {
	return &revocation.Handler{Issuer: world.Issuer, Keys: w, Sessions: w.Store, Authenticator: w.Authenticator(), Now: w.Now}
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{World: world.New(t), log: &bytes.Buffer{}}
	handler := newHandler(e.World)
	handler.Audit = &audit.Recorder{Log: slog.New(slog.NewJSONHandler(e.log, nil))}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// A reply is what a request gets, with the line of the audit log.
type reply struct {
	status int
	header http.Header
	body   string
	line   map[string]any
}

// revoke asks to revoke a token, with parameters beside the credentials.
func (e *endpoint) revoke(t *testing.T, clientID, token string, parameters ...string) reply {
	t.Helper()
	form := url.Values{}
	if token != "" {
		form.Set("token", token)
	}
	for name, value := range world.Credentials(clientID) {
		form.Set(name, value)
	}
	for pair := range slices.Chunk(parameters, 2) {
		form.Set(pair[0], pair[1])
	}
	e.log.Reset()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{status: response.StatusCode, header: response.Header, body: string(body)}
	if err := json.Unmarshal(e.log.Bytes(), &got.line); err != nil {
		t.Fatalf("read the audit line %q: %v", e.log, err)
	}
	return got
}

// wantSuccess checks that a request got the empty reply of a success.
func (r reply) wantSuccess(t *testing.T) {
	t.Helper()
	if r.status != http.StatusOK || r.body != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %q with %v, want an empty 200", r.status, r.body, r.header)
	}
}

// wantError checks that a request got an error.
func (r reply) wantError(t *testing.T, status int, code string) {
	t.Helper()
	var got struct{ Error string }
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != status || got.Error != code {
		t.Errorf("got %d %s (%v), want %d %s", r.status, r.body, err, status, code)
	}
}

// active reports whether an access token counts.
func (e *endpoint) active(t *testing.T, token string) bool {
	t.Helper()
	_, err := e.Checker().Check(t.Context(), token)
	if err != nil && !errors.Is(err, introspection.ErrInactive) {
		t.Fatal(err)
	}
	return err == nil
}

func TestRevokeAccessToken(t *testing.T) {
	for _, clientID := range []string{world.Signed, world.Opaque, world.Public} {
		t.Run(clientID, func(t *testing.T) {
			e := newEndpoint(t)
			access, _, sessionID := e.Login(t, clientID, world.Admin)
			other := e.AccessToken(t, world.Signed, nil)
			if !e.active(t, access.Token) {
				t.Fatal("the token does not count in the first place")
			}
			got := e.revoke(t, clientID, access.Token)
			got.wantSuccess(t)
			if e.active(t, access.Token) {
				t.Error("the token counts after it was revoked")
			}
			if !e.active(t, other.Token) {
				t.Error("another token was revoked with it")
			}
			if n := e.Store.Len(); n != 1 {
				t.Errorf("got %d sessions, want that the token's goes on", n)
			}
			delete(got.line, "time")
			want := map[string]any{
				"level": "INFO", "msg": "audit", "action": "revoke", "result": "ok", "status": 200.0, "client": clientID,
				"integration": strings.Replace(clientID, ".", "/", 1), "user": "zoë", "token_id": access.ID, "session": sessionID,
				"source": "127.0.0.1",
			}
			if diff := cmp.Diff(want, got.line); diff != "" {
				t.Errorf("audit line (-want +got):\n%s", diff)
			}
			again := e.revoke(t, clientID, access.Token)
			again.wantSuccess(t)
			if again.line["result"] != "inactive" {
				t.Errorf("got the audit line %v for the second time", again.line)
			}
		})
	}
}

// TestRevokedTokensAreRememberedForSlowClocks checks that the record outlives the token by as much as another replica's
// clock may lag.
func TestRevokedTokensAreRememberedForSlowClocks(t *testing.T) {
	e := newEndpoint(t)
	access := e.AccessToken(t, world.Signed, nil)
	e.revoke(t, world.Signed, access.Token).wantSuccess(t)
	never := func(*sessions.Session) bool { return false }
	for _, at := range []struct {
		after time.Duration
		want  int
	}{{10*time.Minute + 9*time.Second, 0}, {10*time.Minute + 11*time.Second, 1}} {
		if n, err := e.Store.Sweep(t.Context(), e.Now().Add(at.after), never); err != nil || n != at.want {
			t.Errorf("after %s %d records went (%v), want %d", at.after, n, err, at.want)
		}
	}
}

func TestRevokeRefreshToken(t *testing.T) {
	e := newEndpoint(t)
	access, refresh, sessionID := e.Login(t, world.Signed, world.Admin)
	otherAccess, _, _ := e.Login(t, world.Signed, world.Admin)
	got := e.revoke(t, world.Signed, refresh.Token)
	got.wantSuccess(t)
	if e.active(t, access.Token) {
		t.Error("the session's access token counts after the session was ended")
	}
	if !e.active(t, otherAccess.Token) || e.Store.Len() != 1 {
		t.Error("another session was ended with it")
	}
	if got.line["session"] != sessionID || got.line["token_id"] != refresh.ID || got.line["result"] != "ok" {
		t.Errorf("got the audit line %v", got.line)
	}
	e.revoke(t, world.Signed, refresh.Token).wantSuccess(t)
}

// TestRevokeOlderRefreshToken checks that any token of the family will do: a client that lost a reply has none but an
// older one.
func TestRevokeOlderRefreshToken(t *testing.T) {
	e := newEndpoint(t)
	access, refresh, sessionID := e.Login(t, world.Signed, world.Admin)
	client, _ := e.Client(world.Signed)
	session, err := e.Store.Get(t.Context(), sessions.OwnerOf(client), sessionID)
	if err != nil {
		t.Fatal(err)
	}
	session.Previous, session.Current = session.Current, [32]byte{1}
	if err := e.Store.Replace(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	e.revoke(t, world.Signed, refresh.Token).wantSuccess(t)
	if e.active(t, access.Token) || e.Store.Len() != 0 {
		t.Error("the session goes on")
	}
}

// TestTheHintDoesNotMatter checks RFC 7009 section 2.1: a wrong hint, or an unknown one, changes nothing.
func TestTheHintDoesNotMatter(t *testing.T) {
	for _, hint := range []string{"access_token", "refresh_token", "saml2", ""} {
		e := newEndpoint(t)
		access, refresh, _ := e.Login(t, world.Signed, world.Admin)
		e.revoke(t, world.Signed, access.Token, "token_type_hint", hint).wantSuccess(t)
		if e.active(t, access.Token) || e.Store.Len() != 1 {
			t.Errorf("with the hint %q the access token was not revoked, or more than that", hint)
		}
		e.revoke(t, world.Signed, refresh.Token, "token_type_hint", hint).wantSuccess(t)
		if e.Store.Len() != 0 {
			t.Errorf("with the hint %q the session was not ended", hint)
		}
	}
}

func TestNothingToRevoke(t *testing.T) {
	e := newEndpoint(t)
	access, refresh, _ := e.Login(t, world.Signed, world.Admin)
	another := world.New(t)
	tokens := map[string]string{
		"junk": "junk", "dots": "..", "JSON": `{"jti":"x"}`,
		"an edited access token":         access.Token[:len(access.Token)-2] + "AA",
		"an edited refresh token":        refresh.Token[:len(refresh.Token)-2] + "AA",
		"a token of another server":      another.AccessToken(t, world.Signed, nil).Token,
		"another opaque token":           another.AccessToken(t, world.Opaque, nil).Token,
		"a refresh token of nobody here": func() string { _, r, _ := another.Login(t, world.Signed, world.Admin); return r.Token }(),
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			got := e.revoke(t, world.Signed, token)
			got.wantSuccess(t)
			if got.line["result"] != "inactive" || got.line["token_id"] != nil || strings.Contains(e.log.String(), "AAA") {
				t.Errorf("got the audit line %v", got.line)
			}
		})
	}
	if !e.active(t, access.Token) || e.Store.Len() != 1 {
		t.Error("something was revoked all the same")
	}
	e.Move(2 * time.Hour)
	for _, token := range []string{access.Token, refresh.Token} {
		e.revoke(t, world.Signed, token).wantSuccess(t)
	}
	if e.Store.Len() != 1 {
		t.Error("an expired refresh token ended a session")
	}
}

func TestOnlyOwnTokens(t *testing.T) {
	e := newEndpoint(t)
	access, refresh, _ := e.Login(t, world.Signed, world.Admin)
	for _, clientID := range []string{world.Stranger, world.Resource, world.Public} {
		for _, token := range []string{access.Token, refresh.Token} {
			got := e.revoke(t, clientID, token)
			got.wantError(t, http.StatusBadRequest, "invalid_grant")
			if got.line["token_id"] != nil || got.line["user"] != nil || got.line["client"] != clientID {
				t.Errorf("got the audit line %v, want nothing of another client's token", got.line)
			}
		}
	}
	e.Change(world.Signed, func(c *clients.Client) { c.UID = "another" })
	for _, token := range []string{access.Token, refresh.Token} {
		e.revoke(t, world.Signed, token).wantError(t, http.StatusBadRequest, "invalid_grant")
	}
	e.Change(world.Signed, func(c *clients.Client) { c.UID = "uid-of-" + world.Signed })
	if !e.active(t, access.Token) {
		t.Error("somebody else revoked the token")
	}
}

func TestRevocationRefuses(t *testing.T) {
	e := newEndpoint(t)
	access := e.AccessToken(t, world.Signed, nil)
	e.revoke(t, world.Signed, access.Token, "client_secret", "wrong").wantError(t, http.StatusUnauthorized, "invalid_client")
	if got := e.revoke(t, "nobody", access.Token); got.line["unknown_client"] != `"nobody"` || got.line["action"] != "revoke" {
		t.Errorf("got the audit line %v", got.line)
	}
	// A client that has a secret does not get away without it.
	e.revoke(t, world.Public, access.Token, "client_id", world.Signed).wantError(t, http.StatusUnauthorized, "invalid_client")
	e.revoke(t, world.Signed, "").wantError(t, http.StatusBadRequest, "invalid_request")
	if !e.active(t, access.Token) {
		t.Error("the token was revoked all the same")
	}
	response := httptest.NewRecorder()
	newHandler(e.World).ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth2/revoke?token=x", http.NoBody))
	if response.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d for GET, want 405", response.Code)
	}
}

func TestRevocationWithoutStore(t *testing.T) {
	e := newEndpoint(t)
	access, refresh, _ := e.Login(t, world.Signed, world.Admin)
	repair := e.Store.Break()
	for _, token := range []string{access.Token, refresh.Token} {
		got := e.revoke(t, world.Signed, token)
		got.wantError(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		if got.header.Get("Retry-After") != "5" || got.line["level"] != "ERROR" {
			t.Errorf("got the headers %v and the audit line %v", got.header, got.line)
		}
	}
	e.revoke(t, world.Signed, "junk").wantSuccess(t)
	repair()
	if !e.active(t, access.Token) {
		t.Error("the token was revoked all the same")
	}
}

func TestRevocationWithAFullStore(t *testing.T) {
	e := newEndpoint(t)
	e.Store.MostSpent = 1
	e.revoke(t, world.Signed, e.AccessToken(t, world.Signed, nil).Token).wantSuccess(t)
	access := e.AccessToken(t, world.Signed, nil)
	got := e.revoke(t, world.Signed, access.Token)
	got.wantError(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if got.header.Get("Retry-After") != "60" || !strings.Contains(got.body, "revokeTokensIssuedBefore") {
		t.Errorf("got %s with %v, want what to do about it", got.body, got.header)
	}
	if !e.active(t, access.Token) {
		t.Error("the token does not count, though the client was told that it does")
	}
}

func TestRevocationIsObserved(t *testing.T) {
	w := world.New(t)
	var results []string
	handler := newHandler(w)
	handler.Observe = func(result string, _ time.Duration) { results = append(results, result) }
	for _, token := range []string{w.AccessToken(t, world.Public, nil).Token, "junk", w.AccessToken(t, world.Signed, nil).Token} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth2/revoke",
			strings.NewReader("client_id="+world.Public+"&token="+token))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	if diff := cmp.Diff([]string{"ok", "inactive", "invalid_grant"}, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}
