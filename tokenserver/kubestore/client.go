// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// newClient builds the client of a record that has a claim. The keys that a client proves itself with come from spec, and so does what
// users register security keys with, as they give nobody more than the client and its users have.
func (x *clientIndex) newClient(r *record) *clients.Client {
	i := r.integration
	c := grantedTo(i)
	c.Users = x.users(i.Namespace, i.Name, i.Status.Granted.Users)
	if c.Accepts(clients.MethodClientSecret) {
		c.Secrets, c.RotatedAt = secretsOf(r.credentials, i)
	}
	c.Lasting = lastingToken(c, r.credentials, i)
	if magento := i.Spec.Magento; c.Profile == clients.ProfileMagento && magento != nil && magento.SecurityKeys != nil {
		c.RelyingParty = &clients.RelyingParty{ID: magento.SecurityKeys.RelyingPartyID, Origins: magento.SecurityKeys.Origins}
	}
	if c.Accepts(clients.MethodPrivateKeyJWT) {
		if c.AssertionKeys = r.assertionKeys; i.Spec.Credentials.JWKS == nil {
			c.JWKSURI = i.Spec.Credentials.JWKSURI
		}
	}
	return c
}

// ClientOf returns the client of an Integration as a Store has it, but for what it proves itself with and for its users: enough to make
// and to judge tokens that it would get for itself. It reads nothing but the Integration. It returns false for an Integration that no
// Store has a client of: what status.clientID and status.granted say is not complete, or not for it.
func ClientOf(i *v1alpha1.Integration) (*clients.Client, bool) {
	if claimOf(i) == "" {
		return nil, false
	}
	return grantedTo(i), true
}

// grantedTo returns the part of a client that the Integration alone decides. All limits come from status.granted. Of spec it believes,
// without the controllers, what takes away and is meant to work at once: suspend and revokeTokensIssuedBefore. Lists are shared with the
// informer's object.
func grantedTo(i *v1alpha1.Integration) *clients.Client {
	granted := i.Status.Granted
	c := &clients.Client{
		ID:        i.Status.ClientID,
		Namespace: i.Namespace, Name: i.Name, UID: string(i.UID),
		Profile:               profileOf(granted.Profile),
		Suspended:             i.Spec.Suspend,
		Methods:               methodsOf(granted),
		GrantTypes:            grantTypesOf(granted),
		DefaultScopes:         granted.DefaultScopes,
		SigningAlgorithm:      string(granted.SigningAlgorithm),
		Opaque:                granted.TokenFormat == v1alpha1.TokenFormatOpaque,
		TokenLifetime:         granted.Lifetime.Duration,
		IntrospectedAudiences: granted.IntrospectedAudiences,
		UserKind:              userKindOf(granted.Application),
		UserLifetimes:         userLifetimesOf(granted),
		Application:           string(granted.Application),
		Guests:                granted.Guests && granted.Application == v1alpha1.OroCommerceStorefront,
	}
	for _, before := range []*metav1.Time{i.Spec.RevokeTokensIssuedBefore, i.Status.TokensRevokedBefore} {
		if before != nil && before.After(c.RevokedBefore) {
			c.RevokedBefore = before.UTC().Truncate(time.Second)
		}
	}
	if granted.RefreshLifetime != nil {
		c.RefreshLifetime = granted.RefreshLifetime.Duration
	}
	for _, access := range granted.Access {
		c.Access = append(c.Access, clients.Access{Audience: access.Audience, Scopes: access.Scopes})
	}
	return c
}

// profileOf returns the profile of a client. None is plain OAuth 2: so are a spec and a status from before there was a choice.
func profileOf(p v1alpha1.Profile) clients.Profile {
	if p == v1alpha1.ProfileOAuth2 {
		return clients.ProfileOAuth2
	}
	return clients.Profile(p)
}

// userKindOf returns the only kind of users that may log in to an application; none where there are no applications.
func userKindOf(application v1alpha1.OroCommerceApplication) string {
	switch application {
	case v1alpha1.OroCommerceBackOffice:
		return clients.KindAdmin
	case v1alpha1.OroCommerceStorefront:
		return clients.KindCustomer
	default:
		return ""
	}
}

// userLifetimesOf returns how long the access tokens of users are good for, by their kind, and nil where that is the same for all.
func userLifetimesOf(granted *v1alpha1.Granted) map[string]time.Duration {
	if len(granted.UserLifetimes) == 0 {
		return nil
	}
	lifetimes := make(map[string]time.Duration, len(granted.UserLifetimes))
	for _, l := range granted.UserLifetimes {
		lifetimes[string(l.Kind)] = l.Lifetime.Duration
	}
	return lifetimes
}

// methodsOf returns how a client may prove who it is.
func methodsOf(granted *v1alpha1.Granted) []clients.Method {
	methods := make([]clients.Method, 0, len(granted.CredentialMethods))
	for _, m := range granted.Methods() {
		methods = append(methods, clients.Method(m))
	}
	return methods
}

// grantTypesOf returns the grants that a client may use. Without a lifetime there are no refresh tokens to be had.
func grantTypesOf(granted *v1alpha1.Granted) []string {
	var grantTypes []string
	for _, g := range granted.GrantTypes {
		if g == v1alpha1.GrantTypeRefreshToken && (granted.RefreshLifetime == nil || granted.RefreshLifetime.Duration <= 0) {
			continue
		}
		grantTypes = append(grantTypes, string(g))
	}
	return grantTypes
}

// users returns the users among granted who can log in to an Integration now. A name that two Secrets have is ambiguous, and belongs
// to neither: whoever can write one Secret must not decide which password counts for the other's user. The controllers report it.
func (x *clientIndex) users(namespace, integration string, granted []v1alpha1.User) map[string]*clients.User {
	if len(granted) == 0 {
		return nil
	}
	users := make(map[string]*clients.User, len(granted))
	var ambiguous []string
	for i := range granted {
		l, ok := x.logins[types.NamespacedName{Namespace: namespace, Name: granted[i].SecretRef.Name}]
		if !ok || !l.consents(integration) {
			continue
		}
		u := &clients.User{Name: l.Username, Kind: string(granted[i].Kind), Password: l.Password, TOTP: l.TOTP, SecurityKeys: l.securityKeys()}
		if u.Kind == "" {
			u.Kind = string(v1alpha1.UserKindCustomer)
		}
		if scopes := granted[i].Scopes; scopes != nil {
			u.Limited, u.Scopes = true, *scopes
		}
		if _, taken := users[u.Name]; taken {
			ambiguous = append(ambiguous, u.Name)
		}
		users[u.Name] = u
	}
	for _, name := range ambiguous {
		delete(users, name)
	}
	return users
}
