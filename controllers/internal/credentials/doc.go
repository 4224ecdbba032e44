// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credentials knows what an Integration's Secret looks like, and decides whether the one that is there will do: what belongs into
// it, what templates make of that, which Secret of somebody else's may be taken over, and which client secret is too weak. It is pure but
// for the randomness of new client secrets; the Integration controller gathers the input and does what it says. When to rotate, which
// access tokens there are and what is granted is for others to decide, and comes in as values.
package credentials
