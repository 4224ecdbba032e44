// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauth2 is the OAuth 2.0 wire format of the token server: it reads requests (RFC 6749, RFC 8707), and writes replies
// and errors.
//
// It owns what may be said and how: content types, bounds, encodings, where credentials may stand, error codes and the headers
// that go with them. It does not decide anything about a client: a Request is merely parsed, and nothing in it is proven. The
// grants package calls it for the token endpoint, the other packages of the token server for their errors.
package oauth2
