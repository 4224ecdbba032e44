// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	rsaBits = 2048
	// symmetricBytes is the length of a key for v1alpha1.KeyAlgorithmA256GCM.
	symmetricBytes = 32
	pemTypePrivate = "PRIVATE KEY"
)

// Generate makes a key for an algorithm and returns it in PEM: a private key as PKCS #8, or 32 random bytes for
// v1alpha1.KeyAlgorithmA256GCM.
func Generate(algorithm v1alpha1.SigningAlgorithm) ([]byte, error) {
	if algorithm == v1alpha1.KeyAlgorithmA256GCM {
		key := make([]byte, symmetricBytes)
		_, _ = rand.Read(key) // Never fails: crypto/rand ends the program instead.
		return pem.EncodeToMemory(&pem.Block{Type: v1alpha1.PEMTypeSymmetricKey, Bytes: key}), nil
	}
	var key crypto.PrivateKey
	var err error
	switch algorithm {
	case v1alpha1.SigningAlgorithmES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case v1alpha1.SigningAlgorithmRS256:
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case v1alpha1.SigningAlgorithmEdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("generate a signing key: unknown algorithm %q", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("generate a signing key for %s: %w", algorithm, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a signing key for %s: %w", algorithm, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemTypePrivate, Bytes: der}), nil
}

// AlgorithmOf returns the algorithm that a key, as Generate returns it, is for. The error says nothing of the key.
func AlgorithmOf(pemBytes []byte) (v1alpha1.SigningAlgorithm, error) {
	block, _ := pem.Decode(pemBytes)
	if block == nil {
		return "", errors.New("no PEM block")
	}
	if block.Type == v1alpha1.PEMTypeSymmetricKey {
		if len(block.Bytes) != symmetricBytes {
			return "", fmt.Errorf("not a symmetric key of %d bytes", symmetricBytes)
		}
		return v1alpha1.KeyAlgorithmA256GCM, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("not a PKCS #8 private key")
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return v1alpha1.SigningAlgorithmES256, nil
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() >= rsaBits {
			return v1alpha1.SigningAlgorithmRS256, nil
		}
	case ed25519.PrivateKey:
		return v1alpha1.SigningAlgorithmEdDSA, nil
	}
	return "", errors.New("not a key for any of the algorithms")
}
