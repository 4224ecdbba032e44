// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

func TestDriftIsHealed(t *testing.T) {
	const restored, regenerated = "Normal SecretRestored", "Warning ClientSecretRegenerated"
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	yes := true
	tests := []struct {
		name string
		// hand edits the Secret; nil deletes it.
		hand      func(*corev1.Secret)
		wantEvent string
	}{
		{"A deleted Secret comes back with a new client secret.", nil, regenerated},
		{"A removed key comes back.", func(s *corev1.Secret) { delete(s.Data, "token_url") }, restored},
		{"Without any data a new client secret is made.", func(s *corev1.Secret) { s.Data = nil }, regenerated},
		{"An edited value is put back.", set("client_id", "somebody.else"), restored},
		{"An added key goes.", set("password", "x"), restored},
		{"A stripped label comes back.", func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelIntegration) }, restored},
		{"All labels stripped come back.", func(s *corev1.Secret) { s.Labels = nil }, restored},
		{"A label that names another Integration is put back.", func(s *corev1.Secret) {
			s.Labels[v1alpha1.LabelIntegration] = "another"
		}, restored},
		{"Stripped annotations come back.", func(s *corev1.Secret) { s.Annotations = nil }, restored},
		{"An annotation that names the wrong key is put back.", func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "token_url"
		}, restored},
		{"An edited label of spec is put back.", func(s *corev1.Secret) { s.Labels["team"] = "stock" }, restored},
		{"An edited annotation of spec is put back.", func(s *corev1.Secret) { s.Annotations["note"] = "theirs" }, restored},
		{"An emptied client secret is made anew.", set("client_secret", ""), regenerated},
		{"A client secret that is too short is made anew.", set("client_secret", "hunter2"), regenerated},
		{"A client secret that is the token endpoint is made anew.", set("client_secret", issuer+"/oauth2/token"), regenerated},
		{"An immutable Secret with an edited value is replaced.", func(s *corev1.Secret) {
			s.Immutable, s.Data["scope"] = &yes, []byte("everything")
		}, restored},
		{"An immutable Secret without its label and with an edited value is replaced.", func(s *corev1.Secret) {
			s.Immutable, s.Data["scope"], s.Labels = &yes, []byte("everything"), nil
		}, restored},
	}
	w := newWorld(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := w.readyIntegration(t, fmt.Sprintf("drift-%d", i), func(i *v1alpha1.Integration) {
				i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "shop"}
				i.Spec.Secret.Annotations = map[string]v1alpha1.AnnotationValue{"note": "ours"}
			})
			before := w.secret(t, intg.Name)
			if tt.hand == nil {
				if err := k8sClient.Delete(t.Context(), before.DeepCopy()); err != nil {
					t.Fatal(err)
				}
			} else {
				edit(t, before.DeepCopy(), tt.hand)
			}

			after := &corev1.Secret{}
			NewWithT(t).Eventually(func() error {
				after = &corev1.Secret{}
				if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(before), after); err != nil {
					return err
				}
				return unlike(before, after, tt.wantEvent == regenerated)
			}, deadline, poll).Should(Succeed())
			w.wantEvents(t, intg, tt.wantEvent)
			if err := unlike(w.secret(t, intg.Name), after, false); err != nil {
				t.Errorf("the Secret changed again: %v", err)
			}
			w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

// unlike returns how a Secret differs from what it was; with another client secret, if that is wanted.
func unlike(before, after *corev1.Secret, wantAnother bool) error {
	before, after = before.DeepCopy(), after.DeepCopy()
	was, is := before.Data["client_secret"], after.Data["client_secret"]
	var errs []error
	if isAnother := !bytes.Equal(was, is); isAnother != wantAnother || len(is) != 43 {
		errs = append(errs, fmt.Errorf("another client secret: want %t, got %t with %d characters", wantAnother, isAnother, len(is)))
	}
	delete(before.Data, "client_secret")
	delete(after.Data, "client_secret")
	if wantAnother {
		if rotation.RecordOf(after).RotatedAt.IsZero() {
			errs = append(errs, errors.New("nothing says since when there is another client secret"))
		}
		delete(after.Annotations, v1alpha1.AnnotationRotation)
	}
	for what, diff := range map[string]string{
		"data": cmp.Diff(text(before.Data), text(after.Data)), "labels": cmp.Diff(before.Labels, after.Labels),
		"annotations": cmp.Diff(before.Annotations, after.Annotations), "type": cmp.Diff(before.Type, after.Type),
		"owner references": cmp.Diff(before.OwnerReferences, after.OwnerReferences), "immutable": cmp.Diff(before.Immutable, after.Immutable),
	} {
		if diff != "" {
			errs = append(errs, fmt.Errorf("%s (-before +after):\n%s", what, diff))
		}
	}
	return errors.Join(errs...)
}

func TestWhatUsersMayChangeIsLeftAlone(t *testing.T) {
	chosen := strings.Repeat("chosen-by-hand.", 3)
	yes := true
	tests := map[string]func(*corev1.Secret){
		"a client secret of one's own":   func(s *corev1.Secret) { s.Data["client_secret"] = []byte(chosen) },
		"a label of somebody else":       func(s *corev1.Secret) { s.Labels["argocd.argoproj.io/instance"] = "shop" },
		"an annotation of somebody else": func(s *corev1.Secret) { s.Annotations["note"] = "theirs" },
		"immutable":                      func(s *corev1.Secret) { s.Immutable = &yes },
		"one more owner": func(s *corev1.Secret) {
			s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x"})
		},
	}
	w := newWorld(t)
	for name, hand := range tests {
		t.Run(name, func(t *testing.T) {
			intg := w.readyIntegration(t, "kept-"+strings.NewReplacer(" ", "-", "'", "").Replace(name))
			secret := w.secret(t, intg.Name)
			edit(t, secret, hand)
			w.seen(t, secret)
			w.reconcile(t, intg)
			if after := w.secret(t, intg.Name); after.ResourceVersion != secret.ResourceVersion {
				t.Error("the Secret was written")
			}
			w.wantEvents(t, intg)
		})
	}
}

func TestReadyIsNotSaidBeforeTheWatchShowsTheSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "unseen")
	blind := w.with(secretHider{Client: w.integrations.Client})
	if _, err := blind.Reconcile(bounded(t), requestFor(intg)); err != nil {
		t.Fatal(err)
	}
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretPending)
	if meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionReady) {
		t.Error("Ready is said although the token server may not know the Secret")
	}
	w.seen(t, intg)
	w.reconcile(t, intg)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// A secretHider is a client whose watch for Secrets shows none.
type secretHider struct {
	client.Client
}

func (h secretHider) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*corev1.Secret); ok {
		return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
	}
	return h.Client.Get(ctx, key, obj, opts...)
}
