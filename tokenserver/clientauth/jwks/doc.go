// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package jwks gets the public keys that clients publish at a URL (RFC 7517), and says which keys may verify what.
//
// # Fetching
//
// The URL is a tenant's, so it is reached with care: https only and verified, no proxy, no redirects, no cookies, 64 KiB in five
// seconds, few fetches at once, and never an address of this host or this link, which a name may resolve to as well. What comes back is
// believed only as far as it is a public key of a kind that verifies assertions; nothing of it is shown to anybody.
//
// # Caching
//
// Keys are kept for five minutes. A key ID that is not among them has them fetched again, once a minute for each URL, so that a client
// can rotate its keys without a pause and nobody can have the URL flooded. After a failure the URL rests for ten seconds, and keys that
// are there already are used for up to an hour.
//
// The package knows nothing of clients and assertions: clientauth asks it.
package jwks
