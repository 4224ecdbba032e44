// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func TestRegistrationsThatDoNotCount(t *testing.T) {
	type attempt struct {
		w       *world
		client  *clients.Client
		user    *clients.User
		key     *authenticator
		edits   []func(*ceremony)
		options []byte
		answer  func(right []byte) []byte
	}
	edit := func(edits ...func(*ceremony)) func(*testing.T, *attempt) {
		return func(_ *testing.T, a *attempt) { a.edits = edits }
	}
	attested := func(format string, statement map[string]any) func(*testing.T, *attempt) {
		return edit(func(c *ceremony) { c.format, c.statement = format, statement })
	}
	certified := map[string]any{"alg": es256, "sig": []byte("s"), "x5c": []any{[]byte("c")}}
	const wantNoAttestation = "attestation that was not asked for"
	tests := []struct {
		name   string
		change func(*testing.T, *attempt)
		want   string
	}{
		{"another origin", edit(as("origin", "https://evil.example")), "another origin"},
		{"another relying party", edit(func(c *ceremony) { c.rpID = "evil.example" }), "does not verify"},
		{"the answer to a login", edit(as("type", "webauthn.get")), "verification_error"},
		{"an iframe on another site", edit(as("crossOrigin", true)), "verification_error"},
		{"nobody there", edit(flags(flagVerified | flagAttested)), "does not verify"},
		{"no key", edit(flags(flagPresent)), "cannot be read"},
		{"a key that is backed up and cannot be", edit(flags(flagPresent | flagBackedUp | flagAttested)), "does not verify"},
		{"an expired challenge", func(_ *testing.T, a *attempt) { a.w.now = a.w.now.Add(secondfactor.ChallengeLifetime) }, "has expired"},
		{"a challenge for a login", func(t *testing.T, a *attempt) {
			t.Helper()
			a.options = a.w.challenge(t, a.client, anna(newAuthenticator(t, es256)))
		}, "for another purpose"},
		{"a challenge of another user", func(_ *testing.T, a *attempt) { a.user.Name = "bob" }, "for another user"},
		{"a challenge of the Integration before", func(_ *testing.T, a *attempt) { a.client.UID = "uid-2" }, "another Integration"},
		{"no relying party", func(_ *testing.T, a *attempt) { a.client.RelyingParty = nil }, "no relying party"},
		{"a key that the user has", func(_ *testing.T, a *attempt) { a.user = anna(a.key) }, "registered the security key before"},
		{"another ID than the key's", edit(func(c *ceremony) { c.id = []byte("another") }), "does not verify"},
		{"an ID that is empty", edit(func(c *ceremony) { c.id = nil }), "cannot be read"},
		{"an algorithm that was not asked for", func(t *testing.T, a *attempt) { t.Helper(); a.key = newAuthenticator(t, es384) }, "no ES256, EdDSA or RS256"},
		{"an RSA key that is too small", func(t *testing.T, a *attempt) { t.Helper(); a.key.withRSA(t, 1024) }, "no ES256, EdDSA or RS256"},
		{"an RSA key that is too large", func(_ *testing.T, a *attempt) {
			modulus := slices.Repeat([]byte{0xab}, 3000)
			a.key.cose = slices.Concat([]byte("\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x0b\xb8"), modulus, []byte("\x21\x43\x01\x00\x01"))
		}, "no ES256, EdDSA or RS256"},
		{"a point that is not on the curve", func(_ *testing.T, a *attempt) { a.key.cose[len(a.key.cose)-1] ^= 1 }, "no ES256, EdDSA or RS256"},
		{"an attestation by certificates", attested("packed", certified), wantNoAttestation},
		{"an attestation by no certificate", attested("packed", map[string]any{"alg": es256, "sig": []byte("s"), "x5c": []any{}}), wantNoAttestation},
		{"an attestation of another format", attested("fido-u2f", map[string]any{"sig": []byte("s"), "x5c": []any{[]byte("c")}}), wantNoAttestation},
		{"an attestation of an unknown format", attested("home-made", map[string]any{}), wantNoAttestation},
		{"an attestation by the key that it did not sign", attested("packed", map[string]any{"alg": es256, "sig": []byte("s")}), "does not verify"},
		{"an attestation that claims to be none", attested("none", map[string]any{"sig": []byte("s")}), "does not verify"},
		{"something behind the key", edit(func(c *ceremony) { c.extensions = []byte{0} }), "cannot be read"},
		{"an attestation object that is cut off", edit(edited("attestationObject", func(v string) any { return v[:40] })), "cannot be read"},
		{"no attestation object", edit(edited("attestationObject", func(string) any { return "" })), "cannot be read"},
		{"an attestation object that is too long", edit(edited("attestationObject", func(string) any { return b64(make([]byte, 8<<10+1)) })), "not the JSON"},
		{"no JSON", func(_ *testing.T, a *attempt) { a.answer = func(r []byte) []byte { return r[1:] } }, "not the JSON"},
		{"an answer that is too long", func(_ *testing.T, a *attempt) {
			a.answer = func(r []byte) []byte { return append(r, make([]byte, secondfactor.MaxAnswer)...) }
		}, "more than 16384 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a := &attempt{w: w, client: newClient(), user: anna(), key: newAuthenticator(t, es256), answer: slices.Clone[[]byte]}
			a.options = w.registration(t, a.client, a.user)
			tt.change(t, a)
			notes := &notebook{}
			w.Spent = notes
			added, err := w.Register(t.Context(), a.client, a.user, a.answer(a.key.create(t, a.options, a.edits...)))
			wantWrong(t, err, tt.want, challengeOf(t, a.options), "evil", b64(a.key.id))
			if added != nil || len(notes.spent) != 0 {
				t.Errorf("got the entry %s and spent %v", added, notes.spent)
			}
		})
	}
}

func TestARegistrationCountsOnce(t *testing.T) {
	w, client := newWorld(t), newClient()
	options := w.registration(t, client, anna())
	if _, err := w.Register(t.Context(), client, anna(), newAuthenticator(t, es256).create(t, options)); err != nil {
		t.Fatal(err)
	}
	_, err := w.Register(t.Context(), client, anna(), newAuthenticator(t, es256).create(t, options))
	wantWrong(t, err, sessions.ErrUsed.Error())
}

func TestByteForm(t *testing.T) {
	w, key := newWorld(t), newAuthenticator(t, es256)
	numbers := func(text string) []any {
		var list []any
		for _, b := range []byte(unb64(text)) {
			list = append(list, float64(b))
		}
		return list
	}
	read := func(options []byte) map[string]map[string]any {
		t.Helper()
		var o map[string]map[string]any
		if err := json.Unmarshal(options, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	written := func(options []byte) map[string]map[string]any {
		t.Helper()
		form, err := secondfactor.ByteForm(options)
		if err != nil {
			t.Fatal(err)
		}
		return read(form)
	}

	options := w.challenge(t, newClient(), anna(key))
	want := map[string]map[string]any{"credentialRequestOptions": read(options)["publicKey"]}
	want["credentialRequestOptions"]["challenge"] = numbers(challengeOf(t, options))
	keys := []any{map[string]any{"type": "public-key", "id": numbers(b64(key.id))}}
	want["credentialRequestOptions"]["allowCredentials"] = keys
	if diff := cmp.Diff(want, written(options)); diff != "" {
		t.Errorf("for a login (-want +got):\n%s", diff)
	}

	options = w.registration(t, newClient(), anna(key))
	want = read(options)
	user := want["publicKey"]["user"].(map[string]any)
	want["publicKey"]["challenge"], user["id"] = numbers(challengeOf(t, options)), numbers(user["id"].(string))
	want["publicKey"]["excludeCredentials"] = keys
	if diff := cmp.Diff(want, written(options)); diff != "" {
		t.Errorf("for a registration (-want +got):\n%s", diff)
	}

	for _, text := range []string{
		``, `{}`, `[]`, `{"publicKey":{}}`, `{"publicKey":{"challenge":"="}}`, `{"publicKey":{"challenge":"AA","allowCredentials":[1]}}`,
	} {
		if got, err := secondfactor.ByteForm([]byte(text)); err == nil {
			t.Errorf("%s: got %s, want an error", text, got)
		}
	}
}
