// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// A secret decides which names that do not exist share a count. Nobody outside knows it: whoever could tell by themselves which names those
// are would fail with one of them, and then learn from another one's first failure whether it exists, since a name that exists has a count
// of its own.
type secret []byte

// newSecret returns a secret that nobody else has.
func newSecret() secret {
	s := make(secret, sha256.Size)
	_, _ = rand.Read(s) // It never fails.
	return s
}

// How many counts there are for all names that do not exist: for client IDs, and for the users of a client, or of a kind. Anybody can make
// up names, and must not fill a store with them. Two names share one too rarely to be noticed.
const (
	unknownClients = 1 << 16
	unknownUsers   = 1 << 12
)

// bucket returns which of the counts of its kind and ID the name of an unknown key has.
func (s secret) bucket(k Key) string {
	n := unknownUsers
	if k.Kind == ByClient {
		n = unknownClients
	}
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(string(k.Kind) + "\x00" + k.ID + "\x00" + k.Unknown.Name))
	// Both numbers divide 1<<16.
	return strconv.Itoa(int(binary.BigEndian.Uint16(mac.Sum(nil))) % n)
}

// A digest stands for a count where counts are kept, so that they are short and say nothing.
type digest [sha256.Size]byte

// digestOf returns the digest of what a key counts against. A kind holds no NUL and a client ID no question mark, so no two counts share one.
func (s secret) digestOf(k Key) digest {
	id := k.ID
	if k.Unknown.Is {
		id += "?" + s.bucket(k)
	}
	return sha256.Sum256([]byte(string(k.Kind) + "\x00" + id))
}
