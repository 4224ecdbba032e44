// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package limits

import (
	"net/netip"
	"time"
)

// A rule says what failures against a key mean.
type rule struct {
	// free failures have no consequence. The next one blocks for base, and every further one for twice as long, up to longest.
	free          int64
	base, longest time.Duration
	// quiet is how long after the last failure a key is forgotten. It is longer than longest.
	quiet time.Duration
}

// lockout is how long every failure beyond the free ones locks a user out.
const lockout = 30 * time.Minute

// ruleOf returns the rule of a kind.
func ruleOf(k Kind) rule {
	switch k {
	case ByClient:
		return rule{free: 10, base: time.Second, longest: time.Minute, quiet: 10 * time.Minute}
	case ByUser, ByUnknownUser:
		return rule{free: 5, base: time.Second, longest: 15 * time.Minute, quiet: time.Hour}
	case ByLockout, ByUnknownLockout:
		return rule{free: 5, base: lockout, longest: lockout, quiet: lockout + time.Minute}
	case ByAddress:
		return rule{free: 50, base: time.Second, longest: time.Minute, quiet: 10 * time.Minute}
	}
	return rule{base: time.Second, longest: time.Minute, quiet: 10 * time.Minute}
}

// block returns how long a key is blocked after its nth failure.
func (r rule) block(n int64) time.Duration {
	if n <= r.free {
		return 0
	}
	d := r.base
	for range n - r.free - 1 {
		if d *= 2; d >= r.longest {
			return r.longest
		}
	}
	return d
}

// A count is what is known of a key.
type count struct {
	failures int64
	// last is when the last failure was, and until when the key stays blocked.
	last, until time.Time
}

// forgotten reports whether the failures count no more.
func (c count) forgotten(r rule, now time.Time) bool {
	return now.Sub(c.last) >= r.quiet
}

// fail returns the count after one more failure.
func (c count) fail(r rule, now time.Time) count {
	if c.forgotten(r, now) {
		c = count{}
	}
	c.failures++
	c.last, c.until = now, now.Add(r.block(c.failures))
	return c
}

// wait returns how long the key stays blocked.
func (c count) wait(now time.Time) time.Duration {
	return max(0, c.until.Sub(now))
}

// ClientKey counts against a client ID.
func ClientKey(clientID string) Key {
	return Key{Kind: ByClient, ID: clientID}
}

// UserKey counts against a user of a client. A client ID holds no colon, so no two users share a key.
func UserKey(clientID, username string) Key {
	return Key{Kind: ByUser, ID: clientID + ":" + username}
}

// ipv6Network is how much of an IPv6 address tells one source from another: who has one address of a /64 has them all.
const ipv6Network = 64

// AddressKey counts against a source address; an IPv6 address counts as its /64.
func AddressKey(source netip.Addr) Key {
	source = source.Unmap().WithZone("")
	if source.Is6() {
		// An address that is not too short for the length always has a prefix.
		prefix, _ := source.Prefix(ipv6Network)
		return Key{Kind: ByAddress, ID: prefix.String()}
	}
	return Key{Kind: ByAddress, ID: source.String()}
}

// LoginAddressKey counts the logins of a client's users against a source address. They are counted apart from what clients present,
// and for each client: neither a workload with a wrong secret nor another client's users may lock out those who come by the same gateway.
func LoginAddressKey(clientID string, source netip.Addr) Key {
	key := AddressKey(source)
	key.ID = "login " + clientID + " " + key.ID
	return key
}

func unknown(name string) Unknown { return Unknown{Is: true, Name: name} }

// UnknownClientKey counts against a client ID that does not exist.
func UnknownClientKey(clientID string) Key {
	return Key{Kind: ByClient, Unknown: unknown(clientID)}
}

// UnknownUserKey counts against a user whom a client does not know.
func UnknownUserKey(clientID, username string) Key {
	return Key{Kind: ByUnknownUser, ID: clientID, Unknown: unknown(username)}
}

// LockoutKey counts against a user of a kind of a client. Neither a client ID nor a kind holds a colon, so no two users share a key.
func LockoutKey(clientID, kind, username string) Key {
	return Key{Kind: ByLockout, ID: clientID + ":" + kind + ":" + username}
}

// UnknownLockoutKey counts against a user whom a client does not know.
func UnknownLockoutKey(clientID, kind, username string) Key {
	return Key{Kind: ByUnknownLockout, ID: clientID + ":" + kind, Unknown: unknown(username)}
}
