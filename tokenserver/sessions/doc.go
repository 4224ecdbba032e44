// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sessions keeps logins going: it owns the life of refresh tokens, and the Store that all replicas share.
//
// # One login, one valid refresh token
//
// A login is a Session: a family of refresh tokens that follow one another. Each refresh redeems the current token and makes the next
// one; which one is current is a compare-and-swap in the Store, so of two refreshes with one token exactly one wins, on any
// number of replicas.
//
// A token of the family that is not the current one was redeemed before. Either its holder or whoever redeemed it stole it, and nobody
// can tell which: the family ends, and both have to log in again (RFC 9700 section 4.14.2).
//
// # A reply that was lost
//
// A client whose reply was lost holds a token that the server counts as redeemed. For a grace period after it was redeemed, the token
// before the current one may be presented again. It then gets a new successor, and the successor of the first time, which
// nobody has redeemed yet, is no longer valid. This opens no hole:
//
//   - At any time one token is valid, and it is the last one that was given out. A replayed token gets its holder no second branch
//     beside the first: it takes the first one's place.
//   - If the first reply did arrive, its holder will present a successor that is neither the current token nor the one before, and that
//     ends the family. So a thief who replays within the grace period is found out by the next refresh of the rightful holder, and the
//     other way round, just as without it.
//   - The period counts from the first redemption and is not prolonged by a replay, and redeeming the successor ends it at once.
//
// The rule is two functions, judge and succeed, and Logins applies them. A write that lost its answer does not count against the client:
// Logins looks whether the Store took it.
//
// Without a grace period, which is the default, every token is redeemed at most once.
//
// # What else ends a login
//
// A session that is not refreshed in time, more sessions than an Integration may have (visitors' go first, and those that expire first; a
// visitor's login ends no one's but visitors'), a revoked refresh token, the end of all of a user's sessions (EndUser), a changed password or second factor, a removed user or one of another kind,
// visitors who may not log in any more, revokeTokensIssuedBefore, and deleting the Integration. Honoured is the one place that
// decides about a session that the Store still has.
//
// A login without refresh tokens is a session, too: it ends like any other, and there is nothing to refresh.
//
// Suspending an Integration stops its logins and does not end them: they count again after it.
//
// # What becomes of ended logins
//
// Nothing depends on their removal, which is the part of the Cleaner: the leader runs it. It judges only what has been left alone for
// two minutes, as another replica may know of a new client or password a little earlier, and only by a client that is there: the sessions
// of any other stay until they expire, or go with their owner.
//
// # Where it is used
//
// The package knows of neither Kubernetes nor HTTP. kubestore and the package valkey implement Store, which the package sessionstest
// checks. grants begins and refreshes sessions with Logins; introspection asks Standing and Honoured.
package sessions
