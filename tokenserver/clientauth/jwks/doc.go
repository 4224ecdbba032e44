// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jwks gets the public keys that clients publish at a URL (RFC 7517), and says which keys may verify what.
//
// # Fetching
//
// The URL is a tenant's, so it is reached with care: https only and verified, no proxy, no redirects, no cookies, 64 KiB in five
// seconds, few fetches at once, and never an address of this host or this link, which a name may resolve to as well. What comes back is
// believed only as far as it is a public key of a kind that verifies assertions; nothing of it is shown to anybody. Not even a panic
// over it harms anybody else: it counts as a failure of the URL.
//
// # Caching
//
// Keys are kept for five minutes. Whoever asks after that has them fetched again and does not wait for it: those that are there are used
// meanwhile, and so they are while the URL fails, for up to an hour in all. So a key that was withdrawn may be used once more within
// that hour by a client that has been quiet. A key ID that is not among them has them fetched at once, once a minute for each URL, so
// that a client can rotate its keys without a pause and nobody can have the URL flooded. After a failure the URL rests for ten seconds.
//
// Eight fetches are under way at once. The others wait for their turn, and the five seconds of each begin with it, so slow URLs make
// others wait, but not fail. Who has nothing to use meanwhile waits for ten seconds at most.
//
// The package knows nothing of clients and assertions: clientauth asks it.
package jwks
