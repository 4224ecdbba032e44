// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package passwords owns how a user's password is kept in memory and checked: as it is, or as a bcrypt or argon2id hash.
//
// It bounds what a hash may cost, as whoever can write a Secret chooses that, and it never prints a password. It knows of neither
// Secrets nor users, and does not count attempts or limit how many hashes are computed at once: that is its callers' part. The
// package logins makes Passwords of Secrets, and the token server's clients check them.
package passwords
