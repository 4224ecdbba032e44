// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package logins_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
)

// hash is of "correct horse".
const hash = "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"

func TestConsents(t *testing.T) {
	tests := []struct {
		name   string
		labels map[string]string
		want   bool
	}{
		{name: "a Secret without labels consents to nobody"},
		{name: "another label is no consent", labels: map[string]string{"app": "shop"}},
		{name: "the label names the Integration", labels: map[string]string{v1alpha1.LabelIntegration: "shop"}, want: true},
		{name: "an empty label means any Integration", labels: map[string]string{v1alpha1.LabelIntegration: ""}, want: true},
		{name: "the label names another Integration", labels: map[string]string{v1alpha1.LabelIntegration: "shop-2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := logins.Consents(tt.labels, "shop"); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name    string
		data    map[string]string
		wantErr string
	}{
		{name: "a password", data: map[string]string{"username": "anna", "password": "correct horse"}},
		{name: "a hash", data: map[string]string{"username": "anna", "passwordHash": hash}},
		{name: "a hash beside an empty password", data: map[string]string{"username": "anna", "password": "", "passwordHash": hash}},
		{name: "no username", data: map[string]string{"password": "correct horse"}, wantErr: "lacks the key username"},
		{name: "an empty username", data: map[string]string{"username": "", "password": "correct horse"}, wantErr: "lacks the key username"},
		{
			name: "a username that is too long", wantErr: "253 bytes",
			data: map[string]string{"username": strings.Repeat("a", 254), "password": "correct horse"},
		},
		{name: "a username with a line break", data: map[string]string{"username": "anna\n", "password": "p"}, wantErr: "control characters"},
		{name: "a username that is not UTF-8", data: map[string]string{"username": "anna\xff", "password": "p"}, wantErr: "UTF-8"},
		{name: "no password", data: map[string]string{"username": "anna"}, wantErr: "lacks the key password, or in its place passwordHash"},
		{
			name: "a password and a hash", wantErr: "both password and passwordHash",
			data: map[string]string{"username": "anna", "password": "correct horse", "passwordHash": hash},
		},
		{
			name: "a password that is too long", wantErr: "its password cannot be used",
			data: map[string]string{"username": "anna", "password": strings.Repeat("x", 1025)},
		},
		{
			name: "a hash of an unknown kind", wantErr: "its passwordHash cannot be used",
			data: map[string]string{"username": "anna", "passwordHash": "{SHA}s3cr3t"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := logins.Read(secretOf(corev1.SecretTypeBasicAuth, tt.data))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got the error %v, want one that says %q", err, tt.wantErr)
				}
				for _, secret := range []string{"anna", "correct horse", "s3cr3t", hash, "user-secret"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error %q shows %q", err, secret)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Username != "anna" || !got.Password.Verify("correct horse") || got.Password.Verify("wrong horse") {
				t.Errorf("got %v, which is not anna with her password", got)
			}
		})
	}
}

func TestReadRefusesOtherTypes(t *testing.T) {
	for _, secretType := range []corev1.SecretType{"", corev1.SecretTypeOpaque, v1alpha1.SecretTypeCredentials} {
		_, err := logins.Read(secretOf(secretType, map[string]string{"username": "anna", "password": "correct horse"}))
		if err == nil || !strings.Contains(err.Error(), "kubernetes.io/basic-auth") {
			t.Errorf("a Secret of type %q: got the error %v, want one that names the right type", secretType, err)
		}
	}
}

func secretOf(secretType corev1.SecretType, data map[string]string) *corev1.Secret {
	secret := &corev1.Secret{Type: secretType, Data: map[string][]byte{}}
	secret.Name = "user-secret"
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	return secret
}
