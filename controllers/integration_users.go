// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
)

// maxUserProblems is how many problems with users a condition tells; the rest are counted.
const maxUserProblems = 8

// A userSecret is what a pass knows of a Secret that spec.users names.
type userSecret struct {
	name string
	// secret is nil if there is none.
	secret *corev1.Secret
	// hidden says that the cache does not show the Secret, so that no watch tells of it.
	hidden bool
}

// checkUsers finds out whether the users can log in. It comes last: all else, and the other users' logins, goes on without them.
func (r *IntegrationReconciler) checkUsers(ctx context.Context, s *scope) error {
	found := make([]userSecret, 0, len(s.intg.Spec.Users))
	for _, user := range s.intg.Spec.Users {
		secret, err := r.userSecret(ctx, client.ObjectKey{Namespace: s.intg.Namespace, Name: user.SecretRef.Name})
		if err != nil {
			return err
		}
		found = append(found, secret)
	}
	err := judgeUsers(client.ObjectKeyFromObject(s.intg), found)
	s.usersMissing = err != nil
	return err
}

// userSecret looks for the Secret of a user: in the cache, as the token server does, and where that has none at the API server, which
// also knows those that nobody has labelled.
func (r *IntegrationReconciler) userSecret(ctx context.Context, key client.ObjectKey) (userSecret, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, key, secret, client.UnsafeDisableDeepCopy)
	hidden := apierrors.IsNotFound(err)
	if hidden {
		secret = &corev1.Secret{}
		err = r.Live.Get(ctx, key, secret)
	}
	switch {
	case apierrors.IsNotFound(err):
		return userSecret{name: key.Name, hidden: hidden}, nil
	case err != nil:
		return userSecret{}, fmt.Errorf("get Secret %s, which spec.users names: %w", key, err)
	default:
		return userSecret{name: key.Name, secret: secret, hidden: hidden}, nil
	}
}

// judgeUsers returns nil if each of an Integration's users can log in, and otherwise an error that tells of all who cannot: a
// *waitingError if no more than time or a Secret is missing, or else a *terminalError. It says nothing of what the Secrets hold.
func judgeUsers(intg client.ObjectKey, found []userSecret) error {
	var messages []string
	var stuck, pending string
	unseen := false
	holders := map[string]string{} // The Secret by the username in it.
	for _, f := range found {
		reason, message := f.problem(intg, holders)
		switch reason {
		case "":
			continue
		case v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretPending:
			pending = cmp.Or(pending, reason)
		default:
			stuck = cmp.Or(stuck, reason)
		}
		unseen = unseen || f.hidden
		messages = append(messages, message)
	}
	switch {
	case stuck != "" && unseen:
		return &terminalError{reason: stuck, message: told(messages), retryAfter: stuckRetry}
	case stuck != "":
		return &terminalError{reason: stuck, message: told(messages)}
	case pending != "":
		return &waitingError{reason: pending, message: told(messages), retryAfter: pendingRetry}
	default:
		return nil
	}
}

// problem returns why the user of a Secret cannot log in to an Integration; empty if that is possible. Then it notes the username in
// holders, which has those of the users before.
func (f userSecret) problem(intg client.ObjectKey, holders map[string]string) (reason, message string) {
	switch {
	case f.secret == nil:
		return v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %s/%s, which spec.users names, does not exist: make it, of type %s and with the label %s=%s",
			intg.Namespace, f.name, corev1.SecretTypeBasicAuth, v1alpha1.LabelIntegration, intg.Name)
	case !logins.Consents(f.secret.Labels, intg.Name):
		return v1alpha1.ReasonSecretNotConsented, fmt.Sprintf(
			"Secret %s/%s lacks the label %s=%s, by which its owner lets this Integration use it: put it on",
			intg.Namespace, f.name, v1alpha1.LabelIntegration, intg.Name)
	case f.hidden:
		return v1alpha1.ReasonSecretPending, fmt.Sprintf("Secret %s/%s has not come by the watch yet", intg.Namespace, f.name)
	}
	login, err := logins.Read(f.secret)
	if err != nil {
		return v1alpha1.ReasonSecretInvalid, fmt.Sprintf("Secret %s/%s is not one to log in with: %v", intg.Namespace, f.name, err)
	}
	if other, taken := holders[login.Username]; taken {
		return v1alpha1.ReasonDuplicateUser, fmt.Sprintf(
			"Secrets %s and %s of namespace %s hold the same username: give each user one of their own", other, f.name, intg.Namespace)
	}
	holders[login.Username] = f.name
	return "", ""
}

// told joins problems to one message of bounded length.
func told(problems []string) string {
	more := ""
	if rest := len(problems) - maxUserProblems; rest > 0 {
		problems, more = problems[:maxUserProblems], fmt.Sprintf("; and %d more", rest)
	}
	return strings.Join(problems, "; ") + more
}
