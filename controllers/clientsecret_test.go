// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

const (
	broughtFirst  = "Zm9yIHRlc3RzIG9ubHksIG5vIHNlY3JldA"
	broughtSecond = "YW5vdGhlciBvbmUgZm9yIHRlc3RzIG9ubHk"
	broughtThird  = "YSB0aGlyZCBvbmUgZm9yIHRlc3RzIG9ubHk"
)

// bring creates a Secret that brings a client secret to an Integration.
func (w *world) bring(t *testing.T, name, integration, value string, edits ...func(*corev1.Secret)) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: name, Labels: map[string]string{v1alpha1.LabelIntegration: integration},
		},
		Data: map[string][]byte{v1alpha1.KeyClientSecret: []byte(value)},
	}
	for _, edit := range edits {
		edit(secret)
	}
	if err := k8sClient.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// brings names the Secret that brings the client secret.
func brings(name string) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) {
		i.Spec.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: name}
		i.Spec.Credentials.Rotation = &v1alpha1.RotationSpec{Overlap: duration(time.Hour)}
	}
}

// holds waits until the generated Secret holds a client secret, and accepts another beside it; an empty one is none.
func (w *world) holds(t *testing.T, intg *v1alpha1.Integration, current, previous string) *corev1.Secret {
	t.Helper()
	return w.eventually(t, intg, func(secret *corev1.Secret, in rotation.Input) error {
		switch {
		case clientSecretIn(secret) != current:
			return errors.New("the generated Secret holds another client secret")
		case (in.Record.Previous == nil) != (previous == ""):
			return fmt.Errorf("a previous client secret is accepted: %t", in.Record.Previous != nil)
		case previous != "" && in.Record.Previous.Digest != v1alpha1.DigestOf([]byte(previous)):
			return errors.New("another previous client secret is accepted")
		case in.Record.Next != nil:
			return errors.New("a next one is announced")
		}
		return nil
	})
}

func TestAClientSecretThatIsBrought(t *testing.T) {
	w := newWorld(t)
	intg := w.integration(t, "brought", brings("my-secret"))
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound)
	if got := w.writes(t); len(got) != 1 {
		t.Errorf("writes while it is missing: want the status, got %q", got)
	}

	mine := w.bring(t, "my-secret", "brought", broughtFirst)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.holds(t, intg, broughtFirst, "")
	if got := intg.Status.Credentials; got.LastRotationTime != nil {
		t.Errorf("the first one is no rotation: %+v", got)
	}

	set := func(value string) {
		edit(t, mine, func(s *corev1.Secret) { s.Data[v1alpha1.KeyClientSecret] = []byte(value) })
		w.seen(t, mine)
	}
	set(broughtSecond)
	w.holds(t, intg, broughtSecond, broughtFirst)
	w.clock.move(time.Minute)
	set(broughtThird)
	w.holds(t, intg, broughtThird, broughtSecond)
	w.clock.move(time.Hour)
	w.holds(t, intg, broughtThird, "")
	w.wantEvents(t, intg, eventRotated, eventRotated, eventRetired)

	before := w.writes(t)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Credentials.ClientSecretRef.Name = "same-value" })
	w.bring(t, "same-value", "", broughtThird)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.holds(t, intg, broughtThird, "")
	for _, write := range w.writes(t)[len(before):] {
		if write != "patch integrations/status" {
			t.Errorf("the same value from another Secret: %s", write)
		}
	}

	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Credentials.ClientSecretRef = nil })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.holds(t, intg, broughtThird, "")
}

func TestABroughtClientSecretTakesThePlaceOfAGeneratedOne(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "switched")
	generated := clientSecretIn(w.secret(t, "switched"))
	w.bring(t, "my-secret", "switched", broughtFirst)
	edit(t, intg, brings("my-secret"))
	w.holds(t, intg, broughtFirst, generated)
}

func TestABroughtClientSecretThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	other := w.readyIntegration(t, "another")
	stuck := v1alpha1.ConditionStalled
	tests := []struct {
		name      string
		value     string
		edit      func(*corev1.Secret)
		condition string
		reason    string
	}{
		{"Without a label.", broughtSecond, func(s *corev1.Secret) { s.Labels = nil }, stuck, v1alpha1.ReasonSecretNotConsented},
		{"With the label of another.", broughtSecond, func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelIntegration] = "another"
		}, stuck, v1alpha1.ReasonSecretNotConsented},
		{"Without the key.", broughtSecond, func(s *corev1.Secret) { s.Data = nil }, stuck, v1alpha1.ReasonSecretInvalid},
		{"Of the type of generated ones.", broughtSecond, func(s *corev1.Secret) {
			s.Type = v1alpha1.SecretTypeCredentials
		}, stuck, v1alpha1.ReasonSecretInvalid},
		{"Controlled by another Integration.", broughtSecond, func(s *corev1.Secret) {
			s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(other, v1alpha1.GroupVersion.WithKind("Integration"))}
		}, stuck, v1alpha1.ReasonSecretInvalid},
		{"Too weak.", "correct-horse-battery", nil, stuck, v1alpha1.ReasonClientSecretTooWeak},
		{"With a line break.", broughtSecond + "\n", nil, stuck, v1alpha1.ReasonClientSecretTooWeak},
		{"Gone.", "", nil, v1alpha1.ConditionReconciling, v1alpha1.ReasonSecretNotFound},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprintf("unusable-%d", i)
			// At first a good one, which works on.
			w.bring(t, name+"-good", name, broughtFirst)
			intg := w.readyIntegration(t, name, brings(name+"-good"))
			if tt.value != "" {
				w.bring(t, name+"-bad", name, tt.value, func(s *corev1.Secret) {
					if tt.edit != nil {
						tt.edit(s)
					}
				})
			}
			edit(t, intg, brings(name+"-bad"))
			w.waitFor(t, intg, tt.condition, metav1.ConditionTrue, tt.reason)
			ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != tt.reason || !strings.Contains(ready.Message, name+"-bad") {
				t.Errorf("CredentialsReady is %+v", ready)
			}
			if tt.value != "" && strings.Contains(ready.Message, tt.value) {
				t.Error("the message quotes the client secret")
			}
			w.holds(t, intg, broughtFirst, "")
			if intg.Status.Granted == nil {
				t.Error("the client that works on is not known any more")
			}

			// None is made up where there is none.
			fresh := w.integration(t, name+"-fresh", brings(name+"-bad"))
			if tt.reason == v1alpha1.ReasonSecretNotConsented || tt.value == "" {
				w.waitFor(t, fresh, tt.condition, metav1.ConditionTrue, tt.reason)
			} else {
				w.waitFor(t, fresh, stuck, metav1.ConditionTrue, v1alpha1.ReasonSecretNotConsented)
			}
			if err := k8sClient.Get(t.Context(), requestFor(fresh).NamespacedName, &corev1.Secret{}); err == nil {
				t.Error("a client secret was made up")
			}
		})
	}
}

func TestABroughtClientSecretIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.bring(t, "my-secret", "healed", broughtFirst)
	intg := w.readyIntegration(t, "healed", brings("my-secret"))
	generated := w.secret(t, "healed")
	edit(t, generated, func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyClientSecret) })
	w.seen(t, generated)
	w.holds(t, intg, broughtFirst, "")
	w.wantEvents(t, intg, "Normal SecretRestored")
}
