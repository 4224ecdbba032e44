// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
)

// Why a session that the store still has counts for nothing.
var (
	errOtherClient     = errors.New("the session is another client's")
	errRevoked         = errors.New("whatever was issued when the session began is revoked")
	errUserGone        = errors.New("the session's user may not log in any more")
	errOtherKind       = errors.New("the session's user is of another kind by now")
	errPasswordChanged = errors.New("the user's password or second factors are not those of the login any more")
	errKeyGone         = errors.New("the key of the session's tokens is gone")
)

// OwnerOf returns the owner of a client's sessions.
func OwnerOf(c *clients.Client) Owner {
	return Owner{Namespace: c.Namespace, Name: c.Name, UID: c.UID}
}

// Fingerprint returns what a session remembers of its user's password and second factors: nothing to whoever lacks the key, and the same
// again only for the same user of the same owner with the same ones, as they are stored.
func Fingerprint(key *sealing.Key, owner Owner, u *clients.User) [sha256.Size]byte {
	digest := u.Password.Digest()
	parts := [][]byte{[]byte(owner.Namespace), []byte(owner.Name), []byte(owner.UID), []byte(u.Name), digest[:]}
	if u.NeedsSecondFactor() {
		var seed string
		if u.TOTP != nil {
			seed = u.TOTP()
		}
		parts = append(parts, []byte(seed))
		for _, k := range u.SecurityKeys {
			parts = append(parts, k.ID, k.PublicKey)
		}
	}
	return key.Fingerprint(parts...)
}

// Honoured returns nil if a session that the store has counts, for a client as it is now, and otherwise why it does not: it is
// another client's, has expired, began before all of that was revoked, or its user is gone, may not log in there any more, has another
// kind, another password or other second factors, or the key to tell has gone. A client that is suspended keeps its sessions: whoever
// serves them asks Client.Stopped as well.
func Honoured(s *Session, c *clients.Client, keys *sealing.Set, now time.Time) error {
	if s.Owner != OwnerOf(c) || s.ClientID != c.ID {
		return errOtherClient
	}
	if !now.Before(s.ExpiresAt) {
		return ErrExpired
	}
	if c.Revoked(s.IssuedAt) {
		return errRevoked
	}
	user, ok := c.User(s.Username)
	if !ok {
		return errUserGone
	}
	// Visitors are no kind of users that c.UserKind could choose: Guests alone lets them in.
	if c.UserKind != "" && user.Kind != c.UserKind && user.Kind != clients.KindVisitor {
		return errUserGone
	}
	if user.Kind != s.UserKind {
		return errOtherKind
	}
	key, ok := keys.ByID(s.KeyID)
	if !ok {
		return errKeyGone
	}
	fingerprint := Fingerprint(key, s.Owner, user)
	if !hmac.Equal(fingerprint[:], s.Fingerprint[:]) {
		return errPasswordChanged
	}
	return nil
}
