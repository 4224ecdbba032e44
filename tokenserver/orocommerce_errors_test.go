// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/orocommerce"
)

// Every row of the contract's table of errors, in its order, and which of two wins.
func TestOroCommerceErrors(t *testing.T) {
	s := startOro(t)
	s.addOro(t, "suspended", "BackOffice", clients.KindAdmin).Suspended = true
	s.addOro(t, "idle", "BackOffice", clients.KindAdmin).GrantTypes = nil
	s.addOro(t, "noguests", "Storefront", clients.KindCustomer).Guests = false
	login := func(client string, more ...any) map[string]any {
		return with(client, append([]any{"grant_type", "password", "username", "bob", "password", userPassword}, more...)...)
	}
	own := func(client string, more ...any) map[string]any {
		return with(client, append([]any{"grant_type", "client_credentials"}, more...)...)
	}
	unsupported := oroError{400, "unsupported_grant_type", "grant_type"}
	invalidClient, invalidGrant := oroError{401, "invalid_client", ""}, oroError{400, "invalid_grant", ""}
	missing := func(member string) oroError { return oroError{400, "invalid_request", member} }
	for _, tt := range []struct {
		name    string
		members map[string]any
		want    oroError
	}{
		{"no grant_type", with(backOffice), unsupported},
		{"an unknown grant_type", with(backOffice, "grant_type", "authorization_code"), unsupported},
		{"a grant_type that is no string", with(backOffice, "grant_type", 5), unsupported},
		{"an unknown grant_type of an unknown client", with("nobody", "grant_type", "implicit"), unsupported},
		{"an unknown grant_type without a client", map[string]any{"grant_type": "implicit"}, unsupported},

		{"no client_id", own(backOffice, "client_id", nil), missing("client_id")},
		{"a client_id that is no string", own(backOffice, "client_id", []string{backOffice}), missing("client_id")},
		{"a client_secret that is no string", own(backOffice, "client_secret", 5), missing("client_secret")},
		{"no username", login(backOffice, "username", nil), missing("username")},
		{"a username that is no string", login(backOffice, "username", 5), missing("username")},
		{"no password", login(backOffice, "password", nil), missing("password")},
		{"a password that is no string", login(backOffice, "password", map[string]any{"a": "hush"}), missing("password")},
		{"neither", login(backOffice, "username", nil, "password", nil), missing("username")},
		{"no refresh_token", with(backOffice, "grant_type", "refresh_token"), missing("refresh_token")},
		{"a refresh_token that is no string", with(backOffice, "grant_type", "refresh_token", "refresh_token", true), missing("refresh_token")},
		{"a scope that is no string", own(backOffice, "scope", []string{"orders.read"}), missing("scope")},

		{"an unknown client", own("nobody"), invalidClient},
		{"a client of another profile", own("es256", "client_secret", clientSecret), invalidClient},
		{"a wrong secret", own(backOffice, "client_secret", otherSecret), invalidClient},
		{"no secret", own(backOffice, "client_secret", nil), invalidClient},
		{"a wrong secret and no username", login(backOffice, "client_secret", otherSecret, "username", nil), invalidClient},
		{"a suspended client", own("suspended"), invalidClient},
		{"a grant that is not allowed", own("idle"), invalidClient},
		{"a grant that is not allowed, and no username", login("idle", "username", nil), invalidClient},

		{"an unknown user", login(backOffice, "username", "dave"), invalidGrant},
		{"a wrong password", login(backOffice, "password", "hush"), invalidGrant},
		{"a customer in the back office", login(backOffice, "username", customer), invalidGrant},
		{"an administrator in the storefront", login(storefront), invalidGrant},
		{"a guest in the back office", login(backOffice, "username", "guest", "password", "guest"), invalidGrant},
		{"a guest where guests are not allowed", login("noguests", "username", "guest", "password", "guest"), invalidGrant},
		{"a guest with another password", login(storefront, "username", "guest"), invalidGrant},
		{"a visitor's name", login(storefront, "username", "visitor:0123456789abcdef0123"), invalidGrant},

		{"a user who may not log in this way", login(backOffice, "username", "carol"), oroError{400, "invalid_grant", "second factor"}},

		{"a wider scope at a login", login(backOffice, "scope", "orders.admin"), oroError{400, "invalid_scope", "orders.admin"}},
		{"a malformed scope", own(backOffice, "scope", `a"b`), oroError{400, "invalid_scope", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) { s.oro(t, tt.members).wantOroError(t, tt.want, false) })
	}

	t.Run("a challenge goes with a header", func(t *testing.T) {
		for _, header := range []string{basicOf(backOffice, otherSecret), "Bearer hush"} {
			s.oro(t, own("nobody"), "Authorization", header).wantOroError(t, invalidClient, true)
			s.oro(t, own("idle"), "Authorization", header).wantOroError(t, invalidClient, true)
			s.oro(t, login(backOffice, "password", "hush"), "Authorization", header).wantOroError(t, invalidGrant, true)
		}
		s.oro(t, map[string]any{"grant_type": "client_credentials"}, "Authorization", basicOf(backOffice, otherSecret)).
			wantOroError(t, invalidClient, true)
	})
	t.Run("bodies that cannot be read", func(t *testing.T) {
		for contentType, body := range map[string]string{
			"text/plain": "grant_type=client_credentials", "application/xml": "<a/>", "application/json": `{"grant_type":"client_credentials"`,
		} {
			s.do(t, http.MethodPost, orocommerce.PathToken, body, "Content-Type", contentType).wantOroError(t, unsupported, false)
		}
		s.do(t, http.MethodPost, orocommerce.PathToken, "").wantOroError(t, unsupported, false)
	})
	t.Run("what is out of bounds", func(t *testing.T) {
		get := s.do(t, http.MethodGet, orocommerce.PathToken, "")
		get.wantOroError(t, oroError{405, "invalid_request", ""}, false)
		if got := get.header.Get("Allow"); got != "OPTIONS, POST" {
			t.Errorf("got Allow %q", got)
		}
		s.oro(t, own(backOffice, "scope", strings.Repeat("a", 70<<10))).wantOroError(t, oroError{413, "invalid_request", ""}, false)
		s.do(t, http.MethodPost, orocommerce.PathToken+"?grant_type=password", "").wantOroError(t, oroError{400, "invalid_request", ""}, false)
	})
	t.Run("what the server is to blame for", func(t *testing.T) {
		s.edit(backOffice, func(c *clients.Client) { c.Access = nil })
		s.oro(t, own(backOffice)).wantOroError(t, oroError{500, "server_error", ""}, false)
		s.addOro(t, backOffice, "BackOffice", clients.KindAdmin)
		repaired := s.sessions.Break()
		away := s.oro(t, login(backOffice))
		repaired()
		away.wantOroError(t, oroError{503, "temporarily_unavailable", ""}, false)
		if away.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	})
}

// A user is locked after too many wrong passwords, and a client that fails again and again is told to wait. OroCommerce knows no 429.
func TestOroCommerceLocksOut(t *testing.T) {
	s := startOro(t)
	login := func(password string) reply {
		return s.oro(t, with(backOffice, "grant_type", "password", "username", "bob", "password", password))
	}
	for range 5 {
		login("hush").wantOroError(t, oroError{400, "invalid_grant", ""}, false)
	}
	for _, password := range []string{"hush", userPassword} {
		locked := login(password)
		locked.wantOroError(t, oroError{400, "invalid_grant", "locked"}, false)
		if locked.header.Get("Retry-After") != "1" {
			t.Errorf("got Retry-After %q", locked.header.Get("Retry-After"))
		}
	}
	wrong := func() reply {
		return s.oro(t, map[string]any{"grant_type": "client_credentials"}, "Authorization", basicOf(backOffice, otherSecret))
	}
	for range 10 {
		wrong().wantOroError(t, oroError{401, "invalid_client", ""}, true)
	}
	throttled := wrong()
	throttled.wantOroError(t, oroError{401, "invalid_client", "Retry-After"}, true)
	if throttled.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	mustToken(t, s.oro(t, with(backOffice, "grant_type", "client_credentials")))
}

func TestOroCommerceCORS(t *testing.T) {
	const allowed = "https://shop.example"
	s := start(t, "", func(server *tokenserver.Server) { server.CORSOrigins = []string{allowed} })
	s.addOro(t, storefront, "Storefront", clients.KindCustomer)
	for origin, want := range map[string]string{allowed: allowed, "https://evil.example": "", "null": ""} {
		got := s.oro(t, with(storefront, "grant_type", "client_credentials"), "Origin", origin)
		mustToken(t, got)
		refused := s.oro(t, with(storefront, "grant_type", "client_credentials", "client_secret", otherSecret), "Origin", origin)
		refused.wantOroError(t, oroError{401, "invalid_client", ""}, false)
		unread := s.do(t, http.MethodGet, orocommerce.PathToken, "", "Origin", origin)
		preflight := s.do(t, http.MethodOptions, orocommerce.PathToken, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		for _, r := range []reply{got, refused, unread, preflight} {
			if r.header.Get("Access-Control-Allow-Origin") != want || r.header.Get("Vary") != "Origin" {
				t.Errorf("%s: got %d with the headers %v", origin, r.status, r.header)
			}
		}
		wantCORS := map[string]string{"Access-Control-Allow-Methods": "", "Access-Control-Allow-Headers": "", "Access-Control-Max-Age": ""}
		if want != "" {
			wantCORS = map[string]string{
				"Access-Control-Allow-Methods": "OPTIONS, POST", "Access-Control-Allow-Headers": "Authorization,Content-Type", "Access-Control-Max-Age": "600",
			}
		}
		gotCORS := map[string]string{}
		for name := range wantCORS {
			gotCORS[name] = preflight.header.Get(name)
		}
		if diff := cmp.Diff(wantCORS, gotCORS); preflight.status != http.StatusOK || preflight.body != "" || diff != "" {
			t.Errorf("%s: preflight %d %q (-want +got):\n%s", origin, preflight.status, preflight.body, diff)
		}
	}
	if got := s.do(t, http.MethodOptions, orocommerce.PathToken, ""); got.status != http.StatusOK || got.header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("OPTIONS: %d with Allow %q", got.status, got.header.Get("Allow"))
	}
	if got := s.do(t, http.MethodOptions, "/oauth2/token", "", "Origin", allowed); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another route allows the origin")
	}
}

// A refresh kills the pair before it, also where other clients have some time to present a token again.
func TestOroCommerceRefresh(t *testing.T) {
	s := start(t, "", func(server *tokenserver.Server) { server.RefreshGrace = time.Hour })
	s.addOro(t, backOffice, "BackOffice", clients.KindAdmin)
	s.addOro(t, "other", "BackOffice", clients.KindAdmin)
	first := s.oroLogin(t, backOffice, "bob")
	s.wantCounts(t, backOffice, first.AccessToken, true)

	narrow := s.oroRefresh(t, backOffice, first.RefreshToken, "scope", "orders.read")
	second := mustToken(t, narrow)
	if second.RefreshToken == first.RefreshToken || !oroReplyBody.MatchString(narrow.body) {
		t.Errorf("got %s", narrow.body)
	}
	s.wantCounts(t, backOffice, first.AccessToken, false)
	s.wantCounts(t, backOffice, second.AccessToken, true)

	unusable := oroError{401, "invalid_request", "cannot be read"}
	for _, tt := range []struct {
		name, client, token string
		want                oroError
	}{
		{"nonsense", backOffice, "hush", unusable},
		{"an access token", backOffice, second.AccessToken, unusable},
		{"an edited token", backOffice, second.RefreshToken[:len(second.RefreshToken)-6] + "AAAAAA", unusable},
		{"another client's", "other", second.RefreshToken, oroError{401, "invalid_request", "another client's"}},
		{"an expired one", backOffice, s.expiredRefresh(t, backOffice), oroError{401, "invalid_request", "expired"}},
	} {
		t.Run(tt.name, func(t *testing.T) { s.oroRefresh(t, tt.client, tt.token).wantOroError(t, tt.want, false) })
	}
	s.oroRefresh(t, backOffice, second.RefreshToken, "scope", "orders.read orders.write").
		wantOroError(t, oroError{400, "invalid_scope", "orders.write"}, false)
	// What was refused has changed nothing.
	s.wantCounts(t, backOffice, second.AccessToken, true)
	third := mustToken(t, s.oroRefresh(t, backOffice, second.RefreshToken))
	s.wantCounts(t, backOffice, third.AccessToken, true)

	s.oroRefresh(t, backOffice, second.RefreshToken).wantOroError(t, oroError{401, "invalid_request", "used before"}, false)
	s.wantCounts(t, backOffice, third.AccessToken, false)
	s.oroRefresh(t, backOffice, third.RefreshToken).wantOroError(t, oroError{401, "invalid_request", "revoked"}, false)
}

// wantCounts checks whether an access token counts, at /verify and for its own client at introspection.
func (s *fixture) wantCounts(t *testing.T, client, token string, want bool) {
	t.Helper()
	got := s.verify(t, "profile=OroCommerce&audience="+ordersAt, token)
	if (got.status == http.StatusNoContent) != want || !want && got.status != http.StatusUnauthorized {
		t.Errorf("verify: %d %s", got.status, got.body)
	}
	asked := s.do(t, http.MethodPost, "/oauth2/introspect", "token="+token+"&client_id="+client+"&client_secret="+oroSecret,
		"Content-Type", "application/x-www-form-urlencoded")
	if active := strings.HasPrefix(asked.body, `{"active":true,`); active != want {
		t.Errorf("introspection: %d %s", asked.status, asked.body)
	}
}

func TestOroCommerceVisitors(t *testing.T) {
	s := startOro(t)
	first, second := s.oroVisit(t), s.oroVisit(t)
	subject := func(token tokenReply) any { return decodePart(t, token.AccessToken, 1)["sub"] }
	if subject(first) == subject(second) {
		t.Error("two logins are one visitor")
	}
	refreshed := mustToken(t, s.oroRefresh(t, storefront, first.RefreshToken))
	if subject(refreshed) != subject(first) {
		t.Errorf("the visitor %v is %v after a refresh", subject(first), subject(refreshed))
	}
	s.wantCounts(t, storefront, first.AccessToken, false)
	s.wantCounts(t, storefront, refreshed.AccessToken, true)
	for query, want := range map[string]int{"kind=Visitor": 204, "kind=Customer": 403, "kind=Client": 403} {
		if got := s.verify(t, "application=storefront&audience="+ordersAt+"&"+query, refreshed.AccessToken); got.status != want {
			t.Errorf("%s: got %d, want %d", query, got.status, want)
		}
	}
	s.edit(storefront, func(c *clients.Client) { c.Guests = false })
	s.wantCounts(t, storefront, refreshed.AccessToken, false)
	s.oroRefresh(t, storefront, refreshed.RefreshToken).wantOroError(t, oroError{401, "invalid_request", "revoked"}, false)
}

// A visitor gets what the client gets by default, and nobody shuts visitors out by guessing at their password, which everybody knows.
func TestOroCommerceVisitorsGetInWithTheDefaultScopes(t *testing.T) {
	s := startOro(t)
	s.edit(storefront, func(c *clients.Client) { c.DefaultScopes = c.Access[0].Scopes[:1] })
	for range 20 {
		s.oro(t, with(storefront, "grant_type", "password", "username", "guest", "password", "hush"))
	}
	scopes := decodePart(t, s.oroVisit(t).AccessToken, 1)["scopes"]
	if got, _ := scopes.([]any); len(got) != 1 {
		t.Errorf("a visitor gets the scopes %v", scopes)
	}
	wider := s.store.clients[storefront].Access[0].Scopes[1]
	s.oro(t, with(storefront, "grant_type", "password", "username", "guest", "password", "guest", "scope", wider)).
		wantOroError(t, oroError{400, "invalid_scope", wider}, false)
}

// Tokens for one application are none for the other, and those of one profile none in another.
func TestOroCommerceTokensAreNotInterchangeable(t *testing.T) {
	s := startOro(t)
	plain := mustToken(t, s.form(t, "/oauth2/token", "es256", "grant_type", "client_credentials")).AccessToken
	office, shop := s.oroLogin(t, backOffice, "bob").AccessToken, s.oroLogin(t, storefront, customer).AccessToken
	own := mustToken(t, s.oro(t, with(backOffice, "grant_type", "client_credentials"))).AccessToken
	for _, tt := range []struct {
		name, query, token string
		want               int
	}{
		{"back office to back office", "application=backoffice", office, 204},
		{"its own token to back office", "application=BackOffice", own, 204},
		{"storefront to storefront", "application=storefront", shop, 204},
		{"storefront to either", "application=storefront&application=backoffice", shop, 204},
		{"any to OroCommerce", "profile=OroCommerce", shop, 204},
		{"storefront to back office", "application=backoffice", shop, 401},
		{"back office to storefront", "application=storefront", office, 401},
		{"its own token to storefront", "application=storefront&profile=OroCommerce", own, 401},
		{"plain to back office", "application=backoffice", plain, 401},
		{"plain to OroCommerce", "profile=OroCommerce", plain, 401},
		{"back office to plain", "", office, 401},
		{"back office to plain by name", "profile=OAuth2", office, 401},
		{"an application that there is not", "application=warehouse", office, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.verify(t, "audience="+ordersAt+"&"+tt.query, tt.token)
			if got.status != tt.want || (tt.want == 401) != strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("got %d %s with the challenge %q, want %d", got.status, got.body, got.header.Get("WWW-Authenticate"), tt.want)
			}
		})
	}
	t.Run("a token for the other application counts no more once the client has changed", func(t *testing.T) {
		s.edit(backOffice, func(c *clients.Client) { c.Application = "Storefront" })
		if got := s.verify(t, "application=storefront&audience="+ordersAt, own); got.status != http.StatusUnauthorized {
			t.Errorf("got %d", got.status)
		}
	})
	t.Run("OroCommerce's clients do not exist at another token endpoint", func(t *testing.T) {
		s.do(t, http.MethodPost, "/oauth2/token", "grant_type=client_credentials&client_id="+storefront+"&client_secret="+oroSecret,
			"Content-Type", "application/x-www-form-urlencoded").wantError(t, 401, "invalid_client")
	})
	t.Run("below its virtual base URL an Integration is the only one", func(t *testing.T) {
		path := "/integrations/shop/" + storefront + orocommerce.PathToken
		form := func(client string) reply {
			return s.do(t, http.MethodPost, path, "grant_type=client_credentials&client_id="+client+"&client_secret="+oroSecret,
				"Content-Type", "application/x-www-form-urlencoded")
		}
		mustToken(t, form(storefront))
		form(backOffice).wantOroError(t, oroError{401, "invalid_client", ""}, false)
	})
}
