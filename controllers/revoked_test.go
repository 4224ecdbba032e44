// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// What was ended stays ended, whatever becomes of the field in spec.
func TestTokensRevokedBeforeNeverGoesBack(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(hour int) *metav1.Time {
		return &metav1.Time{Time: time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC)}
	}
	for _, tt := range []struct {
		name               string
		spec, before, want *metav1.Time
	}{
		{"nothing was ever asked for", nil, nil, nil},
		{"the first time", at(10), nil, at(10)},
		{"a later time", at(11), at(10), at(11)},
		{"an earlier time", at(9), at(10), at(10)},
		{"the field is taken out", nil, at(10), at(10)},
		{"a time to come may be a mistake", at(13), at(10), at(10)},
		{"that time has come", at(12), at(10), at(12)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scope{now: now, intg: &v1alpha1.Integration{Spec: v1alpha1.IntegrationSpec{RevokeTokensIssuedBefore: tt.spec}}}
			if diff := cmp.Diff(tt.want, revokedBefore(s, tt.before)); diff != "" {
				t.Errorf("revoked before (-want +got):\n%s", diff)
			}
		})
	}
}

// A user's Secret may belong to the Integration, so that it goes with it. It is not one that the operator made and may remove.
func TestAUsersSecretIsNoFormerOne(t *testing.T) {
	w := newWorld(t)
	intg := w.integration(t, "login", withUsers("anna"))
	secret := w.loginSecret(t, "anna", "login", func(secret *corev1.Secret) {
		secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(intg, v1alpha1.GroupVersion.WithKind("Integration"))}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.reconcile(t, intg)
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil || secret.DeletionTimestamp != nil {
		t.Errorf("the user's Secret: %v", err)
	}
}
