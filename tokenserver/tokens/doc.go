// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tokens makes and verifies tokens: access tokens, as JSON Web Tokens in the profile of RFC 9068 or encrypted,
// and refresh tokens.
//
// It owns the claims, the headers and the checks that need nothing but a key and a clock. It says nothing about who may
// have what: the grants package has decided that before it calls here. Nor does it say whether an authentic token still
// counts: that is the introspection package's for access tokens and the sessions package's for refresh tokens. Which key
// signs or seals is the signer and sealing packages' to say.
//
// # Kinds
//
//	typ      form              made with        read by
//	at+jwt   JWS               a signing key    any API, offline with the JWKS
//	at+jwe   JWE, dir/A256GCM  a sealing key    this server; for clients whose access tokens are opaque
//	rt+jwt   JWS, HS256        a sealing key    this server
//
// The typ is covered by the signature, so no token passes for one of another kind. As the server reads no tokens but its
// own, a header counts only if it is byte for byte the one that the named key writes: the algorithm is the key's, and
// nothing else in a header is obeyed or even parsed.
package tokens
