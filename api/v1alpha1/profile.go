// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"slices"
	"time"
)

// ProfileDefaults are the values that spec leaves to the profile. The schema cannot hold them, as they depend on another
// field.
type ProfileDefaults struct {
	SigningAlgorithm SigningAlgorithm
	TokenLifetime    time.Duration
	RefreshLifetime  time.Duration
}

// Defaults returns what the profile decides where spec is silent.
func (p Profile) Defaults() ProfileDefaults {
	return ProfileDefaults{SigningAlgorithm: SigningAlgorithmES256, TokenLifetime: 10 * time.Minute, RefreshLifetime: 168 * time.Hour}
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

// RefreshLifetime returns how long the Integration's refresh tokens live: spec's value or its profile's, and no less than an access
// token.
func (i *Integration) RefreshLifetime() time.Duration {
	if i.Spec.Token.RefreshLifetime != nil {
		return i.Spec.Token.RefreshLifetime.Duration
	}
	return max(i.Spec.Profile.Defaults().RefreshLifetime, i.TokenLifetime())
}

// CredentialMethods returns the ways in which the Integration's client may prove who it is: spec's, or the client secret.
func (i *Integration) CredentialMethods() []CredentialMethod {
	if len(i.Spec.Credentials.Methods) == 0 {
		return []CredentialMethod{CredentialMethodClientSecret}
	}
	return i.Spec.Credentials.Methods
}

// KeyAlgorithms returns the algorithms that need a key for the Integration to get the tokens that it asks for.
func (i *Integration) KeyAlgorithms() []SigningAlgorithm {
	return keyAlgorithms(i.SigningAlgorithm(), i.Spec.Token.Format, i.Spec.GrantTypes)
}

// KeyAlgorithms returns the algorithms that need a key for what was granted; none for nil.
func (g *Granted) KeyAlgorithms() []SigningAlgorithm {
	if g == nil || g.SigningAlgorithm == "" {
		return nil
	}
	return keyAlgorithms(g.SigningAlgorithm, g.TokenFormat, g.GrantTypes)
}

// Methods returns how the client may prove who it is. A status from before there was a choice grants the client secret; it is told by the
// token's format, which it lacks and which is always written together with the methods. Otherwise none is none. A nil Granted has none.
func (g *Granted) Methods() []CredentialMethod {
	switch {
	case g == nil:
		return nil
	case g.TokenFormat == "" && len(g.CredentialMethods) == 0:
		return []CredentialMethod{CredentialMethodClientSecret}
	default:
		return g.CredentialMethods
	}
}

func keyAlgorithms(signing SigningAlgorithm, format TokenFormat, grantTypes []GrantType) []SigningAlgorithm {
	algorithms := []SigningAlgorithm{signing}
	if format == TokenFormatOpaque || slices.Contains(grantTypes, GrantTypeRefreshToken) {
		algorithms = append(algorithms, KeyAlgorithmA256GCM)
	}
	return algorithms
}
