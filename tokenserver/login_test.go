// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/bcrypt"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

const userPassword = "hush, it is a password: é&%+"

// addLogin adds the client web, which logs in the users alice, who may read, and bob, who may everything and whose password is hashed.
func (s *fixture) addLogin(t *testing.T, edit func(*clients.Client)) *clients.Client {
	t.Helper()
	plain, err := passwords.New([]byte(userPassword))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(userPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hashed, err := passwords.Parse(hash)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient("ES256")
	c.ID, c.Name, c.UID = "web", "web", "uid-web"
	c.GrantTypes = []string{"client_credentials", "password", "refresh_token"}
	c.RefreshLifetime = 24 * time.Hour
	c.Users = map[string]*clients.User{
		"alice": {Name: "alice", Kind: "Customer", Limited: true, Scopes: []string{"orders.read"}, Password: plain},
		"bob":   {Name: "bob", Kind: "Admin", Password: hashed},
	}
	if edit != nil {
		edit(c)
	}
	s.store.clients[c.ID] = c
	return c
}

// A tokenReply is a success at the token endpoint.
type tokenReply struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// form sends a form to the token endpoint as a client with the good secret; parameters come in pairs.
func (s *fixture) form(t *testing.T, path, client string, parameters ...string) reply {
	t.Helper()
	form := url.Values{"client_id": {client}, "client_secret": {clientSecret}}
	for i := 0; i+1 < len(parameters); i += 2 {
		form.Add(parameters[i], parameters[i+1])
	}
	return s.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// mustToken reads a success.
func mustToken(t *testing.T, r reply) tokenReply {
	t.Helper()
	var got tokenReply
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK || got.AccessToken == "" {
		t.Fatalf("got %d %s (%v), want a token", r.status, r.body, err)
	}
	return got
}

func (s *fixture) login(t *testing.T, user string, more ...string) reply {
	t.Helper()
	return s.form(t, "/oauth2/token", "web", append([]string{"grant_type", "password", "username", user, "password", userPassword}, more...)...)
}

func (s *fixture) refresh(t *testing.T, token string, more ...string) reply {
	t.Helper()
	return s.form(t, "/oauth2/token", "web", append([]string{"grant_type", "refresh_token", "refresh_token", token}, more...)...)
}

// introspect returns what an API hears about a token.
func (s *fixture) introspect(t *testing.T, token string) map[string]any {
	t.Helper()
	r := s.form(t, "/oauth2/introspect", "web", "token", token)
	var got map[string]any
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK {
		t.Fatalf("introspection: %d %s (%v)", r.status, r.body, err)
	}
	return got
}

func TestLogin(t *testing.T) {
	s := start(t, "")
	s.addLogin(t, nil)
	for user, want := range map[string]struct{ kind, scope, wide string }{
		"alice": {"Customer", "orders.read", ""},
		"bob":   {"Admin", "orders.read", "orders.write"},
	} {
		got := mustToken(t, s.login(t, user))
		if got.Scope != want.scope || strings.Count(got.RefreshToken, ".") != 2 {
			t.Errorf("%s got the scope %q and the refresh token %.20q", user, got.Scope, got.RefreshToken)
		}
		said := s.introspect(t, got.AccessToken)
		private, _ := said["integration-operator.io"].(map[string]any)
		if said["active"] != true || said["sub"] != "web:"+user || said["username"] != user || said["client_id"] != "web" ||
			private["kind"] != want.kind || private["username"] != user {
			t.Errorf("%s: introspection says %v", user, said)
		}
		// What only one audience has needs that audience, and a user who may.
		wide := s.login(t, user, "scope", "orders.write", "resource", "https://orders.shop.example")
		if want.wide == "" {
			wide.wantError(t, 400, "invalid_scope")
		} else if got := mustToken(t, wide); got.Scope != want.wide {
			t.Errorf("%s got the scope %q", user, got.Scope)
		}
	}
	if s.sessions.Len() != 3 {
		t.Errorf("%d sessions, want one for each login that succeeded", s.sessions.Len())
	}

	for _, tt := range []struct {
		name, username, password string
		wantCode                 string
	}{
		{"a wrong password", "alice", "hush", "invalid_grant"},
		{"an unknown user", "carol", userPassword, "invalid_grant"},
		{"a user in other letters", "Alice", userPassword, "invalid_grant"},
		{"no password", "alice", "", "invalid_request"},
		{"no username", "", userPassword, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.form(t, "/oauth2/token", "web", "grant_type", "password", "username", tt.username, "password", tt.password)
			got.wantError(t, 400, tt.wantCode)
		})
	}
	t.Run("a client without the grant", func(t *testing.T) {
		s.form(t, "/oauth2/token", "es256", "grant_type", "password", "username", "alice", "password", userPassword).
			wantError(t, 400, "unauthorized_client")
	})
	t.Run("a client without refresh tokens gets none", func(t *testing.T) {
		before := s.sessions.Len()
		s.addLogin(t, func(c *clients.Client) { c.GrantTypes = []string{"password"} })
		if got := mustToken(t, s.login(t, "alice")); got.RefreshToken != "" || s.sessions.Len() != before {
			t.Errorf("got the refresh token %.20q and %d sessions", got.RefreshToken, s.sessions.Len())
		}
	})
}

func TestRefresh(t *testing.T) {
	s := start(t, "")
	s.addLogin(t, nil)
	first := mustToken(t, s.login(t, "bob", "resource", "https://orders.shop.example", "scope", "orders.read orders.write"))
	narrow := mustToken(t, s.refresh(t, first.RefreshToken, "scope", "orders.read"))
	if narrow.Scope != "orders.read" || narrow.RefreshToken == first.RefreshToken || narrow.AccessToken == first.AccessToken {
		t.Errorf("a narrower scope: %+v", narrow)
	}
	wide := mustToken(t, s.refresh(t, narrow.RefreshToken))
	if wide.Scope != "orders.read orders.write" {
		t.Errorf("after a narrower scope the login's whole scope is there again, not %q", wide.Scope)
	}
	said := s.introspect(t, wide.AccessToken)
	if fmt.Sprint(said["aud"]) != "[https://orders.shop.example]" || said["active"] != true {
		t.Errorf("introspection: %v", said)
	}
	// What is refused leaves the token as good as before.
	s.refresh(t, wide.RefreshToken, "scope", "orders.admin").wantError(t, 400, "invalid_scope")
	s.refresh(t, wide.RefreshToken, "resource", "https://stock.shop.example").wantError(t, 400, "invalid_target")
	repaired := s.sessions.Break()
	away := s.refresh(t, wide.RefreshToken)
	away.wantError(t, 503, "temporarily_unavailable")
	if away.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	repaired()
	last := mustToken(t, s.refresh(t, wide.RefreshToken))

	t.Run("another client's", func(t *testing.T) {
		s.store.clients["other"] = s.addLogin(t, func(c *clients.Client) { c.ID, c.UID = "other", "uid-other" })
		s.form(t, "/oauth2/token", "other", "grant_type", "refresh_token", "refresh_token", last.RefreshToken).wantError(t, 400, "invalid_grant")
	})
	t.Run("an access token", func(t *testing.T) { s.refresh(t, last.AccessToken).wantError(t, 400, "invalid_grant") })
	t.Run("nonsense", func(t *testing.T) { s.refresh(t, "hush").wantError(t, 400, "invalid_grant") })
	t.Run("none", func(t *testing.T) { s.refresh(t, "").wantError(t, 400, "invalid_request") })
	t.Run("a client made anew under the same ID", func(t *testing.T) {
		before := s.store.clients["web"]
		s.addLogin(t, func(c *clients.Client) { c.UID = "uid-anew" })
		s.refresh(t, last.RefreshToken).wantError(t, 400, "invalid_grant")
		s.store.clients["web"] = before
	})
	t.Run("a user who may not log in any more", func(t *testing.T) {
		before := s.store.clients["web"]
		s.addLogin(t, func(c *clients.Client) { delete(c.Users, "bob") })
		s.refresh(t, last.RefreshToken).wantError(t, 400, "invalid_grant")
		if said := s.introspect(t, last.AccessToken); said["active"] != false {
			t.Errorf("introspection: %v", said)
		}
		s.store.clients["web"] = before
	})
	t.Run("access that was narrowed since", func(t *testing.T) {
		before := s.store.clients["web"]
		s.addLogin(t, func(c *clients.Client) { c.Access = []clients.Access{{Audience: "https://stock.shop.example"}} })
		s.refresh(t, last.RefreshToken).wantError(t, 400, "invalid_grant")
		s.store.clients["web"] = before
	})

	current := mustToken(t, s.refresh(t, last.RefreshToken))
	s.refresh(t, first.RefreshToken).wantError(t, 400, "invalid_grant")
	s.refresh(t, current.RefreshToken).wantError(t, 400, "invalid_grant")
	if got := strings.Count(s.log.String(), `"action":"reuse"`); got != 1 {
		t.Errorf("the audit log tells of %d reuses, want 1", got)
	}
	if said := s.introspect(t, current.AccessToken); said["active"] != false || len(said) != 1 {
		t.Errorf("after a reuse the family's access tokens must not count: %v", said)
	}
}

// What bad input gets at the introspection endpoint: never more than that it is inactive.
func TestWhatIsInactive(t *testing.T) {
	s := start(t, "")
	s.addLogin(t, nil)
	good := mustToken(t, s.login(t, "bob"))
	parts := strings.Split(good.AccessToken, ".")
	for name, token := range map[string]string{
		"nonsense":                  "hush",
		"a refresh token":           good.RefreshToken,
		"a token without signature": parts[0] + "." + parts[1] + ".",
		"algorithm none":            "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0." + parts[1] + ".",
		"an edited token":           good.AccessToken[:len(good.AccessToken)-6] + "AAAAAA",
		"another client's token":    mustToken(t, s.form(t, "/oauth2/token", "es256", "grant_type", "client_credentials")).AccessToken,
	} {
		t.Run(name, func(t *testing.T) {
			if said := s.introspect(t, token); said["active"] != false || len(said) != 1 {
				t.Errorf("got %v", said)
			}
			got := s.do(t, http.MethodGet, "/verify?audience=https://orders.shop.example", "", "Authorization", "Bearer "+token)
			wantStatus := 401
			if name == "another client's token" {
				wantStatus = 204 // It is as good as ever, just none of web's business.
			}
			if got.status != wantStatus {
				t.Errorf("verify: %d", got.status)
			}
		})
	}
}

// A user is blocked after too many failures, whatever the password; the client is not.
func TestGuessingIsLimited(t *testing.T) {
	s := start(t, "")
	s.addLogin(t, nil)
	guess := func() reply {
		return s.form(t, "/oauth2/token", "web", "grant_type", "password", "username", "alice", "password", "hush")
	}
	for range 5 {
		guess().wantError(t, 400, "invalid_grant")
	}
	got := guess()
	got.wantError(t, 429, "invalid_grant")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("got Retry-After %q", got.header.Get("Retry-After"))
	}
	s.login(t, "alice").wantError(t, 429, "invalid_grant")
	mustToken(t, s.login(t, "bob"))
	mustToken(t, s.form(t, "/oauth2/token", "web", "grant_type", "client_credentials"))

	wrong := func() reply {
		return s.token(t, "grant_type=client_credentials&client_id=web&client_secret="+otherSecret)
	}
	for range 10 {
		wrong().wantError(t, 401, "invalid_client")
	}
	if got := wrong(); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d with Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	mustToken(t, s.form(t, "/oauth2/token", "web", "grant_type", "client_credentials"))
	want := `
# HELP integration_operator_token_server_audit_events_total Lines of the audit log by action and result; the result is ok or an error code.
# TYPE integration_operator_token_server_audit_events_total counter
integration_operator_token_server_audit_events_total{action="issue",result="ok"} 3
integration_operator_token_server_audit_events_total{action="refuse",result="invalid_client"} 11
integration_operator_token_server_audit_events_total{action="refuse",result="invalid_grant"} 7
# HELP integration_operator_token_server_limited_attempts_total Attempts that were refused after too many failures, by what was counted: client, user or address.
# TYPE integration_operator_token_server_limited_attempts_total counter
integration_operator_token_server_limited_attempts_total{by="client"} 1
integration_operator_token_server_limited_attempts_total{by="user"} 2
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want),
		"integration_operator_token_server_audit_events_total", "integration_operator_token_server_limited_attempts_total"); err != nil {
		t.Error(err)
	}
}

// asUnkeyed returns made-up names that would share a count with each of the given ones if the first bits of a SHA-256 alone decided that:
// what anybody can work out.
func asUnkeyed(names []string, counts int) map[string]string {
	place := func(name string) int {
		sum := sha256.Sum256([]byte(name))
		return int(binary.BigEndian.Uint16(sum[:])) % counts
	}
	wanted, found := map[int]string{}, map[string]string{}
	for _, name := range names {
		wanted[place(name)] = name
	}
	for i := 0; len(found) < len(wanted); i++ {
		made := fmt.Sprint("made-up-", i)
		if name, ok := wanted[place(made)]; ok && made != name {
			found[name] = made
		}
	}
	return found
}

// Whoever fails with made-up names learns of no other name whether it exists, whatever they know of the code. Two names may share a count
// by chance, but not two pairs.
func TestGuessingTellsNobodyWhoExists(t *testing.T) {
	for _, tt := range []struct {
		name, exists string
		free, counts int
		fail         func(s *fixture, name, address string) reply
	}{
		{"users", "alice", 5, 1 << 12, func(s *fixture, name, _ string) reply {
			return s.form(t, "/oauth2/token", "web", "grant_type", "password", "username", name, "password", "hush")
		}},
		{"clients", "web", 10, 1 << 16, func(s *fixture, name, address string) reply {
			return s.token(t, "grant_type=client_credentials&client_id="+name+"&client_secret="+otherSecret, "X-Forwarded-For", address)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names := []string{tt.exists, "nobody", "noone", "none"}
			before, differ := asUnkeyed(names, tt.counts), map[string]bool{}
			for _, made := range []int{0, 1, tt.free, tt.free + 1} { // How often somebody fails with a made-up name before.
				s := start(t, "", func(s *tokenserver.Server) { s.Sources.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
				s.addLogin(t, nil)
				said := map[string][]int{}
				for i, name := range names {
					address := fmt.Sprint("192.0.2.", i) // None of them comes to the limit of an address.
					for range made {
						tt.fail(s, before[name], address)
					}
					for range tt.free + 2 {
						said[name] = append(said[name], tt.fail(s, name, address).status)
					}
					if !slices.Equal(said[name], said[tt.exists]) {
						differ[name] = true
					}
				}
			}
			if len(differ) > 1 {
				t.Errorf("%v do not look like %s, which exists", slices.Collect(maps.Keys(differ)), tt.exists)
			}
		})
	}
}

// What a client may not ask for at all is refused before anybody's password is looked at, and a user who is blocked before that.
func TestAScopeThatIsNotGrantedIsNoGuess(t *testing.T) {
	s := start(t, "")
	s.addLogin(t, nil)
	wrong := func(more ...string) reply {
		return s.form(t, "/oauth2/token", "web", append([]string{"grant_type", "password", "username", "alice", "password", "hush"}, more...)...)
	}
	for range 10 {
		wrong("scope", "orders.admin").wantError(t, 400, "invalid_scope")
		wrong("resource", "https://nobody.example").wantError(t, 400, "invalid_target")
	}
	mustToken(t, s.login(t, "alice"))
	for range 6 {
		wrong()
	}
	wrong("scope", "orders.admin").wantError(t, 429, "invalid_grant")
}
