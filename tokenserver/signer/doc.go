// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package signer holds the signing keys: which one signs for an algorithm, and which are published.
//
// A Set is an immutable snapshot. kubestore builds a new one whenever a key changes; the tokens package signs with its active
// keys and the discovery package publishes all of them. The life of a key (next, active, retiring) is decided by the
// controllers; this package only obeys the state that it finds.
package signer
