// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package permit decides what an Integration may have of what it asks for. It is pure: the controller gathers the input and
// writes the result to status.granted, which is all that the token server enforces.
package permit

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Grant returns what the Integration may have. An Integration that names no audience gets tokens for the issuer itself. The result
// shares no memory with spec.
func Grant(intg *v1alpha1.Integration, issuer string) *v1alpha1.Granted {
	spec := intg.Spec.DeepCopy()
	audiences := spec.Audiences
	if len(audiences) == 0 {
		audiences = []string{issuer}
	}
	granted := &v1alpha1.Granted{
		GrantTypes:        spec.GrantTypes,
		DefaultScopes:     slices.Clone(spec.Scopes),
		SigningAlgorithm:  intg.SigningAlgorithm(),
		TokenFormat:       cmp.Or(spec.Token.Format, v1alpha1.TokenFormatJWT),
		Lifetime:          metav1.Duration{Duration: intg.TokenLifetime()},
		CredentialMethods: slices.Clone(intg.CredentialMethods()),
		Users:             spec.Users,
	}
	for _, audience := range audiences {
		granted.Access = append(granted.Access, v1alpha1.Access{Audience: audience, Scopes: slices.Clone(spec.Scopes)})
	}
	if spec.DefaultScopes != nil {
		granted.DefaultScopes = *spec.DefaultScopes
	}
	if slices.Contains(spec.GrantTypes, v1alpha1.GrantTypeRefreshToken) {
		granted.RefreshLifetime = &metav1.Duration{Duration: intg.RefreshLifetime()}
	}
	if spec.ResourceServer != nil {
		granted.IntrospectedAudiences = spec.ResourceServer.Audiences
	}
	return granted
}
