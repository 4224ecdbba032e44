// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
	"github.com/integration-operator/integration-operator/controllers/internal/permit"
)

const (
	// stuckRetry is how often what no watch tells of is looked at: a Secret in the way, which lacks the label, and an admission policy.
	stuckRetry = time.Minute
	// readBackInterval is how often the cache is asked for a Secret just written.
	readBackInterval = 5 * time.Millisecond
	// readBackTimeout bounds that, so that workers do not all wait for a watch that is broken.
	readBackTimeout = 5 * time.Second
	// minAgain is how soon an Integration is looked at again at the earliest, where that would be now.
	minAgain = 100 * time.Millisecond
	// pendingRetry is the safety net behind the watches that tell when something pending has come.
	pendingRetry = 30 * time.Second
)

// A phase does one step of a pass and records facts in the scope. Its error ends the pass: a *waitingError, a *terminalError, or
// anything else, which is tried again.
type phase func(context.Context, *scope) error

// A scope is what one pass over one Integration knows. Phases fill it in from top to bottom; statusOf turns it into the status.
type scope struct {
	intg *v1alpha1.Integration
	// now is when the pass began.
	now time.Time

	// clientID is the wanted client ID once it is certain that the Integration owns it.
	clientID string
	// policies are those for the Integration's namespace, by name.
	policies []*v1alpha1.IntegrationPolicy
	// permit is what they make of spec, and granted what the Integration may have by it.
	permit  permit.Result
	granted *v1alpha1.Granted
	// values is what its Secret should hold.
	values credentials.Values
	// existing is the Secret of the wanted name, former the owned ones of other names.
	existing *corev1.Secret
	former   []*corev1.Secret
	// brought is the client secret that spec.credentials.clientSecretRef brings; nil if there is none, or none to use.
	brought []byte
	// clientSecretProblem is why the client secret that spec brings cannot be used; nil if it can. One that came before goes on.
	clientSecretProblem error
	// accessTokens are the access tokens in the Secret, by key.
	accessTokens []v1alpha1.AccessTokenStatus
	// shapeProblem is why a part of what spec.secret asks for cannot be had; nil if all can. The rest of the Secret is as it should be.
	shapeProblem error
	// rotationProblem is why the client secret is not rotated by the clock; nil if it is.
	rotationProblem error
	// secretReady says that the Secret is there and as it should be, or as far as it can be.
	secretReady bool
	// readyKeys are the algorithms that the Integration's tokens need for which an active key exists.
	readyKeys []v1alpha1.SigningAlgorithm
	// rotatedAt is when the client secret in the Secret took the place of another; zero if it is the first one.
	rotatedAt time.Time
	// nextRotation is when the client secret is to be rotated next; zero for never.
	nextRotation time.Time
	// rotationWaits is how long a rotation that is due waits at most for the end of the previous client secret; zero if none does.
	rotationWaits time.Time
	// restart is how far the restarts after that have come; nil before the first one.
	restart *v1alpha1.RestartStatus
	// restartProblem is why workloads cannot be restarted; nil if they can. The client gets tokens all the same.
	restartProblem *terminalError
	// again is when to look again, whatever else happens; zero for never.
	again time.Time
	// usersMissing says that the Secret of a user is missing or cannot be used.
	usersMissing bool
	// err is how the phases ended.
	err error
}

// lookAgain has the Integration looked at again at a time, or earlier; zero is never.
func (s *scope) lookAgain(at time.Time) {
	if !at.IsZero() && (s.again.IsZero() || at.Before(s.again)) {
		s.again = at
	}
}

// untilAgain returns in how long to look again; zero for never.
func (s *scope) untilAgain() time.Duration {
	if s.again.IsZero() {
		return 0
	}
	return max(s.again.Sub(s.now), minAgain)
}

// tellProblems ends a pass that left something as it was and did all else. It comes late, so that the rest works.
func (r *IntegrationReconciler) tellProblems(_ context.Context, s *scope) error {
	return cmp.Or(s.clientSecretProblem, s.shapeProblem, s.rotationProblem)
}

// gatherTrust finds out what else the Secret holds: CA certificates, endpoints, and who keeps it.
func (r *IntegrationReconciler) gatherTrust(ctx context.Context, s *scope) error {
	bundle, err := r.CABundle(ctx)
	if errors.Is(err, ErrCABundlePending) {
		return &waitingError{reason: v1alpha1.ReasonCertificateAuthorityPending, message: err.Error(), retryAfter: pendingRetry}
	}
	if err != nil {
		return fmt.Errorf("read the CA certificates for clients: %w", err)
	}
	s.values = credentials.Values{ClientID: s.clientID, Endpoints: s.intg.Endpoints(r.Issuer), Granted: s.granted, CABundle: bundle}
	if s.intg.Spec.Secret.DeletionPolicy != v1alpha1.DeletionPolicyRetain {
		return nil
	}
	key, namespace := client.ObjectKey{Name: s.intg.Namespace}, namespaceMetadata()
	err = r.Client.Get(ctx, key, namespace, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, key, namespace)
	}
	if err != nil {
		return fmt.Errorf("get Namespace %s, which is to keep the Secret: %w", s.intg.Namespace, err)
	}
	s.values.KeepUntil = &metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}
	return nil
}

// gatherSecrets finds the Secret of the wanted name and those that the Integration owned under other names, as far as the cache shows
// them: one without the operator's label is met when a Secret of its name is to be created.
func (r *IntegrationReconciler) gatherSecrets(ctx context.Context, s *scope) error {
	wanted := client.ObjectKey{Namespace: s.intg.Namespace, Name: s.intg.SecretName()}
	if wanted.Namespace == r.OperatorNamespace && v1alpha1.ReservedSecretName(wanted.Name) {
		return &terminalError{reason: v1alpha1.ReasonSecretConflict, message: fmt.Sprintf(
			"Secret %s has a name that is kept for the operator's own keys: choose another spec.secret.name", wanted)}
	}
	secret := &corev1.Secret{}
	switch err := r.Client.Get(ctx, wanted, secret); {
	case err == nil:
		if s.existing, err = r.whole(ctx, secret); err != nil {
			return err
		}
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("get Secret %s: %w", wanted, err)
	}

	labelled := &corev1.SecretList{}
	if err := r.Client.List(ctx, labelled, client.InNamespace(s.intg.Namespace), client.DisableReadYourWritesConsistency,
		client.MatchingFields{indexIntegration: s.intg.Name}); err != nil {
		return fmt.Errorf("list the Secrets of Integration %s: %w", client.ObjectKeyFromObject(s.intg), err)
	}
	for i := range labelled.Items {
		// A user's Secret may be the Integration's as well, so that it goes with it; it is none of the operator's making.
		if cached := &labelled.Items[i]; cached.Name != wanted.Name && credentials.Generated(cached, s.intg) {
			former, err := r.whole(ctx, cached)
			if err != nil {
				return err
			}
			if former != nil && credentials.Generated(former, s.intg) {
				s.former = append(s.former, former)
			}
		}
	}
	return nil
}

// whole returns a cached Secret as the API server has it, where the cache leaves out some of what it holds: it keeps little of one that nobody
// controls or that has become too large. It returns nil if there is none any more.
func (r *IntegrationReconciler) whole(ctx context.Context, cached *corev1.Secret) (*corev1.Secret, error) {
	if !credentials.Partial(cached) {
		return cached, nil
	}
	live, key := &corev1.Secret{}, client.ObjectKeyFromObject(cached)
	if err := r.Live.Get(ctx, key, live); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", key, err)
	}
	return live, nil
}

// predecessor returns the Secret of a former name that the client secret may be taken from; nil if there is none. One that is being
// deleted was deleted by somebody for good, or after its client secret was taken: what holds it must not bring that back.
func (s *scope) predecessor() *corev1.Secret {
	for _, former := range s.former {
		if former.DeletionTimestamp.IsZero() {
			return former
		}
	}
	return nil
}

// reconcileSecret makes the Secret what it should be, with one step of a rotation if that is due.
func (r *IntegrationReconciler) reconcileSecret(ctx context.Context, s *scope) error {
	if s.goes() {
		return heldSecret(s.existing)
	}
	plan, decision := r.decideSecret(s)
	err := r.write(ctx, s, decision)
	hidden := apierrors.IsAlreadyExists(err) && decision.Action == credentials.Create
	if hidden {
		// The Secret has no label of ours, or the watch is late: look, and decide again.
		s.existing = &corev1.Secret{}
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(decision.Secret), s.existing); err != nil {
			return fmt.Errorf("get Secret %s/%s: %w", s.intg.Namespace, s.intg.SecretName(), err)
		}
		plan, decision = r.decideSecret(s)
		err = r.write(ctx, s, decision)
	}
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return &terminalError{reason: v1alpha1.ReasonSecretRejected, retryAfter: stuckRetry, message: fmt.Sprintf(
			"the API server refuses Secret %s/%s, correct spec.secret or the admission policy: %s",
			s.intg.Namespace, s.intg.SecretName(), causesOf(err))}
	}
	if err != nil {
		return err
	}
	r.tellDecision(s, decision)
	if decision.Action == credentials.Create || decision.Action == credentials.Replace {
		plan = plan.since(decision.Secret.CreationTimestamp.Time)
	}
	r.finishPlan(s, plan)
	if decision.Problem != nil {
		s.shapeProblem = cmp.Or(s.shapeProblem, templateProblem(s, decision.Problem))
	}
	if hidden || decision.Action != credentials.None {
		if err := r.readBack(ctx, client.ObjectKeyFromObject(decision.Secret)); err != nil {
			return err
		}
	}
	s.secretReady = true
	return nil
}

// goes reports whether the Secret of the wanted name is being deleted, and with it whatever would be written into it now, while there is
// another one that has the client secret, or it is not the Integration's yet.
func (s *scope) goes() bool {
	return s.existing != nil && !s.existing.DeletionTimestamp.IsZero() && (len(s.former) > 0 || !credentials.Owned(s.existing, s.intg))
}

// tellDecision tells of what was done about the Secret, if somebody should hear of it.
func (r *IntegrationReconciler) tellDecision(s *scope, d credentials.Decision) {
	if d.Reason == "" {
		return
	}
	kind := corev1.EventTypeNormal
	if d.Warn {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(s.intg, nil, kind, d.Reason, "RestoreSecret", "%s", d.Message)
}

// write carries out a decision about the Secret of a pass.
func (r *IntegrationReconciler) write(ctx context.Context, s *scope, d credentials.Decision) error {
	again := d.Action == credentials.Create && s.intg.Status.Credentials != nil
	if again || d.Reason == v1alpha1.ReasonSecretAdopted {
		if err := r.stillThere(ctx, s.intg); err != nil {
			return err
		}
	}
	return r.apply(ctx, d, s.existing)
}

// stillThere returns nil if the API server has the Integration, and a conflict if it is gone or going. The cache may learn of that after it
// has seen the garbage collector take its Secret, or the owner off it: that Secret is not to be made anew or taken over.
func (r *IntegrationReconciler) stillThere(ctx context.Context, intg *v1alpha1.Integration) error {
	live, key := &v1alpha1.Integration{}, client.ObjectKeyFromObject(intg)
	err := r.Live.Get(ctx, key, live)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Integration %s: %w", key, err)
	}
	if err != nil || live.UID != intg.UID || !live.DeletionTimestamp.IsZero() {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("integrations").GroupResource(), key.Name, errors.New("it is gone or going"))
	}
	return nil
}

// decideSecret decides what has to be done about the Secret that is there, and about the rotation of the client secret in it.
func (r *IntegrationReconciler) decideSecret(s *scope) (rotationPlan, credentials.Decision) {
	input := credentials.Input{
		Integration: s.intg, Existing: s.existing, Former: s.predecessor(), Values: s.values,
		Established: s.established(),
		SpecChanged: s.intg.Status.ObservedGeneration != s.intg.Generation,
	}
	plan := r.planRotation(s, input)
	input.Values.Record, input.Replacement = plan.decision.Record, plan.replacement
	return plan, credentials.Decide(input)
}

// readBack waits until the cache shows a Secret just written. Ready is not said before this process has seen the Secret by its watch,
// as the token server does, so that a client that waits for Ready gets its token. The client's own read-your-writes does not wait
// long enough: the cache has a watch for the operator's namespace and one for the others, and takes news from either for both.
func (r *IntegrationReconciler) readBack(ctx context.Context, key client.ObjectKey) error {
	bounded, cancel := context.WithTimeout(ctx, readBackTimeout)
	defer cancel()
	err := wait.PollUntilContextCancel(bounded, readBackInterval, true, func(ctx context.Context) (bool, error) {
		err := r.Client.Get(ctx, key, &corev1.Secret{})
		return err == nil, client.IgnoreNotFound(err)
	})
	if err != nil && bounded.Err() != nil {
		return &waitingError{reason: v1alpha1.ReasonSecretPending, retryAfter: readBackTimeout, message: fmt.Sprintf(
			"Secret %s is written and has not come back by the watch yet: if it lasts, look for a webhook that takes its label off", key)}
	}
	return wrap(err, "read Secret %s back", key)
}

// apply carries out a decision. Every write is guarded: a create by the name being free, the others by the resource version or UID
// that the decision was made on.
func (r *IntegrationReconciler) apply(ctx context.Context, d credentials.Decision, existing *corev1.Secret) error {
	log := ctrl.LoggerFrom(ctx)
	switch d.Action {
	case credentials.None:
		return nil
	case credentials.Refuse:
		return &terminalError{reason: d.Reason, message: d.Message, retryAfter: stuckRetry}
	case credentials.Wait:
		return &waitingError{reason: d.Reason, message: d.Message, retryAfter: stuckRetry}
	case credentials.Update:
		log.Info("updating the Secret", "secret", d.Secret.Name)
		return wrap(r.Client.Update(ctx, d.Secret), "update Secret %s/%s", d.Secret.Namespace, d.Secret.Name)
	case credentials.Replace:
		log.Info("replacing the Secret", "secret", d.Secret.Name)
		if err := r.makeWay(ctx, existing); err != nil {
			return err
		}
	case credentials.Create:
		log.Info("creating the Secret", "secret", d.Secret.Name)
	}
	return wrap(r.Client.Create(ctx, d.Secret), "create Secret %s/%s", d.Secret.Namespace, d.Secret.Name)
}

// makeWay deletes a Secret of which another is to take the place. It returns a *waitingError if something would hold the Secret: nobody
// could make the other one then, and its client secret would be lost.
func (r *IntegrationReconciler) makeWay(ctx context.Context, existing *corev1.Secret) error {
	if len(existing.Finalizers) > 0 {
		return heldSecret(existing)
	}
	// Without its label the cache does not show the Secret and never sees it go: whoever waited for that would wait for ever.
	return wrap(r.Client.Delete(ctx, existing, client.DisableReadYourWritesConsistency,
		client.Preconditions{UID: &existing.UID, ResourceVersion: &existing.ResourceVersion}),
		"delete Secret %s to replace it", client.ObjectKeyFromObject(existing))
}

// heldSecret returns what a pass waits for when a Secret has to go and a finalizer holds it.
func heldSecret(secret *corev1.Secret) error {
	what := "has to be replaced, as what differs in it cannot be changed"
	if !secret.DeletionTimestamp.IsZero() {
		what = "is being deleted"
	}
	return &waitingError{reason: v1alpha1.ReasonSecretPending, retryAfter: pendingRetry, message: fmt.Sprintf(
		"Secret %s %s, and something holds it (metadata.finalizers): see to whatever put the finalizer there, or take the finalizer off",
		client.ObjectKeyFromObject(secret), what)}
}

// removeFormerSecrets removes the Secrets of former names. The new one is there by now and holds the same client secret; every replica
// of the token server sees it appear before it sees these go, as both come by one watch. The API server itself is asked for the new
// one: the cache may still show a Secret that was removed when spec.secret.name changed the other way.
func (r *IntegrationReconciler) removeFormerSecrets(ctx context.Context, s *scope) error {
	if len(s.former) == 0 {
		return nil
	}
	current := &corev1.Secret{}
	key := client.ObjectKey{Namespace: s.intg.Namespace, Name: s.intg.SecretName()}
	err := r.Live.Get(ctx, key, current)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Secret %s: %w", key, err)
	}
	if err == nil && credentials.Owned(current, s.intg) && !current.DeletionTimestamp.IsZero() {
		return heldSecret(current)
	}
	if err != nil || !credentials.Owned(current, s.intg) {
		return apierrors.NewConflict(corev1.Resource("secrets"), key.Name, errors.New("it went while its predecessors were to be removed"))
	}
	for _, former := range s.former {
		if err := r.removeFormerSecret(ctx, s, former); err != nil {
			return err
		}
	}
	return nil
}

// removeFormerSecret deletes the Secret of a former name, or releases it if somebody else is to keep it: deletionPolicy Retain, or whoever
// had it before it was taken over. It is read first, as the cache may lack what it holds, or not know yet what an earlier pass did and told.
func (r *IntegrationReconciler) removeFormerSecret(ctx context.Context, s *scope, cached *corev1.Secret) error {
	former, key := &corev1.Secret{}, client.ObjectKeyFromObject(cached)
	if err := r.Live.Get(ctx, key, former); err != nil {
		return client.IgnoreNotFound(wrap(err, "get Secret %s", key))
	}
	if !credentials.Generated(former, s.intg) {
		return nil
	}
	switch {
	case credentials.Adopted(former, s.intg) || s.values.KeepUntil != nil:
		released := credentials.Released(former, s.intg)
		if s.values.KeepUntil != nil {
			metav1.SetMetaDataLabel(&released.ObjectMeta, v1alpha1.LabelAdopt, s.intg.Name)
		}
		if err := r.Client.Update(ctx, released); err != nil {
			return fmt.Errorf("release Secret %s: %w", key, err)
		}
	case !former.DeletionTimestamp.IsZero():
		return nil // Something holds it.
	default:
		if err := r.Client.Delete(ctx, former, client.DisableReadYourWritesConsistency, client.Preconditions{UID: &former.UID}); err != nil {
			return client.IgnoreNotFound(wrap(err, "delete Secret %s", key))
		}
	}
	r.Recorder.Eventf(s.intg, nil, corev1.EventTypeNormal, v1alpha1.ReasonSecretReplaced, "RemoveSecret",
		"Secret %s/%s takes the place of %s", s.intg.Namespace, s.intg.SecretName(), former.Name)
	return nil
}

// established reports whether the status says that there has been a Secret with a client secret.
func (s *scope) established() bool {
	return s.intg.Status.Credentials != nil && hadClientSecret(s.intg.Status.Granted)
}

// hadClientSecret reports whether what was granted before lets the client use a client secret. Where nothing is granted any more, as after
// a conflict, there may have been one.
func hadClientSecret(granted *v1alpha1.Granted) bool {
	return granted == nil || slices.Contains(granted.Methods(), v1alpha1.CredentialMethodClientSecret)
}

// awaitKeys waits until there is a key for all that the Integration's tokens need. It comes late so that the Secret does not wait for it.
func (r *IntegrationReconciler) awaitKeys(ctx context.Context, s *scope) error {
	var missing []string
	for _, algorithm := range s.granted.KeyAlgorithms() {
		keys := &corev1.SecretList{}
		if err := r.Client.List(ctx, keys, client.InNamespace(r.OperatorNamespace), client.DisableReadYourWritesConsistency,
			client.UnsafeDisableDeepCopy, client.MatchingLabels{
				v1alpha1.LabelSigningKey: string(algorithm), v1alpha1.LabelKeyState: v1alpha1.KeyStateActive,
			}); err != nil {
			return fmt.Errorf("list the keys for %s: %w", algorithm, err)
		}
		if slices.ContainsFunc(keys.Items, func(key corev1.Secret) bool { return key.Type == v1alpha1.SecretTypeSigningKey }) {
			s.readyKeys = append(s.readyKeys, algorithm)
		} else {
			missing = append(missing, string(algorithm))
		}
	}
	if len(missing) > 0 {
		return &waitingError{reason: v1alpha1.ReasonSigningKeyPending, retryAfter: pendingRetry, message: fmt.Sprintf(
			"the key for %s is being made", strings.Join(missing, " and that for "))}
	}
	return nil
}

// causesOf returns the fields that the API server objects to, without the object that it was sent.
func causesOf(err error) string {
	var causes []string
	var status *apierrors.StatusError
	if errors.As(err, &status) && status.ErrStatus.Details != nil {
		for _, cause := range status.ErrStatus.Details.Causes {
			// The message may quote the value; the field does not.
			if cause.Field != "" {
				causes = append(causes, fmt.Sprintf("%s: %s", cause.Field, cause.Type))
			}
		}
	}
	if len(causes) == 0 {
		return "it names no field"
	}
	return strings.Join(causes, ", ")
}
