// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sealing holds the symmetric keys, and what only this server has to read is made with them: encrypted access
// tokens, authenticated refresh tokens and the fingerprints that sessions keep of passwords.
//
// A Set is an immutable snapshot, as that of the signer package. kubestore builds a new one whenever a key changes;
// tokens and sessions use it. The keys are never published. Which one is active is decided by the controllers.
//
// # One secret, several keys
//
// A key Secret holds 32 random bytes. HKDF (RFC 5869) derives from them one key for each purpose, so that nothing made
// for one purpose is of use for another, and the key's ID, so that it follows from the key and tells nothing about it.
//
// # One form
//
// Tokens are a JWE in compact form (RFC 7516 section 7.1) with alg dir and enc A256GCM, or a JWS in compact form (RFC
// 7515 section 7.1) with alg HS256. This server is the only one that makes them and the only one that reads them, so a
// header counts only if it is byte for byte the one that a known key writes: there is no algorithm to choose, and nothing
// in a header to obey. Base64 counts only in its one canonical form. A token that was edited anywhere does not pass, not
// even if the edit means the same.
//
// # How much a key may encrypt
//
// Nonces are 96 random bits. A key must not encrypt more than 2^32 tokens (NIST SP 800-38D section 8.3), all replicas
// together. A key that is replaced every 30 days stays below as long as fewer than 1,650 opaque tokens are issued each
// second, day and night; whoever needs more rotates keys more often. Refresh tokens and fingerprints do not count.
package sealing
