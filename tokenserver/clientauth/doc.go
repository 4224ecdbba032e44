// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clientauth decides who a client is: by its secret (RFC 6749 section 2.3.1), by an assertion that it signed (RFC 7523 section
// 2.2), or, for a public client, by what it says.
//
// # What strangers learn
//
// An unknown client, a wrong secret or signature, a suspended client and one that may not authenticate in this way are all
// invalid_client with the same words. The one exception is a client whose keys are at a URL that cannot be reached: it gets
// temporarily_unavailable, as it would otherwise be told that its assertion is wrong. What is wrong with an assertion in itself, such as
// its audience, is said openly, as that does not depend on any client.
//
// The time that a refusal takes is alike as far as this:
//
//   - By a secret, one digest is made of it and compared with each of the client's in constant time, and with zeros up to three, which is
//     how many a client has in the midst of a rotation; so it is for a client without any, and for none at all. A comparison takes
//     nanoseconds, far less than what the network varies by.
//   - By an assertion, one signature is verified with a key that is nobody's (P-256, Ed25519 or RSA of 2,048 bits) where there is no key
//     to try: the client is unknown or suspended, may not authenticate in this way, or has no key that fits kid and algorithm.
//   - A client that may authenticate by assertions and has keys that fit costs a verification for each, which are eight at most, of up
//     to 8,192 bits, and a fetch where its URL is due for one. That takes longer, so whoever measures it can learn that there is such a
//     client, not suspended, and something of its keys' number and size. Client IDs and public keys are no secrets, and
//     the time tells nothing about the private ones.
//   - A client without credentials costs nothing but a look for a public client.
//
// # Failures
//
// Every failure counts against the client ID that was claimed, whether or not there is such a client, and against the address that it
// came from. After too many of them a failure is answered by 429 with Retry-After. Whoever proves who they are gets through all the
// same, and without a look at the counts: secrets and keys cannot be guessed, and nobody may lock out a client by knowing its ID.
//
// # Assertions
//
// The key decides how an assertion is verified. The header's kid only chooses among the client's keys, its alg must be one that the
// key is for, and keys that it brings along or points to (jwk, jku, x5c, x5u) are not looked at. The subject is read before anything is
// verified, but only to find the keys. An assertion lives for five minutes at most and is good once: its jti is spent in the session
// store, for all replicas, and kept for a minute more than it counts, as clocks differ.
//
// The package does not decide what a client may do, and parses no requests. The endpoints of grants, introspection and revocation ask
// it, oauth2 parses for it, and clients holds what it compares with.
package clientauth
