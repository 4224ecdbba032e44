// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

const seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// start is at the beginning of a time step.
var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// A world is a verifier with what stands around it, a client and the user ada.
type world struct {
	*secondfactor.Verifier
	client *clients.Client
	ada    *clients.User
	now    time.Time
	keys   *sealing.Set
	store  *sessionstest.Memory
}

// SealingKeys returns the keys.
func (w *world) SealingKeys() *sealing.Set { return w.keys }

func newKey(t *testing.T, active bool) *sealing.Key {
	t.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	key.Active = active
	return key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: start, keys: sealing.NewSet([]*sealing.Key{newKey(t, true)}), store: sessionstest.NewMemory()}
	w.Verifier = &secondfactor.Verifier{Spent: w.store, Keys: w, Now: func() time.Time { return w.now }}
	w.ada = &clients.User{Name: "ada", TOTP: clients.Conceal(seed)}
	w.client = &clients.Client{
		Namespace: "shop", Name: "magento-sync", UID: "uid-1",
		RelyingParty: &clients.RelyingParty{ID: "shop.example", Origins: []string{"https://admin.shop.example"}},
	}
	return w
}

// code presents the code of a time.
func (w *world) code(t *testing.T, at time.Time) error {
	t.Helper()
	code, err := totp.GenerateCode(seed, at)
	if err != nil {
		t.Fatal(err)
	}
	return w.Check(t.Context(), w.client, w.ada, oauth2.SecondFactor{Provider: oauth2.FactorTOTP, Value: oauth2.Secret(code)})
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		off  time.Duration
		ok   bool
	}{
		{name: "the code of now", ok: true},
		{name: "the code of the last step", off: -1, ok: true},
		{name: "the code of the next step", off: 30 * time.Second, ok: true},
		{name: "the code of the step before the last", off: -31 * time.Second},
		{name: "the code of the step after the next", off: 60 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			err := w.code(t, start.Add(tt.off))
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, grants.ErrWrongFactor) {
				t.Errorf("got %v, want success %t", err, tt.ok)
			}
			// For as long as the code would count it is used up, whatever is swept meanwhile.
			for ; tt.ok && w.now.Before(start.Add(2*time.Minute)); w.now = w.now.Add(time.Second) {
				if _, err := w.store.Sweep(t.Context(), w.now, func(*sessions.Session) bool { return false }); err != nil {
					t.Fatal(err)
				}
				if err := w.code(t, start.Add(tt.off)); !errors.Is(err, grants.ErrWrongFactor) {
					t.Fatalf("after %v it counts again: %v", w.now.Sub(start), err)
				}
			}
		})
	}
}

func TestCodesAreTheUsersOwn(t *testing.T) {
	w := newWorld(t)
	if err := w.code(t, start); err != nil {
		t.Fatal(err)
	}
	w.ada = &clients.User{Name: "bob", TOTP: clients.Conceal(seed)}
	if err := w.code(t, start); err != nil {
		t.Errorf("another user with the same code: %v", err)
	}
	w.client.UID = "uid-2"
	if err := w.code(t, start); err != nil {
		t.Errorf("another Integration's user with the same code: %v", err)
	}
	w.ada.TOTP = nil
	if err := w.code(t, start.Add(30*time.Second)); !errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("a user without codes: %v", err)
	}
	for _, code := range []string{"", "12345", "1234567", "abcdef", "１２３４５６", strings.Repeat("1", 1<<16)} {
		w.ada.TOTP = clients.Conceal(seed)
		err := w.Check(t.Context(), w.client, w.ada, oauth2.SecondFactor{Provider: oauth2.FactorTOTP, Value: oauth2.Secret(code)})
		if !errors.Is(err, grants.ErrWrongFactor) {
			t.Errorf("the code %.10q: %v", code, err)
		}
	}
	repaired := w.store.Break()
	if err := w.code(t, start.Add(30*time.Second)); !errors.Is(err, sessions.ErrUnavailable) || errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("without the store: %v", err)
	}
	repaired()
	err := w.Check(t.Context(), w.client, w.ada, oauth2.SecondFactor{Provider: "duo", Value: "1"})
	if !errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("another provider: %v", err)
	}
}

// A browser is the user's side of the ceremonies.
type browser struct {
	site          virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	key           virtualwebauthn.Credential
}

func newBrowser(options virtualwebauthn.AuthenticatorOptions) *browser {
	return &browser{
		virtualwebauthn.RelyingParty{Name: "shop.example", ID: "shop.example", Origin: "https://admin.shop.example"},
		virtualwebauthn.NewAuthenticatorWithOptions(options), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
}

// registration returns the browser's answer to a registration.
func (w *world) registration(t *testing.T, b *browser) string {
	t.Helper()
	options, err := w.BeginRegistration(w.client, w.ada)
	if err != nil {
		t.Fatal(err)
	}
	attestation, err := virtualwebauthn.ParseAttestationOptions(marshal(t, options))
	if err != nil {
		t.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(b.site, b.authenticator, b.key, *attestation)
}

// register gives ada the browser's security key, as the owner of her Secret would.
func (w *world) register(t *testing.T, b *browser) {
	t.Helper()
	entry, err := w.Register(t.Context(), w.client, w.ada, w.registration(t, b))
	if err != nil {
		t.Fatal(err)
	}
	id, idErr := base64.RawURLEncoding.DecodeString(entry.ID)
	key, keyErr := base64.RawURLEncoding.DecodeString(entry.PublicKey)
	if idErr != nil || keyErr != nil || entry.JSON() != `{"id":"`+entry.ID+`","publicKey":"`+entry.PublicKey+`"}` {
		t.Fatalf("got the entry %s", entry.JSON())
	}
	w.ada.SecurityKeys = append(w.ada.SecurityKeys, clients.SecurityKey{ID: id, PublicKey: key})
}

// answer returns the browser's answer to a challenge.
func (w *world) answer(t *testing.T, b *browser) string {
	t.Helper()
	options, err := w.BeginLogin(w.client, w.ada)
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := virtualwebauthn.ParseAssertionOptions(marshal(t, options))
	if err != nil {
		t.Fatal(err)
	}
	if !b.key.IsAllowedForAssertion(*assertion) {
		t.Errorf("the options do not name the security key: %v", assertion)
	}
	return virtualwebauthn.CreateAssertionResponse(b.site, b.authenticator, b.key, *assertion)
}

func (w *world) check(t *testing.T, answer string) error {
	t.Helper()
	return w.Check(t.Context(), w.client, w.ada, oauth2.SecondFactor{Provider: oauth2.FactorSecurityKey, Value: oauth2.Secret(answer)})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSecurityKeys(t *testing.T) {
	for name, options := range map[string]virtualwebauthn.AuthenticatorOptions{
		"a key":                              {},
		"a key that cannot verify the user":  {UserNotVerified: true},
		"a key that is backed up":            {BackupEligible: true, BackupState: true},
		"a key that might be backed up once": {BackupEligible: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t), newBrowser(options)
			w.register(t, b)
			answer := w.answer(t, b)
			if err := w.check(t, answer); err != nil {
				t.Fatal(err)
			}
			if err := w.check(t, answer); !errors.Is(err, grants.ErrWrongFactor) {
				t.Errorf("the same answer again: %v", err)
			}
			if err := w.check(t, w.answer(t, b)); err != nil {
				t.Errorf("another login: %v", err)
			}
			second := newBrowser(virtualwebauthn.AuthenticatorOptions{})
			w.register(t, second)
			if err := w.check(t, w.answer(t, second)); err != nil {
				t.Errorf("a second key: %v", err)
			}
		})
	}
}

// What must be as it is for an answer to count, one at a time.
func TestWrongAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(*world, *browser)
		after  func(*world)
		edit   func(string) string
	}{
		"another origin":              {before: func(_ *world, b *browser) { b.site.Origin = "https://shop.example.evil" }},
		"another site":                {before: func(_ *world, b *browser) { b.site.ID = "other.example" }},
		"another key":                 {before: func(_ *world, b *browser) { b.key.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key }},
		"nobody there":                {before: func(_ *world, b *browser) { b.authenticator.Options.UserNotPresent = true }},
		"another user's handle":       {before: func(_ *world, b *browser) { b.authenticator.Options.UserHandle = []byte("bob") }},
		"too late":                    {after: func(w *world) { w.now = w.now.Add(2 * time.Minute) }},
		"another user":                {after: func(w *world) { w.ada.Name = "bob" }},
		"another Integration":         {after: func(w *world) { w.client.UID = "uid-2" }},
		"a key that was removed":      {after: func(w *world) { w.ada.SecurityKeys = []clients.SecurityKey{{ID: []byte("x"), PublicKey: []byte("y")}} }},
		"no keys any more":            {after: func(w *world) { w.ada.SecurityKeys = nil }},
		"no site any more":            {after: func(w *world) { w.client.RelyingParty = nil }},
		"a sealing key that has gone": {after: func(w *world) { w.keys = sealing.NewSet(nil) }},
		"nonsense":                    {edit: func(string) string { return "hush" }},
		"nothing":                     {edit: func(string) string { return "" }},
		"too much":                    {edit: func(s string) string { return s + strings.Repeat(" ", 16<<10) }},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t), newBrowser(virtualwebauthn.AuthenticatorOptions{})
			w.register(t, b)
			if tt.before != nil {
				tt.before(w, b)
			}
			answer := w.answer(t, b)
			if tt.after != nil {
				tt.after(w)
			}
			if tt.edit != nil {
				answer = tt.edit(answer)
			}
			if err := w.check(t, answer); !errors.Is(err, grants.ErrWrongFactor) || strings.Contains(err.Error(), "evil") {
				t.Errorf("got %v, want it wrong, without what was presented", err)
			}
		})
	}
}

func TestChallengesAreForOnePurpose(t *testing.T) {
	w, b := newWorld(t), newBrowser(virtualwebauthn.AuthenticatorOptions{})
	answer := w.registration(t, b)
	if _, err := w.Register(t.Context(), w.client, w.ada, answer); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Register(t.Context(), w.client, w.ada, answer); !errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("the same registration again: %v", err)
	}
	w.register(t, b)
	options, err := w.BeginRegistration(w.client, w.ada)
	if err != nil {
		t.Fatal(err)
	}
	if len(options.Response.CredentialExcludeList) != 1 {
		t.Errorf("the options exclude %d keys, want the one that there is", len(options.Response.CredentialExcludeList))
	}
	crossed := virtualwebauthn.CreateAssertionResponse(b.site, b.authenticator, b.key, virtualwebauthn.AssertionOptions{
		Challenge: options.Response.Challenge, RelyingPartyID: "shop.example",
	})
	if err := w.check(t, crossed); !errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("a login by the challenge of a registration: %v", err)
	}
	forged := virtualwebauthn.CreateAssertionResponse(b.site, b.authenticator, b.key, virtualwebauthn.AssertionOptions{
		Challenge: make([]byte, 88), RelyingPartyID: "shop.example",
	})
	if err := w.check(t, forged); !errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("a challenge that nobody made: %v", err)
	}
	for name, answer := range map[string]string{"nonsense": "hush", "too much": strings.Repeat(" ", 16<<10+1)} {
		if _, err := w.Register(t.Context(), w.client, w.ada, answer); !errors.Is(err, grants.ErrWrongFactor) {
			t.Errorf("register %s: %v", name, err)
		}
	}
}

// A challenge outlives the rotation of the key that it was made with.
func TestChallengesOutliveARotation(t *testing.T) {
	w, b := newWorld(t), newBrowser(virtualwebauthn.AuthenticatorOptions{})
	w.register(t, b)
	before, _ := w.keys.Active()
	answer := w.answer(t, b)
	before.Active = false
	w.keys = sealing.NewSet([]*sealing.Key{before, newKey(t, true)})
	if err := w.check(t, answer); err != nil {
		t.Error(err)
	}
}

func TestWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	if _, err := w.BeginLogin(w.client, w.ada); !errors.Is(err, secondfactor.ErrNoSecurityKeys) {
		t.Errorf("a user without keys: %v", err)
	}
	w.keys = sealing.NewSet(nil)
	if _, err := w.BeginRegistration(w.client, w.ada); !errors.Is(err, tokens.ErrNoActiveKey) {
		t.Errorf("no sealing key: %v", err)
	}
	w.client.RelyingParty = nil
	_, login := w.BeginLogin(w.client, w.ada)
	_, begin := w.BeginRegistration(w.client, w.ada)
	_, register := w.Register(t.Context(), w.client, w.ada, "{}")
	for _, err := range []error{login, begin, register} {
		if !errors.Is(err, secondfactor.ErrNoRelyingParty) {
			t.Errorf("no site: %v", err)
		}
	}
}
