// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rotation decides when the client secret of an Integration is replaced by another, and how long the one before it is accepted.
// It is pure: it knows neither the secrets nor the API server, only digests and times. The Integration controller calls Decide on each
// pass, does what it says in one write of the Secret, and looks again when it says so.
//
// A client secret goes through these states; what is written is the record on the Secret (v1alpha1.RotationRecord):
//
//	             due                 Settle later              unused, or out of time
//	(current) --------> announced --------------> published -------------------------> (current)
//	   ^                 |     |                 the new one is current,               the previous one
//	   |  not due any    |     | the plaintext   the one before it is previous         is accepted no longer
//	   +-- more ---------+     +-- is lost: announced anew with another
//
// An announced secret is accepted by the token server and held by nobody: its plaintext is in the leader's memory until it is published. So
// no more than two secrets that anybody holds are accepted at a time, and none is held that a replica does not know.
//
// A secret that a user brings (spec.credentials.clientSecretRef) is published at once, as nobody can be asked to wait; Decide only ends
// the one before it.
package rotation
