// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

const (
	magentoSeed  = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	codeLogin    = "/rest/V1/tfa/provider/google/authenticate"
	keyChallenge = "/rest/V1/tfa/provider/u2fkey/authentication-challenge"
	keyLogin     = "/rest/V1/tfa/provider/u2fkey/verify"
	keyConfigure = "/rest/V1/tfa/provider/u2fkey/configure"
	keyActivate  = "/rest/V1/tfa/provider/u2fkey/activate"
)

// code returns the one-time code of the server's time and an offset.
func (m *magento) code(t *testing.T, off time.Duration) string {
	t.Helper()
	code, err := totp.GenerateCode(magentoSeed, m.now().Add(off))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// A user with one-time codes logs in with one, once, at the endpoint for it and nowhere else.
func TestMagentoOneTimeCodes(t *testing.T) {
	m := startMagento(t)
	for _, user := range []string{"admin", magentoCustomer} {
		m.changeUser(user, func(u *clients.User) { u.TOTP = clients.Conceal(magentoSeed) })
	}
	m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "error/second-factor")
	m.post(t, customerToken, userOf(t, magentoCustomer)).wantGolden(t, "error/second-factor")
	login := func(user, code string) reply {
		t.Helper()
		return m.post(t, codeLogin, userOf(t, user, "otp", code))
	}
	code := m.code(t, 0)
	token := mustBare(t, login("admin", code))
	if claims := decodePart(t, token, 1); claims["utypid"] != float64(2) {
		t.Errorf("got the claims %v", claims)
	}
	login("admin", code).wantGolden(t, "error/wrong-credentials")
	mustBare(t, login(magentoCustomer, code))
	mustBare(t, login("admin", m.code(t, -30*time.Second)))
	m.do(t, http.MethodPost, codeLogin, "<r><username>admin</username><password>hush, it is a password: é&amp;%+</password><otp>"+m.code(t, 30*time.Second)+"</otp></r>",
		"Content-Type", "application/xml", "Accept", "application/xml").wantGolden(t, "reply/xml-to-xml")
	login("clerk", code).wantGolden(t, "error/wrong-credentials")
	m.later(10 * time.Minute)
	m.post(t, codeLogin, jsonOf(t, "username", "admin", "password", "hush", "otp", m.code(t, 0))).wantGolden(t, "error/wrong-credentials")
	mustBare(t, login("admin", m.code(t, 0)))

	// Wrong codes count, and neither the plain endpoint nor a challenge makes them forgotten.
	m.later(10 * time.Minute)
	for range 6 {
		login("admin", "000000").wantGolden(t, "error/wrong-credentials")
		m.post(t, adminToken, userOf(t, "admin"))
		m.post(t, keyChallenge, userOf(t, "admin"))
	}
	login("admin", m.code(t, 0)).wantGolden(t, "error/wrong-credentials")
	m.later(31 * time.Minute)
	mustBare(t, login("admin", m.code(t, 0)))

	t.Run("the store is away", func(t *testing.T) {
		m.later(10 * time.Minute)
		defer m.sessions.Break()()
		login("admin", m.code(t, 0)).wantGolden(t, "error/away")
	})
}

// A changed second factor ends the logins that were made with the old one.
func TestMagentoSecondFactorsAreOfTheLogin(t *testing.T) {
	m := startMagento(t)
	token := m.loginAs(t, adminToken, "admin")
	verify := func() int {
		return m.do(t, http.MethodGet, verifyURL("Magento_Sales::sales"), "", "Authorization", "Bearer "+token).status
	}
	if got := verify(); got != http.StatusNoContent {
		t.Fatalf("got %d", got)
	}
	m.changeUser("admin", func(u *clients.User) { u.TOTP = clients.Conceal(magentoSeed) })
	if got := verify(); got != http.StatusUnauthorized {
		t.Errorf("with a second factor since: %d", got)
	}
}

// options returns what a reply has for the browser.
func options(t *testing.T, r reply) string {
	t.Helper()
	var got struct {
		Options string `json:"credential_request_options_json"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK || got.Options == "" {
		t.Fatalf("got %d %s (%v)", r.status, r.body, err)
	}
	return got.Options
}

// A user registers a security key, whose entry the owner of the Secret adds, and logs in with it.
func TestMagentoSecurityKeys(t *testing.T) {
	m := startMagento(t)
	site := virtualwebauthn.RelyingParty{Name: "shop", ID: "shop.example", Origin: "https://admin.shop.example"}
	authenticator, key := virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	m.post(t, keyChallenge, userOf(t, "admin")).wantGolden(t, "keys/none")

	creation, err := virtualwebauthn.ParseAttestationOptions(options(t, m.post(t, keyConfigure, userOf(t, "admin"))))
	if err != nil {
		t.Fatal(err)
	}
	made := virtualwebauthn.CreateAttestationResponse(site, authenticator, key, *creation)
	entry := m.post(t, keyActivate, userOf(t, "admin", "publicKeyCredentialJson", made))
	var registered struct{ ID, PublicKey []byte }
	if entry.status != http.StatusOK || json.Unmarshal([]byte(base64Std(entry.body)), &registered) != nil || string(registered.ID) != string(key.ID) {
		t.Fatalf("got the entry %d %s", entry.status, entry.body)
	}
	m.post(t, keyActivate, userOf(t, "admin", "publicKeyCredentialJson", made)).wantGolden(t, "keys/registration-wrong")
	m.loginAs(t, adminToken, "admin") // So far the password is enough.
	m.changeUser("admin", func(u *clients.User) {
		u.SecurityKeys = []clients.SecurityKey{{ID: registered.ID, PublicKey: registered.PublicKey}}
	})
	m.post(t, adminToken, userOf(t, "admin")).wantGolden(t, "keys/second-factor")

	answer := func(t *testing.T) string {
		t.Helper()
		offered := options(t, m.post(t, keyChallenge, userOf(t, "admin")))
		assertion, err := virtualwebauthn.ParseAssertionOptions(offered)
		if err != nil {
			t.Fatal(err)
		}
		wantVendorsOptions(t, offered, assertion.Challenge, key.ID)
		return virtualwebauthn.CreateAssertionResponse(site, authenticator, key, *assertion)
	}
	login := func(answer string) reply {
		t.Helper()
		return m.post(t, keyLogin, userOf(t, "admin", "publicKeyCredentialJson", answer))
	}
	first := answer(t)
	mustBare(t, login(first))
	login(first).wantGolden(t, "error/wrong-credentials")
	mustBare(t, login(asTheVendorsClients(t, answer(t))))
	login("hush").wantGolden(t, "error/wrong-credentials")
	late := answer(t)
	m.later(2 * time.Minute)
	login(late).wantGolden(t, "error/wrong-credentials")
	site.Origin = "https://admin.shop.evil"
	login(answer(t)).wantGolden(t, "error/wrong-credentials")
	m.post(t, keyChallenge, jsonOf(t, "username", "admin", "password", "hush")).wantGolden(t, "error/wrong-credentials")
	m.post(t, keyConfigure, jsonOf(t, "username", "nobody", "password", "hush")).wantGolden(t, "error/wrong-credentials")

	m.change(func(c *clients.Client) { c.RelyingParty = nil })
	m.post(t, keyConfigure, userOf(t, "clerk")).wantGolden(t, "keys/no-site")
	if log := m.log.String(); !strings.Contains(log, `"action":"confirm","result":"ok"`) {
		t.Error("the audit log does not tell of the challenges")
	}
}

// base64Std turns base64url in JSON into what encoding/json reads as bytes.
func base64Std(body string) string {
	var entry map[string]string
	_ = json.Unmarshal([]byte(body), &entry)
	for name, value := range entry {
		decoded, _ := base64.RawURLEncoding.DecodeString(value)
		entry[name] = base64.StdEncoding.EncodeToString(decoded)
	}
	std, _ := json.Marshal(entry)
	return string(std)
}

// wantVendorsOptions checks the options as the vendor's clients read them: bytes are lists of numbers.
func wantVendorsOptions(t *testing.T, offered string, challenge, id []byte) {
	t.Helper()
	var got struct {
		Options struct {
			Challenge        []int  `json:"challenge"`
			RelyingPartyID   string `json:"rpId"`
			AllowCredentials []struct {
				Type string `json:"type"`
				ID   []int  `json:"id"`
			} `json:"allowCredentials"`
		} `json:"credentialRequestOptions"`
	}
	if err := json.Unmarshal([]byte(offered), &got); err != nil {
		t.Fatal(err)
	}
	octets := func(numbers []int) string {
		var b []byte
		for _, n := range numbers {
			b = append(b, byte(n))
		}
		return string(b)
	}
	o := got.Options
	if octets(o.Challenge) != string(challenge) || o.RelyingPartyID != "shop.example" || len(o.AllowCredentials) != 1 ||
		octets(o.AllowCredentials[0].ID) != string(id) || o.AllowCredentials[0].Type != "public-key" {
		t.Errorf("got the options %s", offered)
	}
}

// asTheVendorsClients writes an answer as the vendor's clients do: base64 with padding, and the client data as they are.
func asTheVendorsClients(t *testing.T, answer string) string {
	t.Helper()
	var standard struct {
		ID, Type string
		Response struct{ AuthenticatorData, ClientDataJSON, Signature string }
	}
	if err := json.Unmarshal([]byte(answer), &standard); err != nil {
		t.Fatal(err)
	}
	std := func(value string) string {
		decoded, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(decoded)
	}
	data, err := base64.RawURLEncoding.DecodeString(standard.Response.ClientDataJSON)
	if err != nil {
		t.Fatal(err)
	}
	vendor, err := json.Marshal(map[string]any{
		"id": std(standard.ID), "type": standard.Type, "response": map[string]any{
			"authenticatorData": std(standard.Response.AuthenticatorData), "signature": std(standard.Response.Signature),
			"clientDataJSON": string(data), "clientData": json.RawMessage(data),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(vendor)
}
