// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The flags of authenticator data (WebAuthn section 6.1).
const (
	flagPresent        = 1 << 0
	flagVerified       = 1 << 2
	flagBackupEligible = 1 << 3
	flagBackedUp       = 1 << 4
	flagAttested       = 1 << 6
	flagExtensions     = 1 << 7
)

// The names of algorithms (RFC 9053, RFC 8812).
const (
	es256 = -7
	eddsa = -8
	es384 = -35
	rs256 = -257
)

// An authenticator is a security key and the browser between it and the server, written from the specification. What it does is changed by
// editing a ceremony.
type authenticator struct {
	id        []byte
	algorithm int
	signer    crypto.Signer
	cose      []byte
}

// A ceremony is what an authenticator and its browser are about to answer.
type ceremony struct {
	clientData       map[string]any
	rpID             string
	flags            byte
	extensions       []byte
	userHandle       []byte
	format           string
	statement        map[string]any
	selfAttest       bool
	id               []byte
	afterwards       func(response map[string]any)
	answerAfterwards func(answer map[string]any)
}

func newAuthenticator(t *testing.T, algorithm int) *authenticator {
	t.Helper()
	a := &authenticator{id: make([]byte, 32), algorithm: algorithm}
	_, _ = rand.Read(a.id)
	var cose map[int]any
	switch algorithm {
	case es256, es384:
		curve, number, size := elliptic.P256(), 1, 32
		if algorithm == es384 {
			curve, number, size = elliptic.P384(), 2, 48
		}
		key := must(ecdsa.GenerateKey(curve, rand.Reader))
		point := must(key.PublicKey.Bytes())
		a.signer, cose = key, map[int]any{1: 2, 3: algorithm, -1: number, -2: point[1 : 1+size], -3: point[1+size:]}
	case eddsa:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		a.signer, cose = private, map[int]any{1: 1, 3: algorithm, -1: 6, -2: []byte(public)}
	case rs256:
		return a.withRSA(t, 2048)
	}
	a.cose = must(webauthncbor.Marshal(cose))
	return a
}

// withRSA gives it an RSA key of some bits.
func (a *authenticator) withRSA(t *testing.T, bits int) *authenticator {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	a.algorithm, a.signer = rs256, key
	a.cose = must(webauthncbor.Marshal(map[int]any{1: 3, 3: rs256, -1: key.N.Bytes(), -2: []byte{1, 0, 1}}))
	return a
}

// sign signs as the algorithm says.
func (a *authenticator) sign(data []byte) []byte {
	switch a.algorithm {
	case eddsa:
		return must(a.signer.Sign(rand.Reader, data, crypto.Hash(0)))
	case es384:
		h := crypto.SHA384.New()
		h.Write(data)
		return must(a.signer.Sign(rand.Reader, h.Sum(nil), crypto.SHA384))
	default:
		digest := sha256.Sum256(data)
		return must(a.signer.Sign(rand.Reader, digest[:], crypto.SHA256))
	}
}

// create answers the options of a registration.
func (a *authenticator) create(t *testing.T, options []byte, edits ...func(*ceremony)) []byte {
	t.Helper()
	c := &ceremony{
		clientData: map[string]any{"type": "webauthn.create", "challenge": challengeOf(t, options), "origin": origin, "crossOrigin": false},
		rpID:       rpID, flags: flagPresent | flagVerified | flagAttested, format: "none", statement: map[string]any{}, id: a.id,
	}
	for _, edit := range edits {
		edit(c)
	}
	clientData := must(json.Marshal(c.clientData))
	data := c.authenticatorData()
	data = append(data, make([]byte, 16)...) // The AAGUID of those that do not say who made them.
	data = binary.BigEndian.AppendUint16(data, uint16(len(c.id)))
	data = slices.Concat(data, c.id, a.cose, c.extensions)
	if c.selfAttest {
		digest := sha256.Sum256(clientData)
		c.format, c.statement = "packed", map[string]any{"alg": a.algorithm, "sig": a.sign(slices.Concat(data, digest[:]))}
	}
	object := must(webauthncbor.Marshal(map[string]any{"fmt": c.format, "attStmt": c.statement, "authData": data}))
	return c.answer(a.id, map[string]any{
		"clientDataJSON": b64(clientData), "attestationObject": b64(object), "transports": []string{"usb"}, "publicKeyAlgorithm": a.algorithm,
	})
}

// get answers the options of a login.
func (a *authenticator) get(t *testing.T, options []byte, edits ...func(*ceremony)) []byte {
	t.Helper()
	c := &ceremony{
		clientData: map[string]any{"type": "webauthn.get", "challenge": challengeOf(t, options), "origin": origin, "crossOrigin": false},
		rpID:       rpID, flags: flagPresent | flagVerified, id: a.id,
	}
	for _, edit := range edits {
		edit(c)
	}
	clientData := must(json.Marshal(c.clientData))
	data := append(c.authenticatorData(), c.extensions...)
	digest := sha256.Sum256(clientData)
	response := map[string]any{
		"clientDataJSON": b64(clientData), "authenticatorData": b64(data), "signature": b64(a.sign(slices.Concat(data, digest[:]))), "userHandle": nil,
	}
	if c.userHandle != nil {
		response["userHandle"] = b64(c.userHandle)
	}
	return c.answer(c.id, response)
}

// authenticatorData returns its beginning, which all have, with a counter that never counts.
func (c *ceremony) authenticatorData() []byte {
	hash := sha256.Sum256([]byte(c.rpID))
	return append(append(hash[:], c.flags), 0, 0, 0, 0)
}

// answer returns a PublicKeyCredential as browsers write one.
func (c *ceremony) answer(id []byte, response map[string]any) []byte {
	if c.afterwards != nil {
		c.afterwards(response)
	}
	answer := map[string]any{
		"id": b64(id), "rawId": b64(id), "type": "public-key", "response": response, "authenticatorAttachment": "cross-platform",
		// Browsers answer some extensions unasked.
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": false}, "appid": true},
	}
	if c.answerAfterwards != nil {
		c.answerAfterwards(answer)
	}
	return must(json.Marshal(answer))
}

// challengeOf returns the challenge in options.
func challengeOf(t *testing.T, options []byte) string {
	t.Helper()
	var o struct{ PublicKey struct{ Challenge string } }
	if err := json.Unmarshal(options, &o); err != nil || o.PublicKey.Challenge == "" {
		t.Fatalf("there is no challenge in %s (%v)", options, err)
	}
	return o.PublicKey.Challenge
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(text string) string { return string(must(base64.RawURLEncoding.DecodeString(text))) }

// flip returns another character of base64.
func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}

// must returns what cannot fail here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// as sets a member of what the browser says of itself.
func as(name string, value any) func(*ceremony) {
	return func(c *ceremony) { c.clientData[name] = value }
}

// flags sets the flags of the authenticator data.
func flags(f byte) func(*ceremony) { return func(c *ceremony) { c.flags = f } }

// edited changes a member of the response after it was signed.
func edited(name string, edit func(value string) any) func(*ceremony) {
	return func(c *ceremony) {
		c.afterwards = func(response map[string]any) { response[name] = edit(response[name].(string)) }
	}
}

// vendorForm writes an answer as clients do that were written for Magento: in base64 with padding, without rawId, and with the client data as
// it is, once as text and once as an object.
func vendorForm(c *ceremony) {
	std := func(value any) string {
		return base64.StdEncoding.EncodeToString([]byte(unb64(value.(string))))
	}
	c.afterwards = func(response map[string]any) {
		text := unb64(response["clientDataJSON"].(string))
		response["clientDataJSON"], response["clientData"] = text, json.RawMessage(text)
		for _, name := range []string{"authenticatorData", "signature", "attestationObject"} {
			if value, ok := response[name]; ok {
				response[name] = std(value)
			}
		}
		delete(response, "userHandle")
	}
	c.answerAfterwards = func(answer map[string]any) {
		answer["id"] = std(answer["id"])
		delete(answer, "rawId")
		delete(answer, "clientExtensionResults")
	}
}
