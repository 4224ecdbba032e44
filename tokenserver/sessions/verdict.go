// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"crypto/sha256"
	"time"
)

// A verdict is what a refresh token of a family means at a moment.
type verdict int

const (
	// expired: the session was not refreshed in time, whichever token is presented.
	expired verdict = iota
	// current: it is the valid token, and its successor follows it.
	current
	// replay: it was redeemed a moment ago and the successor was not, so a new successor takes the place of the first.
	replay
	// reused: it was redeemed before, and the family ends.
	reused
)

// judge applies the rule of the package comment to the digest of a token of the family.
func judge(s *Session, presented [sha256.Size]byte, now time.Time, grace time.Duration) verdict {
	switch {
	case !now.Before(s.ExpiresAt):
		return expired
	case presented == s.Current && s.Current != [sha256.Size]byte{}: // A login without refresh tokens has none that is valid.
		return current
	// Another replica's clock may be ahead, so that RotatedAt is yet to come: without a grace period that must not make one.
	case grace > 0 && !s.RotatedAt.IsZero() && presented == s.Previous && now.Before(s.RotatedAt.Add(grace)):
		return replay
	default:
		return reused
	}
}

// succeed returns next as the successor of s, after a token that judge found to be current or a replay was presented. A replay changes
// neither which token is the one before, nor since when: otherwise it would prolong the grace period, or begin another.
func succeed(s, next *Session, v verdict, now time.Time) Session {
	successor := *s
	successor.Current, successor.KeyID, successor.Fingerprint = next.Current, next.KeyID, next.Fingerprint
	successor.ExpiresAt = next.ExpiresAt
	successor.Rotations++
	if v == current {
		successor.Previous, successor.RotatedAt = s.Current, now.Truncate(time.Microsecond)
	}
	return successor
}
