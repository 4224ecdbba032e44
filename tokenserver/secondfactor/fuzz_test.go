// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sealing/sealingtest"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
)

// fixed are sealing keys that never change.
type fixed struct{ set *sealing.Set }

// SealingKeys returns them.
func (f fixed) SealingKeys() *sealing.Set { return f.set }

// newFuzzed returns a checker, and a user of a client's with a security key that nobody has.
func newFuzzed(tb testing.TB) (*Checker, *clients.Client, *clients.User) {
	tb.Helper()
	key, err := sealing.ParseKey(sealingtest.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	key.Active = true
	now := time.Date(2041, 5, 6, 7, 8, 15, 0, time.UTC)
	c := &Checker{
		Spent: sessionstest.NewMemory(), Keys: fixed{sealing.NewSet([]*sealing.Key{key})}, Now: func() time.Time { return now },
	}
	client := &clients.Client{
		Namespace: "shop", Name: "web", UID: "uid-1",
		RelyingParty: &clients.RelyingParty{ID: "shop.example", Origins: []string{"https://shop.example"}},
	}
	// The point is the generator of P-256.
	x, _ := base64.StdEncoding.DecodeString("axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY=")
	y, _ := base64.StdEncoding.DecodeString("T+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU=")
	public := "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + string(x) + "\x22\x58\x20" + string(y)
	if err := checkKey([]byte(public)); err != nil {
		tb.Fatal(err)
	}
	user := &clients.User{Name: "anna", Kind: clients.KindAdmin, SecurityKeys: []clients.SecurityKey{{ID: []byte("id"), PublicKey: []byte(public)}}}
	return c, client, user
}

// FuzzCheckChallenge feeds the parser any challenge, and checks that it takes only the one that was made, in its one form and for its purpose.
func FuzzCheckChallenge(f *testing.F) {
	c, client, user := newFuzzed(f)
	made, err := c.newChallenge(forLogin, client, user)
	if err != nil {
		f.Fatal(err)
	}
	right := encoding.EncodeToString(made)
	// The key is another one in each process, so the corpus cannot have the right one.
	const marker = "RIGHT"
	for _, seed := range []string{
		marker, marker + "=", marker + "A", marker + "\n", "A" + marker, strings.Repeat(marker, 4), "", "....", "Li4u", "e30.e30.e30",
		encoding.EncodeToString([]byte(`{"alg":"none"}..`)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		presented = strings.ReplaceAll(presented, marker, right)
		expires, err := c.checkChallenge(forLogin, client, user, presented)
		if (err == nil) != (presented == right) {
			t.Errorf("%q: got %v", presented, err)
		}
		if want := c.Now().Add(ChallengeLifetime); err == nil && !expires.Equal(want) {
			t.Errorf("it expires at %s, want %s", expires, want)
		}
		if _, err := c.checkChallenge(forRegistration, client, user, presented); err == nil {
			t.Errorf("%q is for a registration too", presented)
		}
	})
}

// FuzzAnswer feeds the checker any answer, with a challenge that is right where the answer leaves room for one, and checks that none counts as a
// login, that none which is refused leaves an entry, and that errors are short and of the kind that is promised.
func FuzzAnswer(f *testing.F) {
	c, client, user := newFuzzed(f)
	login, err := c.newChallenge(forLogin, client, user)
	if err != nil {
		f.Fatal(err)
	}
	registration, err := c.newChallenge(forRegistration, client, user)
	if err != nil {
		f.Fatal(err)
	}
	// What a key at shop.example says of itself, and the same with a key of the ID "new" that is the user's but for that.
	hash := sha256.Sum256([]byte("shop.example"))
	data := string(hash[:]) + "\x05\x00\x00\x00\x00"
	made := string(hash[:]) + "\x45\x00\x00\x00\x00" + strings.Repeat("\x00", 16) + "\x00\x03new" + string(user.SecurityKeys[0].PublicKey)
	object := "\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + string([]byte{byte(len(made))}) + made
	b64 := func(text string) string { return encoding.EncodeToString([]byte(text)) }
	for _, seed := range []string{
		`{"id":"aWQ","rawId":"aWQ","type":"public-key","response":{"clientDataJSON":"CLIENT","authenticatorData":"` + b64(data) + `","signature":"MAA"}}`,
		`{"id":"aWQ=","type":"public-key","response":{"clientDataJSON":"CLIENT","authenticatorData":"` + b64(data) + `","signature":"MAYCAQECAQE="}}`,
		`{"id":"bmV3","type":"public-key","response":{"clientDataJSON":"CLIENT","attestationObject":"` + b64(object) + `"}}`,
	} {
		f.Add(seed, "https://shop.example")
	}
	f.Add(`{"id":"aWQ","type":"public-key","response":{"clientDataJSON":"CLIENT"}}`, "https://evil.example")
	f.Add(`{"response":{"clientDataJSON":null}}`, "")
	f.Add(`[[[[[[`, "\xff")
	f.Fuzz(func(t *testing.T, presented, origin string) {
		with := func(kind string, challenge []byte) string {
			text, err := json.Marshal(map[string]string{"type": kind, "challenge": encoding.EncodeToString(challenge), "origin": origin})
			if err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(presented, "CLIENT", encoding.EncodeToString(text))
		}
		err := c.Check(t.Context(), client, user, oauth2.SecondFactor{
			Provider: oauth2.FactorSecurityKey, Value: oauth2.Secret(with("webauthn.get", login)),
		})
		wantRefused(t, err)
		added, err := c.Register(t.Context(), client, user, []byte(with("webauthn.create", registration)))
		if err == nil {
			// Whoever has a challenge may register a key of any making.
			return
		}
		wantRefused(t, err)
		if added != nil {
			t.Errorf("got the entry %s in spite of %v", added, err)
		}
	})
}

func wantRefused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, grants.ErrWrongFactor) || len(err.Error()) > 200 {
		t.Errorf("got the error %v, want a wrong factor", err)
	}
}
