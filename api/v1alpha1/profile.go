// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProfileDefaults are the values that spec leaves to the profile. The schema cannot hold them, as they depend on another
// field.
type ProfileDefaults struct {
	SigningAlgorithm SigningAlgorithm
	// TokenLifetime is unset where the lifetimes of a user's tokens go by the user's kind.
	TokenLifetime   time.Duration
	RefreshLifetime time.Duration
	// UserLifetimes are how long access tokens of users live, by their kind; nil where all live for the same time.
	UserLifetimes map[UserKind]time.Duration
	// ReadOnly says that a client that asks for no scope gets none, rather than all of spec.scopes.
	ReadOnly bool
}

// Defaults returns what the profile decides where spec is silent.
func (p Profile) Defaults() ProfileDefaults {
	switch p {
	case ProfileShopware:
		return ProfileDefaults{
			SigningAlgorithm: SigningAlgorithmRS256, TokenLifetime: 10 * time.Minute, RefreshLifetime: 168 * time.Hour, ReadOnly: true,
		}
	case ProfileOroCommerce:
		return ProfileDefaults{SigningAlgorithm: SigningAlgorithmRS256, TokenLifetime: time.Hour, RefreshLifetime: 720 * time.Hour}
	case ProfileMagento:
		return ProfileDefaults{
			SigningAlgorithm: SigningAlgorithmES256,
			UserLifetimes:    map[UserKind]time.Duration{UserKindAdmin: 4 * time.Hour, UserKindCustomer: time.Hour},
		}
	default:
		return ProfileDefaults{SigningAlgorithm: SigningAlgorithmES256, TokenLifetime: 10 * time.Minute, RefreshLifetime: 168 * time.Hour}
	}
}

// SigningAlgorithm returns the algorithm that signs the Integration's tokens: spec's or its profile's.
func (i *Integration) SigningAlgorithm() SigningAlgorithm {
	if i.Spec.Token.SigningAlgorithm != "" {
		return i.Spec.Token.SigningAlgorithm
	}
	return i.Spec.Profile.Defaults().SigningAlgorithm
}

// TokenLifetime returns how long the Integration's access tokens live: spec's value or its profile's. Where it goes by the users' kinds, it
// is the longest of UserLifetimes.
func (i *Integration) TokenLifetime() time.Duration {
	if i.Spec.Token.Lifetime != nil {
		return i.Spec.Token.Lifetime.Duration
	}
	lifetime := i.Spec.Profile.Defaults().TokenLifetime
	for _, user := range i.UserLifetimes() {
		lifetime = max(lifetime, user.Lifetime.Duration)
	}
	return lifetime
}

// UserLifetimes returns how long access tokens of users live where that goes by the users' kinds: spec's values or the profile's, and
// nothing where all live for the same time.
func (i *Integration) UserLifetimes() []UserLifetime {
	defaults := i.Spec.Profile.Defaults().UserLifetimes
	if defaults == nil {
		return nil
	}
	lifetimes := make([]UserLifetime, 0, len(defaults))
	for _, kind := range []UserKind{UserKindAdmin, UserKindCustomer} {
		lifetime := metav1.Duration{Duration: defaults[kind]}
		if explicit := i.ExplicitUserLifetime(kind); explicit != nil {
			lifetime = *explicit
		}
		lifetimes = append(lifetimes, UserLifetime{Kind: kind, Lifetime: lifetime})
	}
	return lifetimes
}

// ExplicitUserLifetime returns how long spec says that access tokens of a kind of users live; nil where it is silent.
func (i *Integration) ExplicitUserLifetime(kind UserKind) *metav1.Duration {
	switch magento := i.Spec.Magento; {
	case magento == nil:
		return nil
	case kind == UserKindAdmin:
		return magento.AdminTokenLifetime
	default:
		return magento.CustomerTokenLifetime
	}
}

// DefaultScopes returns what the Integration's client is to get when it asks for no scope: spec's, or else all of spec.scopes, or none if
// the profile is read-only unless asked.
func (i *Integration) DefaultScopes() []string {
	switch {
	case i.Spec.DefaultScopes != nil:
		return *i.Spec.DefaultScopes
	case i.Spec.Profile.Defaults().ReadOnly:
		return nil
	default:
		return i.Spec.Scopes
	}
}

// Application returns which of OroCommerce's applications the Integration's tokens are for; none in another profile.
func (i *Integration) Application() OroCommerceApplication {
	switch {
	case i.Spec.Profile != ProfileOroCommerce:
		return ""
	case i.Spec.OroCommerce == nil || i.Spec.OroCommerce.Application == "":
		return OroCommerceBackOffice
	default:
		return i.Spec.OroCommerce.Application
	}
}

// Guests reports whether visitors may log in.
func (i *Integration) Guests() bool {
	return i.Spec.OroCommerce != nil && i.Spec.OroCommerce.Guests == PermissionAllowed
}

// Bearer reports whether the lasting token is to count as a bearer token.
func (i *Integration) Bearer() bool {
	return i.Spec.Magento != nil && i.Spec.Magento.Bearer == PermissionAllowed
}

// LoginsWithoutClient reports whether users of the profile log in without a client that proves who it is, so that the grant password is
// that of a public client.
func (p Profile) LoginsWithoutClient() bool {
	return p == ProfileShopware || p == ProfileMagento
}

// Endpoints returns the URLs of the token server with the given issuer URL, which has no trailing slash, as the Integration's clients see
// them.
func (i *Integration) Endpoints(issuer string) *Endpoints {
	endpoints := EndpointsOf(issuer)
	if i.Spec.Profile == ProfileOAuth2 || i.Spec.Profile == "" {
		return endpoints
	}
	endpoints.Base = issuer + PathIntegrations + i.Namespace + "/" + i.Name
	switch i.Spec.Profile {
	case ProfileShopware:
		endpoints.Token = endpoints.Base + PathShopwareToken
	case ProfileOroCommerce:
		endpoints.Token = issuer + PathOroCommerceToken
	case ProfileMagento:
		endpoints.Token = endpoints.Base + PathMagentoAdminToken
	case ProfileOAuth2:
	}
	return endpoints
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
	return keyAlgorithms(i.Spec.Profile, i.SigningAlgorithm(), i.Spec.Token.Format, i.Spec.GrantTypes)
}

// KeyAlgorithms returns the algorithms that need a key for what was granted; none for nil.
func (g *Granted) KeyAlgorithms() []SigningAlgorithm {
	if g == nil || g.SigningAlgorithm == "" {
		return nil
	}
	return keyAlgorithms(g.Profile, g.SigningAlgorithm, g.TokenFormat, g.GrantTypes)
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

// Seals reports whether what the grant gives out needs a key for KeyAlgorithmA256GCM: refresh tokens, and the sessions that logins of the
// profile Magento are, although they have no refresh tokens.
func (p Profile) Seals(grant GrantType) bool {
	return grant == GrantTypeRefreshToken || p == ProfileMagento && grant == GrantTypePassword
}

func keyAlgorithms(profile Profile, signing SigningAlgorithm, format TokenFormat, grantTypes []GrantType) []SigningAlgorithm {
	algorithms := []SigningAlgorithm{signing}
	if format == TokenFormatOpaque || slices.ContainsFunc(grantTypes, profile.Seals) {
		algorithms = append(algorithms, KeyAlgorithmA256GCM)
	}
	return algorithms
}
