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
				Lifetime: metav1.Duration{Duration: time.Hour},
			},
		},
		{
			name: "An empty list of default scopes means none.",
			spec: v1alpha1.IntegrationSpec{GrantTypes: client, Scopes: []string{"r"}, DefaultScopes: &[]string{}},
			want: &v1alpha1.Granted{
				GrantTypes: client, Access: []v1alpha1.Access{{Audience: issuer, Scopes: []string{"r"}}}, DefaultScopes: []string{},
				SigningAlgorithm: v1alpha1.SigningAlgorithmES256, Lifetime: metav1.Duration{Duration: 10 * time.Minute},
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
			for i := range got.DefaultScopes {
				got.DefaultScopes[i] = "changed"
			}
			if diff := cmp.Diff(before, intg); diff != "" {
				t.Errorf("what was granted shares memory with spec (-before +after):\n%s", diff)
			}
		})
	}
}
