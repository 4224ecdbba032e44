// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sessionstest checks that a sessions.Store keeps its word. The tests of every store call Run, with two replicas' views of one
// store. What it asks for is what the comments on sessions.Store promise, and nothing else. Memory is a store for the tests of those
// who use one.
package sessionstest
