// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/orocommerce"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// The clients of OroCommerce, whose secrets have the form that the contract says.
const (
	backOffice = "backoffice-0123456789_ABCDEFGHIJ"
	storefront = "storefront-0123456789_ABCDEFGHIJ"
	oroSecret  = "hush-0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHI"

	customer = "alice@shop.example"
	ordersAt = "https://orders.shop.example"
)

// startOro starts a token server with a client for the back office and one for the storefront, of both of which customer is a customer and bob
// an administrator, and both of which let guests in. Bob's password is userPassword, and so is the customer's.
func startOro(t *testing.T) *fixture {
	t.Helper()
	s := start(t, "")
	s.addOro(t, backOffice, "BackOffice", clients.KindAdmin)
	s.addOro(t, storefront, "Storefront", clients.KindCustomer)
	return s
}

// addOro adds a client of OroCommerce.
func (s *fixture) addOro(t *testing.T, id, application, kind string) *clients.Client {
	t.Helper()
	password, err := passwords.New([]byte(userPassword))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient("RS256")
	c.ID, c.Name, c.UID, c.Profile, c.Application, c.UserKind = id, id, "uid-"+id, clients.ProfileOroCommerce, application, kind
	c.Secrets = append(c.Secrets, clients.Secret{Hash: sha256.Sum256([]byte(oroSecret))})
	c.GrantTypes = []string{"password", "client_credentials", "refresh_token"}
	c.Access = []clients.Access{{Audience: ordersAt, Scopes: []string{"orders.read", "orders.write"}}}
	c.TokenLifetime, c.RefreshLifetime, c.Guests = time.Hour, 30*24*time.Hour, application == "Storefront"
	c.Users = map[string]*clients.User{
		"bob":    {Name: "bob", Kind: clients.KindAdmin, Password: password},
		customer: {Name: customer, Kind: clients.KindCustomer, Password: password},
		"carol":  {Name: "carol", Kind: kind, Password: password, TOTP: clients.Conceal("hush")},
	}
	s.store.clients[c.ID] = c
	return c
}

// edit replaces a client by a changed one.
func (s *fixture) edit(id string, change func(*clients.Client)) {
	c := *s.store.clients[id]
	change(&c)
	s.store.clients[id] = &c
}

// oro sends members to OroCommerce's token endpoint as JSON.
func (s *fixture) oro(t *testing.T, members map[string]any, headers ...string) reply {
	t.Helper()
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, http.MethodPost, orocommerce.PathToken, string(body), append(headers, "Content-Type", "application/json")...)
}

// with returns the members of a request by a client with the good secret; more come in pairs, and nil takes one away.
func with(client string, more ...any) map[string]any {
	members := map[string]any{"client_id": client, "client_secret": oroSecret}
	for pair := range slices.Chunk(more, 2) {
		name, _ := pair[0].(string)
		if members[name] = pair[1]; pair[1] == nil {
			delete(members, name)
		}
	}
	return members
}

// oroLogin logs a user in.
func (s *fixture) oroLogin(t *testing.T, client, user string) tokenReply {
	t.Helper()
	return mustToken(t, s.oro(t, with(client, "grant_type", "password", "username", user, "password", userPassword)))
}

// oroVisit logs a guest in.
func (s *fixture) oroVisit(t *testing.T) tokenReply {
	t.Helper()
	return mustToken(t, s.oro(t, with(storefront, "grant_type", "password", "username", "guest", "password", "guest")))
}

// oroRefresh refreshes a login.
func (s *fixture) oroRefresh(t *testing.T, client, token string, more ...any) reply {
	t.Helper()
	return s.oro(t, with(client, append(more, "grant_type", "refresh_token", "refresh_token", token)...))
}

// verify asks for an API whether a token may pass, and returns the status.
func (s *fixture) verify(t *testing.T, query, token string) reply {
	t.Helper()
	return s.do(t, http.MethodGet, "/verify?"+query, "", "Authorization", "Bearer "+token)
}

// An oroError is an error as OroCommerce's clients read it.
type oroError struct {
	status int
	code   string
	// hint must be in the hint; empty if there must be none.
	hint string
}

var (
	oroErrorBody = regexp.MustCompile(`^\{"error":"[a-z_]+","error_description":"([^"]+)",("hint":"[^"]+",)?"message":"([^"]+)"\}$`)
	oroReplyBody = regexp.MustCompile(`^\{"token_type":"Bearer","expires_in":3600,"access_token":"[\w-]+\.[\w-]+\.[\w-]+"` +
		`(,"refresh_token":"[\w-]+\.[\w-]+\.[\w-]+")?\}$`)
)

// wantOroError checks an error in every member and header. It carries a challenge only with invalid_client, and only if the request had an
// Authorization header.
func (r reply) wantOroError(t *testing.T, want oroError, authorized bool) {
	t.Helper()
	var body struct {
		Code string `json:"error"`
		Hint string `json:"hint"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("got the body %q: %v", r.body, err)
	}
	if r.status != want.status || body.Code != want.code || (want.hint == "") != (body.Hint == "") || !strings.Contains(body.Hint, want.hint) {
		t.Errorf("got %d %s, want %d %s with the hint %q", r.status, r.body, want.status, want.code, want.hint)
	}
	if parts := oroErrorBody.FindStringSubmatch(r.body); parts == nil || parts[1] != parts[3] {
		t.Errorf("got the body %s, want its members in OroCommerce's order, and the description as message", r.body)
	}
	challenge := r.header.Get("WWW-Authenticate")
	if wantChallenge := authorized && want.code == "invalid_client"; wantChallenge != (challenge != "") {
		t.Errorf("got the challenge %q", challenge)
	}
	if got := r.header.Get("Cache-Control"); got != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got Cache-Control %q and Content-Type %q", got, r.header.Get("Content-Type"))
	}
	if strings.Contains(r.body, "hush") {
		t.Errorf("the reply holds a secret: %s", r.body)
	}
}

// basicOf returns an Authorization header with what stands in it as it is.
func basicOf(client, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(client+":"+secret))
}

func TestOroCommerceGrants(t *testing.T) {
	s := startOro(t)
	refresh := func() string { return s.oroLogin(t, backOffice, "bob").RefreshToken }
	for name, grant := range map[string]struct {
		members     func() map[string]string
		wantRefresh bool
	}{
		"password": {func() map[string]string {
			return map[string]string{"grant_type": "password", "username": "bob", "password": userPassword}
		}, true},
		"password with a scope": {func() map[string]string {
			return map[string]string{"grant_type": "password", "username": "bob", "password": userPassword, "scope": "orders.write"}
		}, true},
		"client_credentials": {func() map[string]string { return map[string]string{"grant_type": "client_credentials"} }, false},
		"client_credentials with a scope": {func() map[string]string {
			return map[string]string{"grant_type": "client_credentials", "scope": "orders.read orders.write"}
		}, false},
		"refresh_token": {func() map[string]string {
			return map[string]string{"grant_type": "refresh_token", "refresh_token": refresh()}
		}, true},
		"refresh_token with a scope": {func() map[string]string {
			return map[string]string{"grant_type": "refresh_token", "refresh_token": refresh(), "scope": "orders.read"}
		}, true},
	} {
		for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded"} {
			for _, place := range []string{"body", "header", "both, where the body wins"} {
				t.Run(name+" as "+contentType+" with credentials in the "+place, func(t *testing.T) {
					members, headers := grant.members(), []string{"Content-Type", contentType}
					switch place {
					case "header":
						headers = append(headers, "Authorization", basicOf(backOffice, oroSecret))
					case "both, where the body wins":
						headers = append(headers, "Authorization", basicOf("nobody", "hush"))
						fallthrough
					default:
						members["client_id"], members["client_secret"] = backOffice, oroSecret
					}
					got := s.do(t, http.MethodPost, orocommerce.PathToken, encode(t, contentType, members), headers...)
					match := oroReplyBody.FindStringSubmatch(got.body)
					if got.status != http.StatusOK || match == nil || (match[1] != "") != grant.wantRefresh {
						t.Errorf("got %d %s", got.status, got.body)
					}
					if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
						t.Errorf("got the headers %v", got.header)
					}
				})
			}
		}
	}
}

// encode returns members as a body.
func encode(t *testing.T, contentType string, members map[string]string) string {
	t.Helper()
	if contentType == "application/json" {
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	form := url.Values{}
	for name, value := range members {
		form.Set(name, value)
	}
	return form.Encode()
}

// golang.org/x/oauth2 form-encodes what it sends by Basic, tries that first, and then the body.
func TestOroCommerceWithAnIndependentClient(t *testing.T) {
	s := startOro(t)
	for name, secret := range map[string]string{
		"by Basic": oroSecret, "in the body once Basic, which it encodes and OroCommerce does not, has failed": clientSecret,
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := oauth2.Endpoint{TokenURL: s.URL + orocommerce.PathToken, AuthStyle: oauth2.AuthStyleAutoDetect}
			config := oauth2.Config{ClientID: storefront, ClientSecret: secret, Endpoint: endpoint, Scopes: []string{"orders.read"}}
			token, err := config.PasswordCredentialsToken(t.Context(), customer, userPassword)
			if err != nil {
				t.Fatal(err)
			}
			token.Expiry = now().Add(-time.Hour)
			refreshed, err := config.TokenSource(t.Context(), token).Token()
			if err != nil {
				t.Fatal(err)
			}
			if token.RefreshToken == "" || refreshed.RefreshToken == token.RefreshToken || refreshed.Type() != "Bearer" || refreshed.ExpiresIn != 3600 {
				t.Errorf("got the type %s and the lifetime %d", refreshed.Type(), refreshed.ExpiresIn)
			}
			if got := s.verify(t, "application=storefront&audience="+ordersAt, refreshed.AccessToken); got.status != http.StatusNoContent {
				t.Errorf("verify: %d", got.status)
			}
			own := clientcredentials.Config{ClientID: storefront, ClientSecret: secret, TokenURL: endpoint.TokenURL}
			if _, err := own.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("errors", func(t *testing.T) {
		config := oauth2.Config{ClientID: storefront, ClientSecret: oroSecret, Endpoint: oauth2.Endpoint{TokenURL: s.URL + orocommerce.PathToken}}
		_, err := config.PasswordCredentialsToken(t.Context(), customer, "hush")
		var refused *oauth2.RetrieveError
		if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" || refused.ErrorDescription == "" {
			t.Errorf("got %v", err)
		}
	})
}

func TestOroCommerceAccessTokens(t *testing.T) {
	s := startOro(t)
	own := func(client string) tokenReply {
		return mustToken(t, s.oro(t, with(client, "grant_type", "client_credentials", "scope", "orders.write orders.read")))
	}
	for _, tt := range []struct {
		name, client, wantAudience string
		token                      tokenReply
		wantSubject                string
		wantScopes                 []any
	}{
		{"an administrator", backOffice, "backoffice", s.oroLogin(t, backOffice, "bob"), "^bob$", []any{"orders.read"}},
		{"a customer", storefront, "storefront", s.oroLogin(t, storefront, customer), "^alice@shop.example$", []any{"orders.read"}},
		{"a visitor", storefront, "storefront", s.oroVisit(t), "^visitor:[0-9a-f]{20}$", []any{"orders.read"}},
		{"an application of the back office", backOffice, "backoffice", own(backOffice), "^" + backOffice + "$", []any{"orders.write", "orders.read"}},
		{"an application of the storefront", storefront, "storefront", own(storefront), "^" + storefront + "$", []any{"orders.write", "orders.read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header, got := s.verified(t, tt.token.AccessToken, tt.client)
			if header["typ"] != "JWT" || header["alg"] != "RS256" || header["kid"] != "kid-RS256" {
				t.Errorf("got the header %v", header)
			}
			if subject, _ := got["sub"].(string); !regexp.MustCompile(tt.wantSubject).MatchString(subject) {
				t.Errorf("got the sub %v", got["sub"])
			}
			if id, _ := got["jti"].(string); id == "" {
				t.Error("there is no jti")
			}
			for _, name := range []string{"sub", "jti", "sid", "integration-operator.io"} {
				delete(got, name)
			}
			at := float64(now().Unix())
			want := map[string]any{
				"iss": s.issuer, "aud": []any{tt.client, tt.wantAudience}, "iat": at, "nbf": at, "exp": at + 3600, "scopes": tt.wantScopes,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// verified returns header and claims of a token that the published keys verify.
func (s *fixture) verified(t *testing.T, token, audience string) (header, claims map[string]any) {
	t.Helper()
	keys := oidc.NewRemoteKeySet(t.Context(), s.URL+"/oauth2/jwks")
	verified, err := oidc.NewVerifier(s.issuer, keys, &oidc.Config{ClientID: audience, Now: clock, SupportedSigningAlgs: []string{"RS256"}}).
		Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := verified.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return decodePart(t, token, 0), claims
}

// decodePart returns one of the JSON objects that a JWT consists of.
func decodePart(t *testing.T, token string, part int) map[string]any {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(decoded, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// The documentation calls the refresh token a JSON web token.
func TestOroCommerceRefreshTokensAreJWTs(t *testing.T) {
	s := startOro(t)
	token := s.oroLogin(t, backOffice, "bob").RefreshToken
	header, claims := decodePart(t, token, 0), decodePart(t, token, 1)
	if header["typ"] != "rt+jwt" || header["alg"] == "none" || claims["client_id"] != backOffice || claims["jti"] == "" ||
		claims["exp"] != float64(now().Add(30*24*time.Hour).Unix()) {
		t.Errorf("got the header %v and the claims %v", header, claims)
	}
}

// expiredRefresh returns a refresh token that has expired, of a login that is none any more.
func (s *fixture) expiredRefresh(t *testing.T, client string) string {
	t.Helper()
	issuer := tokens.Issuer{URL: s.issuer, Sealing: s.store.sealing, Now: func() time.Time { return now().Add(-31 * 24 * time.Hour) }}
	token, err := issuer.RefreshToken(s.store.clients[client], "s")
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}
