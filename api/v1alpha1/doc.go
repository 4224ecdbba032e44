// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the integration-operator.io/v1alpha1 API: the types that users apply, the conditions that they read,
// and the labels, keys and rules in which the two halves of the operator meet.
//
// It owns the schema (types), the condition types and reasons (conditions.go), the names inside the Secrets
// (wellknown.go), what a profile decides (profile.go) and who owns a client ID (clientid.go). It holds no behaviour that
// needs a cluster and imports apimachinery only, so that anybody can import it.
//
// +kubebuilder:object:generate=true
// +groupName=integration-operator.io
package v1alpha1
