// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// challengeLifetime is how long a challenge may be answered.
const challengeLifetime = 2 * time.Minute

// The parts of a challenge: what makes it differ from all others, when it expires, the ID of a key, and the authentication by that.
const (
	randomBytes = 16
	expiryBytes = 8
	keyIDBytes  = 32
	signedBytes = randomBytes + expiryBytes + keyIDBytes
	totalBytes  = signedBytes + sha256.Size
)

// A purpose is what a challenge is for. One for registering a key does not log in.
type purpose string

const (
	purposeLogin        purpose = "login"
	purposeRegistration purpose = "registration"
)

// fingerprinted begins what challenges are authenticated with. Other fingerprints by the same keys begin with a namespace, which has no space.
const fingerprinted = "webauthn challenge"

var (
	errNotOurs = errors.New("the challenge is not one that this server made for the user, or its key has gone")
	errExpired = errors.New("the challenge was not answered in time")
)

// newChallenge returns a challenge. It returns tokens.ErrNoActiveKey, wrapped.
func (v *Verifier) newChallenge(p purpose, c *clients.Client, u *clients.User) ([]byte, error) {
	key, ok := v.Keys.SealingKeys().Active()
	if !ok {
		return nil, fmt.Errorf("authenticate a challenge: %w", tokens.ErrNoActiveKey)
	}
	id, err := base64.RawURLEncoding.DecodeString(key.ID)
	if err != nil || len(id) != keyIDBytes {
		return nil, errors.New("authenticate a challenge: the ID of the key is odd")
	}
	challenge := make([]byte, randomBytes, totalBytes)
	_, _ = rand.Read(challenge) // It never returns an error.
	expires := v.Now().Add(challengeLifetime).Unix()
	challenge = binary.BigEndian.AppendUint64(challenge, uint64(expires)) //nolint:gosec // the time is after 1970
	challenge = append(challenge, id...)
	mac := authentication(key, p, c, u, challenge)
	return append(challenge, mac[:]...), nil
}

// openChallenge returns what a challenge is spent by and until when, if it is one of newChallenge's for the same purpose, client, user and
// site, and has not expired.
func (v *Verifier) openChallenge(p purpose, c *clients.Client, u *clients.User, challenge []byte) (id string, expires time.Time, err error) {
	if len(challenge) != totalBytes {
		return "", time.Time{}, errNotOurs
	}
	signed := challenge[:signedBytes]
	key, ok := v.Keys.SealingKeys().ByID(base64.RawURLEncoding.EncodeToString(signed[randomBytes+expiryBytes:]))
	if !ok {
		return "", time.Time{}, errNotOurs
	}
	mac := authentication(key, p, c, u, signed)
	if !hmac.Equal(mac[:], challenge[signedBytes:]) {
		return "", time.Time{}, errNotOurs
	}
	expires = time.Unix(int64(binary.BigEndian.Uint64(signed[randomBytes:])), 0) //nolint:gosec // this server wrote it
	if !v.Now().Before(expires) {
		return "", time.Time{}, errExpired
	}
	return "challenge " + base64.RawURLEncoding.EncodeToString(signed[:randomBytes]), expires, nil
}

// authentication binds a challenge to all that it is for.
func authentication(key *sealing.Key, p purpose, c *clients.Client, u *clients.User, signed []byte) [sha256.Size]byte {
	return key.Fingerprint([]byte(fingerprinted), []byte(p), []byte(c.UID), []byte(u.Name), []byte(c.RelyingParty.ID), bytes.Clone(signed))
}
