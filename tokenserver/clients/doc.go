// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clients holds what the token server knows of a client, and decides whether a presented secret is the client's.
//
// It knows nothing of Kubernetes: kubestore fills in Client values from Integrations and Secrets, and the grants package
// authenticates requests against them.
package clients
