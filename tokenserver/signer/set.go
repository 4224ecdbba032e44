// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// minRSABits is the least modulus that is accepted (RFC 7518 section 3.3).
const minRSABits = 2048

// A Key is one signing key.
type Key struct {
	// ID is the kid: the SHA-256 thumbprint of the public key (RFC 7638), so it cannot lie about the key.
	ID string
	// Algorithm is ES256, RS256 or EdDSA; it follows from the key and is never read from a token.
	Algorithm string
	// Private signs.
	Private crypto.Signer
	// Active keys sign; the others are published only.
	Active bool
	// ActivatedAt is when the key began to sign; of two active keys the younger signs.
	ActivatedAt time.Time
}

// ParseKey reads a PKCS #8 private key in PEM. It returns an error, which holds nothing of the key, for anything but P-256,
// Ed25519 and RSA of 2048 bits or more.
func ParseKey(pemBytes []byte) (*Key, error) {
	block, _ := pem.Decode(pemBytes)
	if block == nil {
		return nil, errors.New("parse signing key: no PEM block")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("parse signing key: not a PKCS #8 private key")
	}
	key := &Key{}
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, errors.New("parse signing key: the curve is not P-256")
		}
		key.Algorithm, key.Private = string(jose.ES256), k
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("parse signing key: RSA of %d bits, want at least %d", k.N.BitLen(), minRSABits)
		}
		key.Algorithm, key.Private = string(jose.RS256), k
	case ed25519.PrivateKey:
		key.Algorithm, key.Private = string(jose.EdDSA), k
	default:
		return nil, fmt.Errorf("parse signing key: unsupported key type %T", private)
	}
	jwk := jose.JSONWebKey{Key: key.Private.Public()}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("compute the thumbprint of a signing key: %w", err)
	}
	key.ID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key, nil
}

// A Set is an immutable snapshot of the signing keys.
type Set struct {
	active map[string]*Key
	byID   map[string]*Key
	jwks   []byte
	etag   string
}

// NewSet returns the set of keys. It renders the JWKS once, so that serving it costs nothing.
func NewSet(keys []*Key) (*Set, error) {
	s := &Set{active: map[string]*Key{}, byID: map[string]*Key{}}
	published := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range slices.SortedFunc(slices.Values(keys), func(a, b *Key) int { return strings.Compare(a.ID, b.ID) }) {
		s.byID[k.ID] = k
		published.Keys = append(published.Keys, jose.JSONWebKey{
			Key: k.Private.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig",
		})
		if current := s.active[k.Algorithm]; k.Active && (current == nil || k.ActivatedAt.After(current.ActivatedAt)) {
			s.active[k.Algorithm] = k
		}
	}
	body, err := json.Marshal(published)
	if err != nil {
		return nil, fmt.Errorf("render the JWKS: %w", err)
	}
	sum := sha256.Sum256(body)
	s.jwks, s.etag = body, `"`+hex.EncodeToString(sum[:16])+`"`
	return s, nil
}

// Active returns the key that signs for an algorithm; false if there is none yet.
func (s *Set) Active(algorithm string) (*Key, bool) {
	k, ok := s.active[algorithm]
	return k, ok
}

// Algorithms returns the algorithms that have an active key, sorted.
func (s *Set) Algorithms() []string {
	algorithms := make([]string, 0, len(s.active))
	for a := range s.active {
		algorithms = append(algorithms, a)
	}
	slices.Sort(algorithms)
	return algorithms
}

// ByID returns the published key of a kid.
func (s *Set) ByID(id string) (*Key, bool) {
	k, ok := s.byID[id]
	return k, ok
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517 section 5), and its strong entity tag.
func (s *Set) JWKS() (body []byte, etag string) {
	return s.jwks, s.etag
}
