// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"crypto/sha256"
	"crypto/subtle"
)

// nothing is compared with when there is no hash to compare with, so that a client without a secret takes no less time.
var nothing [1][sha256.Size]byte

// nobody stands in for the client that does not exist.
var nobody Client

// Authenticate reports whether secret is one of the client's secrets. It looks at every accepted hash in constant time: how
// long it takes tells neither which one matched nor how nearly.
func (c *Client) Authenticate(secret string) bool {
	presented := sha256.Sum256([]byte(secret))
	hashes := c.SecretHashes
	if len(hashes) == 0 {
		hashes = nothing[:]
	}
	matched := 0
	for i := range hashes {
		matched |= subtle.ConstantTimeCompare(presented[:], hashes[i][:])
	}
	return matched == 1 && len(c.SecretHashes) > 0 && secret != ""
}

// AuthenticateUnknown does for an unknown client the work of Authenticate, and returns false. Whoever calls it learns from the
// time no more than from the reply: a client ID that does not exist looks like a wrong secret.
func AuthenticateUnknown(secret string) bool {
	return nobody.Authenticate(secret)
}
