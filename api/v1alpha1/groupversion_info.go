// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the API group and version of every type of this package.
	GroupVersion = schema.GroupVersion{Group: "integration-operator.io", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the types of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Integration{}, &IntegrationList{}, &TokenSession{}, &TokenSessionList{}, &TokenRevocation{}, &TokenRevocationList{},
		&IntegrationPolicy{}, &IntegrationPolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
