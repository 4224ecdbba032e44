// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// A shopError is one JSON:API error.
type shopError struct {
	Code   string  `json:"code"`
	Status string  `json:"status"`
	Title  string  `json:"title"`
	Detail *string `json:"detail"`
	Meta   struct {
		Parameters struct {
			Seconds int `json:"seconds"`
		} `json:"parameters"`
	} `json:"meta"`
}

// wantShopError checks that a reply is one JSON:API error that nobody may store, and returns it.
func (r reply) wantShopError(t *testing.T, wantStatus int, wantCode string) shopError {
	t.Helper()
	var body struct {
		Error  any         `json:"error"`
		Errors []shopError `json:"errors"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Error != nil || len(body.Errors) != 1 {
		t.Fatalf("got %d %s (%v), want one JSON:API error", r.status, r.body, err)
	}
	got := body.Errors[0]
	if r.status != wantStatus || got.Code != wantCode || got.Status != strconv.Itoa(wantStatus) || got.Title == "" {
		t.Errorf("got %d %s, want %d and the code %s", r.status, r.body, wantStatus, wantCode)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if r.header.Get("WWW-Authenticate") != "" && wantCode != "4" {
		t.Errorf("got the challenge %q with the code %s", r.header.Get("WWW-Authenticate"), wantCode)
	}
	if strings.Contains(r.body, "hush") {
		t.Errorf("the reply holds a secret: %s", r.body)
	}
	return got
}

// Each row of the table of errors in the contract.
func TestShopwareErrors(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	s.addShop(t, func(c *clients.Client) {
		c.ID, c.UID, c.Name, c.Suspended, c.Users = "SWIASUSPENDED", "uid-suspended", "suspended", true, nil
	})
	s.addShop(t, func(c *clients.Client) {
		c.ID, c.UID, c.Name, c.GrantTypes, c.Users = "SWIAIDLE", "uid-idle", "idle", nil, nil
	})
	const js = "application/json"
	login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", nil)))
	text := func(m members) string {
		body, _ := json.Marshal(m)
		return string(body)
	}
	for _, tt := range []struct {
		name, contentType, body string
		wantStatus              int
		wantCode, wantDetail    string
	}{
		{"grant_type missing", js, text(ownToken(members{"grant_type": nil})), 400, "2", ""},
		{"grant_type unknown", js, text(ownToken(members{"grant_type": "authorization_code"})), 400, "2", ""},
		{"grant_type not a string", js, text(ownToken(members{"grant_type": 5})), 400, "2", ""},
		{"an empty body", js, "", 400, "2", ""},
		{"an empty object", js, "{}", 400, "2", ""},
		{"another content type", "text/plain", "grant_type=client_credentials", 400, "2", ""},
		{"an access key that logs in users", js, text(shopLogin("admin", members{"client_id": shopKey, "client_secret": shopSecret})), 400, "2", ""},
		{"an access key that refreshes", js, text(shopRefresh(login.RefreshToken, members{"client_id": shopKey})), 400, "2", ""},
		{"administration for itself", js, text(ownToken(members{"client_id": "administration"})), 400, "2", ""},
		{"a client without the grant", js, text(ownToken(members{"client_id": "SWIAIDLE"})), 400, "2", ""},
		{"client_id missing", js, text(ownToken(members{"client_id": nil})), 400, "3", "client_id"},
		{"client_id not a string", js, text(ownToken(members{"client_id": []string{shopKey}})), 400, "3", "client_id"},
		{"client_secret not a string", js, text(ownToken(members{"client_secret": 5})), 400, "3", "client_secret"},
		{"username missing", js, text(shopLogin("admin", members{"username": nil})), 400, "3", "username"},
		{"username not a string", js, text(shopLogin("admin", members{"username": 5})), 400, "3", "username"},
		{"password missing", js, text(shopLogin("admin", members{"password": nil})), 400, "3", "password"},
		{"password not a string", js, text(shopLogin("admin", members{"password": []string{"hush"}})), 400, "3", "password"},
		{"refresh_token missing", js, text(shopRefresh("", nil)), 400, "3", "refresh_token"},
		{"refresh_token not a string", js, text(shopRefresh("", members{"refresh_token": true})), 400, "3", "refresh_token"},
		{"an unknown client", js, text(ownToken(members{"client_id": "SWIANOBODY"})), 401, "4", ""},
		{"a client of another profile", js, text(ownToken(members{"client_id": "es256", "client_secret": clientSecret})), 401, "4", ""},
		{"a suspended client", js, text(ownToken(members{"client_id": "SWIASUSPENDED"})), 401, "4", ""},
		{"a wrong secret", js, text(ownToken(members{"client_secret": otherSecret})), 401, "4", ""},
		{"no secret", js, text(ownToken(members{"client_secret": nil})), 401, "4", ""},
		{"an empty secret", js, text(ownToken(members{"client_secret": ""})), 401, "4", ""},
		{"an unknown scope", js, text(ownToken(members{"scopes": "write everything"})), 400, "5", "everything"},
		{"a scope that the client was not granted", js, text(ownToken(members{"scope": []string{"product:write"}})), 400, "5", "product:write"},
		{"a malformed scope", js, text(ownToken(members{"scope": `"write"`})), 400, "5", ""},
		{"a scope that the user was not granted", js, text(shopLogin("editor", members{"scopes": "admin"})), 400, "5", "admin"},
		{"an unknown user", js, text(shopLogin("nobody", nil)), 400, "6", ""},
		{"a wrong password", js, text(shopLogin("admin", members{"password": "hush"})), 400, "6", ""},
		{"a refresh token that is none", js, text(shopRefresh("def50200hush", nil)), 401, "8", ""},
		{"an access token as refresh token", js, text(shopRefresh(login.AccessToken, nil)), 401, "8", ""},
		{"malformed JSON", js, `{"grant_type":"client_credentials","client_secret":"hush`, 400, "0", ""},
		{"JSON that is no object", js, `["hush"]`, 400, "0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.do(t, http.MethodPost, shopToken, tt.body, "Content-Type", tt.contentType)
			e := got.wantShopError(t, tt.wantStatus, tt.wantCode)
			if tt.wantDetail != "" && (e.Detail == nil || !strings.Contains(*e.Detail, tt.wantDetail)) {
				t.Errorf("got %s, want a detail that names %s", got.body, tt.wantDetail)
			}
			if got.header.Get("WWW-Authenticate") != "" {
				t.Error("there is a challenge, and was no Authorization header")
			}
		})
	}
	t.Run("a user with a second factor looks like a wrong password", func(t *testing.T) {
		wrong := s.shop(t, shopToken, shopLogin("admin", members{"password": "hush"}))
		s.addShop(t, func(c *clients.Client) { c.Users["admin"].TOTP = clients.Conceal("hush") })
		if got := s.shop(t, shopToken, shopLogin("admin", nil)); got.body != wrong.body || got.status != wrong.status {
			t.Errorf("got %d %s, want %d %s", got.status, got.body, wrong.status, wrong.body)
		}
	})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		t.Run("the wrong method "+method, func(t *testing.T) {
			got := s.do(t, method, shopToken, "")
			got.wantShopError(t, 405, "0")
			if got.header.Get("Allow") != "POST" {
				t.Errorf("got Allow %q", got.header.Get("Allow"))
			}
		})
	}
	t.Run("1 MiB", func(t *testing.T) {
		s.shop(t, shopToken, ownToken(members{"more": strings.Repeat("hush", 1<<18)})).wantShopError(t, 413, "0")
	})
}

func TestShopwareChallenge(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	for name, authorization := range map[string]string{
		"a wrong secret": basicOf(shopKey, otherSecret), "an unknown client": basicOf("SWIANOBODY", shopSecret), "what is not base64": "Basic hush",
	} {
		t.Run(name, func(t *testing.T) {
			got := s.shop(t, shopToken, members{"grant_type": "client_credentials"}, "Authorization", authorization)
			got.wantShopError(t, 401, "4")
			if challenge := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Basic realm=") {
				t.Errorf("got the challenge %q", challenge)
			}
		})
	}
	t.Run("no challenge with another code", func(t *testing.T) {
		s.shop(t, shopToken, members{"grant_type": "client_credentials", "scope": "nope"}, "Authorization", basicOf(shopKey, shopSecret)).
			wantShopError(t, 400, "5")
		s.shop(t, shopToken, members{"grant_type": "nope"}, "Authorization", basicOf(shopKey, "hush")).wantShopError(t, 400, "2")
	})
	t.Run("header and body that differ are refused, though one of them is right", func(t *testing.T) {
		s.shop(t, shopToken, ownToken(nil), "Authorization", basicOf(shopKey, otherSecret)).wantShopError(t, 401, "4")
		s.shop(t, shopToken, ownToken(nil), "Authorization", basicOf("SWIANOBODY", shopSecret)).wantShopError(t, 401, "4")
	})
}

// A login that is wrong in every way hears of one thing at a time, in the vendor's order.
func TestShopwarePrecedence(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	wrong := members{"grant_type": "nope", "client_id": 5, "client_secret": otherSecret, "scope": "nope"}
	s.shop(t, shopToken, wrong).wantShopError(t, 400, "2")
	wrong["grant_type"] = "client_credentials"
	s.shop(t, shopToken, wrong).wantShopError(t, 400, "3")
	wrong["client_id"] = shopKey
	s.shop(t, shopToken, wrong).wantShopError(t, 401, "4")
	wrong["client_secret"] = shopSecret
	s.shop(t, shopToken, wrong).wantShopError(t, 400, "5")
	delete(wrong, "scope")
	mustShop(t, s.shop(t, shopToken, wrong))

	login := members{"grant_type": "nope", "username": 5, "scopes": "nope"}
	elsewhere := "/integrations/shop/nobody" + shopToken
	s.shop(t, elsewhere, login).wantShopError(t, 400, "2")
	login["grant_type"] = "password"
	s.shop(t, elsewhere, login).wantShopError(t, 400, "3")
	login["client_id"] = "administration"
	s.shop(t, elsewhere, login).wantShopError(t, 401, "4")
	s.shop(t, shopToken, login).wantShopError(t, 400, "5")
	delete(login, "scopes")
	if e := s.shop(t, shopToken, login).wantShopError(t, 400, "3"); e.Detail == nil || !strings.Contains(*e.Detail, "username") {
		t.Errorf("got the detail %v", e.Detail)
	}
	login["username"], login["password"] = "admin", "hush"
	s.shop(t, shopToken, login).wantShopError(t, 400, "6")
	// A key that is being made comes last of all.
	s.addShop(t, func(c *clients.Client) { c.SigningAlgorithm = "ES384" })
	s.shop(t, shopToken, login).wantShopError(t, 400, "6")
	login["password"] = userPassword
	got := s.shop(t, shopToken, login)
	got.wantShopError(t, 503, "0")
	if got.header.Get("Retry-After") != "5" {
		t.Errorf("got Retry-After %q", got.header.Get("Retry-After"))
	}
}

func TestShopwareThrottling(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	wantThrottled := func(t *testing.T, got reply) {
		t.Helper()
		e := got.wantShopError(t, 429, "FRAMEWORK__AUTH_THROTTLED")
		if e.Meta.Parameters.Seconds != 1 || got.header.Get("Retry-After") != "1" {
			t.Errorf("got %s with Retry-After %q", got.body, got.header.Get("Retry-After"))
		}
	}
	t.Run("a user", func(t *testing.T) {
		for range 5 {
			s.shop(t, shopToken, shopLogin("admin", members{"password": "hush"})).wantShopError(t, 400, "6")
		}
		wantThrottled(t, s.shop(t, shopToken, shopLogin("admin", members{"password": "hush"})))
		// The right password is not looked at, and neither are scopes.
		wantThrottled(t, s.shop(t, shopToken, shopLogin("admin", nil)))
		wantThrottled(t, s.shop(t, shopToken, shopLogin("admin", members{"scopes": "nope"})))
		// It comes before all else, as the precedence is.
		for _, edit := range []members{
			{"grant_type": "nope"}, {"grant_type": nil}, {"client_id": nil}, {"client_id": "SWIA0000000000000000000000"}, {"scopes": 5},
		} {
			wantThrottled(t, s.shop(t, shopToken, shopLogin("admin", edit)))
			if got := s.shop(t, shopToken, shopLogin("nobody", edit)); got.status != 400 {
				t.Errorf("%v of a user who is not blocked: %d %s", edit, got.status, got.body)
			}
		}
		mustShop(t, s.shop(t, shopToken, shopLogin("editor", nil)))
	})
	t.Run("a client", func(t *testing.T) {
		wrong := func() reply {
			return s.shop(t, shopToken, members{"grant_type": "client_credentials"}, "Authorization", basicOf(shopKey, otherSecret))
		}
		for range 10 {
			wrong().wantShopError(t, 401, "4")
		}
		wantThrottled(t, wrong())
		mustShop(t, s.shop(t, shopToken, ownToken(nil)))
	})
}

// What a login can end by, beside being used twice.
func TestShopwareRefreshTokensThatDoNotCount(t *testing.T) {
	s := start(t, "")
	shop := s.addShop(t, nil)
	issuer := tokens.Issuer{URL: s.issuer, Sealing: s.store.sealing, Now: func() time.Time { return now().Add(-8 * 24 * time.Hour) }}
	expired, err := issuer.RefreshToken(shop, "a-session")
	if err != nil {
		t.Fatal(err)
	}
	s.shop(t, shopToken, shopRefresh(expired.Token, nil)).wantShopError(t, 401, "8")

	s.addLogin(t, nil)
	foreign := mustToken(t, s.login(t, "bob"))
	s.shop(t, shopToken, shopRefresh(foreign.RefreshToken, nil)).wantShopError(t, 401, "8")

	login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", nil)))
	repaired := s.sessions.Break()
	got := s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil))
	got.wantShopError(t, 503, "0")
	if got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	repaired()
	s.addShop(t, func(c *clients.Client) { delete(c.Users, "admin") })
	s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)).wantShopError(t, 401, "8")
}
