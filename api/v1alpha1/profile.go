// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// ProfileDefaults are the values that spec leaves to the profile. The schema cannot hold them, as they depend on another
// field.
type ProfileDefaults struct {
	SigningAlgorithm SigningAlgorithm
	TokenLifetime    time.Duration
}

// Defaults returns what the profile decides where spec is silent.
func (p Profile) Defaults() ProfileDefaults {
	return ProfileDefaults{SigningAlgorithm: SigningAlgorithmES256, TokenLifetime: 10 * time.Minute}
}

// SigningAlgorithm returns the algorithm that signs the Integration's tokens: spec's or its profile's.
func (i *Integration) SigningAlgorithm() SigningAlgorithm {
	if i.Spec.Token.SigningAlgorithm != "" {
		return i.Spec.Token.SigningAlgorithm
	}
	return i.Spec.Profile.Defaults().SigningAlgorithm
}

// TokenLifetime returns how long the Integration's access tokens live: spec's value or its profile's.
func (i *Integration) TokenLifetime() time.Duration {
	if i.Spec.Token.Lifetime != nil {
		return i.Spec.Token.Lifetime.Duration
	}
	return i.Spec.Profile.Defaults().TokenLifetime
}

// SecretName returns the name of the Secret that the Integration generates.
func (i *Integration) SecretName() string {
	if i.Spec.Secret.Name != "" {
		return i.Spec.Secret.Name
	}
	return i.Name
}
