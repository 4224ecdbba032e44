// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clients holds what the token server knows of a client and its users, and decides whether a presented secret is the
// client's, whether a password is a user's, and what a token may carry at most.
//
// It knows nothing of Kubernetes: kubestore fills in Client values from Integrations and Secrets. The packages clientauth and grants
// authenticate requests against them. It counts no attempts and bounds no work: its callers do.
package clients
