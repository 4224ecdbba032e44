// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// A purpose is what a challenge is for. It is the type of the token that the challenge is.
type purpose string

const (
	forLogin        purpose = "webauthn-login"
	forRegistration purpose = "webauthn-registration"
)

// ChallengeLifetime is how long a challenge is good for.
const ChallengeLifetime = 2 * time.Minute

const (
	randomBytes = 16
	expiryBytes = 8
	claimsBytes = randomBytes + expiryBytes + sha256.Size

	// maxChallenge is how many characters a challenge may have in base64. Those that there are have less than 400.
	maxChallenge = 1 << 10
)

// Why a challenge does not count. None of them holds anything of it.
var (
	errNoChallenge    = errors.New("its challenge is none of this server's, or for another purpose")
	errOtherChallenge = errors.New("its challenge is for another user or another Integration")
	errExpired        = errors.New("its challenge has expired")
)

// encoding is base64url without padding, in its canonical form only.
var encoding = base64.RawURLEncoding.Strict()

// newChallenge returns a challenge for a user.
func (c *Checker) newChallenge(p purpose, client *clients.Client, user *clients.User) ([]byte, error) {
	key, ok := c.Keys.SealingKeys().Active()
	if !ok {
		return nil, fmt.Errorf("make a challenge: %w", tokens.ErrNoActiveKey)
	}
	expiry := c.Now().Add(ChallengeLifetime).Unix()
	claims := make([]byte, randomBytes, claimsBytes)
	// It never returns an error.
	_, _ = rand.Read(claims)
	claims = binary.BigEndian.AppendUint64(claims, uint64(expiry)) //nolint:gosec // it is after 1970
	binding := bindingOf(client, user)
	token, err := key.SignMAC(string(p), append(claims, binding[:]...))
	if err != nil {
		return nil, fmt.Errorf("make a challenge: %w", err)
	}
	return []byte(token), nil
}

// checkChallenge returns when a challenge ends that was made for the purpose and the user, and has not ended yet. It is presented as it stands
// in what security keys sign, in base64.
func (c *Checker) checkChallenge(p purpose, client *clients.Client, user *clients.User, presented string) (time.Time, error) {
	// The decoder skips line breaks, and each would make another text of the same challenge.
	if len(presented) > maxChallenge || strings.ContainsAny(presented, "\r\n") {
		return time.Time{}, errNoChallenge
	}
	token, err := encoding.DecodeString(presented)
	if err != nil {
		return time.Time{}, errNoChallenge
	}
	claims, err := c.Keys.SealingKeys().VerifyMAC(string(p), string(token))
	if err != nil || len(claims) != claimsBytes {
		return time.Time{}, errNoChallenge
	}
	binding := bindingOf(client, user)
	if subtle.ConstantTimeCompare(claims[randomBytes+expiryBytes:], binding[:]) != 1 {
		return time.Time{}, errOtherChallenge
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(claims[randomBytes:])), 0) //nolint:gosec // newChallenge wrote it
	if !c.Now().Before(expires) {
		return time.Time{}, errExpired
	}
	return expires, nil
}

// bindingOf returns a digest of the user and the Integration. Two Integrations of one name, one after the other, differ by their UID.
func bindingOf(client *clients.Client, user *clients.User) [sha256.Size]byte {
	return digestOf("challenge", client.Namespace, client.Name, client.UID, user.Kind, user.Name)
}
