// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

// documentedReasons is what conditions.go says of each condition, by its status.
var documentedReasons = map[string]map[metav1.ConditionStatus][]string{
	v1alpha1.ConditionReady: {
		metav1.ConditionTrue:  {v1alpha1.ReasonReady},
		metav1.ConditionFalse: slices.Concat([]string{v1alpha1.ReasonSuspended}, pendingReasons, stuckReasons),
	},
	v1alpha1.ConditionReconciling: {
		metav1.ConditionTrue:  pendingReasons,
		metav1.ConditionFalse: {v1alpha1.ReasonIdle},
	},
	v1alpha1.ConditionStalled: {
		metav1.ConditionTrue:  append(stuckReasons, softReasons...),
		metav1.ConditionFalse: {v1alpha1.ReasonIdle},
	},
	v1alpha1.ConditionPermitted: {
		metav1.ConditionTrue:  {v1alpha1.ReasonPermitted},
		metav1.ConditionFalse: {v1alpha1.ReasonNoPolicy, v1alpha1.ReasonNotPermitted, v1alpha1.ReasonReconcileError},
	},
	v1alpha1.ConditionCredentialsReady: {
		metav1.ConditionTrue: {v1alpha1.ReasonSecretReady},
		metav1.ConditionFalse: {
			v1alpha1.ReasonNoPolicy, v1alpha1.ReasonNotPermitted,
			v1alpha1.ReasonClientIDConflict, v1alpha1.ReasonSecretConflict, v1alpha1.ReasonSecretRejected,
			v1alpha1.ReasonCertificateAuthorityPending, v1alpha1.ReasonSecretPending,
			v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretNotConsented, v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonDuplicateUser,
			v1alpha1.ReasonClientSecretTooWeak, v1alpha1.ReasonTemplateInvalid, v1alpha1.ReasonReconcileError,
		},
	},
}

var (
	pendingReasons = []string{
		v1alpha1.ReasonCertificateAuthorityPending, v1alpha1.ReasonSigningKeyPending, v1alpha1.ReasonSecretPending,
		v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonReconcileError,
	}
	stuckReasons = []string{
		v1alpha1.ReasonNoPolicy, v1alpha1.ReasonNotPermitted, v1alpha1.ReasonClientIDConflict, v1alpha1.ReasonSecretConflict,
		v1alpha1.ReasonSecretRejected, v1alpha1.ReasonSecretNotConsented, v1alpha1.ReasonSecretInvalid, v1alpha1.ReasonClientSecretTooWeak,
		v1alpha1.ReasonRotationInvalid, v1alpha1.ReasonTemplateInvalid, v1alpha1.ReasonDuplicateUser,
	}
	// softReasons leave the client Ready.
	softReasons = []string{v1alpha1.ReasonNothingToRestart, v1alpha1.ReasonRestartForbidden}
)

// brokenInvariants returns what the status of an Integration must never be once its generation was looked at.
func brokenInvariants(intg *v1alpha1.Integration) error {
	var errs []error
	broken := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("Integration %s/%s: "+format, append([]any{intg.Namespace, intg.Name}, args...)...))
	}
	if intg.Status.ObservedGeneration != intg.Generation {
		broken("observedGeneration is %d, want %d", intg.Status.ObservedGeneration, intg.Generation)
	}
	if got := len(intg.Status.Conditions); got != len(documentedReasons) {
		broken("has %d conditions, want %d", got, len(documentedReasons))
	}
	for conditionType, reasons := range documentedReasons {
		c := meta.FindStatusCondition(intg.Status.Conditions, conditionType)
		if c == nil {
			broken("has no condition %s", conditionType)
			continue
		}
		if c.ObservedGeneration != intg.Generation || c.LastTransitionTime.IsZero() {
			broken("%s is of generation %d, want %d, and of %s", conditionType, c.ObservedGeneration, intg.Generation, c.LastTransitionTime)
		}
		if !slices.Contains(reasons[c.Status], c.Reason) {
			broken("%s=%s has reason %q, which is not documented", conditionType, c.Status, c.Reason)
		}
		if c.Message == "" && c.Reason != v1alpha1.ReasonIdle {
			broken("%s=%s for %s says nothing", conditionType, c.Status, c.Reason)
		}
	}
	isTrue := func(conditionType string) bool {
		return meta.IsStatusConditionTrue(intg.Status.Conditions, conditionType)
	}
	stalled := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled)
	if isTrue(v1alpha1.ConditionReady) {
		if isTrue(v1alpha1.ConditionStalled) && !slices.Contains(softReasons, stalled.Reason) || isTrue(v1alpha1.ConditionReconciling) || !isTrue(v1alpha1.ConditionCredentialsReady) {
			broken("is Ready and something is in the way: %+v", intg.Status.Conditions)
		}
		if intg.Status.ClientID == "" || intg.Status.Granted == nil || intg.Status.Credentials == nil || intg.Status.Endpoints == nil {
			broken("is Ready and its status is incomplete: %+v", intg.Status)
		}
		if intg.Spec.Suspend {
			broken("is Ready although it is suspended")
		}
		for _, algorithm := range intg.KeyAlgorithms() {
			if !slices.Contains(intg.Status.Granted.KeyAlgorithms(), algorithm) {
				broken("is Ready although its tokens do not have what needs a key for %s", algorithm)
			}
		}
	}
	if isTrue(v1alpha1.ConditionStalled) && isTrue(v1alpha1.ConditionReconciling) {
		broken("is both stalled and reconciling")
	}
	wantKstatus := kstatusInProgress
	switch {
	case isTrue(v1alpha1.ConditionStalled):
		wantKstatus = kstatusFailed
	case isTrue(v1alpha1.ConditionReady):
		wantKstatus = kstatusCurrent
	}
	if got := kstatusOf(intg); got != wantKstatus {
		broken("kstatus reads %s, want %s", got, wantKstatus)
	}
	return errors.Join(errs...)
}

const (
	kstatusCurrent    = "Current"
	kstatusInProgress = "InProgress"
	kstatusFailed     = "Failed"
)

// kstatusOf reads a status by the rules that kstatus documents for custom resources, which kubectl wait, Argo CD and Flux follow.
func kstatusOf(intg *v1alpha1.Integration) string {
	conditions := intg.Status.Conditions
	switch {
	case intg.Status.ObservedGeneration != intg.Generation, meta.IsStatusConditionTrue(conditions, "Reconciling"):
		return kstatusInProgress
	case meta.IsStatusConditionTrue(conditions, "Stalled"):
		return kstatusFailed
	case !meta.IsStatusConditionTrue(conditions, "Ready"):
		return kstatusInProgress
	default:
		return kstatusCurrent
	}
}

// passErrors are all the ways in which a phase can end a pass, and what it knows by then.
var passErrors = map[string]struct {
	err error
	// wantReason is the reason that Ready gives.
	wantReason string
	terminal   bool
	// phases is how many of claim, grant, trust, secret, keys and users were done.
	phases int
}{
	"success":                  {err: nil, wantReason: v1alpha1.ReasonReady, phases: 6},
	"client ID conflict":       {err: &terminalError{reason: v1alpha1.ReasonClientIDConflict, message: "m"}, wantReason: v1alpha1.ReasonClientIDConflict, terminal: true},
	"failed to list rivals":    {err: errors.New("broken"), wantReason: v1alpha1.ReasonReconcileError},
	"CA pending":               {err: &waitingError{reason: v1alpha1.ReasonCertificateAuthorityPending, message: "m"}, wantReason: v1alpha1.ReasonCertificateAuthorityPending, phases: 2},
	"failed to read the CA":    {err: errors.New("broken"), wantReason: v1alpha1.ReasonReconcileError, phases: 2},
	"Secret conflict":          {err: &terminalError{reason: v1alpha1.ReasonSecretConflict, message: "m", retryAfter: time.Minute}, wantReason: v1alpha1.ReasonSecretConflict, terminal: true, phases: 3},
	"Secret rejected, wrapped": {err: fmt.Errorf("wrapped: %w", &terminalError{reason: v1alpha1.ReasonSecretRejected, message: "m"}), wantReason: v1alpha1.ReasonSecretRejected, terminal: true, phases: 3},
	"failed to write":          {err: errors.New("broken"), wantReason: v1alpha1.ReasonReconcileError, phases: 3},
	"failed to remove former":  {err: errors.New("broken"), wantReason: v1alpha1.ReasonReconcileError, phases: 4},
	"key pending":              {err: &waitingError{reason: v1alpha1.ReasonSigningKeyPending, message: "m"}, wantReason: v1alpha1.ReasonSigningKeyPending, phases: 4},
	"user missing":             {err: &waitingError{reason: v1alpha1.ReasonSecretNotFound, message: "m"}, wantReason: v1alpha1.ReasonSecretNotFound, phases: 5},
	"no policy, no Secret":     {err: &terminalError{reason: v1alpha1.ReasonNoPolicy, message: "m"}, wantReason: v1alpha1.ReasonNoPolicy, terminal: true, phases: 2},
	"not all permitted":        {err: &terminalError{reason: v1alpha1.ReasonNotPermitted, message: "m"}, wantReason: v1alpha1.ReasonNotPermitted, terminal: true, phases: 6},
	"schedule invalid":         {err: &terminalError{reason: v1alpha1.ReasonRotationInvalid, message: "m"}, wantReason: v1alpha1.ReasonRotationInvalid, terminal: true, phases: 6},
	"brought secret weak":      {err: &terminalError{reason: v1alpha1.ReasonClientSecretTooWeak, message: "m"}, wantReason: v1alpha1.ReasonClientSecretTooWeak, terminal: true, phases: 6},
	"user not consented":       {err: &terminalError{reason: v1alpha1.ReasonSecretNotConsented, message: "m"}, wantReason: v1alpha1.ReasonSecretNotConsented, terminal: true, phases: 5},
}

// testScope returns what a pass knows after a number of phases.
func testScope(intg *v1alpha1.Integration, err error, phases int) *scope {
	s := &scope{intg: intg, err: err, permit: permit.Result{Reason: v1alpha1.ReasonPermitted, Message: "m"}}
	switch reason := failure(err).reason; reason {
	case v1alpha1.ReasonNoPolicy, v1alpha1.ReasonNotPermitted:
		s.permit.Reason = reason
	case v1alpha1.ReasonClientSecretTooWeak:
		s.clientSecretProblem = err
	}
	if phases >= 1 {
		s.clientID = "ns.name"
	}
	if phases >= 2 {
		s.granted = granted(v1alpha1.SigningAlgorithmRS256, "r")
	}
	if phases >= 3 {
		s.values = credentials.Values{ClientID: s.clientID, Granted: s.granted, Endpoints: v1alpha1.EndpointsOf(issuer)}
	}
	s.secretReady = phases >= 4
	if phases >= 5 {
		s.readyKeys = s.granted.KeyAlgorithms()
	}
	s.usersMissing = phases == 5
	return s
}

// statusAt returns the status that follows from a pass at a time.
func statusAt(s *scope, now metav1.Time) v1alpha1.IntegrationStatus {
	s.now = now.Time
	return statusOf(s)
}

func granted(algorithm v1alpha1.SigningAlgorithm, scopes ...string) *v1alpha1.Granted {
	return &v1alpha1.Granted{
		Access: []v1alpha1.Access{{Audience: issuer, Scopes: scopes}}, DefaultScopes: scopes, SigningAlgorithm: algorithm,
	}
}

func TestNoPassThatFailedEndsReady(t *testing.T) {
	for _, suspend := range []bool{false, true} {
		for name, tt := range passErrors {
			for previous, then := range passErrors {
				t.Run(fmt.Sprintf("%s after %s, suspend %t", name, previous, suspend), func(t *testing.T) {
					intg := newIntegration("ns", "name", signedWith(rs256), func(i *v1alpha1.Integration) { i.Generation, i.Spec.Suspend = 7, suspend })
					earlier := metav1.NewTime(time.Date(2026, time.November, 22, 9, 0, 0, 0, time.UTC))
					intg.Status = statusAt(testScope(intg, then.err, then.phases), earlier)
					intg.Generation = 8
					now := metav1.NewTime(earlier.Add(time.Hour))
					intg.Status = statusAt(testScope(intg, tt.err, tt.phases), now)

					if err := brokenInvariants(intg); err != nil {
						t.Error(err)
					}
					wantStatus, wantReason := metav1.ConditionFalse, tt.wantReason
					switch {
					case tt.err == nil && suspend:
						wantReason = v1alpha1.ReasonSuspended
					case tt.err == nil:
						wantStatus = metav1.ConditionTrue
					}
					ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
					if ready.Status != wantStatus || ready.Reason != wantReason {
						t.Errorf("Ready: want %s %s, got %s %s", wantStatus, wantReason, ready.Status, ready.Reason)
					}
					if got := meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionStalled); got != tt.terminal {
						t.Errorf("Stalled: want %t, got %t", tt.terminal, got)
					}
					if again := statusAt(testScope(intg, tt.err, tt.phases), metav1.NewTime(now.Add(time.Hour))); !cmp.Equal(intg.Status, again) {
						t.Errorf("a second pass changes the status (-first +second):\n%s", cmp.Diff(intg.Status, again))
					}
				})
			}
		}
	}
}

func TestConditionKeepsItsTransitionTimeWhileItsStatusStays(t *testing.T) {
	intg := newIntegration("ns", "name")
	first := metav1.NewTime(time.Date(2026, time.November, 22, 9, 0, 0, 0, time.UTC))
	second := metav1.NewTime(first.Add(time.Hour))
	intg.Status = statusAt(testScope(intg, passErrors["key pending"].err, 4), first)
	intg.Status = statusAt(testScope(intg, nil, 6), second)
	for conditionType, want := range map[string]metav1.Time{
		v1alpha1.ConditionReady: second, v1alpha1.ConditionReconciling: second,
		v1alpha1.ConditionStalled: first, v1alpha1.ConditionCredentialsReady: first,
	} {
		if got := meta.FindStatusCondition(intg.Status.Conditions, conditionType).LastTransitionTime; !got.Equal(&want) {
			t.Errorf("%s: want %s, got %s", conditionType, want, got)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	transient := errors.New("broken")
	terminal := &terminalError{reason: v1alpha1.ReasonSecretRejected, message: "m"}
	tests := []struct {
		name         string
		err          error
		again        time.Duration
		want         ctrl.Result
		wantErr      error
		wantTerminal bool
	}{
		{name: "Success is the end of it."},
		{
			name: "What comes by itself is looked at again.", err: &waitingError{message: "m", retryAfter: time.Second},
			want: ctrl.Result{RequeueAfter: time.Second},
		},
		{
			name: "A wrapped wait is a wait.", err: fmt.Errorf("w: %w", &waitingError{message: "m", retryAfter: time.Second}),
			want: ctrl.Result{RequeueAfter: time.Second},
		},
		{
			name: "What nobody would tell of is looked at again.", err: &terminalError{message: "m", retryAfter: time.Minute},
			want: ctrl.Result{RequeueAfter: time.Minute},
		},
		{name: "Success may have a next time.", again: time.Hour, want: ctrl.Result{RequeueAfter: time.Hour}},
		{
			name: "What is stuck is looked at when something is due.", err: terminal, again: time.Hour,
			want: ctrl.Result{RequeueAfter: time.Hour},
		},
		{
			name: "The earlier of two times counts.", err: &terminalError{message: "m", retryAfter: time.Minute}, again: time.Second,
			want: ctrl.Result{RequeueAfter: time.Second},
		},
		{
			name: "The earlier of two times counts for what comes by itself.", err: &waitingError{message: "m", retryAfter: time.Second},
			again: time.Minute, want: ctrl.Result{RequeueAfter: time.Second},
		},
		{name: "What is stuck is not tried again.", err: terminal, wantErr: terminal, wantTerminal: true},
		{name: "Anything else is tried again with a growing delay.", err: transient, wantErr: transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := outcomeWithin(tt.err, tt.again)
			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("want %+v and error %v, got %+v and %v", tt.want, tt.wantErr, got, err)
			}
			if isTerminal := errors.Is(err, reconcile.TerminalError(nil)); isTerminal != tt.wantTerminal {
				t.Errorf("terminal: want %t, got %t", tt.wantTerminal, isTerminal)
			}
		})
	}
}

func TestAFailureDoesNotPutOffALookThatIsDueSoon(t *testing.T) {
	transient := errors.New("the API server cannot be reached")
	terminal := &terminalError{message: "m"}
	for _, tt := range []struct {
		name    string
		err     error
		again   time.Duration
		want    time.Duration
		wantErr error
	}{
		{"Nothing is due.", transient, 0, 0, transient},
		{"Something is due much later.", transient, time.Hour, 0, transient},
		{"Something is due soon, and what failed does not wait for it.", transient, 15 * time.Second, 2 * time.Second, nil},
		{"What is due now is not tried all the time.", transient, time.Millisecond, time.Second, nil},
		{"What is stuck is no failure that passes.", terminal, 0, 0, terminal},
		{"A success keeps its time.", nil, time.Millisecond, time.Millisecond, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := outcomeOfPass(t.Context(), tt.err, tt.again)
			if got.RequeueAfter != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("want %s and error %v, got %+v and %v", tt.want, tt.wantErr, got, err)
			}
		})
	}
}

func TestTransitions(t *testing.T) {
	conditions := func(pass string, suspend bool) []metav1.Condition {
		if pass == "" {
			return nil
		}
		intg := newIntegration("ns", "name", func(i *v1alpha1.Integration) { i.Spec.Suspend = suspend })
		return statusAt(testScope(intg, passErrors[pass].err, passErrors[pass].phases), metav1.Now()).Conditions
	}
	const normal, warning = corev1.EventTypeNormal, corev1.EventTypeWarning
	tests := []struct {
		name                          string
		before, after                 string
		suspendedBefore, suspendAfter bool
		want                          []string
	}{
		{name: "A new Integration that becomes ready is worth none.", after: "success"},
		{name: "A new Integration that waits is worth none.", after: "key pending"},
		{name: "Ready after a wait is worth none.", before: "key pending", after: "success"},
		{name: "Staying ready is worth none.", before: "success", after: "success"},
		{name: "A new Integration that is stuck warns.", after: "Secret conflict", want: []string{warning + " SecretConflict"}},
		{name: "Getting stuck warns.", before: "success", after: "client ID conflict", want: []string{warning + " ClientIDConflict"}},
		{name: "Staying stuck is worth none.", before: "Secret conflict", after: "Secret conflict"},
		{name: "Getting stuck on something else warns.", before: "Secret conflict", after: "client ID conflict", want: []string{warning + " ClientIDConflict"}},
		{name: "Ready after being stuck is told.", before: "Secret conflict", after: "success", want: []string{normal + " Ready"}},
		{name: "Suspending is told.", before: "success", after: "success", suspendAfter: true, want: []string{normal + " Suspended"}},
		{name: "Staying suspended is worth none.", before: "success", after: "success", suspendedBefore: true, suspendAfter: true},
		{name: "Resuming is told.", before: "success", after: "success", suspendedBefore: true, want: []string{normal + " Ready"}},
		{name: "A new Integration that is suspended is worth none.", after: "success", suspendAfter: true},
		{name: "A failure is worth none, as it is tried again.", before: "success", after: "failed to write"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, found := range transitions(conditions(tt.before, tt.suspendedBefore), conditions(tt.after, tt.suspendAfter)) {
				got = append(got, found.kind+" "+found.reason)
				if found.message == "" {
					t.Errorf("%s says nothing", found.reason)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAConditionHoldsNothingThatAServerSaid(t *testing.T) {
	refused := apierrors.NewInternalError(errors.New("failed calling webhook: Post https://hook.example/?token=hunter2"))
	unreachable := &url.Error{Op: "Get", URL: "https://api.example/?timeout=10s", Err: errors.New("hunter2")}
	for name, err := range map[string]error{
		"a webhook's words": fmt.Errorf("update Secret shop/a: %w", refused), "a URL": fmt.Errorf("update Secret shop/a: %w", unreachable),
	} {
		got := publicMessage(err)
		if !strings.HasPrefix(got, "update Secret shop/a: ") || strings.Contains(got, "hunter2") || strings.Contains(got, "?") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestAnEventSaysNoMoreThanItMay(t *testing.T) {
	for name, tt := range map[string]struct {
		message string
		want    string
	}{
		"a short message":                        {"short", "short"},
		"the longest message":                    {strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		"a message that is too long":             {strings.Repeat("a", 1025), strings.Repeat("a", 1021) + "..."},
		"one that would be cut in a character":   {strings.Repeat("a", 1020) + "üüü", strings.Repeat("a", 1020) + "..."},
		"one that would be cut between two such": {strings.Repeat("a", 1019) + "üüü", strings.Repeat("a", 1019) + "ü..."},
	} {
		if got := note(tt.message); got != tt.want {
			t.Errorf("%s: want %d bytes that end with %q, got %d that end with %q",
				name, len(tt.want), tt.want[max(0, len(tt.want)-8):], len(got), got[max(0, len(got)-8):])
		}
	}
}

func TestSooner(t *testing.T) {
	got := []time.Duration{sooner(0, 0), sooner(1, 0), sooner(0, 2), sooner(1, 2), sooner(2, 1)}
	if want := []time.Duration{0, 1, 2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}
