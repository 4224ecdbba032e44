// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of Logins beside those of a Store, to be found by errors.Is.
var (
	// ErrReused says that the refresh token was redeemed before. The session has ended because of it.
	ErrReused = errors.New("the refresh token was redeemed before, so its session has ended")
	// ErrExpired says that the session was not refreshed in time.
	ErrExpired = errors.New("the session has expired")
)

// maxRotateAttempts bounds how often Rotate looks again. Each time somebody else has refreshed the session in between.
const maxRotateAttempts = 8

// NewID returns the ID of a new session: 26 lower case letters and digits, which hold 128 random bits or more.
func NewID() string {
	return strings.ToLower(rand.Text())
}

// Logins begins sessions and refreshes them, by the rule in the package comment.
type Logins struct {
	// Store keeps the sessions.
	Store Store
	// Grace is how long a redeemed token may be presented once more; zero for not at all.
	Grace time.Duration
	// Most is how many sessions an owner may have.
	Most int
	// Now is the clock.
	Now func() time.Time
}

// Begin adds the session of a user who has just logged in. It returns ErrUnavailable, of which ErrNoRoom is a case.
func (l *Logins) Begin(ctx context.Context, s *Session) error {
	return l.Store.Create(ctx, s, l.Most)
}

// Present returns the session that a refresh token of its family may refresh now. Token is the digest of a token whose
// authenticity the caller has checked. A token that was redeemed before ends the session, whatever else the request is about. It returns
// ErrNotFound, ErrExpired, ErrReused once the session has ended, or ErrUnavailable.
func (l *Logins) Present(ctx context.Context, owner Owner, id string, token [sha256.Size]byte) (*Session, error) {
	s, err := l.Store.Get(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	if _, err := l.admit(ctx, s, token); err != nil {
		return nil, err
	}
	return s, nil
}

// Rotate makes next the state of s, which Present returned for the presented token. Of next count Current, KeyID, Fingerprint and
// ExpiresAt; on success it holds the session as it is now. The token that next stands for must go out only after that.
//
// When s was replaced meanwhile, Rotate judges the presented token anew by what there is now. It returns ErrReused if it was redeemed
// by then, ErrExpired, ErrNotFound, or ErrUnavailable.
func (l *Logins) Rotate(ctx context.Context, s *Session, presented [sha256.Size]byte, next *Session) error {
	for range maxRotateAttempts {
		v, err := l.admit(ctx, s, presented)
		if err != nil {
			return err
		}
		successor := succeed(s, next, v, l.Now())
		failed := l.Store.Replace(ctx, &successor)
		if failed == nil {
			*next = successor
			return nil
		}
		if !errors.Is(failed, ErrConflict) && !errors.Is(failed, ErrUnavailable) {
			return failed
		}
		if s, err = l.Store.Get(ctx, s.Owner, s.ID); err != nil {
			return err
		}
		if s.Current == next.Current {
			// It was this very call that replaced the session; only the store's answer was lost.
			*next = *s
			return nil
		}
		if errors.Is(failed, ErrUnavailable) {
			return failed
		}
	}
	return fmt.Errorf("%w: session %s is refreshed by too many at once", ErrUnavailable, s.ID)
}

// admit judges a presented token, and ends the session if it was redeemed before.
func (l *Logins) admit(ctx context.Context, s *Session, presented [sha256.Size]byte) (verdict, error) {
	v := judge(s, presented, l.Now(), l.Grace)
	switch v {
	case current, replay:
		return v, nil
	case reused:
		if err := l.Store.End(ctx, s.Owner, s.ID); err != nil {
			return v, err
		}
		return v, ErrReused
	default:
		return v, ErrExpired
	}
}
