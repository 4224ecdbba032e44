// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package permit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

// of returns an Integration of a profile that asks for all that the profile has, after edits.
func of(profile v1alpha1.Profile, edits ...func(*v1alpha1.IntegrationSpec)) *v1alpha1.Integration {
	intg := integration(v1alpha1.IntegrationSpec{
		Scopes: []string{"read", "write"}, GrantTypes: allGrants,
		Users:       []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "anna"}, Kind: v1alpha1.UserKindAdmin}},
		Credentials: v1alpha1.CredentialsSpec{Methods: append(bySecret[:1:1], public...)},
	})
	intg.Spec.Profile = profile
	switch profile {
	case v1alpha1.ProfileOroCommerce:
		intg.Spec.Credentials.Methods, intg.Spec.Users[0].Kind = bySecret, v1alpha1.UserKindCustomer
		intg.Spec.OroCommerce = &v1alpha1.OroCommerceSpec{Application: v1alpha1.OroCommerceStorefront, Guests: v1alpha1.PermissionAllowed}
	case v1alpha1.ProfileMagento:
		intg.Spec.GrantTypes = allGrants[:2]
		intg.Spec.Magento = &v1alpha1.MagentoSpec{Bearer: v1alpha1.PermissionAllowed}
	case v1alpha1.ProfileOAuth2, v1alpha1.ProfileShopware:
	}
	for _, edit := range edits {
		edit(&intg.Spec)
	}
	return intg
}

func lifetimes(admin, customer time.Duration) []v1alpha1.UserLifetime {
	return []v1alpha1.UserLifetime{
		{Kind: v1alpha1.UserKindAdmin, Lifetime: *duration(admin)}, {Kind: v1alpha1.UserKindCustomer, Lifetime: *duration(customer)},
	}
}

func ofAllProfiles(a *v1alpha1.Allowance) { a.Profiles = allProfiles }

func TestWhatProfilesAreGranted(t *testing.T) {
	const shopware, oroCommerce, magento = v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento
	access := []v1alpha1.Access{{Audience: issuer, Scopes: []string{"read", "write"}}}
	granted := map[v1alpha1.Profile]func() *v1alpha1.Granted{
		shopware: func() *v1alpha1.Granted {
			return &v1alpha1.Granted{
				Profile: shopware, GrantTypes: allGrants, Access: access, SigningAlgorithm: v1alpha1.SigningAlgorithmRS256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: append(bySecret[:1:1], public...),
				Lifetime: *duration(10 * time.Minute), RefreshLifetime: duration(168 * time.Hour), Users: of(shopware).Spec.Users,
			}
		},
		oroCommerce: func() *v1alpha1.Granted {
			return &v1alpha1.Granted{
				Profile: oroCommerce, Application: v1alpha1.OroCommerceStorefront, Guests: true, GrantTypes: allGrants, Access: access,
				DefaultScopes: []string{"read", "write"}, SigningAlgorithm: v1alpha1.SigningAlgorithmRS256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret,
				Lifetime: *duration(time.Hour), RefreshLifetime: duration(720 * time.Hour), Users: of(oroCommerce).Spec.Users,
			}
		},
		magento: func() *v1alpha1.Granted {
			return &v1alpha1.Granted{
				Profile: magento, Bearer: true, GrantTypes: allGrants[:2], Access: access, DefaultScopes: []string{"read", "write"},
				SigningAlgorithm: v1alpha1.SigningAlgorithmES256, TokenFormat: v1alpha1.TokenFormatJWT,
				CredentialMethods: append(bySecret[:1:1], public...), Lifetime: *duration(4 * time.Hour),
				UserLifetimes: lifetimes(4*time.Hour, time.Hour), Users: of(magento).Spec.Users,
			}
		},
	}
	nothing := func(g *v1alpha1.Granted) {
		*g = v1alpha1.Granted{Profile: g.Profile, Application: g.Application, TokenFormat: v1alpha1.TokenFormatJWT}
	}
	noLogins := func(g *v1alpha1.Granted) {
		g.GrantTypes, g.Users, g.RefreshLifetime, g.Guests = client, nil, nil, false
	}
	for _, tt := range []struct {
		name    string
		profile v1alpha1.Profile
		edit    func(*v1alpha1.Allowance)
		spec    func(*v1alpha1.IntegrationSpec)
		want    []func(*v1alpha1.Granted)
		// wants is what is not allowed; empty if all is.
		wants string
	}{
		{name: "Shopware, whose clients may only read unless they ask for more.", profile: shopware},
		{
			name: "Shopware with default scopes.", profile: shopware,
			spec: func(s *v1alpha1.IntegrationSpec) { s.DefaultScopes = &[]string{"write"} },
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.DefaultScopes = []string{"write"} }},
		},
		{name: "A storefront with guests.", profile: oroCommerce},
		{
			name: "The back office, by default and without guests.", profile: oroCommerce,
			spec: func(s *v1alpha1.IntegrationSpec) { s.OroCommerce = nil },
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.Application, g.Guests = v1alpha1.OroCommerceBackOffice, false }},
		},
		{name: "Magento with bearer tokens.", profile: magento},
		{
			name: "Magento without them.", profile: magento, spec: func(s *v1alpha1.IntegrationSpec) { s.Magento = nil },
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.Bearer = false }},
		},
		{
			name: "Magento with lifetimes of its own.", profile: magento,
			spec: func(s *v1alpha1.IntegrationSpec) {
				s.Magento.AdminTokenLifetime, s.Magento.CustomerTokenLifetime = duration(time.Minute), duration(8*time.Hour)
			},
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Lifetime, g.UserLifetimes = *duration(8 * time.Hour), lifetimes(time.Minute, 8*time.Hour)
			}},
		},

		{
			name: "A policy without the profile Shopware.", profile: shopware, wants: "profile Shopware", want: []func(*v1alpha1.Granted){nothing},
			edit: func(a *v1alpha1.Allowance) {
				a.Profiles = []v1alpha1.Profile{v1alpha1.ProfileOAuth2, oroCommerce, magento}
			},
		},
		{
			name: "A policy without the profile OroCommerce.", profile: oroCommerce, wants: "profile OroCommerce", want: []func(*v1alpha1.Granted){nothing},
			edit: func(a *v1alpha1.Allowance) {
				a.Profiles = []v1alpha1.Profile{v1alpha1.ProfileOAuth2, shopware, magento}
			},
		},
		{
			name: "A policy without the profile Magento.", profile: magento, wants: "profile Magento", want: []func(*v1alpha1.Granted){nothing},
			edit: func(a *v1alpha1.Allowance) {
				a.Profiles = []v1alpha1.Profile{v1alpha1.ProfileOAuth2, shopware, oroCommerce}
			},
		},
		{
			name: "Without public clients nobody logs in to Shopware.", profile: shopware,
			edit: func(a *v1alpha1.Allowance) { a.CredentialMethods = bySecret }, wants: "credential method None",
			want: []func(*v1alpha1.Granted){noLogins, func(g *v1alpha1.Granted) { g.CredentialMethods = bySecret }},
		},
		{
			name: "Without public clients nobody logs in to Magento.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.CredentialMethods = bySecret }, wants: "credential method None",
			want: []func(*v1alpha1.Granted){noLogins, func(g *v1alpha1.Granted) { g.CredentialMethods = bySecret }},
		},
		{
			name: "Whoever logs in to OroCommerce has a client.", profile: oroCommerce,
			edit: func(a *v1alpha1.Allowance) { a.CredentialMethods = bySecret },
		},
		{
			name: "Without logins there are no guests.", profile: oroCommerce,
			edit: func(a *v1alpha1.Allowance) { a.GrantTypes = client }, wants: "grant type password; grant type refresh_token",
			want: []func(*v1alpha1.Granted){noLogins},
		},
		{
			name: "A client that may not act for itself has no bearer token.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.GrantTypes = logins }, wants: "grant type client_credentials",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) { g.GrantTypes, g.Bearer = logins[:1], false }},
		},
		{
			name: "What Magento would like is shortened without a word.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.MaxTokenLifetime = duration(90 * time.Minute) },
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Lifetime, g.UserLifetimes = *duration(90 * time.Minute), lifetimes(90*time.Minute, time.Hour)
			}},
		},
		{
			name: "A longer life of tokens of Magento.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.MaxTokenLifetime = duration(time.Hour) },
			spec: func(s *v1alpha1.IntegrationSpec) {
				s.Magento.AdminTokenLifetime, s.Magento.CustomerTokenLifetime = duration(8*time.Hour), duration(2*time.Hour)
			},
			wants: "token lifetime 8h, only up to 1h; token lifetime 2h, only up to 1h",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Lifetime, g.UserLifetimes = *duration(time.Hour), lifetimes(time.Hour, time.Hour)
			}},
		},
		{
			name: "The same life twice is told once.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.MaxTokenLifetime = duration(2 * time.Minute) },
			spec: func(s *v1alpha1.IntegrationSpec) {
				s.Magento.AdminTokenLifetime, s.Magento.CustomerTokenLifetime = duration(8*time.Hour), duration(8*time.Hour)
			},
			wants: "token lifetime 8h, only up to 2m",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Lifetime, g.UserLifetimes = *duration(2 * time.Minute), lifetimes(2*time.Minute, 2*time.Minute)
			}},
		},
		{
			name: "Without a word on the life of tokens there is nothing to use.", profile: magento,
			edit: func(a *v1alpha1.Allowance) { a.MaxTokenLifetime = nil }, wants: "tokens of any lifetime, as none sets maxTokenLifetime",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Access, g.SigningAlgorithm, g.Bearer, g.Lifetime, g.UserLifetimes = nil, "", false, metav1.Duration{}, nil
			}},
		},
		{
			name: "Without an audience there are no guests.", profile: oroCommerce,
			edit:  func(a *v1alpha1.Allowance) { a.Audiences = nil },
			wants: "audience " + issuer + ", which stands in as spec.audiences names none",
			want: []func(*v1alpha1.Granted){func(g *v1alpha1.Granted) {
				g.Access, g.SigningAlgorithm, g.Guests, g.DefaultScopes = nil, "", false, []string{}
			}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const only, mend = "policy p, the only one for this namespace, does not allow ", ": take it out of spec, or ask whoever writes the policies"
			intg, edits := of(tt.profile), []func(*v1alpha1.Allowance){ofAllProfiles}
			if tt.spec != nil {
				tt.spec(&intg.Spec)
			}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			want := permit.Result{
				Granted: granted[tt.profile](), Reason: v1alpha1.ReasonPermitted, Message: "the policies allow all that spec asks for",
			}
			for _, edit := range tt.want {
				edit(want.Granted)
			}
			if tt.wants != "" {
				want.Reason, want.Message = v1alpha1.ReasonNotPermitted, only+tt.wants+mend
			}
			got := permit.Grant(intg, []*v1alpha1.IntegrationPolicy{policy("p", edits...)}, issuer)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheDerivedClientIDOfAProfileNeedsNoPermission(t *testing.T) {
	none := func(a *v1alpha1.Allowance) { a.Profiles, a.ClientIDs = allProfiles, nil }
	for _, profile := range allProfiles {
		intg := of(profile)
		if !permit.MayClaim(intg, []*v1alpha1.IntegrationPolicy{policy("p", none)}) {
			t.Errorf("%s may not have the client ID that follows from its namespace and name", profile)
		}
		intg.Spec.ClientID = of(v1alpha1.ProfileShopware).DerivedClientID()
		if got := permit.MayClaim(intg, []*v1alpha1.IntegrationPolicy{policy("p", none)}); got != (profile == v1alpha1.ProfileShopware) {
			t.Errorf("%s may claim what an Integration of Shopware derives: %t", profile, got)
		}
	}
}
