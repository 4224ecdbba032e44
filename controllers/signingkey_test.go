// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

const (
	es256 = v1alpha1.SigningAlgorithmES256
	rs256 = v1alpha1.SigningAlgorithmRS256
	edDSA = v1alpha1.SigningAlgorithmEdDSA
)

// keyStates returns the state of every key of an algorithm by its Secret's name.
func (w *world) keyStates(t *testing.T, algorithm v1alpha1.SigningAlgorithm) map[string]string {
	t.Helper()
	found := &corev1.SecretList{}
	if err := k8sClient.List(t.Context(), found, client.InNamespace(w.operatorNamespace),
		client.MatchingLabels{v1alpha1.LabelSigningKey: string(algorithm)}); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, secret := range found.Items {
		states[secret.Name] = secret.Labels[v1alpha1.LabelKeyState]
	}
	return states
}

// operatorSecret reads a Secret of the operator's namespace.
func (w *world) operatorSecret(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: w.operatorNamespace, Name: name}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

func signedWith(algorithm v1alpha1.SigningAlgorithm) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) { i.Spec.Token.SigningAlgorithm = algorithm }
}

func TestKeyIsMadeWhenTheFirstIntegrationNeedsIt(t *testing.T) {
	w := newWorld(t)
	for _, algorithm := range []v1alpha1.SigningAlgorithm{rs256, edDSA} {
		if states := w.keyStates(t, algorithm); len(states) > 0 {
			t.Errorf("keys for %s before anybody needs them: %v", algorithm, states)
		}
	}
	rsa := w.readyIntegration(t, "rsa", signedWith(rs256))
	eddsa := w.readyIntegration(t, "eddsa", signedWith(edDSA))
	for algorithm, name := range map[v1alpha1.SigningAlgorithm]string{
		es256: "signing-key-es256-1", rs256: "signing-key-rs256-1", edDSA: "signing-key-eddsa-1",
	} {
		if diff := cmp.Diff(map[string]string{name: v1alpha1.KeyStateActive}, w.keyStates(t, algorithm)); diff != "" {
			t.Errorf("keys for %s (-want +got):\n%s", algorithm, diff)
		}
		secret := w.operatorSecret(t, name)
		got, err := keyring.AlgorithmOf(secret.Data[v1alpha1.KeyPrivateKey])
		if err != nil || got != algorithm || secret.Type != v1alpha1.SecretTypeSigningKey {
			t.Errorf("%s of type %s holds a key for %q: %v", name, secret.Type, got, err)
		}
		if diff := cmp.Diff([]string{"Normal SigningKeyCreated"}, w.recorder.of(secret)); diff != "" {
			t.Errorf("events of %s (-want +got):\n%s", name, diff)
		}
	}
	w.wantEvents(t, rsa)
	w.wantEvents(t, eddsa)
}

func TestReadyWaitsForTheKey(t *testing.T) {
	w := newBareWorld(t, false)
	w.makeCertificates(t)
	intg := w.integration(t, "waits", signedWith(rs256))
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSigningKeyPending)
	if intg.Status.Granted != nil || meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("want nothing granted before the key is there, got %+v", intg.Status)
	}
	if !meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady) {
		t.Error("the Secret waits for the key")
	}
	if result := w.reconcile(t, intg); result.RequeueAfter != pendingRetry {
		t.Errorf("looks again after %s, want %s", result.RequeueAfter, pendingRetry)
	}
	// A Secret that only looks like a key is none.
	lookalike := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: "lookalike", Labels: map[string]string{
		v1alpha1.LabelSigningKey: string(rs256), v1alpha1.LabelKeyState: v1alpha1.KeyStateActive,
	}}}
	if err := k8sClient.Create(t.Context(), lookalike); err != nil {
		t.Fatal(err)
	}
	w.seen(t, lookalike)
	w.reconcile(t, intg)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSigningKeyPending)

	w.makeKey(t, rs256)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := intg.Status.Granted.SigningAlgorithm; got != rs256 {
		t.Errorf("granted: want %s, got %s", rs256, got)
	}
	want := map[string]string{"lookalike": v1alpha1.KeyStateActive, "signing-key-rs256-1": v1alpha1.KeyStateActive}
	if diff := cmp.Diff(want, w.keyStates(t, rs256)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestAnotherAlgorithmTakesEffectOnceItsKeyIsThere(t *testing.T) {
	w := newBareWorld(t, false)
	w.makeCertificates(t)
	w.makeKey(t, es256)
	clock := time.Now()
	w.keys.Now = func() time.Time { return clock }
	intg := w.integration(t, "changes", signedWith(rs256), shopScopes)
	w.seen(t, intg)
	w.makeKey(t, rs256)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Token.SigningAlgorithm, i.Spec.Scopes = edDSA, []string{"orders.read"}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSigningKeyPending)
	if got := intg.Status.Granted; got.SigningAlgorithm != rs256 || !cmp.Equal(got.DefaultScopes, []string{"orders.read"}) {
		t.Errorf("granted meanwhile: want the narrower scopes signed with %s, got %+v", rs256, got)
	}
	// Tokens are still signed with the former key, so it must not retire, however old it is.
	clock = clock.Add(721 * time.Hour)
	w.makeKey(t, rs256)
	if states := w.keyStates(t, rs256); states["signing-key-rs256-1"] != v1alpha1.KeyStateActive {
		t.Errorf("the key that signs meanwhile: want it active, got %v", states)
	}
	w.makeKey(t, edDSA)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := intg.Status.Granted.SigningAlgorithm; got != edDSA {
		t.Errorf("granted: want %s, got %s", edDSA, got)
	}
	w.makeKey(t, rs256)
	if diff := cmp.Diff(map[string]string{"signing-key-rs256-1": v1alpha1.KeyStateRetiring}, w.keyStates(t, rs256)); diff != "" {
		t.Errorf("keys for %s once nobody needs them and their time is over (-want +got):\n%s", rs256, diff)
	}
	w.wantEvents(t, intg)
}

func TestLeavingAnAlgorithmIsNoticed(t *testing.T) {
	granting := func(algorithm v1alpha1.SigningAlgorithm) *v1alpha1.Integration {
		return newIntegration("ns", "name", signedWith(rs256), func(i *v1alpha1.Integration) {
			if algorithm != "" {
				i.Status.Granted = granted(algorithm)
			}
		})
	}
	tests := []struct {
		name          string
		before, after v1alpha1.SigningAlgorithm
		want          bool
	}{
		{"The first grant leaves nothing.", "", rs256, false},
		{"The same grant leaves nothing.", rs256, rs256, false},
		{"Another algorithm leaves the former one.", edDSA, rs256, true},
		{"Losing the grant leaves its algorithm.", edDSA, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			update := event.UpdateEvent{ObjectOld: granting(tt.before), ObjectNew: granting(tt.after)}
			if got := leftAlgorithm(update); got != tt.want {
				t.Errorf("want %t, got %t", tt.want, got)
			}
		})
	}
	var names []string
	for _, request := range (&SigningKeyReconciler{}).algorithm(t.Context(), granting(edDSA)) {
		names = append(names, request.Name)
	}
	if diff := cmp.Diff([]string{string(edDSA), string(rs256)}, names); diff != "" {
		t.Errorf("an Integration concerns what it asks for and what it was granted (-want +got):\n%s", diff)
	}
}

func TestRotation(t *testing.T) {
	w := newBareWorld(t, false)
	clock := time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	w.keys.Now = func() time.Time { return clock }
	w.keys.RotateEvery = 24 * time.Hour
	one, two := "signing-key-es256-1", "signing-key-es256-2"
	const next, active, retiring = v1alpha1.KeyStateNext, v1alpha1.KeyStateActive, v1alpha1.KeyStateRetiring
	steps := []struct {
		name     string
		after    time.Duration
		want     map[string]string
		wantWake time.Duration
	}{
		{"The first key signs at once.", 0, map[string]string{one: active}, 24*time.Hour - 10*time.Minute},
		{"Nothing happens early.", 23 * time.Hour, map[string]string{one: active}, 50 * time.Minute},
		{"The next one is published.", 50 * time.Minute, map[string]string{one: active, two: next}, 10 * time.Minute},
		{"It waits.", 9 * time.Minute, map[string]string{one: active, two: next}, time.Minute},
		{"It signs, and the former one retires.", time.Minute, map[string]string{one: retiring, two: active}, 24*time.Hour - 10*time.Minute},
		{
			"The former one stays until its last token has expired.", 25*time.Hour - time.Second,
			map[string]string{one: retiring, two: active, "signing-key-es256-3": next},
			time.Second,
		},
		{"Then it goes.", time.Second, map[string]string{two: active, "signing-key-es256-3": next}, 0},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			clock = clock.Add(step.after)
			result := w.makeKey(t, es256)
			if diff := cmp.Diff(step.want, w.keyStates(t, es256)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if step.wantWake > 0 && result.RequeueAfter != step.wantWake {
				t.Errorf("looks again after %s, want %s", result.RequeueAfter, step.wantWake)
			}
			states := w.keyStates(t, es256)
			w.makeKey(t, es256)
			if again := w.keyStates(t, es256); step.wantWake > 0 && !cmp.Equal(states, again) {
				t.Errorf("a second pass changes the keys from %v to %v", states, again)
			}
		})
	}
	for name, want := range map[string][]string{
		one: {"Normal SigningKeyCreated", "Normal SigningKeyRetired"}, two: {"Normal SigningKeyCreated", "Normal SigningKeyActivated"},
	} {
		object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: name}}
		if got := w.recorder.of(object); len(got) < 2 || !cmp.Equal(got[:2], want) {
			t.Errorf("events of %s: want %q, got %q", name, want, got)
		}
	}
}

// wantRebuilt waits until a Secret holds an active key other than the lost one, and a warning tells of it.
func (w *world) wantRebuilt(t *testing.T, name string, lost []byte) {
	t.Helper()
	NewWithT(t).Eventually(func() error {
		fresh := &corev1.Secret{}
		if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: w.operatorNamespace, Name: name}, fresh); err != nil {
			return err
		}
		key := fresh.Data[v1alpha1.KeyPrivateKey]
		if bytes.Equal(key, lost) || fresh.Labels[v1alpha1.LabelKeyState] != v1alpha1.KeyStateActive {
			return errors.New("not a new active key")
		}
		if told := w.recorder.of(fresh); len(told) == 0 || told[len(told)-1] != "Warning SigningKeyRebuilt" {
			return fmt.Errorf("events: got %q", told)
		}
		_, err := keyring.AlgorithmOf(key)
		return err
	}, deadline, poll).Should(Succeed())
}

func TestLostKeyIsRebuilt(t *testing.T) {
	tests := map[string]struct {
		hand func(*testing.T, *corev1.Secret)
		// wantName is the Secret of the new key.
		wantName string
	}{
		"deleted": {func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			if err := k8sClient.Delete(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}, "signing-key-es256-1"},
		"edited to rubbish": {func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			edit(t, s, func(s *corev1.Secret) { s.Data[v1alpha1.KeyPrivateKey] = []byte("rubbish") })
		}, "signing-key-es256-2"},
		"emptied": {func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			edit(t, s, func(s *corev1.Secret) { s.Data = nil })
		}, "signing-key-es256-2"},
		"stripped of its labels": {func(t *testing.T, s *corev1.Secret) {
			t.Helper()
			edit(t, s, func(s *corev1.Secret) { s.Labels = nil })
		}, "signing-key-es256-2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			intg := w.readyIntegration(t, "signs")
			lost := w.operatorSecret(t, "signing-key-es256-1")
			before := bytes.Clone(lost.Data[v1alpha1.KeyPrivateKey])
			tt.hand(t, lost.DeepCopy())

			w.wantRebuilt(t, tt.wantName, before)
			if states := w.keyStates(t, es256); len(states) != 1 {
				t.Errorf("want one key, got %v", states)
			}
			w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

func TestAKeyWithAWrongAlgorithmOnItsLabelIsKept(t *testing.T) {
	w := newWorld(t)
	w.readyIntegration(t, "signs")
	key := w.operatorSecret(t, "signing-key-es256-1")
	before := bytes.Clone(key.Data[v1alpha1.KeyPrivateKey])
	edit(t, key, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelSigningKey] = string(rs256) })

	NewWithT(t).Eventually(func() string {
		key = w.operatorSecret(t, "signing-key-es256-1")
		return key.Labels[v1alpha1.LabelSigningKey]
	}, deadline, poll).Should(Equal(string(es256)))
	if !bytes.Equal(key.Data[v1alpha1.KeyPrivateKey], before) {
		t.Error("the private key is another one")
	}
}
