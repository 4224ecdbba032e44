// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// statusOf turns the facts of a pass into the status. It sets every condition on every pass, so that a phase that failed can never
// leave Ready=True behind.
func statusOf(s *scope) v1alpha1.IntegrationStatus {
	status := *s.intg.Status.DeepCopy()
	status.ObservedGeneration = s.intg.Generation
	if s.values.Endpoints != nil {
		status.Endpoints = s.values.Endpoints
	}
	if s.secretReady {
		status.Credentials = credentialsStatus(s)
		status.Binding = &v1alpha1.Binding{Name: s.intg.SecretName()}
		status.AccessTokens = s.accessTokens
	}
	status.Restart = s.restart
	switch {
	case s.clientID != "":
		status.ClientID = s.clientID
	case failure(s.err).terminal:
		// Another Integration has the client ID, or no policy allows it: what was granted to this one was granted to that ID.
		status.ClientID, status.Granted = "", nil
	}
	status.Granted = grantedNow(s, status.Granted)
	status.TokensRevokedBefore = revokedBefore(s, status.TokensRevokedBefore)
	setConditions(s, &status, conditionsOf(s)...)
	return status
}

// grantOf returns the status of a pass that lost a race. All that is new in it is what the client may have, which no Secret decides: what
// a policy or spec takes away must not wait for the end of a race, as somebody may keep that up.
func grantOf(s *scope) v1alpha1.IntegrationStatus {
	status := *s.intg.Status.DeepCopy()
	if s.clientID == "" || s.granted == nil {
		return status
	}
	status.ClientID, status.Granted = s.clientID, grantedNow(s, status.Granted)
	status.TokensRevokedBefore = revokedBefore(s, status.TokensRevokedBefore)
	setConditions(s, &status, permittedOf(s))
	return status
}

// setConditions puts conditions of this pass into a status.
func setConditions(s *scope, status *v1alpha1.IntegrationStatus, conditions ...metav1.Condition) {
	for _, condition := range conditions {
		condition.ObservedGeneration = s.intg.Generation
		condition.LastTransitionTime = metav1.NewTime(s.now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
}

// revokedBefore returns the time before which every token is revoked. It never goes back, so that what was ended stays ended when the
// field is taken out of spec again, by hand or by GitOps. A time that has not come yet may still be a mistake.
func revokedBefore(s *scope, before *metav1.Time) *metav1.Time {
	asked := s.intg.Spec.RevokeTokensIssuedBefore
	if asked == nil || asked.After(s.now) || before != nil && !asked.After(before.Time) {
		return before
	}
	return asked.DeepCopy()
}

// grantedNow returns what the client may have from now on. What a pass grants takes effect even where a later phase failed, so that
// less is never late. Only what needs a key waits for that: until then the client has what it had before of that kind.
func grantedNow(s *scope, before *v1alpha1.Granted) *v1alpha1.Granted {
	if s.granted == nil {
		return before
	}
	granted := s.granted.DeepCopy()
	ready := func(algorithm v1alpha1.SigningAlgorithm) bool { return slices.Contains(s.readyKeys, algorithm) }
	if !slices.ContainsFunc(granted.KeyAlgorithms(), func(a v1alpha1.SigningAlgorithm) bool { return !ready(a) }) {
		return granted
	}
	if before == nil {
		return nil
	}
	if !ready(granted.SigningAlgorithm) {
		granted.SigningAlgorithm = before.SigningAlgorithm
	}
	if ready(v1alpha1.KeyAlgorithmA256GCM) {
		return granted
	}
	if granted.TokenFormat == v1alpha1.TokenFormatOpaque && before.TokenFormat != v1alpha1.TokenFormatOpaque {
		granted.TokenFormat = v1alpha1.TokenFormatJWT
	}
	granted.GrantTypes = slices.DeleteFunc(granted.GrantTypes, func(g v1alpha1.GrantType) bool {
		return granted.Profile.Seals(g) && !slices.Contains(before.GrantTypes, g)
	})
	if !slices.Contains(granted.GrantTypes, v1alpha1.GrantTypeRefreshToken) {
		granted.RefreshLifetime = nil
	}
	if !slices.Contains(granted.GrantTypes, v1alpha1.GrantTypePassword) {
		granted.Users = nil
	}
	return granted
}

// suspendedUntil returns the time until which the client is stopped by spec.revokeTokensIssuedBefore; zero if it is not.
func (s *scope) suspendedUntil() time.Time {
	until := s.intg.Spec.RevokeTokensIssuedBefore
	if until == nil || !s.now.Before(until.Time) {
		return time.Time{}
	}
	return until.Time
}

// readyOf returns the condition Ready of a pass that ended well.
func readyOf(s *scope) metav1.Condition {
	const stopped = "the client gets no tokens, and the token server calls those that are out inactive, "
	switch until := s.suspendedUntil(); {
	case s.intg.Spec.Suspend:
		return condition(v1alpha1.ConditionReady, false, v1alpha1.ReasonSuspended, stopped+"while spec.suspend is true")
	case !until.IsZero():
		return condition(v1alpha1.ConditionReady, false, v1alpha1.ReasonSuspended, fmt.Sprintf(
			"%suntil %s, as spec.revokeTokensIssuedBefore says", stopped, until.UTC().Format(time.RFC3339)))
	}
	methods := s.intg.CredentialMethods()
	var message string
	switch {
	case slices.Contains(methods, v1alpha1.CredentialMethodClientSecret):
		message = fmt.Sprintf("client %s can get tokens with the credentials in Secret %s", s.clientID, s.intg.SecretName())
	case slices.Contains(methods, v1alpha1.CredentialMethodPrivateKeyJWT):
		message = fmt.Sprintf("client %s can get tokens with a key of its own; Secret %s says where", s.clientID, s.intg.SecretName())
	default:
		message = fmt.Sprintf("client %s can log in users; Secret %s says where", s.clientID, s.intg.SecretName())
	}
	return condition(v1alpha1.ConditionReady, true, v1alpha1.ReasonReady, message)
}

// conditionsOf returns every condition that the controller owns.
func conditionsOf(s *scope) []metav1.Condition {
	f := failure(s.err)
	ready := condition(v1alpha1.ConditionReady, false, f.reason, f.message)
	if s.err == nil {
		ready = readyOf(s)
	}

	reconciling := condition(v1alpha1.ConditionReconciling, false, v1alpha1.ReasonIdle, "")
	stalled := condition(v1alpha1.ConditionStalled, false, v1alpha1.ReasonIdle, "")
	switch {
	case f.terminal:
		stalled = condition(v1alpha1.ConditionStalled, true, f.reason, f.message)
	case s.err != nil:
		reconciling = condition(v1alpha1.ConditionReconciling, true, f.reason, f.message)
	}
	if s.restartProblem != nil && s.err == nil {
		stalled = condition(v1alpha1.ConditionStalled, true, s.restartProblem.reason, s.restartProblem.message)
	}

	return []metav1.Condition{ready, reconciling, stalled, permittedOf(s), credentialsReadyOf(s)}
}

// permittedOf returns the condition Permitted.
func permittedOf(s *scope) metav1.Condition {
	if s.permit.Reason == "" {
		// The pass did not get so far as to ask the policies.
		f := failure(s.err)
		return condition(v1alpha1.ConditionPermitted, false, f.reason, f.message)
	}
	return condition(v1alpha1.ConditionPermitted, s.permit.Reason == v1alpha1.ReasonPermitted, s.permit.Reason, s.permit.Message)
}

// credentialsReadyOf returns the condition CredentialsReady.
func credentialsReadyOf(s *scope) metav1.Condition {
	if problem := cmp.Or(s.clientSecretProblem, s.shapeProblem); s.secretReady && problem != nil {
		f := failure(problem)
		return condition(v1alpha1.ConditionCredentialsReady, false, f.reason, f.message)
	}
	if !s.secretReady || s.usersMissing {
		f := failure(s.err)
		return condition(v1alpha1.ConditionCredentialsReady, false, f.reason, f.message)
	}
	message := fmt.Sprintf("Secret %s holds the credentials", s.intg.SecretName())
	if !credentials.UsesClientSecret(s.intg) {
		message = fmt.Sprintf("Secret %s holds the client ID, and no client secret as the client uses none", s.intg.SecretName())
	}
	if s.values.KeepUntil != nil {
		message += "; it stays when the Integration is deleted, as spec.secret.deletionPolicy is Retain"
	}
	if !s.rotationWaits.IsZero() {
		message += fmt.Sprintf("; %s, %s at the latest; spec.credentials.rotation.overlap: 0s ends it at once",
			rotationWaits, s.rotationWaits.UTC().Format(time.RFC3339))
	}
	return condition(v1alpha1.ConditionCredentialsReady, true, v1alpha1.ReasonSecretReady, message)
}

// rotationWaits is what CredentialsReady says of a rotation that waits.
const rotationWaits = "a rotation waits until the previous client secret is accepted no longer"

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

// maxNote is how many bytes the API server lets an event say.
const maxNote = 1024

// note cuts a message to what an event may say; the condition has it whole.
func note(message string) string {
	const more = "..."
	if len(message) <= maxNote {
		return message
	}
	return strings.ToValidUTF8(message[:maxNote-len(more)], "") + more
}

// A transition is what an event tells.
type transition struct {
	kind, reason, message string
}

// transitions returns what is worth an event between two states of the conditions: getting stuck, getting ready after having
// been stuck or suspended, and having to wait for a rotation. A new Integration that becomes ready is worth none: its condition says so, and 1,000 of them at once
// would cost the API server as many writes again.
func transitions(before, after []metav1.Condition) []transition {
	var found []transition
	stalled := meta.FindStatusCondition(after, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && !hasReason(before, v1alpha1.ConditionStalled, stalled.Reason) {
		found = append(found, transition{corev1.EventTypeWarning, stalled.Reason, stalled.Message})
	}
	if message := credentialsMessage(after); strings.Contains(message, rotationWaits) && !strings.Contains(credentialsMessage(before), rotationWaits) {
		found = append(found, transition{corev1.EventTypeNormal, v1alpha1.ReasonRotationWaits, message})
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

// credentialsMessage returns what the condition CredentialsReady says; empty if it is not there.
func credentialsMessage(conditions []metav1.Condition) string {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionCredentialsReady); c != nil {
		return c.Message
	}
	return ""
}

// hasReason reports whether a condition is there with a reason.
func hasReason(conditions []metav1.Condition, conditionType, reason string) bool {
	c := meta.FindStatusCondition(conditions, conditionType)
	return c != nil && c.Reason == reason
}
