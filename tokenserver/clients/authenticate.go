// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// comparisons is how many hashes a presented secret is compared with at least: as many as a client has in the midst of a rotation, the
// current, the announced and the previous one. So the time does not tell how many there are.
const comparisons = 3

// nothing is compared with where a client has fewer secrets. As a previous secret that has expired it is never accepted.
var nothing = Secret{Previous: true}

// nobody stands in for the client that does not exist.
var nobody Client

// Authenticate reports whether secret is one of the client's secrets at the given time, and whether it is a previous one only. It
// looks at every hash in constant time: how long it takes tells neither which one matched nor how nearly. A secret that is both the
// current and a previous one is the current one.
func (c *Client) Authenticate(secret string, now time.Time) (ok, previous bool) {
	presented := sha256.Sum256([]byte(secret))
	matchedCurrent, matchedPrevious := 0, 0
	for i := range max(len(c.Secrets), comparisons) {
		accepted := &nothing
		if i < len(c.Secrets) {
			accepted = &c.Secrets[i]
		}
		same := subtle.ConstantTimeCompare(presented[:], accepted.Hash[:])
		switch {
		case !accepted.Previous:
			matchedCurrent |= same
		case now.Before(accepted.Until):
			matchedPrevious |= same
		}
	}
	if secret == "" || matchedCurrent|matchedPrevious == 0 {
		return false, false
	}
	return true, matchedCurrent == 0
}

// AuthenticateUnknown does for an unknown client the work of Authenticate, and accepts nothing. Whoever calls it learns from the
// time no more than from the reply: a client ID that does not exist looks like a wrong secret.
func AuthenticateUnknown(secret string) bool {
	ok, _ := nobody.Authenticate(secret, time.Time{})
	return ok
}
