// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	looks := maxUserProblems
	for _, user := range s.intg.Spec.Users {
		secret, err := r.userSecret(ctx, client.ObjectKey{Namespace: s.intg.Namespace, Name: user.SecretRef.Name}, looks > 0)
		if err != nil {
			return err
		}
		if secret.hidden {
			looks-- // No more are told of, and whoever may write Integrations must not make the operator ask for thousands of Secrets.
		}
		found = append(found, secret)
	}
	err := judgeUsers(client.ObjectKeyFromObject(s.intg), found)
	s.usersMissing = err != nil
	return err
}

// userSecret looks for the Secret of a user: in the cache, as the token server does, and where that has none live at the API server, which
// also knows those that nobody has labelled.
func (r *IntegrationReconciler) userSecret(ctx context.Context, key client.ObjectKey, live bool) (userSecret, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, key, secret, client.UnsafeDisableDeepCopy)
	hidden := apierrors.IsNotFound(err)
	if hidden && live {
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
	for i, p := range userProblems(intg, found) {
		switch p.reason {
		case "":
			continue
		case v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretPending:
			pending = cmp.Or(pending, p.reason)
		default:
			stuck = cmp.Or(stuck, p.reason)
		}
		unseen = unseen || found[i].hidden
		messages = append(messages, p.message)
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

// A userProblem is why the user of a Secret cannot log in. Its reason is empty if that is possible.
type userProblem struct{ reason, message string }

// userProblems returns what is wrong with each of an Integration's users: with the Secret alone, or beside the others.
func userProblems(intg client.ObjectKey, found []userSecret) []userProblem {
	problems := make([]userProblem, len(found))
	read := make([]*logins.Login, len(found))
	var readable []*logins.Login
	for i, f := range found {
		if read[i], problems[i] = f.login(intg); read[i] != nil {
			readable = append(readable, read[i])
		}
	}
	leftOut := logins.LeftOut(readable)
	holders := map[string]string{} // The Secret by the username in it.
	for i, f := range found {
		if read[i] == nil {
			continue
		}
		other, taken := holders[read[i].Username]
		if !taken {
			holders[read[i].Username] = f.name
		}
		switch {
		case taken:
			problems[i] = userProblem{v1alpha1.ReasonDuplicateUser, fmt.Sprintf(
				"Secrets %s and %s of namespace %s hold the same username: give each user one of their own", other, f.name, intg.Namespace)}
		case slices.Contains(leftOut, read[i]):
			problems[i] = userProblem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf(
				"Secret %s/%s holds a hash of another cost than those before it, and an Integration's users may have %d kinds of hashes: "+
					"hash its password like those of the other users", intg.Namespace, f.name, logins.MaxSlowWorks)}
		}
	}
	return problems
}

// login returns the login in a Secret; nil, and why, if nobody can log in to an Integration with it.
func (f userSecret) login(intg client.ObjectKey) (*logins.Login, userProblem) {
	switch {
	case f.secret == nil:
		return nil, userProblem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %s/%s, which spec.users names, does not exist: make it, of type %s and with the label %s=%s",
			intg.Namespace, f.name, corev1.SecretTypeBasicAuth, v1alpha1.LabelIntegration, intg.Name)}
	case !logins.Consents(f.secret.Labels, intg.Name) && f.secret.Labels[v1alpha1.LabelIntegration] != "":
		return nil, userProblem{v1alpha1.ReasonSecretNotConsented, fmt.Sprintf(
			"Secret %s/%s has the label %s=%s, by which its owner lets only that Integration use it: give the label the value %s, or an "+
				"empty one for all Integrations of the namespace", intg.Namespace, f.name, v1alpha1.LabelIntegration,
			f.secret.Labels[v1alpha1.LabelIntegration], intg.Name)}
	case !logins.Consents(f.secret.Labels, intg.Name):
		return nil, userProblem{v1alpha1.ReasonSecretNotConsented, fmt.Sprintf(
			"Secret %s/%s lacks the label %s=%s, by which its owner lets this Integration use it: put it on",
			intg.Namespace, f.name, v1alpha1.LabelIntegration, intg.Name)}
	case f.hidden:
		return nil, userProblem{v1alpha1.ReasonSecretPending, fmt.Sprintf(
			"Secret %s/%s has not come by the watch yet", intg.Namespace, f.name)}
	}
	login, err := logins.Read(f.secret)
	if err != nil {
		return nil, userProblem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf(
			"Secret %s/%s is not one to log in with: %v", intg.Namespace, f.name, err)}
	}
	return login, userProblem{}
}

// told joins problems to one message of bounded length.
func told(problems []string) string {
	more := ""
	if rest := len(problems) - maxUserProblems; rest > 0 {
		problems, more = problems[:maxUserProblems], fmt.Sprintf("; and %d more", rest)
	}
	return strings.Join(problems, "; ") + more
}
