// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/integration-operator/integration-operator/internal/logins"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// anna returns a user who has some security keys.
func anna(keys ...*authenticator) *clients.User {
	user := &clients.User{Name: "anna", Kind: clients.KindAdmin}
	for _, key := range keys {
		user.SecurityKeys = append(user.SecurityKeys, clients.SecurityKey{ID: key.id, PublicKey: key.cose})
	}
	return user
}

// challenge returns the options for a login.
func (w *world) challenge(t *testing.T, c *clients.Client, u *clients.User) []byte {
	t.Helper()
	options, err := w.Challenge(c, u)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// registration returns the options for a registration.
func (w *world) registration(t *testing.T, c *clients.Client, u *clients.User) []byte {
	t.Helper()
	options, err := w.Registration(c, u)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// answer presents the answer of a security key.
func (w *world) answer(t *testing.T, c *clients.Client, u *clients.User, answer []byte) error {
	t.Helper()
	return w.check(t, c, u, oauth2.FactorSecurityKey, string(answer))
}

// addToSecret adds an entry to a user's Secret, and reads the keys in it as the server does.
func addToSecret(t *testing.T, user *clients.User, added []byte) {
	t.Helper()
	login, err := logins.Read(&corev1.Secret{Type: corev1.SecretTypeBasicAuth, Data: map[string][]byte{
		"username": []byte(user.Name), "password": []byte("p"), "securityKeys": fmt.Appendf(nil, "[%s]", added),
	}})
	if err != nil {
		t.Fatalf("the entry %s: %v", added, err)
	}
	for _, key := range login.SecurityKeys {
		user.SecurityKeys = append(user.SecurityKeys, clients.SecurityKey(key))
	}
}

func TestAUserRegistersAKeyAndLogsIn(t *testing.T) {
	synced := byte(flagPresent | flagVerified | flagBackupEligible | flagBackedUp)
	tests := []struct {
		name      string
		algorithm int
		register  func(*ceremony)
		login     func(*ceremony)
	}{
		{name: "ES256", algorithm: es256},
		{name: "EdDSA", algorithm: eddsa},
		{name: "RS256", algorithm: rs256},
		{name: "an attestation by the key itself", algorithm: eddsa, register: func(c *ceremony) { c.selfAttest = true }},
		{name: "a key that is synced", algorithm: es256, register: flags(synced | flagAttested), login: flags(synced)},
		{name: "a key that asks for no PIN", algorithm: es256, register: flags(flagPresent | flagAttested), login: flags(flagPresent)},
		{name: "the forms of Magento's clients", algorithm: es256, register: vendorForm, login: vendorForm},
		{name: "another origin of the relying party", algorithm: es256, login: as("origin", "https://shop.example")},
		{name: "members that browsers may add", algorithm: es256, login: as("new_keys_may_be_added_here", "do not compare")},
		{name: "extensions that the key answers unasked", algorithm: es256, register: func(c *ceremony) {
			c.flags, c.extensions = c.flags|flagExtensions, []byte("\xa1\x6bcredProtect\x01")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, client, user := newWorld(t), newClient(), anna()
			key := newAuthenticator(t, tt.algorithm)
			edits := func(edit func(*ceremony)) []func(*ceremony) {
				if edit == nil {
					return nil
				}
				return []func(*ceremony){edit}
			}
			added, err := w.Register(t.Context(), client, user, key.create(t, w.registration(t, client, user), edits(tt.register)...))
			if err != nil {
				t.Fatalf("register: %v", err)
			}
			addToSecret(t, user, added)
			if diff := cmp.Diff(clients.SecurityKey{ID: key.id, PublicKey: key.cose}, user.SecurityKeys[0]); diff != "" {
				t.Errorf("the key in the Secret (-want +got):\n%s", diff)
			}
			for range 2 {
				if err := w.answer(t, client, user, key.get(t, w.challenge(t, client, user), edits(tt.login)...)); err != nil {
					t.Errorf("log in: %v", err)
				}
			}
		})
	}
}

// TestAnotherAuthenticatorAgrees has a second implementation of security keys, which also shows the user handle.
func TestAnotherAuthenticatorAgrees(t *testing.T) {
	party := virtualwebauthn.RelyingParty{ID: rpID, Name: rpID, Origin: origin}
	for _, kind := range []virtualwebauthn.KeyType{virtualwebauthn.KeyTypeEC2, virtualwebauthn.KeyTypeRSA} {
		t.Run(string(kind), func(t *testing.T) {
			w, client, user := newWorld(t), newClient(), anna(newAuthenticator(t, eddsa))
			key, device := virtualwebauthn.NewCredential(kind), virtualwebauthn.NewAuthenticator()
			creation, err := virtualwebauthn.ParseAttestationOptions(string(w.registration(t, client, user)))
			if err != nil {
				t.Fatal(err)
			}
			answer := virtualwebauthn.CreateAttestationResponse(party, device, key, *creation)
			added, err := w.Register(t.Context(), client, user, []byte(answer))
			if err != nil {
				t.Fatalf("register: %v", err)
			}
			addToSecret(t, user, added)
			device.Options.UserHandle = []byte(creation.UserID)
			device.AddCredential(key)
			request, err := virtualwebauthn.ParseAssertionOptions(string(w.challenge(t, client, user)))
			if err != nil {
				t.Fatal(err)
			}
			if device.FindAllowedCredential(*request) == nil {
				t.Error("the key is not among those that are asked")
			}
			if err := w.answer(t, client, user, []byte(virtualwebauthn.CreateAssertionResponse(party, device, key, *request))); err != nil {
				t.Errorf("log in: %v", err)
			}
		})
	}
}

func TestAnswersThatDoNotCount(t *testing.T) {
	// Each case starts from the answer of anna's key to a challenge of hers, and changes one thing.
	type attempt struct {
		w      *world
		client *clients.Client
		user   *clients.User
		key    *authenticator
		edits  []func(*ceremony)
		// options are what is answered.
		options []byte
		// answer replaces the answer.
		answer func(right []byte) []byte
	}
	edit := func(edits ...func(*ceremony)) func(*testing.T, *attempt) {
		return func(_ *testing.T, a *attempt) { a.edits = edits }
	}
	as384 := func(t *testing.T, a *attempt) {
		t.Helper()
		a.key = newAuthenticator(t, es384)
		a.user = anna(a.key)
	}
	tests := []struct {
		name   string
		change func(*testing.T, *attempt)
		want   string
	}{
		{"another origin", edit(as("origin", "https://shop.example.evil")), "another origin"},
		{"the origin without encryption", edit(as("origin", "http://admin.shop.example")), "another origin"},
		{"a subdomain that is not listed", edit(as("origin", "https://blog.shop.example")), "another origin"},
		{"an iframe on another site", edit(as("crossOrigin", true)), "verification_error"},
		{"another relying party", edit(func(c *ceremony) { c.rpID = "admin.shop.example" }), "does not verify"},
		{"the answer to a registration", edit(as("type", "webauthn.create")), "verification_error"},
		{"nobody there", edit(flags(flagVerified)), "does not verify"},
		{"a key that is backed up and cannot be", edit(flags(flagPresent | flagBackedUp)), "does not verify"},
		{"another user's handle", edit(func(c *ceremony) { c.userHandle = []byte("bob") }), "does not verify"},
		{"an edited signature", edit(edited("signature", func(v string) any { return v[:20] + flip(v[20:21]) + v[21:] })), "invalid_signature"},
		{"no signature", edit(edited("signature", func(string) any { return "" })), "invalid_signature"},
		{"edited client data", edit(edited("clientDataJSON", func(v string) any {
			return b64([]byte(strings.Replace(unb64(v), "false", "false ", 1)))
		})), "invalid_signature"},
		{"edited authenticator data", edit(edited("authenticatorData", func(v string) any {
			return b64([]byte(unb64(v)[:36] + "\x01"))
		})), "invalid_signature"},
		{"a challenge that was made up", edit(as("challenge", b64([]byte(strings.Repeat("c", 32))))), "none of this server's"},
		{"no challenge", edit(as("challenge", "")), "none of this server's"},
		{"a challenge that is too long", edit(as("challenge", strings.Repeat("A", 1025))), "none of this server's"},
		{"a challenge with a line break", func(t *testing.T, a *attempt) {
			t.Helper()
			challenge := challengeOf(t, a.options)
			a.edits = append(a.edits, as("challenge", challenge[:8]+"\n"+challenge[8:]))
		}, "none of this server's"},
		{"a challenge that is made longer", func(t *testing.T, a *attempt) {
			t.Helper()
			a.edits = append(a.edits, as("challenge", challengeOf(t, a.options)+"AAAA"))
		}, "none of this server's"},
		{"an expired challenge", func(_ *testing.T, a *attempt) { a.w.now = a.w.now.Add(secondfactor.ChallengeLifetime) }, "has expired"},
		{"a challenge of a key that is gone", func(t *testing.T, a *attempt) {
			t.Helper()
			a.w.keys = sealing.NewSet([]*sealing.Key{newKey(t)})
		}, "none of this server's"},
		{"a challenge for a registration", func(t *testing.T, a *attempt) {
			t.Helper()
			a.options = a.w.registration(t, a.client, a.user)
		}, "for another purpose"},
		{"a challenge of another user", func(_ *testing.T, a *attempt) { a.user.Name = "bob" }, "for another user"},
		{"a challenge of a user of another kind", func(_ *testing.T, a *attempt) { a.user.Kind = clients.KindCustomer }, "for another user"},
		{"a challenge of a namespace's neighbour", func(_ *testing.T, a *attempt) { a.client.Namespace = "other" }, "another Integration"},
		{"a challenge of another Integration", func(_ *testing.T, a *attempt) { a.client.Name = "app" }, "another Integration"},
		{"a challenge of the Integration before", func(_ *testing.T, a *attempt) { a.client.UID = "uid-2" }, "another Integration"},
		{"a key that is not registered", func(t *testing.T, a *attempt) { t.Helper(); a.key = newAuthenticator(t, es256) }, "no security key of its ID"},
		{"another key under the ID", func(t *testing.T, a *attempt) {
			t.Helper()
			id := a.key.id
			a.key = newAuthenticator(t, es256)
			a.key.id = id
		}, "invalid_signature"},
		{"the user's keys are gone", func(_ *testing.T, a *attempt) { a.user.SecurityKeys = nil }, "has no security key"},
		{"no relying party", func(_ *testing.T, a *attempt) { a.client.RelyingParty = nil }, "no relying party"},
		{"a relying party without origins", func(_ *testing.T, a *attempt) { a.client.RelyingParty.Origins = nil }, "no relying party"},
		{"an algorithm that was not asked for", as384, "no ES256, EdDSA or RS256"},
		{"a public key that is none", func(_ *testing.T, a *attempt) { a.user.SecurityKeys[0].PublicKey = []byte{0xa0} }, "no ES256, EdDSA or RS256"},
		{"a public key that is too long", func(_ *testing.T, a *attempt) {
			a.user.SecurityKeys[0].PublicKey = append(a.user.SecurityKeys[0].PublicKey, make([]byte, 2<<10)...)
		}, "no ES256, EdDSA or RS256"},
		{"nothing", func(_ *testing.T, a *attempt) { a.answer = func([]byte) []byte { return nil } }, "not the JSON"},
		{"no JSON", func(_ *testing.T, a *attempt) { a.answer = func(r []byte) []byte { return r[1:] } }, "not the JSON"},
		{"two answers", func(_ *testing.T, a *attempt) { a.answer = func(r []byte) []byte { return append(r, r...) } }, "not the JSON"},
		{"a list", func(_ *testing.T, a *attempt) {
			a.answer = func(r []byte) []byte { return []byte("[" + string(r) + "]") }
		}, "not the JSON"},
		{"an answer that is too long", func(_ *testing.T, a *attempt) {
			a.answer = func(r []byte) []byte { return append(r, make([]byte, secondfactor.MaxAnswer)...) }
		}, "more than 16384 bytes"},
		{"a signature that is too long", edit(edited("signature", func(string) any { return b64(make([]byte, 1025)) })), "not the JSON"},
		{"a signature that is a number", edit(edited("signature", func(string) any { return 1 })), "not the JSON"},
		{"a signature with a line break", edit(edited("signature", func(v string) any { return v[:4] + "\n" + v[4:] })), "not the JSON"},
		{"authenticator data that is cut off", edit(edited("authenticatorData", func(v string) any { return v[:20] })), "cannot be read"},
		{"client data that is no JSON", edit(edited("clientDataJSON", func(string) any { return b64([]byte("hello")) })), "cannot be read"},
		{"two IDs", edit(func(c *ceremony) { c.answerAfterwards = func(a map[string]any) { a["rawId"] = "AAAA" } }), "id and rawId differ"},
		{"no ID", edit(func(c *ceremony) { c.id = nil }), "not the JSON"},
		{"another type", edit(func(c *ceremony) { c.answerAfterwards = func(a map[string]any) { a["type"] = "password" } }), "not the JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, key := newWorld(t), newAuthenticator(t, es256)
			a := &attempt{w: w, client: newClient(), user: anna(key), key: key, answer: slices.Clone[[]byte]}
			a.options = w.challenge(t, a.client, a.user)
			tt.change(t, a)
			answer := a.answer(a.key.get(t, a.options, a.edits...))
			err := w.answer(t, a.client, a.user, answer)
			wantWrong(t, err, tt.want, challengeOf(t, a.options), "evil", "hello", b64(a.key.id))
		})
	}
}

func TestAChallengeCountsOnce(t *testing.T) {
	w, client, key := newWorld(t), newClient(), newAuthenticator(t, es256)
	user := anna(key)
	options := w.challenge(t, client, user)
	wrongOrigin := key.get(t, options, as("origin", "https://evil.example"))
	wantWrong(t, w.answer(t, client, user, wrongOrigin), "another origin")
	w.now = w.now.Add(secondfactor.ChallengeLifetime - time.Second)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		answer := key.get(t, options)
		all.Go(func() {
			err := w.Check(t.Context(), client, user, oauth2.SecondFactor{Provider: oauth2.FactorSecurityKey, Value: oauth2.Secret(answer)})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, grants.ErrWrongFactor) || !errors.Is(err, sessions.ErrUsed):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("%d answers counted, want 1", got)
	}
}

func TestUsedChallengesAreKeptForAsLongAsTheyCount(t *testing.T) {
	w, notes, client, key := newWorld(t), &notebook{}, newClient(), newAuthenticator(t, es256)
	w.Spent = notes
	user := anna(key)
	if err := w.answer(t, client, user, key.get(t, w.challenge(t, client, user))); err != nil {
		t.Fatal(err)
	}
	got := notes.spent[0]
	if want := w.now.Add(secondfactor.ChallengeLifetime + tokens.ClockDrift); !got.ExpiresAt.Equal(want) {
		t.Errorf("kept until %s, want %s", got.ExpiresAt, want)
	}
	if got.Kind != sessions.KindOneTimeCode || got.Owner != sessions.OwnerOf(client) || len(got.TokenID) != 64 {
		t.Errorf("spent %+v", got)
	}
}

// TestAnyKnownKeyChecksChallenges checks that a rotation of the sealing keys breaks no login that has begun.
func TestAnyKnownKeyChecksChallenges(t *testing.T) {
	w, client, key := newWorld(t), newClient(), newAuthenticator(t, es256)
	user := anna(key)
	before, _ := w.keys.Active()
	options := w.challenge(t, client, user)
	before.Active = false
	w.keys = sealing.NewSet([]*sealing.Key{before, newKey(t)})
	if err := w.answer(t, client, user, key.get(t, options)); err != nil {
		t.Error(err)
	}
}

func TestWithoutTheStoreNoAnswerCounts(t *testing.T) {
	w, client, key := newWorld(t), newClient(), newAuthenticator(t, es256)
	user := anna(key)
	answer := key.get(t, w.challenge(t, client, user))
	registered := newAuthenticator(t, es256).create(t, w.registration(t, client, user))
	repair := w.store.Break()
	if err := w.answer(t, client, user, answer); !errors.Is(err, sessions.ErrUnavailable) || errors.Is(err, grants.ErrWrongFactor) {
		t.Errorf("an answer: got %v, want that there is no telling", err)
	}
	added, err := w.Register(t.Context(), client, user, registered)
	if !errors.Is(err, sessions.ErrUnavailable) || errors.Is(err, grants.ErrWrongFactor) || added != nil {
		t.Errorf("a registration: got %s, %v, want that there is no telling", added, err)
	}
	repair()
	if err := w.answer(t, client, user, answer); err != nil {
		t.Errorf("the store is back: %v", err)
	}
}

func TestWhatStandsInTheWayOfOptions(t *testing.T) {
	w, key := newWorld(t), newAuthenticator(t, es256)
	none, odd := newClient(), newClient()
	none.RelyingParty = nil
	odd.RelyingParty.ID = "192.0.2.1"
	for name, tt := range map[string]struct {
		client *clients.Client
		user   *clients.User
		keys   *sealing.Set
		// want is of Challenge, and wantToo of Registration.
		want, wantToo error
	}{
		"no relying party":            {none, anna(key), w.keys, secondfactor.ErrNoRelyingParty, secondfactor.ErrNoRelyingParty},
		"an address for a domain":     {odd, anna(key), w.keys, secondfactor.ErrNoRelyingParty, secondfactor.ErrNoRelyingParty},
		"a user who has no keys":      {newClient(), anna(), w.keys, secondfactor.ErrNoSecurityKeys, nil},
		"no sealing key":              {newClient(), anna(key), sealing.NewSet(nil), tokens.ErrNoActiveKey, tokens.ErrNoActiveKey},
		"nothing stands in their way": {newClient(), anna(key), w.keys, nil, nil},
	} {
		w.keys = tt.keys
		if options, err := w.Challenge(tt.client, tt.user); !errors.Is(err, tt.want) || (err == nil) != (options != nil) {
			t.Errorf("%s: Challenge: got %v, want %v", name, err, tt.want)
		}
		if options, err := w.Registration(tt.client, tt.user); !errors.Is(err, tt.wantToo) || (err == nil) != (options != nil) {
			t.Errorf("%s: Registration: got %v, want %v", name, err, tt.wantToo)
		}
	}
}

func TestOptions(t *testing.T) {
	w, key := newWorld(t), newAuthenticator(t, es256)
	read := func(options []byte) map[string]any {
		t.Helper()
		var o struct{ PublicKey map[string]any }
		if err := json.Unmarshal(options, &o); err != nil {
			t.Fatal(err)
		}
		if challenge := unb64(o.PublicKey["challenge"].(string)); len(challenge) < 64 || strings.Contains(challenge, "anna") {
			t.Errorf("the challenge is %q", challenge)
		}
		delete(o.PublicKey, "challenge")
		return o.PublicKey
	}
	keys := []any{map[string]any{"type": "public-key", "id": b64(key.id)}}
	want := map[string]any{"rpId": rpID, "allowCredentials": keys, "timeout": 120000.0, "userVerification": "preferred"}
	if diff := cmp.Diff(want, read(w.challenge(t, newClient(), anna(key)))); diff != "" {
		t.Errorf("for a login (-want +got):\n%s", diff)
	}
	got := read(w.registration(t, newClient(), anna(key)))
	user := got["user"].(map[string]any)
	handle := user["id"].(string)
	if len(unb64(handle)) != 32 {
		t.Errorf("the user handle is %q", handle)
	}
	algorithm := func(number float64) any { return map[string]any{"type": "public-key", "alg": number} }
	want = map[string]any{
		"rp": map[string]any{"id": rpID, "name": rpID}, "user": map[string]any{"id": handle, "name": "anna", "displayName": "anna"},
		"excludeCredentials": keys, "timeout": 120000.0, "attestation": "none",
		"pubKeyCredParams":       []any{algorithm(eddsa), algorithm(es256), algorithm(rs256)},
		"authenticatorSelection": map[string]any{"requireResidentKey": false, "residentKey": "discouraged", "userVerification": "preferred"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("for a registration (-want +got):\n%s", diff)
	}
	anew := newClient()
	anew.UID = "uid-2"
	if again := read(w.registration(t, anew, anna(key)))["user"].(map[string]any)["id"]; again != handle {
		t.Error("an Integration that was made anew does not know the user handles that keys keep")
	}
	one, two := w.challenge(t, anew, anna(key)), w.challenge(t, anew, anna(key))
	if challengeOf(t, one) == challengeOf(t, two) {
		t.Error("two challenges are the same")
	}
}
