// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package permit decides what an Integration may have of what it asks for: the union of what the policies for its namespace allow, and
// nothing else. It owns the meaning of an IntegrationPolicy: its patterns (Match), who may claim a client ID (MayClaim), and what is
// granted and what to say of the rest (Grant).
//
// It is pure: it knows no cluster, and does not know which policies are for a namespace. The Integration controller gathers those and
// writes the result to status.granted, which is all that the token server enforces.
//
// Adding a policy never takes anything away, and a policy with a mistake in it takes nothing from what another one grants. A scope is
// granted for an audience by one policy that allows both, never by two of which each allows one.
package permit
