// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

var (
	allGrants  = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
	allMethods = []v1alpha1.CredentialMethod{
		v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT, v1alpha1.CredentialMethodNone,
	}
	allProfiles   = []v1alpha1.Profile{v1alpha1.ProfileOAuth2, v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento}
	someScopes    = []string{"orders.read", "orders.write", "stock.read"}
	someAudiences = []string{"urn:orders", "urn:stock", issuer}
)

// some returns a random part of a list.
func some[T any](r *rand.Rand, of []T) []T {
	var chosen []T
	for _, item := range of {
		if r.IntN(2) == 0 {
			chosen = append(chosen, item)
		}
	}
	return chosen
}

func somePolicy(r *rand.Rand, name string) *v1alpha1.IntegrationPolicy {
	lifetime := func() *metav1.Duration {
		if r.IntN(4) == 0 {
			return nil
		}
		return &metav1.Duration{Duration: time.Duration(1+r.IntN(90)) * time.Minute}
	}
	policy := &v1alpha1.IntegrationPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.Allow = v1alpha1.Allowance{
		GrantTypes: some(r, allGrants), CredentialMethods: some(r, allMethods),
		Scopes:                  some(r, []v1alpha1.Pattern{"orders.*", "*.read", "stock.read", "stok.read", "**", ""}),
		Audiences:               some(r, []v1alpha1.Pattern{"urn:orders", "urn:*", "https://*", "https//*"}),
		ResourceServerAudiences: some(r, []v1alpha1.Pattern{"urn:orders", "*:stock"}),
		ClientIDs:               some(r, []v1alpha1.Pattern{"legacy-*"}),
		MaxTokenLifetime:        lifetime(), MaxRefreshLifetime: lifetime(), AccessTokenDelivery: r.IntN(2) == 0,
	}
	if r.IntN(5) > 0 {
		policy.Spec.Allow.Profiles = allProfiles
	}
	return policy
}

func someIntegration(r *rand.Rand) *v1alpha1.Integration {
	intg := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sync"}}
	intg.Spec = v1alpha1.IntegrationSpec{
		Profile: allProfiles[r.IntN(len(allProfiles))], GrantTypes: some(r, allGrants), Scopes: some(r, someScopes), Audiences: some(r, someAudiences),
		Credentials:    v1alpha1.CredentialsSpec{Methods: some(r, allMethods)},
		ResourceServer: &v1alpha1.ResourceServer{Audiences: some(r, someAudiences)},
	}
	if r.IntN(3) == 0 {
		intg.Spec.ClientID = "legacy-sync"
	}
	ofProfile(r, &intg.Spec)
	if r.IntN(2) == 0 && intg.Spec.Profile != v1alpha1.ProfileMagento {
		intg.Spec.Token.Lifetime = &metav1.Duration{Duration: time.Duration(1+r.IntN(90)) * time.Minute}
	}
	if r.IntN(2) == 0 {
		defaults := some(r, intg.Spec.Scopes)
		intg.Spec.DefaultScopes = &defaults
	}
	if r.IntN(2) == 0 {
		intg.Spec.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "token"}}
	}
	for i := range r.IntN(3) {
		user := v1alpha1.User{SecretRef: v1alpha1.SecretReference{Name: fmt.Sprint(i)}}
		if r.IntN(2) == 0 {
			scopes := some(r, intg.Spec.Scopes)
			user.Scopes = &scopes
		}
		intg.Spec.Users = append(intg.Spec.Users, user)
	}
	return intg
}

// ofProfile fills in what only the profile has.
func ofProfile(r *rand.Rand, spec *v1alpha1.IntegrationSpec) {
	permission := func() v1alpha1.Permission {
		return []v1alpha1.Permission{v1alpha1.PermissionAllowed, v1alpha1.PermissionDenied}[r.IntN(2)]
	}
	switch {
	case r.IntN(3) == 0:
	case spec.Profile == v1alpha1.ProfileOroCommerce:
		spec.OroCommerce = &v1alpha1.OroCommerceSpec{Application: v1alpha1.OroCommerceStorefront, Guests: permission()}
	case spec.Profile == v1alpha1.ProfileMagento:
		spec.Magento = &v1alpha1.MagentoSpec{
			Bearer: permission(), AdminTokenLifetime: &metav1.Duration{Duration: time.Duration(1+r.IntN(90)) * time.Minute},
		}
	}
}

// within reports whether all that g grants is in more as well.
func within(g, more *v1alpha1.Granted) error {
	for _, access := range g.Access {
		at := slices.IndexFunc(more.Access, func(a v1alpha1.Access) bool { return a.Audience == access.Audience })
		if at < 0 || !subset(access.Scopes, more.Access[at].Scopes) {
			return fmt.Errorf("access to %s with %q", access.Audience, access.Scopes)
		}
	}
	switch {
	case !subset(g.GrantTypes, more.GrantTypes):
		return fmt.Errorf("grant types %q", g.GrantTypes)
	case !subset(g.CredentialMethods, more.CredentialMethods):
		return fmt.Errorf("methods %q", g.CredentialMethods)
	case !subset(g.DefaultScopes, more.DefaultScopes):
		return fmt.Errorf("default scopes %q", g.DefaultScopes)
	case !subset(g.IntrospectedAudiences, more.IntrospectedAudiences):
		return fmt.Errorf("introspected audiences %q", g.IntrospectedAudiences)
	case g.Lifetime.Duration > more.Lifetime.Duration:
		return fmt.Errorf("lifetime %s", g.Lifetime.Duration)
	case g.RefreshLifetime != nil && (more.RefreshLifetime == nil || g.RefreshLifetime.Duration > more.RefreshLifetime.Duration):
		return fmt.Errorf("refresh lifetime %s", g.RefreshLifetime.Duration)
	case g.Guests && !more.Guests:
		return fmt.Errorf("guests")
	case g.Bearer && !more.Bearer:
		return fmt.Errorf("bearer tokens")
	case g.AccessTokenDelivery && !more.AccessTokenDelivery:
		return fmt.Errorf("access token delivery")
	case len(g.Users) > len(more.Users):
		return fmt.Errorf("%d users", len(g.Users))
	}
	for i := range g.Users {
		if g.Users[i].Scopes != nil && !subset(*g.Users[i].Scopes, *more.Users[i].Scopes) {
			return fmt.Errorf("scopes of user %d", i)
		}
	}
	for i, user := range g.UserLifetimes {
		if len(more.UserLifetimes) != len(g.UserLifetimes) || user.Lifetime.Duration > more.UserLifetimes[i].Lifetime.Duration {
			return fmt.Errorf("lifetime %s of tokens of kind %s", user.Lifetime.Duration, user.Kind)
		}
	}
	return nil
}

func subset[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(item T) bool { return !slices.Contains(whole, item) })
}

func TestPoliciesAddUp(t *testing.T) {
	const rounds = 20_000
	usable, permitted := 0, 0
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 4))
		intg, policies := someIntegration(r), []*v1alpha1.IntegrationPolicy{}
		for i := range r.IntN(4) {
			policies = append(policies, somePolicy(r, fmt.Sprint(i)))
		}
		before := permit.Grant(intg, policies, issuer)
		if before.Usable() {
			usable++
		}
		if before.Reason == v1alpha1.ReasonPermitted {
			permitted++
		}
		if diff := cmp.Diff(before, permit.Grant(intg, policies, issuer)); diff != "" {
			t.Fatalf("seed %d: the same input gives another result (-first +second):\n%s", seed, diff)
		}

		more := append(slices.Clone(policies), somePolicy(r, "one-more"))
		after := permit.Grant(intg, more, issuer)
		if err := within(before.Granted, after.Granted); err != nil {
			t.Fatalf("seed %d: a further policy takes away %v", seed, err)
		}
		if before.Reason == v1alpha1.ReasonPermitted && after.Reason != v1alpha1.ReasonPermitted {
			t.Fatalf("seed %d: a further policy denies: %s", seed, after.Message)
		}
		if !before.ClientIDDenied && after.ClientIDDenied {
			t.Fatalf("seed %d: a further policy denies the client ID", seed)
		}
		checkNoMore(t, seed, intg, policies, before)
	}
	if usable < rounds/20 || permitted < rounds/100 || usable > rounds*19/20 {
		t.Errorf("of %d rounds %d are usable and %d permitted: the inputs try too little", rounds, usable, permitted)
	}
}

// checkNoMore checks by itself that each part of what is granted was asked for and is allowed, and that only what is usable has access.
func checkNoMore(t *testing.T, seed uint64, intg *v1alpha1.Integration, policies []*v1alpha1.IntegrationPolicy, got permit.Result) {
	t.Helper()
	one := func(allows func(v1alpha1.Allowance) bool) bool {
		return slices.ContainsFunc(policies, func(p *v1alpha1.IntegrationPolicy) bool {
			return slices.Contains(p.Spec.Allow.Profiles, intg.Spec.Profile) && allows(p.Spec.Allow)
		})
	}
	matches := func(patterns []v1alpha1.Pattern, value string) bool {
		return slices.ContainsFunc(patterns, func(p v1alpha1.Pattern) bool { return permit.Match(p, value) })
	}
	g := got.Granted
	for _, access := range g.Access {
		if !one(func(a v1alpha1.Allowance) bool { return matches(a.Audiences, access.Audience) }) {
			t.Fatalf("seed %d: audience %s is granted by nobody", seed, access.Audience)
		}
		for _, scope := range access.Scopes {
			if !slices.Contains(intg.Spec.Scopes, scope) || !one(func(a v1alpha1.Allowance) bool {
				return matches(a.Audiences, access.Audience) && matches(a.Scopes, scope)
			}) {
				t.Fatalf("seed %d: scope %s for %s is granted by no single policy", seed, scope, access.Audience)
			}
		}
	}
	for _, grant := range g.GrantTypes {
		if !slices.Contains(intg.Spec.GrantTypes, grant) || !one(func(a v1alpha1.Allowance) bool { return slices.Contains(a.GrantTypes, grant) }) {
			t.Fatalf("seed %d: grant type %s is granted by nobody", seed, grant)
		}
	}
	for _, method := range g.CredentialMethods {
		if !one(func(a v1alpha1.Allowance) bool { return slices.Contains(a.CredentialMethods, method) }) {
			t.Fatalf("seed %d: method %s is granted by nobody", seed, method)
		}
	}
	if g.Lifetime.Duration > 0 && !one(func(a v1alpha1.Allowance) bool {
		return a.MaxTokenLifetime != nil && a.MaxTokenLifetime.Duration >= g.Lifetime.Duration
	}) {
		t.Fatalf("seed %d: lifetime %s is granted by nobody", seed, g.Lifetime.Duration)
	}
	checkProfile(t, seed, intg, g)
	if got.Usable() && (len(g.GrantTypes) == 0 || len(g.CredentialMethods) == 0 || g.Lifetime.Duration <= 0 || g.SigningAlgorithm == "" || got.ClientIDDenied) {
		t.Fatalf("seed %d: there is access that nobody can use: %+v", seed, got)
	}
	if len(g.Methods()) != len(g.CredentialMethods) {
		t.Fatalf("seed %d: no method granted reads as the client secret", seed)
	}
	if len(got.Message) > 2048 || got.Message == "" {
		t.Fatalf("seed %d: the message has %d bytes", seed, len(got.Message))
	}
}

// checkProfile checks what is granted of what only some profiles have.
func checkProfile(t *testing.T, seed uint64, intg *v1alpha1.Integration, g *v1alpha1.Granted) {
	t.Helper()
	logins := slices.Contains(g.GrantTypes, v1alpha1.GrantTypePassword)
	for _, user := range g.UserLifetimes {
		if user.Lifetime.Duration > g.Lifetime.Duration {
			t.Fatalf("seed %d: tokens of kind %s live for %s, longer than any", seed, user.Kind, user.Lifetime.Duration)
		}
	}
	public := slices.Contains(g.CredentialMethods, v1alpha1.CredentialMethodNone)
	switch p := intg.Spec.Profile; {
	case g.Profile != p:
		t.Fatalf("seed %d: the profile %s becomes %s", seed, p, g.Profile)
	case logins && !public && (p == v1alpha1.ProfileShopware || p == v1alpha1.ProfileMagento):
		t.Fatalf("seed %d: users log in without a client although there is no public one", seed)
	case !logins && (len(g.Users) > 0 || slices.Contains(g.GrantTypes, v1alpha1.GrantTypeRefreshToken)):
		t.Fatalf("seed %d: there are users or refresh tokens without logins", seed)
	case g.Guests && (p != v1alpha1.ProfileOroCommerce || !logins || intg.Spec.OroCommerce.Guests != v1alpha1.PermissionAllowed):
		t.Fatalf("seed %d: guests that nobody asked for, or that cannot log in", seed)
	case g.Bearer && (p != v1alpha1.ProfileMagento || intg.Spec.Magento.Bearer != v1alpha1.PermissionAllowed):
		t.Fatalf("seed %d: bearer tokens that nobody asked for", seed)
	case (g.Guests || g.Bearer) && len(g.Access) == 0:
		t.Fatalf("seed %d: something that cannot be used is granted", seed)
	}
}
