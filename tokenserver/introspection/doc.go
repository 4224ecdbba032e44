// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package introspection decides whether an access token counts, and answers those who ask (RFC 7662).
//
// Checker is the one place that decides: the token is authentic and has not expired, its client is still the one that it
// was issued to and may have tokens, its user may still log in, neither it nor its session has ended. The session store
// is asked once, last, and only about tokens that are otherwise good, so that junk costs it nothing. The forwardauth
// package asks the same Checker.
//
// Handler is the introspection endpoint. Only clients that have proven who they are may ask, and only about tokens of
// their own and tokens that are meant for the audiences that their Integration serves. Of any other token, be it good,
// revoked, expired or made up, they hear that it is not active, and no more (section 2.2).
//
// The package parses neither requests nor tokens by itself: oauth2 and tokens do. The tokenserver package mounts its
// Handler.
package introspection
