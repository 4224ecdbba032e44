// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// change changes spec.secret and waits until the operator has done it.
func (w *world) change(t *testing.T, intg *v1alpha1.Integration, to func(*v1alpha1.SecretSpec)) *corev1.Secret {
	t.Helper()
	edit(t, intg, func(i *v1alpha1.Integration) { to(&i.Spec.Secret) })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	return w.secret(t, intg.SecretName())
}

func TestRenamedKeys(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "renames", shopScopes)
	before := text(w.secret(t, "renames").Data)
	steps := []struct {
		name   string
		rename func(*v1alpha1.SecretSpec)
		// wantSecretKey is where the client secret is; want is where the other values are that moved.
		wantSecretKey string
		want          map[string]string
	}{
		{
			"upper case", func(s *v1alpha1.SecretSpec) { s.Keys.ClientID, s.Keys.ClientSecret = "CLIENT_ID", "CLIENT_SECRET" },
			"CLIENT_SECRET",
			map[string]string{"CLIENT_ID": before["client_id"]},
		},
		{
			"a swap of two keys", func(s *v1alpha1.SecretSpec) { s.Keys.ClientID, s.Keys.ClientSecret = "CLIENT_SECRET", "CLIENT_ID" },
			"CLIENT_ID",
			map[string]string{"CLIENT_SECRET": before["client_id"]},
		},
		{
			"a swap with the token endpoint", func(s *v1alpha1.SecretSpec) {
				s.Keys.ClientID, s.Keys.ClientSecret, s.Keys.TokenURL = "client_id", "token_url", "CLIENT_ID"
			},
			"token_url",
			map[string]string{"client_id": before["client_id"], "CLIENT_ID": before["token_url"]},
		},
		{
			"back to the defaults", func(s *v1alpha1.SecretSpec) { s.Keys = v1alpha1.SecretKeys{} },
			"client_secret",
			map[string]string{"client_id": before["client_id"], "token_url": before["token_url"]},
		},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			secret := w.change(t, intg, step.rename)
			want := maps.Clone(before)
			for _, key := range []string{"client_id", "client_secret", "token_url"} {
				delete(want, key)
			}
			want["token_url"] = before["token_url"]
			if step.wantSecretKey == "token_url" {
				delete(want, "token_url")
			}
			want[step.wantSecretKey] = before["client_secret"]
			maps.Copy(want, step.want)
			if diff := cmp.Diff(want, text(secret.Data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if got := secret.Annotations[v1alpha1.AnnotationClientSecretKey]; got != step.wantSecretKey {
				t.Errorf("the annotation names %s, want %s", got, step.wantSecretKey)
			}
			w.wantEvents(t, intg)
		})
	}
}

func TestMetadataOfTheSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "labelled")
	before := w.secret(t, "labelled")
	edit(t, before.DeepCopy(), func(s *corev1.Secret) { s.Labels["foreign"], s.Annotations["foreign"] = "label", "annotation" })

	secret := w.change(t, intg, func(s *v1alpha1.SecretSpec) {
		s.Labels = map[string]v1alpha1.LabelValue{"team": "shop", "app.kubernetes.io/managed-by": "shop"}
		s.Annotations = map[string]v1alpha1.AnnotationValue{"note": "ours"}
	})
	wantLabels := map[string]string{
		"foreign": "label", "team": "shop", "app.kubernetes.io/managed-by": "shop", v1alpha1.LabelIntegration: "labelled",
	}
	if diff := cmp.Diff(wantLabels, secret.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if secret.Annotations["note"] != "ours" || secret.Annotations["foreign"] != "annotation" {
		t.Errorf("annotations: got %v", secret.Annotations)
	}

	secret = w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Labels, s.Annotations = nil, nil })
	wantLabels = maps.Clone(before.Labels)
	wantLabels["foreign"] = "label"
	if diff := cmp.Diff(wantLabels, secret.Labels); diff != "" {
		t.Errorf("labels once spec has none (-want +got):\n%s", diff)
	}
	wantAnnotations := maps.Clone(before.Annotations)
	wantAnnotations["foreign"] = "annotation"
	if diff := cmp.Diff(wantAnnotations, secret.Annotations); diff != "" {
		t.Errorf("annotations once spec has none (-want +got):\n%s", diff)
	}
	w.wantEvents(t, intg)
}

func TestRenamedSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "first")
	before := w.secret(t, "first")

	secret := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Name = "second" })
	if diff := cmp.Diff(text(before.Data), text(secret.Data)); diff != "" {
		t.Errorf("data under the new name (-before +after):\n%s", diff)
	}
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(before), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("the former Secret: want NotFound, got %v", err)
	}
	if got := intg.Status.Credentials.SecretName; got != "second" {
		t.Errorf("credentials are said to be in %s, want second", got)
	}
	w.wantEvents(t, intg, "Normal SecretReplaced")
}

func TestClientSecretLostDuringARename(t *testing.T) {
	w := newBareWorld(t, false)
	w.makeCertificates(t)
	w.makeKey(t, v1alpha1.SigningAlgorithmES256)
	intg := w.readyIntegration(t, "first")
	// The operator is away while both happen.
	w.stop()
	if err := k8sClient.Delete(t.Context(), w.secret(t, "first")); err != nil {
		t.Fatal(err)
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "second" })
	w.start(t, w.namespace+"-successor", false)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, "Warning ClientSecretRegenerated")
}

func TestRetainedSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "stays")
	before := w.secret(t, "stays")
	namespace := &corev1.Namespace{}
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Name: w.namespace}, namespace); err != nil {
		t.Fatal(err)
	}
	keeper := metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}

	retained := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	if diff := cmp.Diff(append(before.OwnerReferences, keeper), retained.OwnerReferences); diff != "" {
		t.Errorf("owner references with Retain (-want +got):\n%s", diff)
	}
	w.wantEvents(t, intg)

	t.Run("The operator puts the second owner back.", func(t *testing.T) {
		edit(t, retained.DeepCopy(), func(s *corev1.Secret) { s.OwnerReferences = s.OwnerReferences[:1] })
		NewWithT(t).Eventually(func() []metav1.OwnerReference { return w.secret(t, "stays").OwnerReferences }, deadline, poll).
			Should(Equal(retained.OwnerReferences))
		w.wantEvents(t, intg, "Normal SecretRestored")
	})

	t.Run("A renamed Secret leaves the former one to the namespace.", func(t *testing.T) {
		renamed := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Name = "stays-too" })
		if diff := cmp.Diff(text(before.Data), text(renamed.Data)); diff != "" {
			t.Errorf("data under the new name (-before +after):\n%s", diff)
		}
		released := w.secret(t, "stays")
		if diff := cmp.Diff([]metav1.OwnerReference{keeper}, released.OwnerReferences); diff != "" {
			t.Errorf("owner references of the released Secret (-want +got):\n%s", diff)
		}
		w.wantEvents(t, intg, "Normal SecretRestored", "Normal SecretReplaced")
	})

	t.Run("Delete takes the second owner off again.", func(t *testing.T) {
		deleted := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
		if diff := cmp.Diff(before.OwnerReferences, deleted.OwnerReferences); diff != "" {
			t.Errorf("owner references with Delete (-want +got):\n%s", diff)
		}
	})
}

func TestManyIntegrationsGetOneSecretEach(t *testing.T) {
	w := newWorld(t)
	const count = 50
	for i := range count {
		w.integration(t, fmt.Sprintf("many-%d", i), shopScopes)
	}
	NewWithT(t).Eventually(func() error {
		found := &v1alpha1.IntegrationList{}
		if err := k8sClient.List(t.Context(), found, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var errs []error
		for i := range found.Items {
			errs = append(errs, brokenInvariants(&found.Items[i]))
		}
		return errors.Join(errs...)
	}, deadline, poll).Should(Succeed())
	secrets := &corev1.SecretList{}
	if err := k8sClient.List(t.Context(), secrets, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	different := map[string]bool{}
	for i := range secrets.Items {
		different[string(secrets.Items[i].Data["client_secret"])] = true
	}
	if len(secrets.Items) != count || len(different) != count {
		t.Errorf("want %d Secrets with as many client secrets, got %d with %d", count, len(secrets.Items), len(different))
	}
	if got := w.writes(t); len(got) != 2*count {
		t.Errorf("want %d writes, got %d", 2*count, len(got))
	}
}
