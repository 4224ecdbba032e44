// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dghubble/oauth1"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// verifyURL returns /verify for the API behind it, which needs resources.
func verifyURL(resources ...string) string {
	query := url.Values{"audience": {magentoAudience}, "profile": {"Magento"}, "resource": resources}
	return "/verify?" + query.Encode()
}

// A resource is for whom it is granted to; customers have none of a module, and what is open to everybody needs no token.
func TestMagentoResources(t *testing.T) {
	m := startMagento(t)
	m.change(func(c *clients.Client) { c.Lasting.Bearer = true })
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	admin, clerk := bearer(m.loginAs(t, adminToken, "admin")), bearer(m.loginAs(t, adminToken, "clerk"))
	customer := bearer(m.loginAs(t, customerToken, magentoCustomer))
	own := bearer(magentoToken)
	const products, sales, all = "Magento_Catalog::products", "Magento_Sales::sales", "Magento_Backend::all"
	for _, tt := range []struct {
		name      string
		who       []string
		resources []string
		want      int
	}{
		{"the Integration", own, []string{products}, 204},
		{"the Integration, with two", own, []string{products, sales}, 204},
		{"the Integration, without one", own, []string{products, "Magento_Cms::page"}, 401},
		{"the Integration, all of them", own, []string{all}, 401},
		{"the Integration is no customer", own, []string{"self"}, 401},
		{"an administrator", admin, []string{products, sales}, 204},
		{"an administrator who may less", clerk, []string{products}, 204},
		{"an administrator who may not", clerk, []string{sales}, 401},
		{"an administrator is no customer", admin, []string{"self"}, 401},
		{"a customer", customer, []string{"self"}, 204},
		{"a customer has no resource of a module", customer, []string{products}, 401},
		{"a customer has not one of two", customer, []string{"self", products}, 401},
		{"nobody in particular", nil, []string{"anonymous"}, 204},
		{"nobody in particular, for a resource", nil, []string{products}, 401},
		{"nobody in particular, for more than what is open", nil, []string{"anonymous", "self"}, 401},
		{"anything but a token", []string{"Authorization", "Basic YTpi"}, []string{"anonymous"}, 204},
		{"a token that is none", []string{"Authorization", "Bearer"}, []string{"anonymous"}, 204},
		{"two tokens", append(customer, customer...), []string{"anonymous"}, 204},
		{"two tokens, where one is needed", append(customer, customer...), []string{"self"}, 401},
		{"a customer, where everybody may", customer, []string{"anonymous"}, 204},
		{"a token that does not count", bearer("hush"), []string{"anonymous"}, 401},
		{"no resource, with a token", customer, nil, 204},
		{"no resource, without a token", nil, nil, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := m.do(t, http.MethodGet, verifyURL(tt.resources...), "", tt.who...)
			if got.status != tt.want {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.want)
			}
		})
	}
	m.do(t, http.MethodGet, verifyURL(sales), "", clerk...).wantGolden(t, "verify/resource-missing")
	m.do(t, http.MethodGet, verifyURL(products, sales), "").wantGolden(t, "verify/no-token")
	m.do(t, http.MethodGet, verifyURL(products, sales), "", append(bearer("hush"), "Accept", "application/xml")...).wantGolden(t, "verify/bad-token.xml")
	m.do(t, http.MethodGet, verifyURL("anonymous"), "").wantGolden(t, "verify/guest")
	m.do(t, http.MethodGet, verifyURL("self"), "", customer...).wantGolden(t, "verify/customer")
	m.change(func(c *clients.Client) {
		c.Access[0].Scopes, c.DefaultScopes = []string{all}, []string{all}
	})
	for _, tt := range []struct {
		who  []string
		want int
	}{{own, 204}, {bearer(m.loginAs(t, adminToken, "admin")), 204}, {bearer(m.loginAs(t, customerToken, magentoCustomer)), 401}} {
		if got := m.do(t, http.MethodGet, verifyURL("Magento_Cms::page"), "", tt.who...); got.status != tt.want {
			t.Errorf("all resources: got %d, want %d", got.status, tt.want)
		}
	}
}

// Tokens of other profiles open nothing here, and these nothing there.
func TestMagentoTokensAreMagentosOnly(t *testing.T) {
	m := startMagento(t)
	m.change(func(c *clients.Client) { c.Lasting.Bearer = true })
	m.addShop(t, func(c *clients.Client) { c.Access[0].Audience = magentoAudience })
	shop := mustShop(t, m.shop(t, shopToken, ownToken(nil))).AccessToken
	for _, token := range []string{shop, mustToken(t, m.form(t, "/oauth2/token", "es256", "grant_type", "client_credentials")).AccessToken} {
		for _, resources := range [][]string{nil, {"Magento_Catalog::products"}} {
			if got := m.do(t, http.MethodGet, verifyURL(resources...), "", "Authorization", "Bearer "+token); got.status != http.StatusUnauthorized {
				t.Errorf("another profile's token: %d", got.status)
			}
		}
	}
	for _, token := range []string{magentoToken, m.loginAs(t, adminToken, "admin")} {
		for _, query := range []string{"", "&profile=OAuth2", "&profile=Shopware", "&profile=OroCommerce"} {
			got := m.do(t, http.MethodGet, "/verify?audience="+magentoAudience+query, "", "Authorization", "Bearer "+token)
			if got.status != http.StatusUnauthorized {
				t.Errorf("with %q: %d", query, got.status)
			}
		}
	}
	m.form(t, "/oauth2/token", magentoKey, "client_secret", magentoSecret, "grant_type", "client_credentials").wantError(t, 400, "invalid_request")
	m.do(t, http.MethodPost, "/oauth2/token", "grant_type=client_credentials&client_id="+magentoKey+"&client_secret="+magentoSecret,
		"Content-Type", "application/x-www-form-urlencoded").wantError(t, 401, "invalid_client")
}

// The Integration's token lasts, but as a bearer token only where that is allowed.
func TestMagentoLastingTokens(t *testing.T) {
	m := startMagento(t)
	present := func() int {
		return m.do(t, http.MethodGet, verifyURL("Magento_Catalog::products"), "", "Authorization", "Bearer "+magentoToken).status
	}
	introspect := func() bool {
		got := m.do(t, http.MethodPost, "/oauth2/introspect", url.Values{
			"client_id": {magentoKey}, "client_secret": {magentoSecret}, "token": {magentoToken},
		}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		return strings.Contains(got.body, `"active":true`)
	}
	for _, tt := range []struct {
		name string
		edit func(*clients.Client)
		want bool
	}{
		{"not allowed", func(*clients.Client) {}, false},
		{"allowed", func(c *clients.Client) { c.Lasting.Bearer = true }, true},
		{"revoked", func(c *clients.Client) { c.RevokedBefore = now() }, false},
		{"issued again", func(c *clients.Client) { c.Lasting.IssuedAt = now().Add(time.Second) }, true},
		{"suspended", func(c *clients.Client) { c.RevokedBefore, c.Suspended = time.Time{}, true }, false},
		{"on again", func(c *clients.Client) { c.Suspended = false }, true},
		{"rotated", func(c *clients.Client) { c.Lasting = nil }, false},
	} {
		m.change(tt.edit)
		if got := present(); (got == http.StatusNoContent) != tt.want {
			t.Errorf("%s: got %d", tt.name, got)
		}
		// A suspended client cannot ask either.
		if got := introspect(); got != tt.want {
			t.Errorf("%s: introspection says %t", tt.name, got)
		}
	}
	m.change(func(c *clients.Client) {
		c.Lasting = &clients.LastingToken{Hash: startMagento(t).client.Lasting.Hash, IssuedAt: now(), Bearer: true}
	})
	revoked := m.do(t, http.MethodPost, "/oauth2/revoke", url.Values{
		"client_id": {magentoKey}, "client_secret": {magentoSecret}, "token": {magentoToken},
	}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	revoked.wantError(t, http.StatusBadRequest, "unsupported_token_type")
	if !strings.Contains(revoked.body, "rotate") {
		t.Errorf("whoever cannot revoke it is told %s", revoked.body)
	}
	m.later(10 * 365 * 24 * time.Hour)
	if got := present(); got != http.StatusNoContent {
		t.Errorf("after ten years: %d", got)
	}
}

// gateway is a proxy in front of an API, which asks the token server about each request as Traefik does.
func (m *magento) gateway(t *testing.T, resources ...string) *httptest.Server {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var headers []string
		for _, value := range r.Header["Authorization"] {
			headers = append(headers, "Authorization", value)
		}
		headers = append(headers, "X-Forwarded-Method", r.Method, "X-Forwarded-Proto", "http", "X-Forwarded-Host", r.Host, "X-Forwarded-Uri", r.RequestURI)
		got := m.do(t, http.MethodGet, verifyURL(resources...), "", headers...)
		w.Header().Set("X-Auth-Integration", got.header.Get("X-Auth-Integration"))
		w.WriteHeader(got.status)
	}))
	t.Cleanup(proxy.Close)
	return proxy
}

// A client of Magento that signs its requests needs nothing but the four values.
func TestMagentoSignedRequests(t *testing.T) {
	m := startMagento(t)
	proxy := m.gateway(t, "Magento_Catalog::products")
	config := &oauth1.Config{ConsumerKey: magentoKey, Signer: &oauth1.HMAC256Signer{ConsumerSecret: magentoSecret}}
	send := func(t *testing.T, config *oauth1.Config, token, secret, method, target string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, proxy.URL+target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Client(t.Context(), oauth1.NewToken(token, secret)).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		return got.StatusCode
	}
	for _, target := range []string{
		"/rest/V1/products", "/rest/default/V1/products?searchCriteria%5BpageSize%5D=20&fields=items[sku,name]&q=a+b%20c", "/rest/V1/products/a%2Fb%20c",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if got := send(t, config, magentoToken, magentoTokenSecret, method, target); got != http.StatusNoContent {
				t.Errorf("%s %s: got %d", method, target, got)
			}
		}
	}
	const target = "/rest/V1/products"
	wrongKey, wrongSecret, sha1 := *config, *config, *config
	wrongKey.ConsumerKey = strings.Repeat("0", 32)
	wrongSecret.Signer = &oauth1.HMAC256Signer{ConsumerSecret: magentoTokenSecret}
	sha1.Signer = &oauth1.HMACSigner{ConsumerSecret: magentoSecret}
	nonced := *config
	nonced.Noncer = nonce("the same again")
	for name, got := range map[string]int{
		"another consumer key":    send(t, &wrongKey, magentoToken, magentoTokenSecret, http.MethodGet, target),
		"another consumer secret": send(t, &wrongSecret, magentoToken, magentoTokenSecret, http.MethodGet, target),
		"another token":           send(t, config, magentoSecret, magentoTokenSecret, http.MethodGet, target),
		"another token secret":    send(t, config, magentoToken, magentoSecret, http.MethodGet, target),
		"SHA-1":                   send(t, &sha1, magentoToken, magentoTokenSecret, http.MethodGet, target),
	} {
		if got != http.StatusUnauthorized {
			t.Errorf("%s: got %d", name, got)
		}
	}
	t.Run("a nonce counts once", func(t *testing.T) {
		first, second := send(t, &nonced, magentoToken, magentoTokenSecret, http.MethodGet, target), send(t, &nonced, magentoToken, magentoTokenSecret, http.MethodPost, target)
		if first != http.StatusNoContent || second != http.StatusUnauthorized {
			t.Errorf("got %d and then %d", first, second)
		}
	})
	t.Run("the store is away", func(t *testing.T) {
		defer m.sessions.Break()()
		if got := send(t, config, magentoToken, magentoTokenSecret, http.MethodGet, target); got != http.StatusServiceUnavailable {
			t.Errorf("got %d", got)
		}
	})
	t.Run("a resource that the Integration lacks", func(t *testing.T) {
		before := proxy
		defer func() { proxy = before }()
		proxy = m.gateway(t, "Magento_Cms::page")
		if got := send(t, config, magentoToken, magentoTokenSecret, http.MethodGet, target); got != http.StatusUnauthorized {
			t.Errorf("got %d", got)
		}
	})
	t.Run("a clock that is too far off", func(t *testing.T) {
		for _, off := range []time.Duration{-11 * time.Minute, 22 * time.Minute} {
			m.later(off)
			if got := send(t, config, magentoToken, magentoTokenSecret, http.MethodGet, target); got != http.StatusUnauthorized {
				t.Errorf("got %d", got)
			}
		}
		m.later(-11 * time.Minute)
	})
	t.Run("a proxy that does not say what was signed", func(t *testing.T) {
		got := m.do(t, http.MethodGet, verifyURL("anonymous"), "", "Authorization",
			`OAuth oauth_consumer_key="`+magentoKey+`",oauth_token="t",oauth_nonce="n",oauth_timestamp="1800000000",oauth_signature_method="HMAC-SHA256",oauth_signature="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"`)
		if got.status != http.StatusUnauthorized {
			t.Errorf("got %d", got.status)
		}
	})
	t.Run("a rotated Integration", func(t *testing.T) {
		m.change(func(c *clients.Client) { c.Lasting = nil })
		if got := send(t, config, magentoToken, magentoTokenSecret, http.MethodGet, target); got != http.StatusUnauthorized {
			t.Errorf("got %d", got)
		}
	})
	if log := m.log.String(); slices.ContainsFunc([]string{"the same again", magentoKey + `","oauth`}, func(s string) bool { return strings.Contains(log, s) }) {
		t.Error("the log holds a part of a signed request")
	}
}

// A nonce is always the same.
type nonce string

// Nonce returns it.
func (n nonce) Nonce() string { return string(n) }
