// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package limits counts failed attempts to authenticate and says how long to refuse more of them, and it tells where a request comes
// from.
//
// # The rule
//
// Each kind of key has some free failures. Every failure beyond them blocks the key, for a second at first, then for twice as long each
// time, up to a bound. A key without a failure for a while is forgotten, and so is one that succeeds, where the caller says so.
//
//	kind     free  blocked for   forgotten after
//	client     10  1s to 1m      10m
//	user        5  1s to 15m     1h
//	lockout     5  30m           31m
//	address    50  1s to 1m      10m
//
// A lockout is the rule of a system whose clients know it: each failure beyond the free ones blocks for the same time, counted from that
// failure. Its users have keys by their kind.
//
// The logins of a public client's users are counted by address as well, for each client apart.
//
// What a blocked key means is the caller's part. A client's secret has 256 bits, so nobody guesses it, and the package clientauth lets
// the right one through whatever is counted: otherwise whoever knows a client ID, which is public, could lock the client out. A user's
// password may be weak, and a blocked user's password is not even looked at.
//
// # Bounds
//
// Memory keeps a bounded number of keys of each kind, so a flood of one kind pushes out none of another. Within a kind, keys that are
// within their free failures and keys beyond them are kept apart, and the oldest of each go first: to push out a blocked key takes tens
// of thousands of keys that are blocked themselves, each of which costs as many failures. Names that do not exist are a kind of their own,
// and share a bounded number of counts, in Valkey too: only users, clients and addresses that there are can have one of their own.
//
// # What a stranger learns
//
// Names that exist are counted by the same rules as names that do not, so neither 429 nor its absence tells them apart. Names that share a
// count would, to somebody who knew which do: a random secret decides that, of the process for Memory and of all replicas for Valkey. What
// is left is to fail so often, with so many names, that most of the shared counts are beyond their free failures: for the users of one
// client that takes more than twenty thousand failures within an hour, from hundreds of addresses, as each of those is limited too.
//
// The package knows nothing of clients, users or replies. clientauth and grants ask it, and tokenserver chooses the Limiter.
package limits
