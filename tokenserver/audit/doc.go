// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit writes the audit log of the token server: one line for each issue, refusal, refresh, revocation and introspection,
// which says who did what, how it ended, why, and from where.
//
// It owns the form of the line and its bounds. A line never holds a token, a secret or a password: an Event has no place for one, its
// causes are words of the code, and of a client ID that does not exist only the beginning is logged, as people mix up the two. The
// package does not decide what happened: the endpoints do, and call it once a request.
package audit
