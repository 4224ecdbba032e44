// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

var algorithms = []v1alpha1.SigningAlgorithm{
	v1alpha1.SigningAlgorithmES256, v1alpha1.SigningAlgorithmRS256, v1alpha1.SigningAlgorithmEdDSA, v1alpha1.KeyAlgorithmA256GCM,
}

func TestGeneratedKeysAreForTheirAlgorithm(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			key, err := keyring.Generate(algorithm)
			if err != nil {
				t.Fatal(err)
			}
			another, err := keyring.Generate(algorithm)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(key, another) {
				t.Error("two generated keys are the same")
			}
			if got, err := keyring.AlgorithmOf(key); got != algorithm || err != nil {
				t.Errorf("the key is for %q, %v", got, err)
			}
		})
	}
}

func TestGenerateRefusesAnUnknownAlgorithm(t *testing.T) {
	key, err := keyring.Generate("HS256")
	if err == nil || !strings.Contains(err.Error(), "HS256") || key != nil {
		t.Errorf("want no key and an error that names HS256, got %d bytes and %v", len(key), err)
	}
}

func TestAlgorithmOfRefusesWhatIsNoKey(t *testing.T) {
	marshal := func(key any, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	p384 := marshal(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	short := marshal(rsa.GenerateKey(rand.Reader, 1024))
	sound, err := keyring.Generate(v1alpha1.SigningAlgorithmES256)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		pem  []byte
	}{
		{"nothing", nil},
		{"rubbish", []byte("hunter2-hunter2")},
		{"a PEM block of rubbish", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2")})},
		{"half a key", sound[:len(sound)/2]},
		{"a symmetric key that is too short", pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey, Bytes: []byte("hunter2")})},
		{"a symmetric key that is too long", pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey, Bytes: make([]byte, 33)})},
		{"a symmetric key that calls itself private", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, 32)})},
		{"another curve", p384},
		{"an RSA key that is too short", short},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			algorithm, err := keyring.AlgorithmOf(tt.pem)
			if err == nil || algorithm != "" {
				t.Fatalf("want an error and no algorithm, got %q, %v", algorithm, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}
