// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

// A rotationPlan is what a pass does about the client secret in the one write of its Secret.
type rotationPlan struct {
	// in is what the decision is about.
	in rotation.Input
	// decision is what has been decided; its record goes into the Secret.
	decision rotation.Decision
	// replacement is the client secret to put in place; nil to keep what is there.
	replacement []byte
	// announced is the client secret of which the record holds the digest from now on; nil if there is none to remember.
	announced plaintext
	// rotated says that the write puts another client secret in the place of one that works.
	rotated bool
}

// planRotation decides what to do about the client secret that input shows.
func (r *IntegrationReconciler) planRotation(s *scope, input credentials.Input) rotationPlan {
	if !credentials.UsesClientSecret(s.intg) {
		return rotationPlan{}
	}
	current, holder := input.Current()
	if current == nil {
		return planLost(s, input)
	}
	key, in := client.ObjectKeyFromObject(s.intg), rotationInput(s, holder)
	digest := v1alpha1.DigestOf(current)
	if s.brought != nil && v1alpha1.DigestOf(s.brought) != digest {
		// Whatever came before the present one is dropped: no more than two are accepted.
		in.LastUsed, in.Record = time.Time{}, rotation.Published(digest, s.now, in.Overlap, in.Most)
		return rotationPlan{in: in, decision: rotation.Decide(in), replacement: s.brought, rotated: true}
	}
	next := plaintext(nil)
	if in.Record.Next != nil {
		next, in.Held = r.announced.find(key, s.intg.UID, in.Record.Next.Digest)
	}
	plan := rotationPlan{in: in, decision: rotation.Decide(in)}
	switch plan.decision.Step {
	case rotation.Announce:
		plan.announced = conceal(credentials.GenerateClientSecret(s.intg.Spec.Profile))
		plan.decision.Record = rotation.Announced(plan.decision.Record, v1alpha1.DigestOf(plan.announced()), s.now)
		plan.decision.Again = s.now.Add(rotation.Settle)
	case rotation.Publish:
		in.Record = rotation.Published(digest, s.now, in.Overlap, in.Most)
		retired := plan.decision.Retired
		plan = rotationPlan{in: in, decision: rotation.Decide(in), replacement: next(), rotated: true}
		plan.decision.Retired = plan.decision.Retired || retired
	case rotation.Stay:
		if plan.decision.Record.Next != nil {
			plan.announced = next
		}
	}
	return plan
}

// since returns the plan after its write made the Secret at a time, from which an interval counts where there was no rotation.
func (p rotationPlan) since(created time.Time) rotationPlan {
	p.in.Born, p.in.Record = created, p.decision.Record
	again := rotation.Decide(p.in)
	p.decision.Next, p.decision.Waits = again.Next, again.Waits
	if again.Step != rotation.Stay {
		again.Again = p.in.Now
	}
	if p.decision.Again.IsZero() || !again.Again.IsZero() && again.Again.Before(p.decision.Again) {
		p.decision.Again = again.Again
	}
	return p
}

// planLost decides about a client secret that is not there: the first one, one that is lost, or one that the user brings. What was
// accepted beside the lost one still is.
func planLost(s *scope, input credentials.Input) rotationPlan {
	in := rotationInput(s, input.Existing)
	in.Record.Next = nil
	if s.brought == nil && input.WasThere() {
		in.Record.RotatedAt = s.now.UTC().Truncate(time.Second)
	}
	plan := rotationPlan{in: in, decision: rotation.Decide(in), replacement: s.brought}
	if plan.decision.Step != rotation.Stay {
		plan.decision.Again = s.now // There is nothing to rotate before this pass is done.
	}
	return plan
}

// rotationInput returns what there is to decide on about the client secret in a Secret, which may be nil.
func rotationInput(s *scope, holder *corev1.Secret) rotation.Input {
	in := rotation.Input{UID: s.intg.UID, Born: s.now, Now: s.now}
	in.Overlap, in.Most = s.intg.RotationOverlap()
	if s.intg.Spec.Credentials.ClientSecretRef == nil {
		in.Spec = s.rotationSpec()
	}
	if holder != nil {
		in.Born = holder.CreationTimestamp.Time
		if credentials.Owned(holder, s.intg) { // What stands on one that is to be taken over is nobody's word.
			in.Record = rotation.RecordOf(holder)
		}
		in.LastUsed = lastUse(s.intg, in.Record)
	}
	return in
}

// rotationSpec returns what is to be followed of spec.credentials.rotation. While a template cannot be rendered, its key keeps the client
// secret that it has, so the interval takes nobody a client secret that nothing else brings. A request for a rotation is somebody's wish.
func (s *scope) rotationSpec() *v1alpha1.RotationSpec {
	spec := s.intg.Spec.Credentials.Rotation
	if !s.rotatesByInterval() || credentials.TemplateProblem(s.intg, s.values) == nil {
		return spec
	}
	spec = spec.DeepCopy()
	spec.Interval = nil
	return spec
}

// rotatesByInterval reports whether spec wants client secrets to be rotated by the clock.
func (s *scope) rotatesByInterval() bool {
	c := s.intg.Spec.Credentials
	return c.Rotation != nil && c.Rotation.Interval != nil && c.ClientSecretRef == nil && credentials.UsesClientSecret(s.intg)
}

// templateProblem turns what is wrong with spec.secret.template into what a pass ends with.
func templateProblem(s *scope, problem error) error {
	message := problem.Error()
	// A key that the Secret had before it was taken over is no problem of the templates, and holds no rotation up.
	if s.rotatesByInterval() && credentials.TemplateProblem(s.intg, s.values) != nil {
		message += "; rotation by spec.credentials.rotation.interval waits until that is put right"
	}
	return &terminalError{reason: v1alpha1.ReasonTemplateInvalid, message: message}
}

// lastUse returns when the previous client secret of a record was last used, as the replica that saw it wrote into the status; zero for never.
func lastUse(intg *v1alpha1.Integration, record v1alpha1.RotationRecord) time.Time {
	status := intg.Status.Credentials
	if record.Previous == nil || status == nil || status.Previous == nil || status.Previous.LastUsedTime == nil ||
		status.LastRotationTime == nil || !status.LastRotationTime.Time.Equal(record.RotatedAt.Truncate(time.Second)) {
		return time.Time{}
	}
	return status.Previous.LastUsedTime.Time
}

// finishPlan remembers and tells what follows from a plan once it is written.
func (r *IntegrationReconciler) finishPlan(s *scope, plan rotationPlan) {
	d, key := plan.decision, client.ObjectKeyFromObject(s.intg)
	switch {
	case plan.announced != nil:
		r.announced.remember(key, s.intg.UID, plan.announced, r.Now())
	case d.Record.Previous == nil:
		r.announced.forget(key)
	default:
		r.announced.forgetSecret(key)
	}
	s.values.Record, s.rotatedAt, s.nextRotation = d.Record, d.Record.RotatedAt, d.Next
	if d.Waits {
		s.rotationWaits = d.Record.Previous.Until
	}
	s.lookAgain(d.Again)
	s.rotationProblem = rotationProblem(s.intg, d.Err)
	if d.Retired {
		kind, message := corev1.EventTypeNormal, "the previous client secret is accepted no longer"
		if d.CutOff {
			kind, message = corev1.EventTypeWarning, message+", and was still used: whoever holds it must read the Secret again"
		}
		r.tell(s, kind, v1alpha1.ReasonPreviousSecretRetired, message)
	}
	if d.InUse && r.announced.firstTold(key, s.intg.UID, d.Record.RotatedAt) {
		r.tell(s, corev1.EventTypeWarning, v1alpha1.ReasonPreviousSecretInUse, fmt.Sprintf(
			"the overlap is over and the previous client secret is still used: it is accepted until nobody has used it for the overlap, "+
				"and at most until %s; have whoever holds it read Secret %s again", d.Record.Previous.Until.Format(time.RFC3339), s.intg.SecretName()))
	}
	if plan.rotated {
		message := "a new client secret took the place of the one before it, which is accepted no longer"
		if d.Record.Previous != nil {
			message = fmt.Sprintf("a new client secret took the place of the one before it, which is accepted until %s at most",
				d.Record.Previous.Until.Format(time.RFC3339))
		}
		r.tell(s, corev1.EventTypeNormal, v1alpha1.ReasonClientSecretRotated, message)
	}
}

func (r *IntegrationReconciler) tell(s *scope, kind, reason, message string) {
	r.Recorder.Eventf(s.intg, nil, kind, reason, "RotateClientSecret", "%s", message)
}

// rotationProblem turns what is wrong with spec.credentials.rotation into what a pass ends with.
func rotationProblem(intg *v1alpha1.Integration, err error) error {
	var invalid *rotation.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	return &terminalError{reason: v1alpha1.ReasonRotationInvalid, message: fmt.Sprintf(
		"the client secret in Secret %s/%s is not rotated by the clock: %v", intg.Namespace, intg.SecretName(), invalid)}
}

// credentialsStatus returns status.credentials of a pass that has the Secret ready. It follows from the record on the Secret; only when the
// previous client secret was last used is known from the status itself.
func credentialsStatus(s *scope) *v1alpha1.CredentialsStatus {
	status := &v1alpha1.CredentialsStatus{
		SecretName: s.intg.SecretName(), LastRotationTime: optionalTime(s.rotatedAt), NextRotationTime: optionalTime(s.nextRotation),
	}
	if previous := s.values.Record.Previous; previous != nil {
		status.Previous = &v1alpha1.PreviousSecret{
			ExpiresAt:    metav1.NewTime(previous.Until.UTC().Truncate(time.Second)),
			LastUsedTime: optionalTime(lastUse(s.intg, s.values.Record)),
		}
	}
	return status
}

// optionalTime returns a time for a status, in whole seconds; nil for zero.
func optionalTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return new(metav1.NewTime(t.UTC().Truncate(time.Second)))
}

// A plaintext returns a client secret. It is a function so that nothing that prints or logs a value, and those around it, shows the secret.
type plaintext func() []byte

func conceal(clientSecret []byte) plaintext { return func() []byte { return clientSecret } }

// announcements are what the leader knows of rotations under way beside what it has written: the client secrets that are announced and not yet
// published. They are in memory only, and lost with it: the next leader announces others. The zero value is ready to use, concurrently.
type announcements struct {
	mu   sync.Mutex
	held map[types.NamespacedName]announcement
}

type announcement struct {
	uid types.UID
	// secret is nil where none is announced, and since is when the API server had its digest.
	secret plaintext
	since  time.Time
	// toldOf is the rotation of which somebody was told that the client secret before it is still used.
	toldOf time.Time
}

// of returns what is held for an Integration; nothing if that is about another of the same name.
func (a *announcements) of(key types.NamespacedName, uid types.UID) announcement {
	if held := a.held[key]; held.uid == uid {
		return held
	}
	return announcement{uid: uid}
}

// set holds something for an Integration, or nothing if there is nothing to hold.
func (a *announcements) set(key types.NamespacedName, held announcement) {
	if held.secret == nil && held.toldOf.IsZero() {
		delete(a.held, key)
		return
	}
	if a.held == nil {
		a.held = map[types.NamespacedName]announcement{}
	}
	a.held[key] = held
}

// find returns the client secret with the digest, and since when the API server has had that; nil if it is lost.
func (a *announcements) find(key types.NamespacedName, uid types.UID, digest v1alpha1.SecretDigest) (plaintext, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.of(key, uid)
	if held.secret == nil || v1alpha1.DigestOf(held.secret()) != digest {
		return nil, time.Time{}
	}
	return held.secret, held.since
}

// remember holds a client secret that is announced now; one that is held already keeps its time.
func (a *announcements) remember(key types.NamespacedName, uid types.UID, secret plaintext, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.of(key, uid)
	if held.secret == nil || !bytes.Equal(held.secret(), secret()) {
		held.secret, held.since = secret, now
		a.set(key, held)
	}
}

// forgetSecret drops the announced client secret: it is published, or not wanted any more.
func (a *announcements) forgetSecret(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if held, found := a.held[key]; found {
		held.secret = nil
		a.set(key, held)
	}
}

// forget drops all that is held for an Integration, which is gone.
func (a *announcements) forget(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, key)
}

// firstTold reports whether nobody has been told yet that the client secret before a rotation is still used, and takes note of it.
func (a *announcements) firstTold(key types.NamespacedName, uid types.UID, rotatedAt time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.of(key, uid)
	if held.toldOf.Equal(rotatedAt) {
		return false
	}
	held.toldOf = rotatedAt
	a.set(key, held)
	return true
}
