// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-jose/go-jose/v4"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// The bounds of an RSA modulus, in bits: below it is weak, and beyond it verifying costs too much.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// assertionKeysOf returns the keys in spec.credentials.jwks, each with the one algorithm it is good for; nil if spec has no keys.
// Broken ones are left out, and log gets a line for each, as the schema cannot tell whether a point is on its curve.
func assertionKeysOf(i *v1alpha1.Integration, log *slog.Logger) *jose.JSONWebKeySet {
	if i.Spec.Credentials.JWKS == nil {
		return nil
	}
	set := &jose.JSONWebKeySet{}
	for n := range i.Spec.Credentials.JWKS.Keys {
		key, err := assertionKeyOf(&i.Spec.Credentials.JWKS.Keys[n])
		if err != nil {
			log.Warn("leave out a damaged key of a client: correct it in spec.credentials.jwks",
				"integration", i.Namespace+"/"+i.Name, "index", n, "error", err)
			continue
		}
		set.Keys = append(set.Keys, key)
	}
	return set
}

func assertionKeyOf(declared *v1alpha1.JSONWebKey) (jose.JSONWebKey, error) {
	body, err := json.Marshal(declared)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("render the key: %w", err)
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(body); err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("parse the key: %w", err)
	}
	algorithm, err := algorithmOf(key.Key)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	if key.Algorithm != "" && key.Algorithm != algorithm {
		return jose.JSONWebKey{}, fmt.Errorf("alg is %s, but the key is for %s", key.Algorithm, algorithm)
	}
	key.Algorithm, key.Use = algorithm, "sig"
	return key, nil
}

// algorithmOf returns the JWS algorithm of a public key (RFC 7518 section 3.1, RFC 8037 section 3.1). It returns an error for a key of
// another sort, size or curve, and for a private one.
func algorithmOf(key any) (string, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(v1alpha1.SigningAlgorithmES256), nil
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return string(v1alpha1.SigningAlgorithmEdDSA), nil
		}
	case *rsa.PublicKey:
		// An even or tiny exponent is no RSA at all: with 1 anybody could sign.
		if bits := k.N.BitLen(); bits >= minRSABits && bits <= maxRSABits && k.E >= 3 && k.E%2 == 1 {
			return string(v1alpha1.SigningAlgorithmRS256), nil
		}
	}
	return "", errors.New("want a public key on P-256, an RSA one of 2048 to 8192 bits with a sound exponent, or an Ed25519 one")
}
