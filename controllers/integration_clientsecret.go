// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
	"github.com/integration-operator/integration-operator/internal/logins"
)

// gatherClientSecret finds the client secret that spec.credentials.clientSecretRef brings. Where there is none to use, the one that the
// generated Secret holds works on; where that has none either, none is made up in its place.
func (r *IntegrationReconciler) gatherClientSecret(ctx context.Context, s *scope) error {
	ref := s.intg.Spec.Credentials.ClientSecretRef
	if ref == nil || !credentials.UsesClientSecret(s.intg) {
		return nil
	}
	found, err := r.userSecret(ctx, client.ObjectKey{Namespace: s.intg.Namespace, Name: ref.Name}, true)
	if err != nil {
		return err
	}
	if s.brought, s.clientSecretProblem = found.clientSecret(s.intg); s.clientSecretProblem == nil {
		return nil
	}
	input := credentials.Input{
		Integration: s.intg, Existing: s.existing, Former: s.predecessor(), Values: s.values, Established: s.established(),
	}
	if current, _ := input.Current(); current == nil {
		return s.clientSecretProblem
	}
	return nil
}

// clientSecret returns the client secret in a Secret that spec.credentials.clientSecretRef names, or why it cannot be used: a *waitingError
// if no more than time or the Secret is missing, or else a *terminalError. It says nothing of what the Secret holds.
func (f userSecret) clientSecret(intg *v1alpha1.Integration) ([]byte, error) {
	key := intg.Namespace + "/" + f.name
	stuck := func(reason, format string, args ...any) error {
		err := &terminalError{reason: reason, message: "Secret " + key + ", which spec.credentials.clientSecretRef names, " + fmt.Sprintf(format, args...)}
		if f.hidden {
			err.retryAfter = stuckRetry
		}
		return err
	}
	switch {
	case f.secret == nil:
		return nil, &waitingError{reason: v1alpha1.ReasonSecretNotFound, retryAfter: pendingRetry, message: fmt.Sprintf(
			"Secret %s, which spec.credentials.clientSecretRef names, does not exist: make it, with the client secret under %s and the label %s=%s",
			key, v1alpha1.KeyClientSecret, v1alpha1.LabelIntegration, intg.Name)}
	case !logins.Consents(f.secret.Labels, intg.Name):
		return nil, stuck(v1alpha1.ReasonSecretNotConsented, "lacks the label %s=%s, by which its owner lets this Integration use it: put it on",
			v1alpha1.LabelIntegration, intg.Name)
	case belongsToIntegration(f.secret):
		return nil, stuck(v1alpha1.ReasonSecretInvalid, "is one that the operator made: name one that nobody but you writes")
	case f.hidden:
		return nil, &waitingError{reason: v1alpha1.ReasonSecretPending, retryAfter: pendingRetry, message: fmt.Sprintf(
			"Secret %s has not come by the watch yet", key)}
	}
	value, found := f.secret.Data[v1alpha1.KeyClientSecret]
	if !found {
		return nil, stuck(v1alpha1.ReasonSecretInvalid, "has no key %s: put the client secret there", v1alpha1.KeyClientSecret)
	}
	if err := credentials.Weak(value, intg.WantedClientID()); err != nil {
		return nil, stuck(v1alpha1.ReasonClientSecretTooWeak, "holds a client secret that %v", err)
	}
	return value, nil
}

// belongsToIntegration reports whether a Secret is a generated one, by its type or its controller. Nobody brings that: an Integration would
// speak for another.
func belongsToIntegration(secret *corev1.Secret) bool {
	owner := metav1.GetControllerOf(secret)
	return secret.Type == v1alpha1.SecretTypeCredentials || owner != nil && owner.Kind == "Integration"
}
