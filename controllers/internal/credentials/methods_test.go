// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// byKey makes the client prove who it is by a key of its own.
func byKey(i *v1alpha1.Integration) {
	i.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}
}

// keyless returns the Secret of a client without client secret, after edits by hand.
func keyless(intg *v1alpha1.Integration, edits ...func(*corev1.Secret)) *corev1.Secret {
	s := build(intg, nil, values())
	s.UID, s.ResourceVersion = "uid-of-secret", "1"
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func TestUsesClientSecret(t *testing.T) {
	const secret, key, none = v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT, v1alpha1.CredentialMethodNone
	for _, tt := range []struct {
		name    string
		methods []v1alpha1.CredentialMethod
		want    bool
	}{
		{"It is the default.", nil, true},
		{"It is one of two.", []v1alpha1.CredentialMethod{key, secret}, true},
		{"A key of one's own needs none.", []v1alpha1.CredentialMethod{key}, false},
		{"A public client has none.", []v1alpha1.CredentialMethod{none}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intg := integration(func(i *v1alpha1.Integration) { i.Spec.Credentials.Methods = tt.methods })
			if got := credentials.UsesClientSecret(intg); got != tt.want {
				t.Errorf("want %t, got %t", tt.want, got)
			}
		})
	}
}

func TestDecideForAClientThatMayUseNoClientSecret(t *testing.T) {
	intg := integration(byKey)
	withSecret := func() *corev1.Secret { return secret(integration()) }
	tests := []struct {
		name       string
		input      credentials.Input
		wantAction credentials.Action
		wantReason string
	}{
		{name: "Its Secret is created without one.", wantAction: credentials.Create},
		{
			name: "A Secret that was there is created anew, which harms nobody.", input: credentials.Input{Established: true},
			wantAction: credentials.Create,
		},
		{
			name:  "A Secret that has none is left alone.",
			input: credentials.Input{Existing: keyless(intg)}, wantAction: credentials.None,
		},
		{
			name:       "One that is no longer accepted goes.",
			input:      credentials.Input{Existing: withSecret(), Established: true, SpecChanged: true},
			wantAction: credentials.Update,
		},
		{
			name: "One that a hand puts there goes.",
			input: credentials.Input{Existing: keyless(intg, func(s *corev1.Secret) {
				s.Data["client_secret"], s.Annotations = []byte(clientSecret), map[string]string{v1alpha1.AnnotationClientSecretKey: "client_secret"}
			})},
			wantAction: credentials.Update, wantReason: v1alpha1.ReasonSecretRestored,
		},
		{
			name: "A lost value is put back.",
			input: credentials.Input{Existing: keyless(intg, func(s *corev1.Secret) {
				delete(s.Data, "token_url")
			})},
			wantAction: credentials.Update, wantReason: v1alpha1.ReasonSecretRestored,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.input.Integration, tt.input.Values = intg, values()
			got := credentials.Decide(tt.input)
			if got.Action != tt.wantAction || got.Reason != tt.wantReason || got.Warn {
				t.Errorf("want %s with reason %q and no warning, got %s with reason %q (%t)",
					tt.wantAction, tt.wantReason, got.Action, got.Reason, got.Warn)
			}
			if strings.Contains(got.Message, "client secret") || strings.Contains(got.Message, clientSecret) {
				t.Errorf("the message speaks of a client secret: %s", got.Message)
			}
			want := []string{"audience", "ca.crt", "client_id", "issuer", "provider", "scope", "token_url", "type"}
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got.Secret.Data))); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if key, found := got.Secret.Annotations[v1alpha1.AnnotationClientSecretKey]; found {
				t.Errorf("an annotation says that the client secret is at %q", key)
			}
			again := credentials.Decide(credentials.Input{Integration: intg, Existing: got.Secret, Values: values()})
			if again.Action != credentials.None {
				t.Errorf("a second pass: want nothing to do, got %s", again.Action)
			}
		})
	}
}

func TestDecideWhenAClientSecretIsAllowedLater(t *testing.T) {
	intg := integration()
	before := integration(byKey)
	tests := []struct {
		name  string
		input credentials.Input
		// wantReason is empty where nobody held one before.
		wantReason string
	}{
		{name: "The first one is made, and nobody is warned.", input: credentials.Input{Existing: keyless(before), SpecChanged: true}},
		{
			name:  "It is made again without a warning where the status could not be written.",
			input: credentials.Input{Existing: keyless(before)},
		},
		{
			name:       "One that the status speaks of was lost, though its annotation is gone too.",
			input:      credentials.Input{Existing: keyless(before), Established: true},
			wantReason: v1alpha1.ReasonClientSecretRegenerated,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.input.Integration, tt.input.Values = intg, values()
			got := credentials.Decide(tt.input)
			if got.Action != credentials.Update || got.Reason != tt.wantReason || got.Warn != (tt.wantReason != "") {
				t.Errorf("want an update with reason %q, got %s with reason %q", tt.wantReason, got.Action, got.Reason)
			}
			if len(got.Secret.Data["client_secret"]) < v1alpha1.MinClientSecretLength ||
				got.Secret.Annotations[v1alpha1.AnnotationClientSecretKey] != "client_secret" {
				t.Errorf("the Secret holds no client secret: keys %v", slices.Sorted(maps.Keys(got.Secret.Data)))
			}
		})
	}
}
