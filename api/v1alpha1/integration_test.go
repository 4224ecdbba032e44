// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// claim returns an Integration that was made age seconds after some day's beginning.
func claim(namespace, name, clientID, uid string, age int) *v1alpha1.Integration {
	made := time.Date(2026, 11, 22, 0, 0, age, 0, time.UTC)
	return &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(made),
		},
		Spec: v1alpha1.IntegrationSpec{ClientID: clientID},
	}
}

func TestWantedClientID(t *testing.T) {
	for _, test := range []struct {
		name string
		intg *v1alpha1.Integration
		want string
	}{
		{"it is derived from namespace and name", claim("shop", "order-sync", "", "1", 0), "shop.order-sync"},
		{"a name may have dots", claim("shop", "order.sync", "", "1", 0), "shop.order.sync"},
		{"spec.clientID overrides it", claim("shop", "order-sync", "legacy", "1", 0), "legacy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.intg.WantedClientID(); got != test.want {
				t.Errorf("client ID is %q, want %q", got, test.want)
			}
		})
	}
}

func TestReservedClientID(t *testing.T) {
	for _, test := range []struct {
		name string
		intg *v1alpha1.Integration
		want bool
	}{
		{"one's own derived ID", claim("shop", "order-sync", "", "1", 0), false},
		{"one's own derived ID, with dots", claim("shop", "order.sync", "", "1", 0), false},
		{"an ID without a dot", claim("shop", "a", "legacy", "1", 0), false},
		{"what another of the namespace derives", claim("shop", "a", "shop.order-sync", "1", 0), false},
		{"what another namespace derives", claim("evil", "a", "shop.order-sync", "1", 0), true},
		{"what another namespace derives, with dots", claim("evil", "a", "shop.order.sync", "1", 0), true},
		{"a dot, but in no name that Kubernetes knows", claim("shop", "a", "Legacy.Client", "1", 0), false},
		{"a first part that is no namespace", claim("shop", "a", "legacy_system.client", "1", 0), false},
		{"a second part that is no name", claim("shop", "a", "legacy.Client", "1", 0), false},
		{"nothing after the dot", claim("shop", "a", "legacy.", "1", 0), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.intg.ReservedClientID(); got != test.want {
				t.Errorf("reserved is %t, want %t", got, test.want)
			}
		})
	}
}

func TestPrecedesForClientID(t *testing.T) {
	for _, test := range []struct {
		name          string
		winner, loser *v1alpha1.Integration
	}{
		{
			"who derives it beats an older claim",
			claim("shop", "a", "", "2", 9), claim("evil", "a", "shop.a", "1", 0),
		},
		{
			"who spells out the derived one derives it too",
			claim("shop", "a", "shop.a", "2", 9), claim("evil", "a", "shop.a", "1", 0),
		},
		{
			"among claims the older wins",
			claim("b", "b", "legacy", "2", 0), claim("a", "a", "legacy", "1", 1),
		},
		{
			"among claims of the same second the lower UID wins",
			claim("b", "b", "legacy", "1", 0), claim("a", "a", "legacy", "2", 0),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !test.winner.PrecedesForClientID(test.loser) {
				t.Error("the winner does not precede the loser")
			}
			if test.loser.PrecedesForClientID(test.winner) {
				t.Error("the loser precedes the winner: two replicas could disagree")
			}
			if test.winner.PrecedesForClientID(test.winner) {
				t.Error("an Integration precedes itself")
			}
		})
	}
}

func TestWhatSpecLeavesToTheProfile(t *testing.T) {
	type values struct {
		Algorithm         v1alpha1.SigningAlgorithm
		Lifetime, Refresh time.Duration
		Secret            string
		Methods           []v1alpha1.CredentialMethod
	}
	for _, test := range []struct {
		name string
		spec v1alpha1.IntegrationSpec
		want values
	}{
		{
			"an empty spec has the defaults of OAuth2",
			v1alpha1.IntegrationSpec{},
			values{
				v1alpha1.SigningAlgorithmES256, 10 * time.Minute, 168 * time.Hour, "order-sync",
				[]v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
			},
		},
		{
			"spec overrides each",
			v1alpha1.IntegrationSpec{
				Token: v1alpha1.TokenSpec{
					SigningAlgorithm: v1alpha1.SigningAlgorithmEdDSA, Lifetime: &metav1.Duration{Duration: time.Hour},
					RefreshLifetime: &metav1.Duration{Duration: 2 * time.Hour},
				},
				Secret:      v1alpha1.SecretSpec{Name: "credentials"},
				Credentials: v1alpha1.CredentialsSpec{Methods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}},
			},
			values{
				v1alpha1.SigningAlgorithmEdDSA, time.Hour, 2 * time.Hour, "credentials",
				[]v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Name: "order-sync"}, Spec: test.spec}
			got := values{intg.SigningAlgorithm(), intg.TokenLifetime(), intg.RefreshLifetime(), intg.SecretName(), intg.CredentialMethods()}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeyAlgorithms(t *testing.T) {
	const es256, eddsa, sealing = v1alpha1.SigningAlgorithmES256, v1alpha1.SigningAlgorithmEdDSA, v1alpha1.KeyAlgorithmA256GCM
	const format, refresh = v1alpha1.TokenFormatOpaque, v1alpha1.GrantTypeRefreshToken
	for _, test := range []struct {
		name    string
		spec    v1alpha1.IntegrationSpec
		granted *v1alpha1.Granted
		want    []v1alpha1.SigningAlgorithm
		// wantGranted is what granted needs.
		wantGranted []v1alpha1.SigningAlgorithm
	}{
		{"signed tokens need the profile's algorithm, and nothing granted needs none", v1alpha1.IntegrationSpec{}, nil, []v1alpha1.SigningAlgorithm{es256}, nil},
		{
			"opaque tokens need a key to encrypt too",
			v1alpha1.IntegrationSpec{Token: v1alpha1.TokenSpec{Format: format, SigningAlgorithm: eddsa}},
			&v1alpha1.Granted{SigningAlgorithm: es256, TokenFormat: format},
			[]v1alpha1.SigningAlgorithm{eddsa, sealing},
			[]v1alpha1.SigningAlgorithm{es256, sealing},
		},
		{
			"refresh tokens need it as well",
			v1alpha1.IntegrationSpec{GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypePassword, refresh}},
			&v1alpha1.Granted{SigningAlgorithm: eddsa, GrantTypes: []v1alpha1.GrantType{refresh}},
			[]v1alpha1.SigningAlgorithm{es256, sealing},
			[]v1alpha1.SigningAlgorithm{eddsa, sealing},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := &v1alpha1.Integration{Spec: test.spec}
			if diff := cmp.Diff(test.want, intg.KeyAlgorithms()); diff != "" {
				t.Errorf("for spec (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantGranted, test.granted.KeyAlgorithms()); diff != "" {
				t.Errorf("for what was granted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefreshTokenOutlivesAnAccessToken(t *testing.T) {
	intg := &v1alpha1.Integration{}
	intg.Spec.Token.Lifetime = &metav1.Duration{Duration: v1alpha1.MaxTokenLifetime}
	if got := intg.RefreshLifetime(); got < intg.TokenLifetime() {
		t.Errorf("got %s, want at least %s", got, intg.TokenLifetime())
	}
}

func TestEndpointsOf(t *testing.T) {
	want := &v1alpha1.Endpoints{
		Issuer:        "https://issuer.example/base",
		Token:         "https://issuer.example/base/oauth2/token",
		Introspection: "https://issuer.example/base/oauth2/introspect",
		Revocation:    "https://issuer.example/base/oauth2/revoke",
		JWKS:          "https://issuer.example/base/oauth2/jwks",
		Verify:        "https://issuer.example/base/verify",
	}
	if diff := cmp.Diff(want, v1alpha1.EndpointsOf("https://issuer.example/base")); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}
