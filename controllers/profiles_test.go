// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// ofProfile makes an Integration of a profile that asks for all that the profile has, with a user whose Secret is named.
func ofProfile(profile v1alpha1.Profile, user string) func(*v1alpha1.Integration) {
	const clientSecret, none = v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodNone
	return func(i *v1alpha1.Integration) {
		shopScopes(i)
		i.Spec.Profile = profile
		i.Spec.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
		i.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{clientSecret, none}
		i.Spec.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: user}, Kind: v1alpha1.UserKindAdmin}}
		switch profile {
		case v1alpha1.ProfileOroCommerce:
			i.Spec.Credentials.Methods, i.Spec.Users[0].Kind = i.Spec.Credentials.Methods[:1], v1alpha1.UserKindCustomer
			i.Spec.OroCommerce = &v1alpha1.OroCommerceSpec{Application: v1alpha1.OroCommerceStorefront, Guests: v1alpha1.PermissionAllowed}
		case v1alpha1.ProfileMagento:
			i.Spec.GrantTypes = i.Spec.GrantTypes[:2]
			i.Spec.Magento = &v1alpha1.MagentoSpec{Bearer: v1alpha1.PermissionAllowed, AdminTokenLifetime: duration(2 * time.Hour)}
		case v1alpha1.ProfileOAuth2, v1alpha1.ProfileShopware:
		}
	}
}

func TestProfiles(t *testing.T) {
	const user = "anna"
	w := newWorld(t)
	w.loginSecret(t, user, "")
	bundle, err := w.integrations.CABundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		profile v1alpha1.Profile
		// clientID and clientSecret are the forms of the credentials.
		clientID, clientSecret string
		// token is the token endpoint below the issuer, or below the Integration's base URL.
		token     string
		belowBase bool
		// keys are what the profile adds to the Secret but the base URL: the value of which other key, or else a form.
		keys map[string]string
		// want is what is granted beside what all have.
		want v1alpha1.Granted
	}{
		{
			profile: v1alpha1.ProfileShopware, clientID: "^SWIA[A-Z2-7]{22}$", clientSecret: "^[A-Za-z0-9]{51}$",
			token: "/api/oauth/token", belowBase: true,
			keys: map[string]string{"SHOPWARE_ACCESS_KEY_ID": "client_id", "SHOPWARE_SECRET_ACCESS_KEY": "client_secret"},
			want: v1alpha1.Granted{
				SigningAlgorithm: v1alpha1.SigningAlgorithmRS256, Lifetime: *duration(10 * time.Minute), RefreshLifetime: duration(168 * time.Hour),
			},
		},
		{
			profile: v1alpha1.ProfileOroCommerce, clientID: "^[A-Za-z0-9]{32}$", clientSecret: "^[A-Za-z0-9_-]{86}$",
			token: "/oauth2-token",
			want: v1alpha1.Granted{
				SigningAlgorithm: v1alpha1.SigningAlgorithmRS256, Lifetime: *duration(time.Hour), RefreshLifetime: duration(720 * time.Hour),
				Application: v1alpha1.OroCommerceStorefront, Guests: true, DefaultScopes: []string{"orders.read", "orders.write"},
			},
		},
		{
			profile: v1alpha1.ProfileMagento, clientID: "^[0-9a-z]{32}$", clientSecret: "^[0-9a-z]{32}$",
			token: "/rest/V1/integration/admin/token", belowBase: true,
			keys: map[string]string{
				"consumer_key": "client_id", "consumer_secret": "client_secret",
				"access_token": "^[0-9a-z]{32}$", "access_token_secret": "^[0-9a-z]{32}$",
			},
			want: v1alpha1.Granted{
				SigningAlgorithm: v1alpha1.SigningAlgorithmES256, Lifetime: *duration(2 * time.Hour), Bearer: true,
				UserLifetimes: []v1alpha1.UserLifetime{
					{Kind: v1alpha1.UserKindAdmin, Lifetime: *duration(2 * time.Hour)}, {Kind: v1alpha1.UserKindCustomer, Lifetime: *duration(time.Hour)},
				},
				DefaultScopes: []string{"orders.read", "orders.write"},
			},
		},
	} {
		t.Run(string(test.profile), func(t *testing.T) {
			name := map[v1alpha1.Profile]string{
				v1alpha1.ProfileShopware: "shopware", v1alpha1.ProfileOroCommerce: "oro", v1alpha1.ProfileMagento: "magento",
			}[test.profile]
			intg := w.readyIntegration(t, name, ofProfile(test.profile, user))
			data := text(w.secret(t, name).Data)
			for key, form := range map[string]string{"client_id": test.clientID, "client_secret": test.clientSecret} {
				if !regexp.MustCompile(form).MatchString(data[key]) {
					t.Errorf("%s has %d characters, want %s", key, len(data[key]), form)
				}
			}
			base := issuer + "/integrations/" + w.namespace + "/" + name
			endpoints := v1alpha1.EndpointsOf(issuer)
			endpoints.Base, endpoints.Token = base, issuer+test.token
			if test.belowBase {
				endpoints.Token = base + test.token
			}
			wantData := map[string]string{
				"client_id": intg.DerivedClientID(), "client_secret": data["client_secret"], "token_url": endpoints.Token, "base_url": base,
				"issuer": issuer, "scope": "orders.read orders.write", "audience": "https://orders.shop.example", "ca.crt": string(bundle),
				"type": "oauth2", "provider": "integration-operator",
			}
			for key, from := range test.keys {
				value, copied := data[from]
				if !copied {
					if value = data[key]; !regexp.MustCompile(from).MatchString(value) {
						t.Errorf("%s has %d characters, want %s", key, len(value), from)
					}
				}
				wantData[key] = value
			}
			if diff := cmp.Diff(wantData, data); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			want := test.want
			want.Profile, want.TokenFormat = test.profile, v1alpha1.TokenFormatJWT
			want.GrantTypes, want.CredentialMethods, want.Users = intg.Spec.GrantTypes, intg.Spec.Credentials.Methods, intg.Spec.Users
			want.Access = []v1alpha1.Access{{Audience: "https://orders.shop.example", Scopes: []string{"orders.read", "orders.write"}}}
			if diff := cmp.Diff(&want, intg.Status.Granted); diff != "" {
				t.Errorf("granted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(endpoints, intg.Status.Endpoints); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
			w.wantEvents(t, intg)
			w.heals(t, intg, data)
		})
	}
}

// heals damages each key that the profile adds, and waits until the Secret is as it was.
func (w *world) heals(t *testing.T, intg *v1alpha1.Integration, want map[string]string) {
	t.Helper()
	secret := w.secret(t, intg.Name)
	edit(t, secret, func(s *corev1.Secret) {
		for _, key := range []string{
			"base_url", "SHOPWARE_ACCESS_KEY_ID", "SHOPWARE_SECRET_ACCESS_KEY", "consumer_key", "consumer_secret", "access_token", "access_token_secret",
		} {
			if _, found := s.Data[key]; found {
				s.Data[key] = []byte("damaged")
			}
		}
		delete(s.Data, "scope")
	})
	NewWithT(t).Eventually(func() string { return cmp.Diff(want, text(w.secret(t, intg.Name).Data)) }, deadline, poll).Should(BeEmpty())
	w.wantEvents(t, intg, "Normal SecretRestored")
}

// What the Secret of an Integration of Magento says of its lasting token follows from the client secret alone, also after a rotation.
func TestARotationReplacesMagentosTokens(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "magento", shopScopes, func(i *v1alpha1.Integration) { i.Spec.Profile = v1alpha1.ProfileMagento })
	before := w.secret(t, "magento")
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Rotation = &v1alpha1.RotationSpec{RequestedAt: &metav1.Time{Time: w.clock.Now().Add(time.Second)}}
	})
	w.clock.move(2 * time.Second)
	w.seen(t, intg)
	after := w.rotates(t, intg, before)
	token, tokenSecret := v1alpha1.MagentoTokens(after.Data["client_secret"])
	want := maps.Clone(text(after.Data))
	want["consumer_key"], want["consumer_secret"] = want["client_id"], want["client_secret"]
	want["access_token"], want["access_token_secret"] = token, tokenSecret
	if diff := cmp.Diff(want, text(after.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	for _, key := range []string{"client_secret", "consumer_secret", "access_token", "access_token_secret"} {
		if string(before.Data[key]) == string(after.Data[key]) {
			t.Errorf("%s is the same after the rotation", key)
		}
	}
	if !regexp.MustCompile("^[0-9a-z]{32}$").Match(after.Data["client_secret"]) {
		t.Errorf("the new client secret has %d characters, and not the form of the profile", len(after.Data["client_secret"]))
	}
}

func TestPoliciesDecideOnProfiles(t *testing.T) {
	w := newPolicyWorld(t)
	w.policy(t, "plain", w.namespace, allow(func(a *v1alpha1.Allowance) { a.Profiles = []v1alpha1.Profile{v1alpha1.ProfileOAuth2} }))
	intg := w.integration(t, "magento", shopScopes, func(i *v1alpha1.Integration) { i.Spec.Profile = v1alpha1.ProfileMagento })
	w.waitFor(t, intg, v1alpha1.ConditionPermitted, metav1.ConditionFalse, v1alpha1.ReasonNotPermitted)
	want := "policy " + w.namespace + "-plain, the only one for this namespace, does not allow profile Magento: " +
		"take it out of spec, or ask whoever writes the policies"
	if got := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionPermitted).Message; got != want {
		t.Errorf("the message is %q, want %q", got, want)
	}
	w.policy(t, "magento", w.namespace, allow(func(a *v1alpha1.Allowance) { a.Profiles = []v1alpha1.Profile{v1alpha1.ProfileMagento} }))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// An access key that somebody claims is taken back by the Integration that derives it.
func TestWhoDerivesAClientIDOfAProfileGetsIt(t *testing.T) {
	w := newWorld(t)
	shopware := func(i *v1alpha1.Integration) { i.Spec.Profile = v1alpha1.ProfileShopware }
	derived := newIntegration(w.namespace, "owner", shopware).DerivedClientID()
	squatter := createIntegration(t, w.elsewhere, "squatter", shopScopes, func(i *v1alpha1.Integration) { i.Spec.ClientID = derived })
	w.waitFor(t, squatter, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	owner := w.readyIntegration(t, "owner", shopScopes, shopware)
	if owner.Status.ClientID != derived {
		t.Errorf("the client ID is %q, want %q", owner.Status.ClientID, derived)
	}
	w.waitFor(t, squatter, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClientIDConflict)
}
