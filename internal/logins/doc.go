// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package logins owns what a user's Secret looks like: which Integration it consents to, how a name, a password and second factors are
// read from it, and which of an Integration's users do not count because their passwords are hashed in too many ways.
//
// The controllers say in a condition what such a Secret lacks, and the token server lets users log in with it. Both ask this
// package, so they cannot disagree. It reads no cluster, and checks neither passwords, as the package of that name does, nor second factors,
// as the token server does.
package logins
