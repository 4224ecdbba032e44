// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package permit decides what an Integration may have of what it asks for. It is pure: the controller gathers the input and
// writes the result to status.granted, which is all that the token server enforces.
package permit

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Grant returns what the Integration may have. An Integration that names no audience gets tokens for the issuer itself.
func Grant(intg *v1alpha1.Integration, issuer string) *v1alpha1.Granted {
	audiences := intg.Spec.Audiences
	if len(audiences) == 0 {
		audiences = []string{issuer}
	}
	granted := &v1alpha1.Granted{
		GrantTypes:       slices.Clone(intg.Spec.GrantTypes),
		DefaultScopes:    slices.Clone(intg.Spec.Scopes),
		SigningAlgorithm: intg.SigningAlgorithm(),
		Lifetime:         metav1.Duration{Duration: intg.TokenLifetime()},
	}
	for _, audience := range audiences {
		granted.Access = append(granted.Access, v1alpha1.Access{Audience: audience, Scopes: slices.Clone(intg.Spec.Scopes)})
	}
	if intg.Spec.DefaultScopes != nil {
		granted.DefaultScopes = slices.Clone(*intg.Spec.DefaultScopes)
	}
	return granted
}
