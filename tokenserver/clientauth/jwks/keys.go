// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys is how many keys of a set are kept; the rest is ignored.
	maxKeys = 32
	// RSA keys below minRSABits are too weak, and those above maxRSABits cost too much.
	minRSABits = 2048
	maxRSABits = 8192
)

var errNotASet = errors.New("the reply is not a JSON Web Key Set")

// Algorithms returns the algorithms that a client may sign with.
func Algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256, jose.PS256}
}

// Verifies reports whether a key is a public key that may verify signatures of an algorithm. The key decides: by its type, and by its
// alg and use where it has them (RFC 7517 section 4).
func Verifies(key *jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if !key.Valid() || key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != string(algorithm) {
		return false
	}
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == jose.ES256 && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return algorithm == jose.EdDSA
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return (algorithm == jose.RS256 || algorithm == jose.PS256) && bits >= minRSABits && bits <= maxRSABits
	default:
		return false
	}
}

// usable reports whether a key verifies anything.
func usable(key *jose.JSONWebKey) bool {
	for _, algorithm := range Algorithms() {
		if Verifies(key, algorithm) {
			return true
		}
	}
	return false
}

// parse reads a JSON Web Key Set and keeps the keys of it that are usable. A key that is not is ignored, as RFC 7517 section 5 asks,
// whether it is of another kind, broken, or private: what is published is no secret any more, and whoever publishes it may not know.
func parse(body []byte) (*jose.JSONWebKeySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	// The error of the decoder may quote the reply.
	if err := json.Unmarshal(body, &raw); err != nil || raw.Keys == nil {
		return nil, errNotASet
	}
	set := &jose.JSONWebKeySet{}
	for _, entry := range raw.Keys {
		var secret struct {
			D json.RawMessage `json:"d"`
			K json.RawMessage `json:"k"`
		}
		if err := json.Unmarshal(entry, &secret); err != nil || secret.D != nil || secret.K != nil {
			continue
		}
		var key jose.JSONWebKey
		if err := json.Unmarshal(entry, &key); err != nil || !usable(&key) {
			continue
		}
		key.Certificates = nil
		if set.Keys = append(set.Keys, key); len(set.Keys) == maxKeys {
			break
		}
	}
	return set, nil
}
