// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// declared returns a public key as spec has it.
func declared(t *testing.T, key any) v1alpha1.JSONWebKey {
	t.Helper()
	body, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	var parsed v1alpha1.JSONWebKey
	if err := json.Unmarshal(body, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestWhichKeysOfAClientCount(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(key any, edit func(*v1alpha1.JSONWebKey)) v1alpha1.JSONWebKey {
		k := declared(t, key)
		edit(&k)
		return k
	}
	for _, tt := range []struct {
		name string
		key  v1alpha1.JSONWebKey
		want string // the algorithm; empty for a key that is left out
	}{
		{"P-256", declared(t, &ec.PublicKey), "ES256"},
		{"RSA", declared(t, &rsaKey.PublicKey), "RS256"},
		{"Ed25519", declared(t, ed), "EdDSA"},
		{"one that names its algorithm", with(ed, func(k *v1alpha1.JSONWebKey) { k.Algorithm = "EdDSA" }), "EdDSA"},
		{"one that names another algorithm", with(&rsaKey.PublicKey, func(k *v1alpha1.JSONWebKey) { k.Algorithm = "ES256" }), ""},
		{"a point off its curve", with(&ec.PublicKey, func(k *v1alpha1.JSONWebKey) { k.X, k.Y = k.Y, k.X }), ""},
		{"an RSA key with exponent 1", with(&rsaKey.PublicKey, func(k *v1alpha1.JSONWebKey) { k.E = "AQ" }), ""},
		{"an RSA key with an even exponent", with(&rsaKey.PublicKey, func(k *v1alpha1.JSONWebKey) { k.E = "AQAA" }), ""},
		{"an RSA key that only looks long", with(&rsaKey.PublicKey, func(k *v1alpha1.JSONWebKey) { k.N = strings.Repeat("A", 400) + "AQ" }), ""},
		{"no base64", with(ed, func(k *v1alpha1.JSONWebKey) { k.X = "s3cr3t garbage" }), ""},
		{"an empty key", v1alpha1.JSONWebKey{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &bytes.Buffer{}
			i := grantedIntegration("home", "app", "")
			i.Spec.Credentials.JWKS = &v1alpha1.JSONWebKeySet{Keys: []v1alpha1.JSONWebKey{tt.key, declared(t, ed)}}
			set := assertionKeysOf(i, slog.New(slog.NewTextHandler(log, nil)))
			if tt.want == "" {
				if len(set.Keys) != 1 || strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "s3cr3t") {
					t.Errorf("%d keys count, want the other one only; log:\n%s", len(set.Keys), log)
				}
				return
			}
			if len(set.Keys) != 2 || log.Len() != 0 {
				t.Fatalf("%d keys count, want both; log:\n%s", len(set.Keys), log)
			}
			if got := set.Keys[0]; got.Algorithm != tt.want || got.KeyID != "k" || !got.IsPublic() {
				t.Errorf("got key %q for %s, want %s", got.KeyID, got.Algorithm, tt.want)
			}
		})
	}
	if set := assertionKeysOf(grantedIntegration("home", "app", ""), nil); set != nil {
		t.Errorf("an Integration without keys has %v, want nil", set)
	}
}
