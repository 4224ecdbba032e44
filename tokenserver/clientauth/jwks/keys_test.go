// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// ecKey returns a new P-256 key.
func ecKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// jwk returns a key as JSON.
func jwk(tb testing.TB, key any, id string) string {
	tb.Helper()
	data, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: id})
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// set returns a JSON Web Key Set.
func set(keys ...string) string {
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

func idsOf(s *jose.JSONWebKeySet) []string {
	var ids []string
	for _, key := range s.Keys {
		ids = append(ids, key.KeyID)
	}
	return ids
}

func TestVerifies(t *testing.T) {
	ec := ecKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ofBits := func(bits int) *rsa.PublicKey {
		// Only the length matters here.
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: 65537}
	}
	tests := []struct {
		name string
		key  jose.JSONWebKey
		want string
	}{
		{"P-256", jose.JSONWebKey{Key: ecKey(t).Public()}, "ES256"},
		{"P-256 for signatures", jose.JSONWebKey{Key: ecKey(t).Public(), Use: "sig", Algorithm: "ES256"}, "ES256"},
		{"P-256 for encryption", jose.JSONWebKey{Key: ecKey(t).Public(), Use: "enc"}, ""},
		{"P-256 for another algorithm", jose.JSONWebKey{Key: ecKey(t).Public(), Algorithm: "ECDH-ES"}, ""},
		{"P-384", jose.JSONWebKey{Key: p384.Public()}, ""},
		{"Ed25519", jose.JSONWebKey{Key: edwards}, "EdDSA"},
		{"RSA of 2048 bits", jose.JSONWebKey{Key: ofBits(2048)}, "RS256 PS256"},
		{"RSA for one algorithm", jose.JSONWebKey{Key: ofBits(2048), Algorithm: "PS256"}, "PS256"},
		{"RSA of too few bits", jose.JSONWebKey{Key: ofBits(2047)}, ""},
		{"RSA of too many bits", jose.JSONWebKey{Key: ofBits(8193)}, ""},
		{"RSA for a longer hash", jose.JSONWebKey{Key: ofBits(2048), Algorithm: "RS512"}, ""},
		{"a private key", jose.JSONWebKey{Key: ec}, ""},
		{"a symmetric key", jose.JSONWebKey{Key: []byte("secret"), Algorithm: "HS256"}, ""},
		{"no key", jose.JSONWebKey{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, algorithm := range append(Algorithms(), jose.HS256, jose.ES384, jose.RS512, "none", "") {
				if Verifies(&tt.key, algorithm) {
					got = append(got, string(algorithm))
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("algorithms (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	good := jwk(t, ecKey(t).Public(), "good")
	var many []string
	for i := range 40 {
		many = append(many, strings.Replace(good, "good", fmt.Sprint(i), 1))
	}
	tests := []struct {
		name, body string
		want       []string
		wantError  bool
	}{
		{name: "one key", body: set(good), want: []string{"good"}},
		{name: "no keys", body: `{"keys":[]}`},
		{name: "members that it does not know", body: `{"x":1,"keys":[` + good + `]}`, want: []string{"good"}},
		{
			name: "keys that are of no use beside one that is",
			body: set(jwk(t, ecKey(t), "private"), jwk(t, []byte("0123456789abcdef0123456789abcdef"), "symmetric"), `{"kty":"EC"}`,
				`{"kty":"new"}`, `{"kty":"oct","k":1}`, `1`, `null`, `{}`, `{"kty":"OKP","crv":"X25519","x":"eA"}`,
				strings.Replace(good, `"kid"`, `"use":"enc","kid"`, 1), good),
			want: []string{"good"},
		},
		{name: "more keys than anybody needs", body: set(many...), want: func() (ids []string) {
			for i := range 32 {
				ids = append(ids, fmt.Sprint(i))
			}
			return ids
		}()},
		{name: "no set", body: `{}`, wantError: true},
		{name: "a key alone", body: good, wantError: true},
		{name: "a list", body: `[` + good + `]`, wantError: true},
		{name: "a page", body: `<html>`, wantError: true},
		{name: "nothing", wantError: true},
		{name: "two sets", body: set(good) + set(good), wantError: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse([]byte(tt.body))
			if (err != nil) != tt.wantError {
				t.Fatalf("got the error %v", err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, idsOf(got)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParse feeds in what a URL may send back, and checks that only keys that verify something come out.
func FuzzParse(f *testing.F) {
	f.Add(set(jwk(f, ecKey(f).Public(), "a"), jwk(f, ecKey(f), "b")))
	f.Add(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":""},{"kty":"EC","crv":"P-256","x":"","y":""}]}`)
	f.Add(`{"keys":[{"kty":"EC","x5c":["AA=="],"x5t":"AA","x5u":":"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		got, err := parse([]byte(body))
		if err != nil {
			return
		}
		for _, key := range got.Keys {
			if !key.IsPublic() || !key.Valid() || !usable(&key) {
				t.Errorf("the key %q is of no use", key.KeyID)
			}
		}
	})
}
