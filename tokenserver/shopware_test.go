// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// The client of the tests of the profile Shopware, with an access key and a secret in the vendor's form.
const (
	shopKey    = "SWIAORDERSYNC7ABCDEFGH2345"
	shopSecret = "hush0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"
	shopToken  = "/api/oauth/token"
	// shopVirtual is the virtual base URL of the client.
	shopVirtual  = "/integrations/shop/storefront-sync"
	shopAudience = "https://shop.example"
)

// addShop adds a client of the profile Shopware that has it all: an access key, and users who log in. Of these, admin may everything and editor
// may not administer.
func (s *fixture) addShop(t *testing.T, edit func(*clients.Client)) *clients.Client {
	t.Helper()
	password, err := passwords.New([]byte(userPassword))
	if err != nil {
		t.Fatal(err)
	}
	c := &clients.Client{
		ID: shopKey, Namespace: "shop", Name: "storefront-sync", UID: "uid-shop", Profile: clients.ProfileShopware,
		Methods:          []clients.Method{clients.MethodClientSecret, clients.MethodNone},
		Secrets:          []clients.Secret{{Hash: sha256.Sum256([]byte(shopSecret))}},
		GrantTypes:       []string{"client_credentials", "password", "refresh_token"},
		Access:           []clients.Access{{Audience: shopAudience, Scopes: []string{"write", "admin", "user-verified", "product:read"}}},
		SigningAlgorithm: "RS256", TokenLifetime: 10 * time.Minute, RefreshLifetime: 7 * 24 * time.Hour,
		Users: map[string]*clients.User{
			"admin":  {Name: "admin", Kind: clients.KindAdmin, Password: password},
			"editor": {Name: "editor", Kind: clients.KindAdmin, Limited: true, Scopes: []string{"write"}, Password: password},
		},
	}
	if edit != nil {
		edit(c)
	}
	s.store.clients[c.ID] = c
	return c
}

// members are those of a request in JSON.
type members map[string]any

// ownToken are the members by which the client asks for a token of its own, and login those by which a user does.
func ownToken(more members) members {
	return members{"grant_type": "client_credentials", "client_id": shopKey, "client_secret": shopSecret}.with(more)
}

func shopLogin(user string, more members) members {
	return members{"grant_type": "password", "client_id": "administration", "username": user, "password": userPassword}.with(more)
}

func shopRefresh(token string, more members) members {
	return members{"grant_type": "refresh_token", "client_id": "administration", "refresh_token": token}.with(more)
}

// with returns the members with others, of which nil takes one away.
func (m members) with(more members) members {
	for name, value := range more {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

// shop posts members as JSON.
func (s *fixture) shop(t *testing.T, path string, m members, headers ...string) reply {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, http.MethodPost, path, string(body), append(headers, "Content-Type", "application/json")...)
}

// A shopReply is a success at the token endpoint.
type shopReply struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    any    `json:"expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// shopReplyForm is a success to the last character, in the vendor's order.
var shopReplyForm = regexp.MustCompile(
	`^\{"token_type":"Bearer","expires_in":[0-9]+,"access_token":"[A-Za-z0-9_.-]+"(,"refresh_token":"[A-Za-z0-9_.-]+")?\}$`)

// mustShop reads a success.
func mustShop(t *testing.T, r reply) shopReply {
	t.Helper()
	var got shopReply
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK || !shopReplyForm.MatchString(r.body) {
		t.Fatalf("got %d %s (%v), want a token", r.status, r.body, err)
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got the headers %v", r.header)
	}
	return got
}

// shopClaims returns the header and the claims of a token, unverified.
func shopClaims(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(decoded, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// wantScopes checks the scopes of a token.
func wantScopes(t *testing.T, r reply, want ...any) {
	t.Helper()
	_, claims := shopClaims(t, mustShop(t, r).AccessToken)
	if diff := cmp.Diff(append([]any{}, want...), claims["scopes"]); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
}

// Every way in which clients send what they send.
func TestShopwareRequests(t *testing.T) {
	s := start(t, "/tokens/v1")
	s.addShop(t, nil)
	const form, js = "application/x-www-form-urlencoded", "application/json"
	good := `{"grant_type":"client_credentials","client_id":"` + shopKey + `","client_secret":"` + shopSecret + `"`
	for _, tt := range []struct {
		name, contentType, body, authorization string
	}{
		{"JSON", js, good + `}`, ""},
		{"JSON with a parameter", js + "; charset=UTF-8", good + `}`, ""},
		{"a form", form, "grant_type=client_credentials&client_id=" + shopKey + "&client_secret=" + shopSecret, ""},
		{"a form with Basic", form, "grant_type=client_credentials", basicOf(shopKey, shopSecret)},
		{"JSON with Basic", js, `{"grant_type":"client_credentials"}`, basicOf(shopKey, shopSecret)},
		{"Basic and body alike", js, good + `}`, basicOf(shopKey, shopSecret)},
		{"an expired bearer token beside it", js, good + `}`, "Bearer eyJ0eXAiOiJKV1QifQ.e30.x"},
		{"members that mean nothing", js, good + `,"locale":"de-DE","nested":{"a":[1,null]},"flag":true}`, ""},
		{"a login by Basic with an empty password", form, "grant_type=password&username=admin&password=" +
			"hush%2C+it+is+a+password%3A+%C3%A9%26%25%2B", basicOf("administration", "")},
		{"a login with a secret that is nobody's", js, `{"grant_type":"password","client_id":"administration","client_secret":"x","username":"admin",` +
			`"password":` + quote(t, userPassword) + `}`, ""},
	} {
		for _, path := range []string{shopToken, shopVirtual + shopToken, "/tokens/v1" + shopToken, "/tokens/v1" + shopVirtual + shopToken} {
			t.Run(tt.name+" at "+path, func(t *testing.T) {
				headers := []string{"Content-Type", tt.contentType}
				if tt.authorization != "" {
					headers = append(headers, "Authorization", tt.authorization)
				}
				mustShop(t, s.do(t, http.MethodPost, path, tt.body, headers...))
			})
		}
	}
	t.Run("Basic is not decoded", func(t *testing.T) {
		s.addShop(t, func(c *clients.Client) { c.ID, c.UID, c.Name = "my+shop%2", "uid-odd", "odd" })
		mustShop(t, s.do(t, http.MethodPost, shopToken, "grant_type=client_credentials", "Content-Type", form,
			"Authorization", basicOf("my+shop%2", shopSecret)))
	})
}

func TestShopwareGrants(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	t.Run("client_credentials with the secret gets no refresh token", func(t *testing.T) {
		if got := mustShop(t, s.shop(t, shopToken, ownToken(nil))); got.RefreshToken != "" || got.ExpiresIn != 600.0 {
			t.Errorf("got %+v", got)
		}
	})
	login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", nil)))
	t.Run("password gets a refresh token", func(t *testing.T) {
		if login.RefreshToken == "" || login.ExpiresIn != 600.0 {
			t.Errorf("got %+v", login)
		}
		_, claims := shopClaims(t, login.RefreshToken)
		if claims["exp"].(float64)-claims["iat"].(float64) != 7*24*3600 {
			t.Errorf("the refresh token says %v, want seven days", claims)
		}
	})
	next := mustShop(t, s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)))
	t.Run("refresh_token rotates", func(t *testing.T) {
		if next.RefreshToken == "" || next.RefreshToken == login.RefreshToken || next.AccessToken == login.AccessToken {
			t.Error("nothing is new")
		}
		_, claims := shopClaims(t, next.AccessToken)
		if claims["aud"] != "administration" || claims["sub"] != "admin" {
			t.Errorf("got the claims %v", claims)
		}
	})
	t.Run("a refresh token that comes twice ends the login", func(t *testing.T) {
		s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)).wantShopError(t, 401, "8")
		s.shop(t, shopToken, shopRefresh(next.RefreshToken, nil)).wantShopError(t, 401, "8")
		got := s.do(t, http.MethodGet, "/api/integration", "", "Authorization", "Bearer "+next.AccessToken)
		got.wantShopError(t, 401, "9")
	})
	t.Run("older clients have an hour", func(t *testing.T) {
		s.addShop(t, func(c *clients.Client) { c.TokenLifetime = time.Hour })
		got := mustShop(t, s.shop(t, shopToken, ownToken(nil)))
		_, claims := shopClaims(t, got.AccessToken)
		if got.ExpiresIn != 3600.0 || claims["exp"].(float64)-claims["iat"].(float64) != 3600 {
			t.Errorf("got %v and the claims %v", got.ExpiresIn, claims)
		}
	})
}

func TestShopwareScopes(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	for _, tt := range []struct {
		name string
		more members
		want []any
	}{
		{"none is read-only", nil, nil},
		{"nothing in either is read-only", members{"scope": "", "scopes": []string{}}, nil},
		{"write in scope", members{"scope": "write"}, []any{"write"}},
		{"write in scopes", members{"scopes": "write"}, []any{"write"}},
		{"several in one string", members{"scopes": "write admin user-verified"}, []any{"write", "admin", "user-verified"}},
		{"an array in scope", members{"scope": []string{"admin", "write"}}, []any{"admin", "write"}},
		{"an array in scopes", members{"scopes": []string{"product:read"}}, []any{"product:read"}},
		{"both, each once", members{"scope": "write", "scopes": []string{"admin", "write"}}, []any{"write", "admin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantScopes(t, s.shop(t, shopToken, ownToken(tt.more)), tt.want...)
			wantScopes(t, s.shop(t, shopToken, shopLogin("admin", tt.more)), tt.want...)
		})
	}
	t.Run("a refresh has what the login had", func(t *testing.T) {
		login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", members{"scopes": "write"})))
		wantScopes(t, s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)), "write")
	})
	t.Run("a read-only login stays one", func(t *testing.T) {
		login := mustShop(t, s.shop(t, shopToken, shopLogin("admin", nil)))
		s.shop(t, shopToken, shopRefresh(login.RefreshToken, members{"scope": "write"})).wantShopError(t, 400, "5")
		wantScopes(t, s.shop(t, shopToken, shopRefresh(login.RefreshToken, nil)))
	})
	t.Run("a user has no more than the user's own", func(t *testing.T) {
		wantScopes(t, s.shop(t, shopToken, shopLogin("editor", members{"scopes": "write"})), "write")
		s.shop(t, shopToken, shopLogin("editor", members{"scopes": "admin"})).wantShopError(t, 400, "5")
	})
}

// The tokens verify with the published keys, and say what the contract says.
func TestShopwareTokensVerifyWithAnIndependentLibrary(t *testing.T) {
	s := start(t, "")
	s.addShop(t, nil)
	provider, err := oidc.NewProvider(t.Context(), s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	at := float64(now().Unix())
	for _, tt := range []struct {
		request     members
		aud, sub    string
		wantPrivate members
	}{
		{ownToken(members{"scopes": "write"}), shopKey, shopKey, nil},
		{shopLogin("admin", members{"scopes": "write"}), "administration", "admin", members{"username": "admin", "kind": "Admin"}},
	} {
		t.Run(tt.aud, func(t *testing.T) {
			token := mustShop(t, s.shop(t, shopToken, tt.request)).AccessToken
			verifier := provider.Verifier(&oidc.Config{ClientID: tt.aud, SupportedSigningAlgs: []string{"RS256"}, Now: clock})
			if _, err := verifier.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			header, claims := shopClaims(t, token)
			id, _ := claims["jti"].(string)
			if len(id) != 22 {
				t.Errorf("the jti is %q", id)
			}
			wantHeader := map[string]any{"typ": "JWT", "alg": "RS256", "kid": "kid-RS256", "jti": id}
			if diff := cmp.Diff(wantHeader, header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if sid, _ := claims["sid"].(string); (sid == "") != (tt.wantPrivate == nil) {
				t.Errorf("the sid is %q", sid)
			}
			delete(claims, "sid")
			want := map[string]any{
				"aud": tt.aud, "jti": id, "iat": at, "nbf": at, "exp": at + 600, "sub": tt.sub, "scopes": []any{"write"}, "iss": s.issuer,
				"integration-operator.io": map[string]any(members{
					"namespace": "shop", "name": "storefront-sync", "uid": "uid-shop", "profile": "Shopware", "client_id": shopKey,
					"aud": []any{shopAudience}, "scope": "write",
				}.with(tt.wantPrivate)),
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// administration is whoever the URL, the configuration or the lack of a choice says.
func TestShopwareAdministrationIsNobodyOfItsOwn(t *testing.T) {
	s := start(t, "")
	login := func(t *testing.T, base string) reply {
		t.Helper()
		return s.shop(t, base+shopToken, shopLogin("admin", nil))
	}
	login(t, "").wantShopError(t, 401, "4")
	s.addShop(t, nil)
	wantOf := func(t *testing.T, r reply, name string) {
		t.Helper()
		_, claims := shopClaims(t, mustShop(t, r).AccessToken)
		if private, _ := claims["integration-operator.io"].(map[string]any); private["name"] != name {
			t.Errorf("the token is one of %v, want %s", private, name)
		}
	}
	t.Run("the only one with users", func(t *testing.T) { wantOf(t, login(t, ""), "storefront-sync") })
	s.addShop(t, func(c *clients.Client) { c.ID, c.UID, c.Name = "SWIAOUTLET", "uid-outlet", "outlet" })
	s.addShop(t, func(c *clients.Client) { c.ID, c.UID, c.Name, c.Users = "SWIAMACHINE", "uid-machine", "machine", nil })
	s.addShop(t, func(c *clients.Client) {
		c.ID, c.UID, c.Name, c.Methods = "SWIAPRIVATE", "uid-private", "private", []clients.Method{clients.MethodClientSecret}
	})
	t.Run("two with users", func(t *testing.T) { login(t, "").wantShopError(t, 401, "4") })
	t.Run("the one that is named by default", func(t *testing.T) {
		s.store.standIn = "shop/outlet"
		wantOf(t, login(t, ""), "outlet")
		s.store.standIn = ""
	})
	t.Run("the one in the URL", func(t *testing.T) {
		wantOf(t, login(t, shopVirtual), "storefront-sync")
		wantOf(t, login(t, "/integrations/shop/outlet"), "outlet")
	})
	for name, base := range map[string]string{
		"one that is not there":         "/integrations/shop/nobody",
		"another namespace":             "/integrations/bank/storefront-sync",
		"one without users":             "/integrations/shop/machine",
		"one that is no public client":  "/integrations/shop/private",
		"an Integration of OAuth 2":     "/integrations/shop/order-sync",
		"half of a virtual base URL":    "/integrations/shop/",
		"what only looks as if encoded": "/integrations/shop/storefront%2Dsyn",
	} {
		t.Run(name, func(t *testing.T) {
			if got := login(t, base); got.status != http.StatusNotFound {
				got.wantShopError(t, 401, "4")
			}
		})
	}
	t.Run("an access key at the URL of another Integration", func(t *testing.T) {
		s.shop(t, "/integrations/shop/outlet"+shopToken, ownToken(nil)).wantShopError(t, 401, "4")
		mustShop(t, s.shop(t, shopVirtual+shopToken, ownToken(nil)))
	})
	t.Run("a refresh token at the URL of another Integration", func(t *testing.T) {
		got := mustShop(t, login(t, shopVirtual))
		s.shop(t, "/integrations/shop/outlet"+shopToken, shopRefresh(got.RefreshToken, nil)).wantShopError(t, 401, "8")
		mustShop(t, s.shop(t, shopVirtual+shopToken, shopRefresh(got.RefreshToken, nil)))
	})
}
