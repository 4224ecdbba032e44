// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauth2 is the OAuth 2.0 wire format of the token server: it reads requests to the token endpoint (RFC 6749,
// RFC 7523, RFC 8707) and about tokens (RFC 7009, RFC 7662), and writes replies and errors.
//
// It owns what may be said and how: content types, bounds, encodings, where credentials may stand, error codes and the headers
// that go with them. It does not decide anything about a client: a Request is merely parsed, and nothing in it is proven. The
// grants, introspection and revocation packages call it to parse, and every package of the token server for its errors.
package oauth2
