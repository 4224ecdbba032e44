// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// shopEndpoint is the token endpoint of Shopware below a base URL.
func (s *fixture) shopEndpoint(base string, style oauth2.AuthStyle) oauth2.Endpoint {
	return oauth2.Endpoint{TokenURL: s.URL + base + shopToken, AuthStyle: style}
}

// failures counts the refusals of a client's credentials in the audit log.
func (s *fixture) failures() int {
	return strings.Count(s.log.String(), `"result":"invalid_client"`)
}

var shopStyles = map[string]oauth2.AuthStyle{
	"the header": oauth2.AuthStyleInHeader, "the body": oauth2.AuthStyleInParams, "whatever works": oauth2.AuthStyleAutoDetect,
}

func TestShopwareWithAnIndependentClient(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	for name, style := range shopStyles {
		t.Run("its own token with credentials in "+name, func(t *testing.T) {
			config := clientcredentials.Config{
				ClientID: shopKey, ClientSecret: shopSecret, TokenURL: s.URL + shopToken, AuthStyle: style, Scopes: []string{"write", "admin"},
			}
			token, err := config.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, claims := shopClaims(t, token.AccessToken)
			if token.Type() != "Bearer" || token.Extra("expires_in") != 600.0 || cmp.Diff([]any{"write", "admin"}, claims["scopes"]) != "" {
				t.Errorf("got %s for %v s with %v", token.Type(), token.Extra("expires_in"), claims["scopes"])
			}
			if response := s.get(t, config.Client(t.Context()), "/api/integration"); response != http.StatusOK {
				t.Errorf("the API says %d", response)
			}
		})
		t.Run("a login with credentials in "+name, func(t *testing.T) {
			config := oauth2.Config{ClientID: "administration", Endpoint: s.shopEndpoint(shopVirtual, style), Scopes: []string{"write"}}
			login, err := config.PasswordCredentialsToken(t.Context(), "admin", userPassword)
			if err != nil {
				t.Fatal(err)
			}
			if status := s.get(t, config.Client(t.Context(), login), shopVirtual+"/api/integration"); status != http.StatusOK {
				t.Errorf("the API says %d", status)
			}
			// The library refreshes what has expired.
			login.Expiry = time.Unix(1, 0)
			next, err := config.TokenSource(t.Context(), login).Token()
			if err != nil {
				t.Fatal(err)
			}
			if next.RefreshToken == login.RefreshToken || next.AccessToken == login.AccessToken || !next.Valid() {
				t.Error("nothing is new")
			}
			_, err = config.TokenSource(t.Context(), login).Token()
			wantShopRetrieveError(t, err, 401, "8")
			_, err = config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: next.RefreshToken}).Token()
			wantShopRetrieveError(t, err, 401, "8")
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		config := oauth2.Config{ClientID: "administration", Endpoint: s.shopEndpoint(shopVirtual, oauth2.AuthStyleInParams)}
		_, err := config.PasswordCredentialsToken(t.Context(), "admin", "hush")
		wantShopRetrieveError(t, err, 400, "6")
	})
	t.Run("a wrong secret counts twice for a library that tries both ways", func(t *testing.T) {
		before := s.failures()
		config := clientcredentials.Config{ClientID: shopKey, ClientSecret: otherSecret, TokenURL: s.URL + shopToken}
		_, err := config.Token(t.Context())
		wantShopRetrieveError(t, err, 401, "4")
		if got := s.failures() - before; got != 2 {
			t.Errorf("it counts %d times", got)
		}
	})
	t.Run("a secret that Basic would have to encode works by the second way", func(t *testing.T) {
		// The library encodes what it puts into the header, which is not decoded here.
		s.addShop(t, func(c *clients.Client) { c.ID, c.UID, c.Name, c.Users = "SWIA+ODD", "uid-odd", "odd", nil })
		config := clientcredentials.Config{ClientID: "SWIA+ODD", ClientSecret: shopSecret, TokenURL: s.URL + shopToken}
		if _, err := config.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// get asks for a path by a client that has a token, and returns the status.
func (s *fixture) get(t *testing.T, client *http.Client, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// wantShopRetrieveError checks the error that the library makes of a refusal.
func wantShopRetrieveError(t *testing.T, err error, wantStatus int, wantCode string) {
	t.Helper()
	failed, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		t.Fatalf("got the error %v", err)
	}
	reply{failed.Response.StatusCode, failed.Response.Header, string(failed.Body)}.wantShopError(t, wantStatus, wantCode)
}

var shopID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// A shopDocument is a list of Integrations in either format.
type shopDocument struct {
	Total int `json:"total"`
	Data  []struct {
		Type       string         `json:"type"`
		ID         string         `json:"id"`
		AccessKey  string         `json:"accessKey"`
		Attributes map[string]any `json:"attributes"`
		Links      struct{ Self string }
		// Relationships must be there, and there are none.
		Relationships map[string]any `json:"relationships"`
	} `json:"data"`
	Included []any          `json:"included"`
	Links    map[string]any `json:"links"`
	Meta     struct{ Total int }
}

func TestShopwareResource(t *testing.T) {
	s := start(t, "/tokens/v1")
	s.addShop(t, nil)
	own := mustShop(t, s.shop(t, shopToken, ownToken(nil))).AccessToken
	users := mustShop(t, s.shop(t, shopToken, shopLogin("editor", nil))).AccessToken
	list := func(t *testing.T, path, token, accept, wantType string) shopDocument {
		t.Helper()
		got := s.do(t, http.MethodGet, path, "", "Authorization", "Bearer "+token, "Accept", accept)
		var document shopDocument
		if err := json.Unmarshal([]byte(got.body), &document); err != nil || got.status != 200 || len(document.Data) != 1 {
			t.Fatalf("got %d %s (%v)", got.status, got.body, err)
		}
		if got.header.Get("Content-Type") != wantType || got.header.Get("Cache-Control") != "no-store" || !shopID.MatchString(document.Data[0].ID) {
			t.Errorf("got %s with the headers %v", got.body, got.header)
		}
		return document
	}
	for _, token := range []string{own, users} {
		for _, base := range []string{"", "/tokens/v1"} {
			t.Run("JSON:API at "+base, func(t *testing.T) {
				got := list(t, base+"/api/integration", token, "*/*", "application/vnd.api+json")
				entry := got.Data[0]
				self := s.issuer + "/api/integration"
				if entry.Type != "integration" || entry.Attributes["accessKey"] != shopKey || entry.Attributes["label"] != "storefront-sync" ||
					entry.Links.Self != self+"/"+entry.ID || entry.Relationships == nil || got.Included == nil || got.Meta.Total != 1 {
					t.Errorf("got %+v", got)
				}
				want := map[string]any{"first": self + "?page=1", "last": self + "?page=1", "next": nil, "self": self + "?page=1"}
				if diff := cmp.Diff(want, got.Links); diff != "" {
					t.Errorf("links (-want +got):\n%s", diff)
				}
			})
		}
		t.Run("JSON below the virtual base URL", func(t *testing.T) {
			got := list(t, shopVirtual+"/api/integration", token, "application/json", "application/json")
			if got.Total != 1 || got.Data[0].AccessKey != shopKey {
				t.Errorf("got %+v", got)
			}
		})
	}
	id := list(t, "/api/integration", own, "application/json", "application/json").Data[0].ID
	for path, want := range map[string]int{
		"/api/integration/" + id: 200, shopVirtual + "/api/integration/" + id: 200, "/api/integration/" + strings.Repeat("0", 32): 404,
		"/integrations/shop/nobody/api/integration/" + id: 401,
	} {
		t.Run(path, func(t *testing.T) {
			if got := s.do(t, http.MethodGet, path, "", "Authorization", own); got.status != want {
				t.Errorf("got %d %s, want %d", got.status, got.body, want)
			}
		})
	}
	t.Run("nothing can be written", func(t *testing.T) {
		for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			s.do(t, method, "/api/integration/"+id, "{}", "Authorization", "Bearer "+own).wantShopError(t, 405, "0")
		}
	})
	t.Run("neither format", func(t *testing.T) {
		s.do(t, http.MethodGet, "/api/integration", "", "Authorization", "Bearer "+own, "Accept", "text/html").wantShopError(t, 406, "0")
	})
}

// What an API behind /verify says of tokens, to clients of Shopware.
func TestShopwareVerify(t *testing.T) {
	s := start(t, "")
	shop := s.addShop(t, nil)
	token := mustShop(t, s.shop(t, shopToken, shopLogin("admin", members{"scopes": "write"}))).AccessToken
	const here = "/verify?profile=Shopware&audience=" + shopAudience
	past := tokens.Issuer{URL: s.issuer, Keys: s.store.set, Sealing: s.store.sealing, Now: func() time.Time { return now().Add(-time.Hour) }}
	expired, err := past.AccessToken(tokens.Terms{Client: shop, Subject: shop.ID, Audience: []string{shopAudience}})
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{"with Bearer": "Bearer " + token, "without Bearer": token} {
		t.Run("a good token "+name, func(t *testing.T) {
			got := s.do(t, http.MethodGet, here+"&scope=write&kind=Admin", "", "Authorization", header)
			if got.status != http.StatusNoContent || got.header.Get("X-Auth-Subject") != "admin" || got.header.Get("X-Auth-Client-Id") != shopKey ||
				got.header.Get("X-Auth-Integration") != "shop/storefront-sync" || got.header.Get("X-Auth-Scope") != "write" {
				t.Errorf("got %d with %v", got.status, got.header)
			}
		})
	}
	for _, tt := range []struct {
		name, query, authorization string
		wantStatus                 int
		wantCode                   string
	}{
		{"no token", "", "", 401, "9"},
		{"a bad token", "", "Bearer hush", 401, "9"},
		{"an edited token", "", "Bearer " + token[:len(token)-6] + "AAAAAA", 401, "9"},
		{"an expired token", "", "Bearer " + expired.Token, 401, "9"},
		{"a missing scope", "&scope=admin", "Bearer " + token, 403, "FRAMEWORK__MISSING_PRIVILEGE_ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.authorization != "" {
				headers = []string{"Authorization", tt.authorization}
			}
			s.do(t, http.MethodGet, here+tt.query, "", headers...).wantShopError(t, tt.wantStatus, tt.wantCode)
		})
	}
}

// Neither profile's tokens, nor its clients, are any for the routes and settings of another.
func TestShopwareAndOtherProfilesAreApart(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	s.addLogin(t, func(c *clients.Client) {
		c.Access = []clients.Access{{Audience: shopAudience, Scopes: []string{"write"}}}
	})
	shops := mustShop(t, s.shop(t, shopToken, ownToken(nil)))
	plain := mustToken(t, s.login(t, "bob"))
	login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", nil)))
	s.addOro(t, backOffice, "BackOffice", clients.KindAdmin)
	s.edit(backOffice, func(c *clients.Client) {
		c.Access = []clients.Access{{Audience: shopAudience, Scopes: []string{"write"}}}
	})
	oros := s.oroLogin(t, backOffice, "bob")
	const here = "audience=" + shopAudience
	for _, own := range []struct{ query, token string }{
		{here, plain.AccessToken}, {here + "&profile=Shopware", shops.AccessToken}, {here + "&profile=OroCommerce", oros.AccessToken},
	} {
		if got := s.verify(t, own.query, own.token); got.status != http.StatusNoContent {
			t.Fatalf("the token is no good where it belongs, at %s: %d %s", own.query, got.status, got.body)
		}
	}
	for _, foreign := range []string{plain.AccessToken, oros.AccessToken, plain.RefreshToken, oros.RefreshToken, login.RefreshToken} {
		s.verify(t, here+"&profile=Shopware", foreign).wantShopError(t, 401, "9")
		s.do(t, http.MethodGet, "/api/integration", "", "Authorization", "Bearer "+foreign).wantShopError(t, 401, "9")
		if foreign != login.RefreshToken {
			s.shop(t, shopToken, shopRefresh(foreign, nil)).wantShopError(t, 401, "8")
		}
	}
	for _, query := range []string{here, here + "&profile=OAuth2", here + "&profile=OroCommerce", here + "&application=BackOffice"} {
		if got := s.verify(t, query, shops.AccessToken); got.status != http.StatusUnauthorized {
			t.Errorf("Shopware's token gets %d at %s", got.status, query)
		}
	}
	if got := s.verify(t, here+"&profile=Magento", shops.AccessToken); got.status < http.StatusBadRequest {
		t.Errorf("Shopware's token gets %d as one of Magento", got.status)
	}
	s.form(t, "/oauth2/token", shopKey, "grant_type", "client_credentials").wantError(t, 401, "invalid_client")
	s.form(t, "/oauth2/token", "web", "grant_type", "refresh_token", "refresh_token", login.RefreshToken).wantError(t, 400, "invalid_grant")
	if got := s.oro(t, with(shopKey, "client_secret", shopSecret, "grant_type", "client_credentials")); got.status != http.StatusUnauthorized {
		t.Errorf("Shopware's client gets %d from OroCommerce's endpoint", got.status)
	}
	for id, secret := range map[string]string{"web": clientSecret, backOffice: oroSecret} {
		s.shop(t, shopToken, ownToken(members{"client_id": id, "client_secret": secret})).wantShopError(t, 401, "4")
	}

	t.Run("a token from before its Integration was one of another profile", func(t *testing.T) {
		s.addShop(t, func(c *clients.Client) { c.Profile = clients.ProfileOAuth2 })
		if got := s.verify(t, here, shops.AccessToken); got.status != 401 {
			t.Errorf("got %d", got.status)
		}
	})
}

// RFC 7662 and RFC 7009 serve the clients of every profile.
func TestShopwareTokensAreIntrospectedAndRevoked(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", members{"scopes": "write"})))
	ask := func(path, token string) string {
		got := s.do(t, http.MethodPost, path, "token="+token, "Content-Type", "application/x-www-form-urlencoded",
			"Authorization", basicOf(shopKey, shopSecret))
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		return got.body
	}
	var said map[string]any
	if err := json.Unmarshal([]byte(ask("/oauth2/introspect", login.AccessToken)), &said); err != nil ||
		said["active"] != true || said["client_id"] != shopKey || said["scope"] != "write" || said["username"] != "admin" {
		t.Errorf("introspection says %v (%v)", said, err)
	}
	ask("/oauth2/revoke", login.RefreshToken)
	s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)).wantShopError(t, 401, "8")
	if got := ask("/oauth2/introspect", login.AccessToken); got != `{"active":false}` {
		t.Errorf("after the revocation: %s", got)
	}
}
