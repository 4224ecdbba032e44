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

const issuer = "https://tokens.example.com"

func TestGrant(t *testing.T) {
	client := []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials}
	logins := []v1alpha1.GrantType{v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}
	bySecret := []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret}
	byKey := []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}
	users := []v1alpha1.User{
		{SecretRef: v1alpha1.SecretReference{Name: "anna"}, Kind: v1alpha1.UserKindAdmin},
		{SecretRef: v1alpha1.SecretReference{Name: "ben"}, Kind: v1alpha1.UserKindCustomer, Scopes: &[]string{"r"}},
	}
	tests := []struct {
		name string
		spec v1alpha1.IntegrationSpec
		want *v1alpha1.Granted
	}{
		{
			name: "Without an audience tokens are meant for the issuer; the profile decides the rest.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Scopes: []string{"b", "a"}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"b", "a"}}},
				DefaultScopes: []string{"b", "a"}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret,
				Lifetime: metav1.Duration{Duration: 10 * time.Minute},
			},
		},
		{
			name: "Every audience gets every scope.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: client, Audiences: []string{"urn:a", "urn:b"}, Scopes: []string{"r", "w"}, DefaultScopes: &[]string{"r"},
				Token: v1alpha1.TokenSpec{
					SigningAlgorithm: v1alpha1.SigningAlgorithmEdDSA, Lifetime: &metav1.Duration{Duration: time.Hour},
				},
			},
			want: &v1alpha1.Granted{
				GrantTypes: client, DefaultScopes: []string{"r"}, SigningAlgorithm: v1alpha1.SigningAlgorithmEdDSA,
				Access: []v1alpha1.Access{
					{Audience: "urn:a", Scopes: []string{"r", "w"}}, {Audience: "urn:b", Scopes: []string{"r", "w"}},
				},
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: time.Hour},
			},
		},
		{
			name: "An empty list of default scopes means none.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Scopes: []string{"r"}, DefaultScopes: &[]string{}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"r"}}}, DefaultScopes: []string{},
				SigningAlgorithm: v1alpha1.SigningAlgorithmES256, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret,
			},
		},
		{
			name: "Logins with refresh tokens, opaque, for users of two kinds, by a client with a key of its own.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: logins, Scopes: []string{"r", "w"}, Users: users,
				Token:       v1alpha1.TokenSpec{Format: v1alpha1.TokenFormatOpaque, RefreshLifetime: &metav1.Duration{Duration: time.Hour}},
				Credentials: v1alpha1.CredentialsSpec{Methods: byKey, JWKSURI: "https://client.example/jwks.json"},
			},
			want: &v1alpha1.Granted{
				GrantTypes: logins, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"r", "w"}}},
				DefaultScopes: []string{"r", "w"}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatOpaque, CredentialMethods: byKey, Users: users,
				Lifetime: metav1.Duration{Duration: 10 * time.Minute}, RefreshLifetime: &metav1.Duration{Duration: time.Hour},
			},
		},
		{
			name: "A refresh lifetime means nothing without refresh tokens.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: client, Token: v1alpha1.TokenSpec{RefreshLifetime: &metav1.Duration{Duration: time.Hour}},
			},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer}}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
			},
		},
		{
			name: "A resource server may introspect what is meant for it.",
			spec: v1alpha1.IntegrationSpec{
				GrantTypes: client, ResourceServer: &v1alpha1.ResourceServer{Audiences: []string{"urn:a", "urn:b"}},
			},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer}}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
				TokenFormat: v1alpha1.TokenFormatJWT, CredentialMethods: bySecret, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
				IntrospectedAudiences: []string{"urn:a", "urn:b"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := &v1alpha1.Integration{Spec: tt.spec}
			before := intg.DeepCopy()
			got := permit.Grant(intg, issuer)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("granted (-want +got):\n%s", diff)
			}
			for i := range got.Access {
				for j := range got.Access[i].Scopes {
					got.Access[i].Scopes[j] = "changed"
				}
			}
			for _, list := range [][]string{got.DefaultScopes, got.IntrospectedAudiences} {
				for i := range list {
					list[i] = "changed"
				}
			}
			for i := range got.GrantTypes {
				got.GrantTypes[i] = "changed"
			}
			for i := range got.CredentialMethods {
				got.CredentialMethods[i] = "changed"
			}
			for i := range got.Users {
				got.Users[i].Kind = "changed"
				if scopes := got.Users[i].Scopes; scopes != nil {
					(*scopes)[0] = "changed"
				}
			}
			if diff := cmp.Diff(before, intg); diff != "" {
				t.Errorf("what was granted shares memory with spec (-before +after):\n%s", diff)
			}
		})
	}
}
