// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secondfactor checks what users present beside their passwords: one-time codes (RFC 6238) and security keys (WebAuthn).
//
// It owns what makes a code or an answer right, and that each is right once. Passwords, limits and who may log in are the part of the package
// grants, whose SecondFactors a Verifier is; how codes and answers come and challenges go is the part of the profiles. Seeds and public
// keys are in users' Secrets, which the token server reads and never writes: what registers a security key is an entry that the Secret's
// owner adds. So a sign counter, which would have to be written at each login, is not kept (WebAuthn section 6.1.1 makes that a choice), and
// neither is whether a key may be backed up.
//
// # Challenges without state
//
// A challenge is good for two minutes, on every replica, and nothing is kept of it: it says when it expires, and is authenticated by a key
// that all replicas have, together with what it is for, the Integration, the user and the site. Its first use is recorded until it
// expires, as a code's is until its time is over.
package secondfactor
