// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// Errors of a Store, to be found by errors.Is.
var (
	// ErrNotFound says that there is no such session: it never was, or it has ended.
	ErrNotFound = errors.New("the session has ended")
	// ErrConflict says that somebody else replaced the session first.
	ErrConflict = errors.New("the session was replaced meanwhile")
	// ErrUsed says that a token ID is spent already.
	ErrUsed = errors.New("the token ID is spent already")
	// ErrFull says that the owner has as many spent token IDs of the kind as it may have.
	ErrFull = errors.New("the client has too many revoked tokens, or used too many assertions, codes or nonces: wait until they expire")
	// ErrUnavailable says that the store cannot answer now. Its cause is wrapped beside it.
	ErrUnavailable = errors.New("the session store is unavailable")
	// ErrNoRoom says that the owner has as many sessions as it may have, and none that would make room for a visitor's. It is a case of
	// ErrUnavailable, as there may be room again soon.
	ErrNoRoom = fmt.Errorf("%w to visitors: the client has as many logins of others as it may have", ErrUnavailable)
)

// RetryAfter is when to ask again for what ErrUnavailable stood in the way of.
const RetryAfter = 5 * time.Second

// An Owner is the Integration that a session or a spent token ID belongs to. Two Integrations of one name, one after the other,
// differ by their UID and share nothing.
type Owner struct {
	Namespace, Name, UID string
}

// A Session is one login: a family of refresh tokens, of which one is valid at a time, or none where there is nothing to refresh.
type Session struct {
	// Owner is the Integration that the user logged in to.
	Owner Owner
	// ID names the session within its owner: lower case letters and digits, made by NewID.
	ID string
	// ClientID is the client that the user logged in with.
	ClientID string
	// Username and UserKind are the user's.
	Username, UserKind string
	// Audiences and Scopes are what was granted at the login, the most that a refresh may get.
	Audiences, Scopes []string
	// IssuedAt is when the user logged in, in whole seconds.
	IssuedAt time.Time

	// ExpiresAt is when the session ends unless it is refreshed before, in whole seconds.
	ExpiresAt time.Time
	// Rotations counts the refreshes.
	Rotations int64
	// RotatedAt is when Previous was redeemed, to the microsecond; zero before the first refresh.
	RotatedAt time.Time
	// Current and Previous are the SHA-256 digests of the refresh token that is valid and of the one before; Previous is zero
	// before the first refresh, and both are in a login that gets no refresh tokens.
	Current, Previous [sha256.Size]byte
	// KeyID names the sealing key that the current refresh token and Fingerprint are made with.
	KeyID string
	// Fingerprint tells whether the user's password and second factors are still those of the login.
	Fingerprint [sha256.Size]byte

	// Version changes with each Replace, as the store sees fit. It is empty for a session that is yet to be created.
	Version string
}

// The kinds of token IDs that can be spent.
const (
	KindAccessToken     = "AccessToken"
	KindClientAssertion = "ClientAssertion"
	// KindOneTimeCode is for the codes and challenges of second factors.
	KindOneTimeCode = "OneTimeCode"
	// KindNonce is for signed requests.
	KindNonce = "Nonce"
)

// A Spent token ID must not be accepted again: of an access token that was revoked, or of what is good for one use and was used.
type Spent struct {
	Owner Owner
	// Kind is one of the kinds above.
	Kind string
	// TokenID is the jti, or what tells a code or a nonce from all others. It may be the client's own, so a store must not trust its form.
	TokenID string
	// ExpiresAt is when the token expires by itself, and the record may go.
	ExpiresAt time.Time
}

// IsVisitors reports whether a session is that of a visitor, whom nobody knows and who may log in as often as they like.
func (s *Session) IsVisitors() bool { return s.UserKind == clients.KindVisitor }

// A Store keeps sessions and spent token IDs for all replicas. Every implementation passes sessionstest.Run. Its methods may be called
// concurrently, and take two seconds at most, or as long as it takes to go through everything in the case of Sweep. IDs may be
// anything. Empty lists come back as nil or empty. Whatever the methods return that is none of the errors above wraps ErrUnavailable, and
// holds no token; so it is when ctx is done.
type Store interface {
	// Create adds a session and sets its Version. Sessions of the owner beyond most go, visitors' before others, those that expire first
	// before later ones and the new one never. For a visitor's none but visitors' go: where the owner has most of others it adds nothing and
	// returns ErrNoRoom. Otherwise strangers, each login of whom expires last, could log everybody else out.
	Create(ctx context.Context, s *Session, most int) error
	// Get returns a session as it is now, on whichever replica it was written last. It returns ErrNotFound.
	Get(ctx context.Context, owner Owner, id string) (*Session, error)
	// Replace writes a session if it is still at s.Version, and sets that to the new one. It returns ErrConflict if somebody was
	// first, and ErrNotFound. Only ExpiresAt to Fingerprint may change.
	Replace(ctx context.Context, s *Session) error
	// End removes a session. It returns nil if there is none. Every replica's Standing tells within a second.
	End(ctx context.Context, owner Owner, id string) error
	// EndUser removes every session of a user of that kind that was created before the call, on whichever replica, and returns how many
	// it removed. One that is created during the call may stay. Every replica's Standing tells within a second. After an error some may
	// have been removed, and another call goes on from there.
	EndUser(ctx context.Context, owner Owner, username, kind string) (int, error)
	// Spend records a token ID. It returns ErrUsed if it is recorded already, so that of two calls with one ID exactly one succeeds
	// on any number of replicas, and ErrFull. Kinds have bounds of their own: a client whose used assertions fill theirs can still
	// have tokens revoked, and the other way round. Every replica's Standing tells within a second.
	Spend(ctx context.Context, spent Spent) error
	// Standing tells whether an access token's ID is spent, and returns the session that it came from, nil if that has ended or
	// sessionID is empty. It may lag by a second, but it never misses a session that was created before the call.
	Standing(ctx context.Context, owner Owner, tokenID, sessionID string) (spent bool, session *Session, err error)
	// Sweep removes what has expired by now, and the sessions for which dead returns true; it returns how many it removed. The
	// leader calls it now and then.
	Sweep(ctx context.Context, now time.Time, dead func(*Session) bool) (int, error)
}
