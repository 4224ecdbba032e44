// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Algorithm is what the keys are called where they stand beside signing keys: v1alpha1.KeyAlgorithmA256GCM.
const Algorithm = "A256GCM"

const (
	// pemType is v1alpha1.PEMTypeSymmetricKey. This package knows nothing of Kubernetes, so it does not import it.
	pemType = "SYMMETRIC KEY"
	// secretBytes is the length of a key's secret, and of every key that is derived from it.
	secretBytes = 32
	// purpose begins what HKDF derives each key for. Changing it makes every token unreadable.
	purpose = "integration-operator.io/sealing/v1/"
)

// A Key is one symmetric key. Its secrets print as its ID.
type Key struct {
	// ID is the kid. It is derived from the key, so it cannot lie about it.
	ID string
	// Active keys seal; the others only open what they sealed.
	Active bool
	// ActivatedAt is when the key began to seal; of two active keys the younger one seals.
	ActivatedAt time.Time

	encryption     cipher.AEAD
	authentication []byte
	fingerprint    []byte
}

// ParseKey reads a key of 32 bytes in PEM. It returns an error, which holds nothing of the key, for anything else.
func ParseKey(pemBytes []byte) (*Key, error) {
	block, _ := pem.Decode(pemBytes)
	if block == nil {
		return nil, errors.New("parse symmetric key: no PEM block")
	}
	if block.Type != pemType {
		return nil, errors.New("parse symmetric key: the PEM type is not " + pemType)
	}
	if len(block.Bytes) != secretBytes {
		return nil, fmt.Errorf("parse symmetric key: %d bytes, want %d", len(block.Bytes), secretBytes)
	}
	derived := map[string][]byte{}
	for _, name := range []string{"id", "encryption", "authentication", "fingerprint"} {
		key, err := hkdf.Key(sha256.New, block.Bytes, nil, purpose+name, secretBytes)
		if err != nil {
			return nil, fmt.Errorf("derive the %s key: %w", name, err)
		}
		derived[name] = key
	}
	encryption, err := newAEAD(derived["encryption"])
	if err != nil {
		return nil, fmt.Errorf("set up AES-GCM: %w", err)
	}
	return &Key{
		ID:         base64.RawURLEncoding.EncodeToString(derived["id"]),
		encryption: encryption, authentication: derived["authentication"], fingerprint: derived["fingerprint"],
	}, nil
}

// newAEAD returns AES-256-GCM, which puts a random nonce before what it encrypts.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// String returns the ID.
func (k *Key) String() string { return k.ID }

// GoString returns the ID.
func (k *Key) GoString() string { return k.ID }

// Fingerprint returns the HMAC-SHA256 of parts. It tells whether they are the same again to whoever has the key, and
// nothing to anybody else. Each part is told from the next by its length.
func (k *Key) Fingerprint(parts ...[]byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, k.fingerprint)
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// A Set is an immutable snapshot of the symmetric keys. A nil Set has none.
type Set struct {
	active *Key
	byID   map[string]*Key
}

// NewSet returns the set of keys.
func NewSet(keys []*Key) *Set {
	s := &Set{byID: make(map[string]*Key, len(keys))}
	for _, k := range keys {
		s.byID[k.ID] = k
		if k.Active && (s.active == nil || younger(k, s.active)) {
			s.active = k
		}
	}
	return s
}

// younger orders keys by their age, and those of one age by their ID, so that all replicas agree.
func younger(a, b *Key) bool {
	if a.ActivatedAt.Equal(b.ActivatedAt) {
		return a.ID < b.ID
	}
	return a.ActivatedAt.After(b.ActivatedAt)
}

// Active returns the key that seals; false if there is none yet.
func (s *Set) Active() (*Key, bool) {
	if s == nil || s.active == nil {
		return nil, false
	}
	return s.active, true
}

// ByID returns the key of a kid.
func (s *Set) ByID(id string) (*Key, bool) {
	if s == nil {
		return nil, false
	}
	k, ok := s.byID[id]
	return k, ok
}
