// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// wantLoser waits until an Integration knows that its client ID is another's, and checks that it has nothing left.
func (w *world) wantLoser(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonClientIDConflict)
	if intg.Status.ClientID != "" || intg.Status.Granted != nil {
		t.Errorf("want no client ID and nothing granted, got %q and %+v", intg.Status.ClientID, intg.Status.Granted)
	}
	ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonClientIDConflict {
		t.Errorf("Ready: got %s %s", ready.Status, ready.Reason)
	}
}

func TestWhoDerivesAClientIDBeatsAnOlderClaim(t *testing.T) {
	w := newWorld(t)
	id := w.namespace + ".victim"
	squatter := w.readyIntegration(t, "squatter", func(i *v1alpha1.Integration) { i.Spec.ClientID = id })
	if squatter.Status.ClientID != id {
		t.Fatalf("a claim that nobody disputes: want %s, got %s", id, squatter.Status.ClientID)
	}

	victim := w.integration(t, "victim")
	w.waitFor(t, victim, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantLoser(t, squatter)
	message := meta.FindStatusCondition(squatter.Status.Conditions, v1alpha1.ConditionStalled).Message
	if !strings.Contains(message, id) || !strings.Contains(message, "spec.clientID") {
		t.Errorf("the message does not say what to do: %s", message)
	}
	if got := w.recorder.of(squatter); !cmp.Equal(got, []string{"Warning ClientIDConflict"}) {
		t.Errorf("events: want one warning, got %q", got)
	}

	if err := k8sClient.Delete(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, squatter, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, squatter, "Warning ClientIDConflict", "Normal Ready")
	if squatter.Status.ClientID != id || squatter.Status.Granted == nil {
		t.Errorf("want the client ID back, got %q", squatter.Status.ClientID)
	}
}

func TestNobodyClaimsWhatAnotherNamespaceDerives(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{w.elsewhere + ".victim", "no-such-namespace.victim"} {
		squatter := w.integration(t, "squats-"+strings.Split(id, ".")[0], func(i *v1alpha1.Integration) { i.Spec.ClientID = id })
		w.wantLoser(t, squatter)
		message := meta.FindStatusCondition(squatter.Status.Conditions, v1alpha1.ConditionStalled).Message
		if !strings.Contains(message, id) || !strings.Contains(message, "spec.clientID") {
			t.Errorf("the message does not say what to do: %s", message)
		}
	}
}

func TestALateStatusGrantsNothing(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "narrowed", func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"read", "admin"} })
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"write", "read", "admin"} })
	w.seen(t, intg)
	stale := intg.DeepCopy()
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Scopes = []string{"read"} })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// A leader that was replaced goes by what it read before, and its write comes late.
	late := w.with(staleReader{Client: w.integrations.Client, stale: stale})
	if _, err := late.Reconcile(bounded(t), requestFor(intg)); err != nil {
		t.Error(err)
	}
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), intg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"read"}, intg.Status.Granted.Access[0].Scopes); diff != "" {
		t.Errorf("granted (-want +got):\n%s", diff)
	}
}

// A staleReader reads an Integration as it was.
type staleReader struct {
	client.Client
	stale *v1alpha1.Integration
}

func (r staleReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if intg, ok := obj.(*v1alpha1.Integration); ok && key == client.ObjectKeyFromObject(r.stale) {
		r.stale.DeepCopyInto(intg)
		return nil
	}
	return r.Client.Get(ctx, key, obj, opts...)
}

func TestAReappliedIntegrationWaitsForTheGarbageCollector(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "again")
	if err := k8sClient.Delete(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	again := w.integration(t, "again")
	w.waitFor(t, again, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretPending)
	if meta.IsStatusConditionTrue(again.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Error("waiting for the garbage collector is no reason to be stalled")
	}
	// This control plane has no garbage collector: the test does its work.
	if err := k8sClient.Delete(t.Context(), w.secret(t, "again")); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, again, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestTheOperatorsOwnSecretNamesAreKept(t *testing.T) {
	r := &IntegrationReconciler{OperatorNamespace: "operator"}
	for _, name := range []string{
		v1alpha1.CertificateAuthoritySecretName, v1alpha1.ServingCertificateSecretName, "signing-key-es256-7",
	} {
		intg := newIntegration("operator", "takes", func(i *v1alpha1.Integration) { i.Spec.Secret.Name = name })
		err := r.gatherSecrets(t.Context(), &scope{intg: intg})
		if got := failure(err); !got.terminal || got.reason != v1alpha1.ReasonSecretConflict || !strings.Contains(got.message, "operator/"+name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOlderClaimBeatsAYoungerOne(t *testing.T) {
	w := newWorld(t)
	claim := func(i *v1alpha1.Integration) { i.Spec.ClientID = "legacy" }
	older := w.readyIntegration(t, "older", claim)
	// Creation times have whole seconds: the API server says when the next one has begun.
	NewWithT(t).Eventually(func() error {
		probe := newIntegration(w.namespace, "probe")
		if err := k8sClient.Create(t.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		if !older.CreationTimestamp.Before(&probe.CreationTimestamp) {
			return errors.New("still the same second")
		}
		return nil
	}, deadline, poll).Should(Succeed())

	younger := createIntegration(t, w.elsewhere, "younger", claim)
	w.wantLoser(t, younger)
	if got := (&corev1.SecretList{}); k8sClient.List(t.Context(), got, client.InNamespace(w.elsewhere)) != nil || len(got.Items) > 0 {
		t.Errorf("the loser has %d Secrets, want none", len(got.Items))
	}
	w.waitFor(t, older, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, older)

	if err := k8sClient.Delete(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, younger, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, younger, "Warning ClientIDConflict", "Normal Ready")
}

func TestSecretOfSomebodyElseIsNeverTouched(t *testing.T) {
	w := newWorld(t)
	other := w.readyIntegration(t, "other")
	tests := []struct {
		name string
		// foreign makes the Secret that is in the way; nil takes that of the other Integration.
		foreign func(*corev1.Secret)
	}{
		{"without a label", func(*corev1.Secret) {}},
		{"with our label and no owner", func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.LabelIntegration: "labelled"} }},
		{"of another Integration", nil},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := []string{"plain", "labelled", "other"}[i]
			foreign := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Data: map[string][]byte{"client_secret": []byte("theirs")},
			}
			if tt.foreign == nil {
				foreign = w.secret(t, "other")
			} else {
				tt.foreign(foreign)
				if err := k8sClient.Create(t.Context(), foreign); err != nil {
					t.Fatal(err)
				}
			}
			intg := w.integration(t, "wants-"+name, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = name })
			w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
			if result := w.reconcile(t, intg); result.RequeueAfter != time.Minute {
				t.Errorf("looks again after %s, want a minute", result.RequeueAfter)
			}
			if got := w.recorder.of(intg); !cmp.Equal(got, []string{"Warning SecretConflict"}) {
				t.Errorf("events: want one warning, got %q", got)
			}
			after := w.secret(t, name)
			if after.ResourceVersion != foreign.ResourceVersion {
				t.Error("the Secret was written")
			}
			message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
			if !strings.Contains(message, "spec.secret.name") || !strings.Contains(message, name) {
				t.Errorf("the message does not say what to do: %s", message)
			}
			if intg.Status.Granted != nil || intg.Status.Credentials != nil {
				t.Errorf("want nothing granted and no credentials, got %+v", intg.Status)
			}

			if tt.foreign == nil {
				// The other Integration would put its Secret back; another name ends the conflict.
				edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "" })
			} else {
				if err := k8sClient.Delete(t.Context(), foreign); err != nil {
					t.Fatal(err)
				}
				w.seen(t, foreign)
				// Nobody tells the operator of a Secret without its label.
				if _, err := w.integrations.Reconcile(bounded(t), requestFor(intg)); err != nil {
					t.Logf("a pass beside the manager's own: %v", err)
				}
			}
			w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
			NewWithT(t).Eventually(func() []string { return w.recorder.of(intg) }, deadline, poll).
				Should(ContainElement("Normal Ready"))
		})
	}
	w.wantEvents(t, other)
}

func TestASecretInTheWayIsTakenOverOnceItIsLabelled(t *testing.T) {
	w := newWorld(t)
	theirs := w.legacy(t, "labelled-later", func(s *corev1.Secret) { s.Labels = nil })
	intg := w.integration(t, "labelled-later", w.takesOver)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	edit(t, theirs, func(s *corev1.Secret) {
		s.Labels = map[string]string{v1alpha1.LabelIntegration: intg.Name, v1alpha1.LabelAdopt: intg.Name}
	})
	// Long before a conflict is looked at again by the clock.
	NewWithT(t).Eventually(func() bool { return metav1.IsControlledBy(w.secret(t, theirs.Name), intg) }, stuckRetry/2, poll).Should(BeTrue())
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestSecretConflictAfterwardsKeepsTheFormerSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "moves")
	before := w.secret(t, "moves")
	taken := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "taken"}}
	if err := k8sClient.Create(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Secret.Name = "taken"
		i.Spec.Scopes = []string{"less"}
	})
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	if after := w.secret(t, "moves"); after.ResourceVersion != before.ResourceVersion {
		t.Error("the former Secret was written")
	}
	if got := intg.Status.Granted.Access[0].Scopes; !cmp.Equal(got, []string{"less"}) {
		t.Errorf("granted: want what spec asks for although the Secret failed, got %q", got)
	}
	if got := intg.Status.Credentials.SecretName; got != "moves" {
		t.Errorf("credentials are said to be in %s, want moves", got)
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "moves" })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, "Warning SecretConflict", "Normal Ready")
	if diff := cmp.Diff(before.Data["client_secret"], w.secret(t, "moves").Data["client_secret"]); diff != "" {
		t.Error("the client secret changed")
	}
}
