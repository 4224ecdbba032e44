// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package revocation is the revocation endpoint (RFC 7009): a client ends a token before its time.
//
// Revoking an access token ends that token alone, whether it is signed or opaque. Revoking a refresh token, be it the
// current one of its session or an older one, ends the session: none of its refresh tokens is good any more, and neither
// are its access tokens. APIs that verify tokens offline do not hear of it until the token expires.
//
// A client may revoke its own tokens only. The error for another client's token is invalid_grant, which RFC 6749 section
// 5.2 has for what "was issued to another client"; RFC 7009 section 2.1 asks for an error and names none. A token that is
// malformed, forged, expired or revoked already is a success, as there is nothing left for the client to do (section
// 2.2). token_type_hint is not needed to tell tokens apart, and is ignored (section 2.1).
//
// The package parses neither requests nor tokens by itself, and keeps nothing: oauth2, tokens and sessions do. The
// tokenserver package mounts its Handler.
package revocation
