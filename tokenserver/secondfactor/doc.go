// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secondfactor checks what users present beside their passwords: one-time codes (RFC 6238), and the answers of security keys
// (WebAuthn). It registers security keys too. Checker is the grants.SecondFactors of the token server, and the profile Magento has routes for
// its challenges and registrations.
//
// It checks no password, counts no failure and stores no key. Its callers see to it that only who knows name and password gets a challenge. What
// Register returns counts only once the owner of the user's Secret has added it there, as the token server never writes that Secret: so
// registering takes no second factor, and whoever has stolen a password gains nothing by it.
//
// One-time codes are computed by github.com/pquerna/otp: the contract of the profile names it, it is still released (last in May 2025), and it
// reads no clock where it is given a time. What security keys sign is read and verified by github.com/go-webauthn/webauthn: it is the one
// implementation of relying parties in Go that follows Level 3 and is released every few weeks.
//
// # Once
//
// A code and a challenge count once. Which were used is in the session store, so that it holds on all replicas: a code by its user and its time
// step, a challenge by its digest. They are recorded for one Integration. Two Integrations that share a user's Secret are two places at which
// one code can be used, once at each, in the minute and a half that it is good for.
//
// # Challenges without state
//
// A challenge is a token of its own, authenticated with a sealing key: random bytes, its end two minutes later, and a digest of the Integration
// and of the user that it is for. Whether it is for a login or for a registration is in its type. So any replica can check it, and one that was
// made for somebody else, elsewhere, or for the other purpose does not pass. It does not carry what it is a digest of.
//
// # What is not checked
//
// A security key counts its signatures, so that a copy of it can be noticed (WebAuthn section 6.1.1). That takes a place to store the last
// count, and the Secret is read only: counters are ignored. For the same reason the flags of backups are not compared with those of the
// registration. A key needs its user's presence. That it asks for a PIN or a fingerprint too is preferred and not required, as the user has
// shown a password. Who made a key is not asked (attestation none), so no certificate is ever read, and go-webauthn never asks for the time:
// the ends of challenges are checked here, by Checker.Now.
package secondfactor
