// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/internal/passwords"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
)

// The client of the tests of the profile Magento, with the four values that its Secret has.
const (
	magentoKey         = "0123456789abcdefghijklmnopqrstuv"
	magentoSecret      = "hush456789abcdefghijklmnopqrstuv"
	magentoToken       = "hushtoken9abcdefghijklmnopqrstuv"
	magentoTokenSecret = "hushtokensecretdefghijklmnopqrst"

	magentoAudience = "https://magento.shop.example"
	magentoVirtual  = "/integrations/shop/magento-sync"
	magentoCustomer = "cleo@customer.example"
	adminToken      = "/rest/V1/integration/admin/token"
	customerToken   = "/rest/V1/integration/customer/token"
)

// A magento is a token server with the client, of which admin and clerk are administrators and cleo@customer.example is a customer. The clerk
// may use the catalog only.
type magento struct {
	*fixture
	client *clients.Client

	mu     sync.Mutex
	passed time.Duration
}

// later moves the clock of the server.
func (m *magento) later(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed += d
}

func (m *magento) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now().Add(m.passed)
}

// LastingClient finds the clients of lasting tokens.
func (m *memory) LastingClient(token string) (*clients.Client, bool) {
	hash := sha256.Sum256([]byte(token))
	for _, c := range m.clients {
		if c.Lasting != nil && c.Lasting.Hash == hash {
			return c, true
		}
	}
	return nil, false
}

// startMagento starts a token server with the client, as edits have it.
func startMagento(t *testing.T, edits ...func(*tokenserver.Server)) *magento {
	t.Helper()
	m := &magento{}
	m.fixture = start(t, "/tokens", append([]func(*tokenserver.Server){func(s *tokenserver.Server) {
		s.Now = m.now
		s.Limits = limits.NewMemory(m.now)
		s.Lasting = s.Clients.(*memory)
	}}, edits...)...)
	password, err := passwords.New([]byte(userPassword))
	if err != nil {
		t.Fatal(err)
	}
	m.client = &clients.Client{
		ID: magentoKey, Namespace: "shop", Name: "magento-sync", UID: "uid-magento", Profile: clients.ProfileMagento,
		Methods:    []clients.Method{clients.MethodClientSecret, clients.MethodNone},
		Secrets:    []clients.Secret{{Hash: sha256.Sum256([]byte(magentoSecret))}},
		GrantTypes: []string{"client_credentials", "password"},
		Access: []clients.Access{{
			Audience: magentoAudience, Scopes: []string{"Magento_Catalog::products", "Magento_Sales::sales", "self", "anonymous"},
		}},
		DefaultScopes:    []string{"Magento_Catalog::products", "Magento_Sales::sales", "self", "anonymous"},
		SigningAlgorithm: "ES256", TokenLifetime: time.Hour,
		UserLifetimes: map[string]time.Duration{clients.KindAdmin: 4 * time.Hour, clients.KindCustomer: time.Hour},
		Users: map[string]*clients.User{
			"admin":         {Name: "admin", Kind: clients.KindAdmin, Password: password},
			"clerk":         {Name: "clerk", Kind: clients.KindAdmin, Limited: true, Scopes: []string{"Magento_Catalog::products"}, Password: password},
			magentoCustomer: {Name: magentoCustomer, Kind: clients.KindCustomer, Password: password},
		},
		Lasting: &clients.LastingToken{
			Hash: sha256.Sum256([]byte(magentoToken)), ConsumerSecret: clients.Conceal(magentoSecret),
			TokenSecret: clients.Conceal(magentoTokenSecret), IssuedAt: now().Add(-time.Hour).Truncate(time.Second),
		},
		RelyingParty: &clients.RelyingParty{ID: "shop.example", Origins: []string{"https://admin.shop.example"}},
	}
	m.store.clients[m.client.ID] = m.client
	return m
}

// change replaces the client by one that differs from it.
func (m *magento) change(edit func(*clients.Client)) {
	changed := *m.client
	changed.Users = maps.Clone(changed.Users)
	edit(&changed)
	m.client = &changed
	m.store.clients[m.client.ID] = m.client
}

// changeUser replaces a user by one that differs.
func (m *magento) changeUser(name string, edit func(*clients.User)) {
	m.change(func(c *clients.Client) {
		changed := *c.Users[name]
		edit(&changed)
		c.Users[name] = &changed
	})
}

// jsonOf returns a body of fields, which come in pairs.
func jsonOf(t *testing.T, pairs ...string) string {
	t.Helper()
	fields := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		fields[pair[0]] = pair[1]
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// userOf returns a body of a name, the password that all users have, and more fields.
func userOf(t *testing.T, user string, more ...string) string {
	t.Helper()
	return jsonOf(t, append([]string{"username", user, "password", userPassword}, more...)...)
}

// post sends JSON.
func (m *magento) post(t *testing.T, path, body string, headers ...string) reply {
	t.Helper()
	return m.do(t, http.MethodPost, path, body, append(headers, "Content-Type", "application/json")...)
}

// loginAs returns the token of a user.
func (m *magento) loginAs(t *testing.T, path, user string) string {
	t.Helper()
	return mustBare(t, m.post(t, path, userOf(t, user)))
}

// mustBare reads a token that is a bare JSON string.
func mustBare(t *testing.T, r reply) string {
	t.Helper()
	var token string
	if err := json.Unmarshal([]byte(r.body), &token); err != nil || r.status != http.StatusOK || r.body != `"`+token+`"` || strings.Count(token, ".") != 2 {
		t.Fatalf("got %d %s (%v), want a token between quotes", r.status, r.body, err)
	}
	return token
}

var updateMagento = flag.Bool("update-magento", false, "write the golden files of the profile Magento from what the server does")

// variable is what differs from run to run in a reply.
var variable = regexp.MustCompile(`eyJ[A-Za-z0-9_.-]+`)

// wantGolden compares a reply, as it goes over the wire, with a golden file. The order of members is part of it.
func (r reply) wantGolden(t *testing.T, name string) {
	t.Helper()
	var got strings.Builder
	fmt.Fprintf(&got, "%d %s\n", r.status, http.StatusText(r.status))
	for _, header := range slices.Sorted(maps.Keys(r.header)) {
		if header != "Content-Length" {
			fmt.Fprintf(&got, "%s: %s\n", header, strings.Join(r.header[header], ", "))
		}
	}
	fmt.Fprintf(&got, "\n%s\n", variable.ReplaceAllString(r.body, "TOKEN"))
	path := filepath.Join("testdata", "magento", name+".txt")
	if *updateMagento {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// Each of the endpoints is there for no store and for any, with index.php before it, below the virtual base URL and the path of the issuer.
func TestMagentoRoutes(t *testing.T) {
	m := startMagento(t)
	for _, base := range []string{"", magentoVirtual, "/tokens", "/tokens" + magentoVirtual} {
		for _, rest := range []string{"/rest", "/rest/default", "/rest/de_2", "/index.php/rest", "/index.php/rest/all"} {
			m.loginAs(t, base+rest+"/V1/integration/admin/token", "admin")
			token := m.loginAs(t, base+rest+"/V1/integration/customer/token", magentoCustomer)
			got := m.do(t, http.MethodPost, base+rest+"/V1/integration/customer/revoke-customer-token", "", "Authorization", "Bearer "+token)
			if got.status != http.StatusOK || got.body != "true" {
				t.Errorf("revocation at %s: %d %s", base+rest, got.status, got.body)
			}
			for _, path := range []string{
				"google/authenticate", "u2fkey/verify", "u2fkey/authentication-challenge", "u2fkey/configure", "u2fkey/activate",
			} {
				if got := m.post(t, base+rest+"/V1/tfa/provider/"+path, "{}"); got.status != http.StatusBadRequest {
					t.Errorf("%s at %s: %d %s", path, base+rest, got.status, got.body)
				}
			}
		}
	}
	for _, path := range []string{
		"/rest/V2/integration/admin/token", "/rest/a/b/V1/integration/admin/token", "/V1/integration/admin/token", "/rest/V1/tfa/provider/authy/authenticate",
		"/rest/V1/integration/nobody/token",
	} {
		if got := m.post(t, path, userOf(t, "admin")); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	m.post(t, "/integrations/shop/other"+adminToken, userOf(t, "admin")).wantGolden(t, "error/wrong-credentials")
	m.change(func(c *clients.Client) { c.Methods = []clients.Method{clients.MethodClientSecret} })
	m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "error/wrong-credentials")
}

// What a reply looks like by what came in and what is accepted.
func TestMagentoReplies(t *testing.T) {
	m := startMagento(t)
	xml := "<?xml version=\"1.0\"?><login><username>admin</username><password>hush, it is a password: é&amp;%+</password></login>"
	for name, tt := range map[string]struct{ contentType, body, accept string }{
		"json-to-json":         {"application/json", userOf(t, "admin"), ""},
		"json-to-anything":     {"application/json; charset=UTF-8", userOf(t, "admin"), "*/*"},
		"json-to-xml":          {"application/json", userOf(t, "admin"), "application/xml"},
		"xml-to-json":          {"application/xml", xml, "application/json"},
		"xml-to-xml":           {"application/xml; charset=utf-8", xml, "application/xml"},
		"xml-of-another-root":  {"text/xml", strings.ReplaceAll(xml, "login", "request"), ""},
		"json-to-not-possible": {"application/json", userOf(t, "admin"), "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{"Content-Type", tt.contentType}
			if tt.accept != "" {
				headers = append(headers, "Accept", tt.accept)
			}
			m.do(t, http.MethodPost, adminToken, tt.body, headers...).wantGolden(t, "reply/"+name)
		})
	}
	// A client that lost its token sends the old one along, and some send worse.
	for _, header := range []string{"Bearer expired", "Bearer", "Basic !!!", "OAuth hush", "nonsense"} {
		mustBare(t, m.post(t, adminToken, userOf(t, "admin"), "Authorization", header))
	}
}

// A user logs in at the endpoint of the user's kind.
func TestMagentoTokens(t *testing.T) {
	m := startMagento(t)
	for _, tt := range []struct {
		path, user   string
		wantType     int
		wantLifetime time.Duration
	}{
		{adminToken, "admin", 2, 4 * time.Hour},
		{adminToken, "clerk", 2, 4 * time.Hour},
		{customerToken, magentoCustomer, 3, time.Hour},
	} {
		token := m.loginAs(t, tt.path, tt.user)
		keys := oidc.NewRemoteKeySet(t.Context(), m.URL+"/oauth2/jwks")
		verified, err := oidc.NewVerifier(m.issuer, keys, &oidc.Config{ClientID: magentoAudience, SupportedSigningAlgs: []string{"ES256"}}).Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := verified.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		header := decodePart(t, token, 0)
		if header["kid"] != "kid-ES256" || header["alg"] != "ES256" || header["typ"] != "JWT" {
			t.Errorf("%s: got the header %v", tt.user, header)
		}
		uid, whole := claims["uid"].(float64), now().Unix()
		if claims["utypid"] != float64(tt.wantType) || uid < 1 || uid > 1<<31-1 || uid != float64(int64(uid)) || claims["sub"] != tt.user ||
			claims["iat"] != float64(whole) || claims["exp"] != float64(whole+int64(tt.wantLifetime.Seconds())) || claims["jti"] == "" {
			t.Errorf("%s: got the claims %v", tt.user, claims)
		}
		again := decodePart(t, m.loginAs(t, tt.path, tt.user), 1)
		if again["uid"] != uid || again["jti"] == claims["jti"] {
			t.Errorf("%s: another login has the claims %v", tt.user, again)
		}
	}
	admin, clerk := decodePart(t, m.loginAs(t, adminToken, "admin"), 1), decodePart(t, m.loginAs(t, adminToken, "clerk"), 1)
	if admin["uid"] == clerk["uid"] {
		t.Error("two users have one uid")
	}
	m.change(func(c *clients.Client) { c.UID = "uid-anew" })
	if got := decodePart(t, m.loginAs(t, adminToken, "admin"), 1); got["uid"] == admin["uid"] {
		t.Error("an Integration that was made anew has the users of the old one")
	}
	private, _ := clerk["integration-operator.io"].(map[string]any)
	if private["scope"] != "Magento_Catalog::products" {
		t.Errorf("the clerk has the scope %v", private["scope"])
	}
	customer, _ := decodePart(t, m.loginAs(t, customerToken, magentoCustomer), 1)["integration-operator.io"].(map[string]any)
	if customer["scope"] != "self anonymous" {
		t.Errorf("a customer has the scope %v, want no resource of a module", customer["scope"])
	}
}

// Each row of the table of errors in the contract, as JSON and as XML.
func TestMagentoErrors(t *testing.T) {
	m := startMagento(t)
	m.changeUser("clerk", func(u *clients.User) { u.TOTP = clients.Conceal("JBSWY3DPEHPK3PXP") })
	both := jsonOf(t, "username", "admin", "password", "hush")
	for _, tt := range []struct {
		name, golden      string
		path, body, media string
	}{
		{"a wrong password", "wrong-credentials", adminToken, both, ""},
		{"an unknown user", "wrong-credentials", adminToken, userOf(t, "nobody"), ""},
		{"a customer at the administrators' endpoint", "wrong-credentials", adminToken, userOf(t, magentoCustomer), ""},
		{"an administrator at the customers' endpoint", "wrong-credentials", customerToken, userOf(t, "admin"), ""},
		{"a user in other letters", "wrong-credentials", adminToken, userOf(t, "Admin"), ""},
		{"no user name", "no-username", adminToken, jsonOf(t, "password", "hush"), ""},
		{"an empty user name", "no-username", customerToken, jsonOf(t, "username", "", "password", "hush"), ""},
		{"no password", "no-password", adminToken, jsonOf(t, "username", "admin"), ""},
		{"neither", "neither", adminToken, "{}", ""},
		{"an empty body", "neither", customerToken, "", ""},
		{"no code", "no-code", "/rest/V1/tfa/provider/google/authenticate", userOf(t, "clerk"), ""},
		{"a second factor that is needed", "second-factor", adminToken, userOf(t, "clerk"), ""},
		{"a body that is no JSON", "unreadable", adminToken, `{"username":"hush"`, ""},
		{"no content type that there is", "content-type", adminToken, both, "text/plain"},
		{"a form", "content-type", adminToken, "username=admin&password=hush", "application/x-www-form-urlencoded"},
		{"another charset", "content-type", adminToken, both, "application/json; charset=iso-8859-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.media == "" {
				tt.media = "application/json"
			}
			m.do(t, http.MethodPost, tt.path, tt.body, "Content-Type", tt.media).wantGolden(t, "error/"+tt.golden)
			m.do(t, http.MethodPost, tt.path, tt.body, "Content-Type", tt.media, "Accept", "application/xml").wantGolden(t, "error/"+tt.golden+".xml")
		})
	}
	t.Run("XML that cannot be read", func(t *testing.T) {
		m.do(t, http.MethodPost, adminToken, `<!DOCTYPE l [<!ENTITY a "hush">]><l/>`, "Content-Type", "application/xml").wantGolden(t, "error/doctype")
	})
	t.Run("not acceptable", func(t *testing.T) {
		m.post(t, adminToken, both, "Accept", "image/png").wantGolden(t, "error/not-acceptable")
	})
	t.Run("another method", func(t *testing.T) {
		m.do(t, http.MethodGet, adminToken, "").wantGolden(t, "error/method")
	})
	t.Run("the session store is away", func(t *testing.T) {
		defer m.sessions.Break()()
		m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "error/away")
	})
	t.Run("a disabled Integration", func(t *testing.T) {
		m.change(func(c *clients.Client) { c.Suspended = true })
		m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "error/wrong-credentials")
	})
}

// Six failures in a row lock a user of a kind out for half an hour after the last one, and look like the first.
func TestMagentoLocksOut(t *testing.T) {
	m := startMagento(t)
	wrong := jsonOf(t, "username", "admin", "password", "hush")
	fail := func(times int) {
		t.Helper()
		for range times {
			m.post(t, adminToken, wrong).wantGolden(t, "error/wrong-credentials")
		}
	}
	locked := func() {
		t.Helper()
		m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "error/wrong-credentials")
	}
	fail(5)
	m.loginAs(t, adminToken, "admin")
	fail(5)
	m.loginAs(t, adminToken, "admin")
	fail(6)
	locked()
	m.loginAs(t, adminToken, "clerk")
	m.loginAs(t, customerToken, magentoCustomer)
	m.later(1799 * time.Second)
	locked()
	m.later(time.Second)
	m.loginAs(t, adminToken, "admin")

	// Attempts of the other kind count apart.
	for range 6 {
		m.post(t, customerToken, wrong).wantGolden(t, "error/wrong-credentials")
	}
	m.loginAs(t, adminToken, "admin")
}

// blocks is a limiter that notes whether it has refused the latest attempt unseen.
type blocks struct {
	limits.Limiter
	last bool
}

// Blocked implements limits.Limiter.
func (b *blocks) Blocked(ctx context.Context, keys ...limits.Key) time.Duration {
	wait := b.Limiter.Blocked(ctx, keys...)
	b.last = wait > 0
	return wait
}

// Failures add up over the routes alike for a name that exists and for one that does not: otherwise the time of a locked reply would tell.
func TestMagentoLocksOutWhoDoesNotExist(t *testing.T) {
	routes := []string{adminToken, "/rest/V1/tfa/provider/google/authenticate", customerToken}
	// seen returns after which failures of a name, at one route after the other, the next attempt was not looked at.
	seen := func(name string) []bool {
		limiter := &blocks{}
		m := startMagento(t, func(s *tokenserver.Server) { limiter.Limiter, s.Limits = s.Limits, limiter })
		var blocked []bool
		for i := range 24 {
			m.post(t, routes[i%len(routes)], jsonOf(t, "username", name, "password", "hush", "otp", "123456")).wantGolden(t, "error/wrong-credentials")
			blocked = append(blocked, limiter.last)
		}
		return blocked
	}
	want := seen("nobody")
	if !slices.Contains(want, true) {
		t.Fatalf("nobody is never locked out: %t", want)
	}
	for _, name := range []string{"admin", magentoCustomer} {
		if diff := cmp.Diff(want, seen(name)); diff != "" {
			t.Errorf("%s is locked out otherwise than nobody (-nobody +%s):\n%s", name, name, diff)
		}
	}
}

// All tokens of a customer die at once, and nobody else's.
func TestMagentoRevokesACustomersTokens(t *testing.T) {
	const revoke = "/rest/V1/integration/customer/revoke-customer-token"
	m := startMagento(t)
	m.change(func(c *clients.Client) {
		other := *c.Users[magentoCustomer]
		other.Name = "dora@customer.example"
		c.Users[other.Name] = &other
	})
	first, second := m.loginAs(t, customerToken, magentoCustomer), m.loginAs(t, customerToken, magentoCustomer)
	dora, admin := m.loginAs(t, customerToken, "dora@customer.example"), m.loginAs(t, adminToken, "admin")
	self := "/verify?profile=Magento&resource=self&audience=" + magentoAudience
	wantStatus := func(token string, want int) {
		t.Helper()
		if got := m.do(t, http.MethodGet, self, "", "Authorization", "Bearer "+token); got.status != want {
			t.Errorf("got %d, want %d", got.status, want)
		}
	}
	for _, token := range []string{first, second, dora} {
		wantStatus(token, http.StatusNoContent)
	}
	for name, token := range map[string]string{"an administrator's": admin, "nonsense": "hush", "the Integration's own": magentoToken} {
		t.Run(name, func(t *testing.T) {
			m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+token).wantGolden(t, "revoke/refused")
		})
	}
	m.do(t, http.MethodPost, revoke, "").wantGolden(t, "revoke/refused")
	m.do(t, http.MethodPost, "/integrations/shop/other"+revoke, "", "Authorization", "Bearer "+first).wantGolden(t, "revoke/refused")
	m.do(t, http.MethodGet, revoke, "").wantGolden(t, "revoke/method")
	m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+first, "Accept", "text/html").wantGolden(t, "error/not-acceptable")
	repaired := m.sessions.Break()
	m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+first).wantGolden(t, "error/away")
	repaired()

	m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+first).wantGolden(t, "revoke/done")
	for _, token := range []string{first, second} {
		wantStatus(token, http.StatusUnauthorized)
	}
	wantStatus(dora, http.StatusNoContent)
	m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+first).wantGolden(t, "revoke/refused")
	third := m.loginAs(t, customerToken, magentoCustomer)
	m.do(t, http.MethodPost, revoke, "", "Authorization", "Bearer "+third, "Accept", "application/xml").wantGolden(t, "revoke/done.xml")
	if !strings.Contains(m.log.String(), `"action":"revoke","result":"ok","status":200,"client":"`+magentoKey+`"`) {
		t.Error("the audit log does not tell of the revocation")
	}
}
