// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// newPEM renders a private key as PKCS #8.
func newPEM(t *testing.T, private any, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newP256(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return newPEM(t, key, err)
}

func newRSA(t *testing.T, bits int) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	return newPEM(t, key, err)
}

func newEd25519(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return newPEM(t, key, err)
}

func mustParse(t *testing.T, pemBytes []byte) *Key {
	t.Helper()
	key, err := ParseKey(pemBytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseKeyAccepts(t *testing.T) {
	tests := []struct {
		name, want string
		pem        []byte
	}{
		{"P-256", "ES256", newP256(t)},
		{"RSA of 2048 bits", "RS256", newRSA(t, 2048)},
		{"Ed25519", "EdDSA", newEd25519(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := mustParse(t, tt.pem)
			if key.Algorithm != tt.want || key.Private == nil || key.Active {
				t.Errorf("got %+v, want an inactive key for %s", key, tt.want)
			}
			if again := mustParse(t, tt.pem); len(key.ID) != 43 || again.ID != key.ID {
				t.Errorf("got the IDs %q and %q, want one SHA-256 thumbprint", key.ID, again.ID)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p384PEM := newPEM(t, p384, err)
	tests := []struct {
		name, want string
		pem        []byte
	}{
		{"nothing", "no PEM block", nil},
		{"what is not PEM", "no PEM block", []byte("secret stuff")},
		{"PEM around something else", "not a PKCS #8", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret stuff")})},
		{"another curve", "not P-256", p384PEM},
		{"a short RSA key", "RSA of 1024 bits", newRSA(t, 1024)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseKey(tt.pem)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q and nothing of the input", err, tt.want)
			}
		})
	}
}

func TestSet(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	older, younger := mustParse(t, newP256(t)), mustParse(t, newP256(t))
	next, rsaKey := mustParse(t, newP256(t)), mustParse(t, newRSA(t, 2048))
	older.Active, older.ActivatedAt = true, now
	younger.Active, younger.ActivatedAt = true, now.Add(time.Second)
	next.ActivatedAt = now.Add(time.Hour)
	rsaKey.Active = true

	set, err := NewSet([]*Key{next, younger, older, rsaKey})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := set.Active("ES256"); !ok || got != younger {
		t.Errorf("got %v to sign ES256, want the younger active key", got)
	}
	if got, ok := set.Active("EdDSA"); ok {
		t.Errorf("got %v to sign EdDSA, want none", got)
	}
	if diff := cmp.Diff([]string{"ES256", "RS256"}, set.Algorithms()); diff != "" {
		t.Errorf("algorithms (-want +got):\n%s", diff)
	}
	body, etag := set.JWKS()
	if strings.Contains(string(body), `"d"`) || strings.Contains(string(body), `"p"`) {
		t.Errorf("the JWKS holds private members: %s", body)
	}
	var published jose.JSONWebKeySet
	if err := json.Unmarshal(body, &published); err != nil {
		t.Fatal(err)
	}
	if len(published.Keys) != 4 {
		t.Errorf("got %d published keys, want all 4", len(published.Keys))
	}
	for _, key := range published.Keys {
		private, ok := set.ByID(key.KeyID)
		if !ok || key.Use != "sig" || key.Algorithm != private.Algorithm || !key.IsPublic() {
			t.Errorf("got %+v published for %+v", key, private)
			continue
		}
		if public, ok := private.Private.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Key) {
			t.Errorf("the key %s is published with other numbers", key.KeyID)
		}
	}
	reordered, err := NewSet([]*Key{rsaKey, older, younger, next})
	if err != nil {
		t.Fatal(err)
	}
	if _, again := reordered.JWKS(); again != etag {
		t.Errorf("the entity tag depends on the order: %s, %s", again, etag)
	}
	fewer, err := NewSet([]*Key{rsaKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, other := fewer.JWKS(); other == etag {
		t.Errorf("other keys have the same entity tag %s", other)
	}
}

func TestEmptySet(t *testing.T) {
	set, err := NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := set.JWKS(); string(body) != `{"keys":[]}` {
		t.Errorf("got the JWKS %s, want one without keys", body)
	}
	if _, ok := set.ByID(""); ok || len(set.Algorithms()) != 0 {
		t.Error("an empty set has a key")
	}
}
