// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A Result is what policies make of what an Integration asks for.
type Result struct {
	// Granted is what the Integration may have. It is never nil; where that is nothing a client could use it has no access and no
	// signing algorithm.
	Granted *v1alpha1.Granted
	// ClientIDDenied says that no policy allows the client ID that spec.clientID claims. The Integration must not own it.
	ClientIDDenied bool
	// Reason and Message are those of the condition Permitted: v1alpha1.ReasonPermitted, ReasonNoPolicy or ReasonNotPermitted.
	Reason, Message string
}

// Usable reports whether a client can get tokens by what is granted. The zero Result is not usable.
func (r Result) Usable() bool { return r.Granted != nil && len(r.Granted.Access) > 0 }

// Grant returns what the Integration may have by the policies for its namespace, which come in the order in which a message is to name
// them. An Integration that names no audience gets tokens for the issuer itself, if that is allowed. The result shares no memory with
// what comes in and depends on nothing else.
func Grant(intg *v1alpha1.Integration, policies []*v1alpha1.IntegrationPolicy, issuer string) Result {
	a := &assessment{intg: intg, spec: intg.Spec.DeepCopy(), allows: allowing(intg.Spec.Profile, policies)}
	a.granted = &v1alpha1.Granted{
		Profile:          intg.Spec.Profile,
		Application:      intg.Application(),
		SigningAlgorithm: intg.SigningAlgorithm(),
		TokenFormat:      cmp.Or(a.spec.Token.Format, v1alpha1.TokenFormatJWT),
	}
	clientIDDenied := !MayClaim(intg, policies)
	switch {
	case len(policies) == 0: // There is nothing to tell apart.
	case len(a.allows) == 0:
		a.deny("profile %s", a.spec.Profile)
	default:
		if clientIDDenied {
			a.deny("client ID %s", a.spec.ClientID)
		}
		a.assess(issuer)
	}
	if g := a.granted; clientIDDenied || len(g.GrantTypes) == 0 || len(g.CredentialMethods) == 0 || g.Lifetime.Duration == 0 {
		g.Access = nil
	}
	if len(a.granted.Access) == 0 {
		a.granted.SigningAlgorithm, a.granted.AccessTokenDelivery = "", false
		a.granted.Guests, a.granted.Bearer = false, false
	}
	reason, message := a.verdict(policies)
	return Result{Granted: a.granted, ClientIDDenied: clientIDDenied, Reason: reason, Message: message}
}

// MayClaim reports whether the policies for its namespace let the Integration have the client ID that it wants. The one that follows from
// its namespace and name needs nobody's permission.
func MayClaim(intg *v1alpha1.Integration, policies []*v1alpha1.IntegrationPolicy) bool {
	wanted := intg.WantedClientID()
	return wanted == intg.DerivedClientID() || slices.ContainsFunc(allowing(intg.Spec.Profile, policies), func(a *v1alpha1.Allowance) bool {
		return matchesAny(a.ClientIDs, wanted)
	})
}

// allowing returns what the policies that know the profile allow. The others say nothing about the Integration.
func allowing(profile v1alpha1.Profile, policies []*v1alpha1.IntegrationPolicy) []*v1alpha1.Allowance {
	var found []*v1alpha1.Allowance
	for _, policy := range policies {
		if slices.Contains(policy.Spec.Allow.Profiles, profile) {
			found = append(found, &policy.Spec.Allow)
		}
	}
	return found
}

// An assessment is one Integration's request on its way through the policies.
type assessment struct {
	intg *v1alpha1.Integration
	// spec is a copy, so that what is granted may be made of its parts.
	spec     *v1alpha1.IntegrationSpec
	allows   []*v1alpha1.Allowance
	granted  *v1alpha1.Granted
	problems []string
}

// assess fills in what is granted and notes what is not.
func (a *assessment) assess(issuer string) {
	a.assessMethods()
	a.assessGrantTypes()
	a.assessProfile()
	a.assessLifetime()
	a.assessAccess(issuer)
	a.assessResourceServer()
	a.assessDelivery()
	a.cutScopes()
}

// anyAllows reports whether one of the policies allows something.
func (a *assessment) anyAllows(allows func(*v1alpha1.Allowance) bool) bool {
	return slices.ContainsFunc(a.allows, allows)
}

func (a *assessment) assessMethods() {
	for _, method := range a.intg.CredentialMethods() {
		if a.anyAllows(func(p *v1alpha1.Allowance) bool { return slices.Contains(p.CredentialMethods, method) }) {
			a.granted.CredentialMethods = append(a.granted.CredentialMethods, method)
		} else {
			a.deny("credential method %s", method)
		}
	}
}

// assessGrantTypes comes after assessMethods. A grant that could not be used by what else is granted is left out: client_credentials for a
// client that cannot prove who it is (RFC 6749 section 4.4), password where logins are those of a public client and there is to be none, and
// refresh_token without the logins that give out refresh tokens.
func (a *assessment) assessGrantTypes() {
	var allowed []v1alpha1.GrantType
	for _, grant := range a.spec.GrantTypes {
		if a.anyAllows(func(p *v1alpha1.Allowance) bool { return slices.Contains(p.GrantTypes, grant) }) {
			allowed = append(allowed, grant)
		} else {
			a.deny("grant type %s", grant)
		}
	}
	proves := slices.ContainsFunc(a.granted.CredentialMethods, func(m v1alpha1.CredentialMethod) bool {
		return m != v1alpha1.CredentialMethodNone
	})
	public := slices.Contains(a.granted.CredentialMethods, v1alpha1.CredentialMethodNone)
	logins := slices.Contains(allowed, v1alpha1.GrantTypePassword) && (public || !a.spec.Profile.LoginsWithoutClient())
	for _, grant := range allowed {
		switch grant {
		case v1alpha1.GrantTypeClientCredentials:
			if !proves {
				continue
			}
		case v1alpha1.GrantTypePassword:
			if !logins {
				continue
			}
			a.granted.Users = a.spec.Users
		case v1alpha1.GrantTypeRefreshToken:
			if !logins || !a.assessRefreshLifetime() {
				continue
			}
		}
		a.granted.GrantTypes = append(a.granted.GrantTypes, grant)
	}
}

// assessProfile comes after assessGrantTypes. What only one profile has needs no permission but that for the profile, and the grant that it
// goes by: visitors log in, and Magento's lasting token acts for the client itself.
func (a *assessment) assessProfile() {
	a.granted.Guests = a.intg.Guests() && slices.Contains(a.granted.GrantTypes, v1alpha1.GrantTypePassword)
	a.granted.Bearer = a.intg.Bearer() && slices.Contains(a.granted.GrantTypes, v1alpha1.GrantTypeClientCredentials)
}

// assessRefreshLifetime grants what refresh tokens may live, and returns false if no policy has a word on it.
func (a *assessment) assessRefreshLifetime() bool {
	most, found := a.longest(func(p *v1alpha1.Allowance) *metav1.Duration { return p.MaxRefreshLifetime })
	if !found {
		a.deny("refresh tokens, as none sets maxRefreshLifetime")
		return false
	}
	if explicit := a.spec.Token.RefreshLifetime; explicit != nil && explicit.Duration > most {
		a.deny("refresh lifetime %s, only up to %s", short(explicit.Duration), short(most))
	}
	a.granted.RefreshLifetime = &metav1.Duration{Duration: min(a.intg.RefreshLifetime(), most)}
	return true
}

// assessLifetime grants what access tokens may live. A value of the profile's is shortened without a word, as nobody asked for it.
func (a *assessment) assessLifetime() {
	most, found := a.longest(func(p *v1alpha1.Allowance) *metav1.Duration { return p.MaxTokenLifetime })
	if !found {
		a.deny("tokens of any lifetime, as none sets maxTokenLifetime")
		return
	}
	var denied []time.Duration
	for _, explicit := range a.explicitLifetimes() {
		if explicit != nil && explicit.Duration > most && !slices.Contains(denied, explicit.Duration) {
			denied = append(denied, explicit.Duration)
			a.deny("token lifetime %s, only up to %s", short(explicit.Duration), short(most))
		}
	}
	a.granted.Lifetime = metav1.Duration{Duration: min(a.intg.TokenLifetime(), most)}
	for _, user := range a.intg.UserLifetimes() {
		user.Lifetime.Duration = min(user.Lifetime.Duration, most)
		a.granted.UserLifetimes = append(a.granted.UserLifetimes, user)
	}
}

// explicitLifetimes returns what spec itself says about the lives of access tokens, with nil where it says nothing.
func (a *assessment) explicitLifetimes() []*metav1.Duration {
	return []*metav1.Duration{
		a.spec.Token.Lifetime, a.intg.ExplicitUserLifetime(v1alpha1.UserKindAdmin), a.intg.ExplicitUserLifetime(v1alpha1.UserKindCustomer),
	}
}

// longest returns the longest duration that a policy sets, and false if none sets one.
func (a *assessment) longest(of func(*v1alpha1.Allowance) *metav1.Duration) (most time.Duration, found bool) {
	for _, allowance := range a.allows {
		if d := of(allowance); d != nil {
			most, found = max(most, d.Duration), true
		}
	}
	return most, found
}

// assessAccess grants audiences, each with the scopes that are allowed together with it.
func (a *assessment) assessAccess(issuer string) {
	audiences := a.spec.Audiences
	if len(audiences) == 0 {
		audiences = []string{issuer}
	}
	// deniedFor lists, by scope, the granted audiences that it is not granted for.
	deniedFor := map[string][]string{}
	for _, audience := range audiences {
		var allows []*v1alpha1.Allowance
		for _, allowance := range a.allows {
			if matchesAny(allowance.Audiences, audience) {
				allows = append(allows, allowance)
			}
		}
		if len(allows) == 0 {
			if len(a.spec.Audiences) == 0 {
				a.deny("audience %s, which stands in as spec.audiences names none", audience)
			} else {
				a.deny("audience %s", audience)
			}
			continue
		}
		access := v1alpha1.Access{Audience: audience}
		for _, scope := range a.spec.Scopes {
			if slices.ContainsFunc(allows, func(p *v1alpha1.Allowance) bool { return matchesAny(p.Scopes, scope) }) {
				access.Scopes = append(access.Scopes, scope)
			} else {
				deniedFor[scope] = append(deniedFor[scope], audience)
			}
		}
		a.granted.Access = append(a.granted.Access, access)
	}
	for _, scope := range a.spec.Scopes {
		denied := deniedFor[scope]
		if len(denied) > 1 && len(denied) == len(a.granted.Access) {
			a.deny("scope %s for any of the audiences", scope)
			continue
		}
		for _, audience := range denied {
			a.deny("scope %s for audience %s", scope, audience)
		}
	}
}

func (a *assessment) assessResourceServer() {
	if a.spec.ResourceServer == nil {
		return
	}
	for _, audience := range a.spec.ResourceServer.Audiences {
		if a.anyAllows(func(p *v1alpha1.Allowance) bool { return matchesAny(p.ResourceServerAudiences, audience) }) {
			a.granted.IntrospectedAudiences = append(a.granted.IntrospectedAudiences, audience)
		} else {
			a.deny("resource server audience %s", audience)
		}
	}
}

func (a *assessment) assessDelivery() {
	if len(a.spec.Secret.AccessTokens) == 0 {
		return
	}
	if !a.anyAllows(func(p *v1alpha1.Allowance) bool { return p.AccessTokenDelivery }) {
		a.deny("access tokens in the Secret (accessTokenDelivery)")
		return
	}
	a.granted.AccessTokenDelivery = slices.Contains(a.granted.GrantTypes, v1alpha1.GrantTypeClientCredentials)
}

// cutScopes leaves of the default scopes and of the users' scopes what is granted for an audience at least.
func (a *assessment) cutScopes() {
	refused := func(scope string) bool {
		return !slices.ContainsFunc(a.granted.Access, func(access v1alpha1.Access) bool { return slices.Contains(access.Scopes, scope) })
	}
	a.granted.DefaultScopes = slices.DeleteFunc(slices.Clone(a.intg.DefaultScopes()), refused)
	for _, user := range a.granted.Users {
		if user.Scopes != nil {
			*user.Scopes = slices.DeleteFunc(*user.Scopes, refused)
		}
	}
}
