// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// statusOf turns the facts of a pass into the status. It sets every condition on every pass, so that a phase that failed can never
// leave Ready=True behind.
func statusOf(s *scope, now metav1.Time) v1alpha1.IntegrationStatus {
	status := *s.intg.Status.DeepCopy()
	status.ObservedGeneration = s.intg.Generation
	if s.values.Endpoints != nil {
		status.Endpoints = s.values.Endpoints
	}
	if s.secretReady {
		status.Credentials = &v1alpha1.CredentialsStatus{SecretName: s.intg.SecretName()}
	}
	switch {
	case s.clientID != "":
		status.ClientID = s.clientID
	case failure(s.err).reason == v1alpha1.ReasonClientIDConflict:
		status.ClientID, status.Granted = "", nil
	}
	// What is granted takes effect even where a later phase failed, so that less is never late. Only the algorithm waits for its key.
	if s.granted != nil && (s.keyReady || status.Granted != nil) {
		granted := s.granted.DeepCopy()
		if !s.keyReady {
			granted.SigningAlgorithm = status.Granted.SigningAlgorithm
		}
		status.Granted = granted
	}
	for _, condition := range conditionsOf(s) {
		condition.ObservedGeneration = s.intg.Generation
		condition.LastTransitionTime = now
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	return status
}

// conditionsOf returns every condition that the controller owns.
func conditionsOf(s *scope) []metav1.Condition {
	f := failure(s.err)
	ready := condition(v1alpha1.ConditionReady, false, f.reason, f.message)
	switch {
	case s.err == nil && s.intg.Spec.Suspend:
		ready = condition(v1alpha1.ConditionReady, false, v1alpha1.ReasonSuspended,
			"the client gets no tokens while spec.suspend is true")
	case s.err == nil:
		ready = condition(v1alpha1.ConditionReady, true, v1alpha1.ReasonReady,
			fmt.Sprintf("client %s can get tokens with the credentials in Secret %s", s.clientID, s.intg.SecretName()))
	}

	reconciling := condition(v1alpha1.ConditionReconciling, false, v1alpha1.ReasonIdle, "")
	stalled := condition(v1alpha1.ConditionStalled, false, v1alpha1.ReasonIdle, "")
	switch {
	case f.terminal:
		stalled = condition(v1alpha1.ConditionStalled, true, f.reason, f.message)
	case s.err != nil:
		reconciling = condition(v1alpha1.ConditionReconciling, true, f.reason, f.message)
	}

	credentialsReady := condition(v1alpha1.ConditionCredentialsReady, false, f.reason, f.message)
	if s.secretReady {
		message := fmt.Sprintf("Secret %s holds the credentials", s.intg.SecretName())
		if s.values.KeepUntil != nil {
			message += "; it stays when the Integration is deleted, as spec.secret.deletionPolicy is Retain"
		}
		credentialsReady = condition(v1alpha1.ConditionCredentialsReady, true, v1alpha1.ReasonSecretReady, message)
	}
	return []metav1.Condition{ready, reconciling, stalled, credentialsReady}
}

// A failureReason is how the error of a phase reads in a condition.
type failureReason struct {
	reason, message string
	terminal        bool
}

func failure(err error) failureReason {
	var waiting *waitingError
	var terminal *terminalError
	switch {
	case err == nil:
		return failureReason{}
	case errors.As(err, &waiting):
		return failureReason{reason: waiting.reason, message: waiting.message}
	case errors.As(err, &terminal):
		return failureReason{reason: terminal.reason, message: terminal.message, terminal: true}
	default:
		return failureReason{reason: v1alpha1.ReasonReconcileError, message: publicMessage(err)}
	}
}

// publicMessage returns what failed, without what the API server or a webhook said of it: that may hold URLs and more than the
// Integration's users should see. The log has it all.
func publicMessage(err error) string {
	what := err.Error()
	var status *apierrors.StatusError
	var transport *url.Error
	switch {
	case errors.As(err, &status):
		return strings.TrimSuffix(what, status.Error()) + string(apierrors.ReasonForError(status))
	case errors.As(err, &transport):
		return strings.TrimSuffix(what, transport.Error()) + "the API server cannot be reached"
	default:
		return what
	}
}

func condition(conditionType string, isTrue bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if isTrue {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message}
}

// A transition is what an event tells.
type transition struct {
	kind, reason, message string
}

// transitions returns what is worth an event between two states of the conditions: getting stuck, and getting ready after having
// been stuck or suspended. A new Integration that becomes ready is worth none: its condition says so, and 1,000 of them at once
// would cost the API server as many writes again.
func transitions(before, after []metav1.Condition) []transition {
	var found []transition
	stalled := meta.FindStatusCondition(after, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && !hasReason(before, v1alpha1.ConditionStalled, stalled.Reason) {
		found = append(found, transition{corev1.EventTypeWarning, stalled.Reason, stalled.Message})
	}
	ready := meta.FindStatusCondition(after, v1alpha1.ConditionReady)
	was := meta.FindStatusCondition(before, v1alpha1.ConditionReady)
	if ready == nil || was == nil || was.Reason == ready.Reason {
		return found
	}
	recovered := ready.Status == metav1.ConditionTrue &&
		(was.Reason == v1alpha1.ReasonSuspended || meta.IsStatusConditionTrue(before, v1alpha1.ConditionStalled))
	if recovered || ready.Reason == v1alpha1.ReasonSuspended {
		found = append(found, transition{corev1.EventTypeNormal, ready.Reason, ready.Message})
	}
	return found
}

// hasReason reports whether a condition is there with a reason.
func hasReason(conditions []metav1.Condition, conditionType, reason string) bool {
	c := meta.FindStatusCondition(conditions, conditionType)
	return c != nil && c.Reason == reason
}
