// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"context"
	"time"
)

// A Kind is what attempts are counted by.
type Kind string

// The kinds.
const (
	// ByClient counts by client ID, whether or not there is such a client.
	ByClient Kind = "client"
	// ByUser counts by client ID and user name, ByUnknownUser by client ID and a name that the client does not know. The rule is the
	// same; they are apart so that made-up names push out nobody's count.
	ByUser        Kind = "user"
	ByUnknownUser Kind = "unknown_user"
	// ByLockout counts by client ID, kind and user name where a few failures lock a user out for a fixed time, and ByUnknownLockout the
	// same for names that the client does not know.
	ByLockout        Kind = "lockout"
	ByUnknownLockout Kind = "unknown_lockout"
	// ByAddress counts by source address.
	ByAddress Kind = "address"
)

// A Key is what one attempt counts against. ID comes from the request and may be anything.
type Key struct {
	Kind Kind
	ID   string
	// Unknown is a name that does not exist. All such names of a kind and an ID share a few counts, and which name has which is the
	// Limiter's secret.
	Unknown Unknown
}

// An Unknown is a name that does not exist, if Is says so. The name may be empty.
type Unknown struct {
	Is   bool
	Name string
}

// A Limiter counts failed attempts. Implementations may be used concurrently. They do not return errors: one that shares its counts
// and cannot reach the others goes on with its own.
type Limiter interface {
	// Blocked returns how long the longest blocked key stays blocked, and zero if none is.
	Blocked(ctx context.Context, keys ...Key) time.Duration
	// Failed counts a failure against each key, and returns what Blocked returns after it.
	Failed(ctx context.Context, keys ...Key) time.Duration
	// Succeeded forgets the failures of keys.
	Succeeded(ctx context.Context, keys ...Key)
}
