// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A trimmingClient reads Secrets as a cache holds them that leaves out what is large.
type trimmingClient struct{ client.Client }

func trim(secret *corev1.Secret) {
	if metav1.GetControllerOf(secret) == nil {
		return
	}
	key := secret.Annotations[v1alpha1.AnnotationClientSecretKey]
	secret.Data = map[string][]byte{key: secret.Data[key]}
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.AnnotationTrimmed, "true")
}

// Get reads one object.
func (c trimmingClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := c.Client.Get(ctx, key, obj, opts...)
	if secret, ok := obj.(*corev1.Secret); ok && err == nil && key.Namespace != "" && secret.Labels[v1alpha1.LabelIntegration] != "" {
		trim(secret)
	}
	return err
}

// List reads many objects.
func (c trimmingClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := c.Client.List(ctx, list, opts...)
	if secrets, ok := list.(*corev1.SecretList); ok && err == nil {
		for i := range secrets.Items {
			if secret := &secrets.Items[i]; secret.Labels[v1alpha1.LabelIntegration] != "" {
				trim(secret)
			}
		}
	}
	return err
}

func TestASecretThatTheCacheTrimsIsReadWhole(t *testing.T) {
	w := newWorld(t)
	w.restartWith(t, func(c client.Client) client.Client { return trimmingClient{c} })
	retain := func(i *v1alpha1.Integration) { i.Spec.Secret.DeletionPolicy = v1alpha1.DeletionPolicyRetain }
	intg := w.readyIntegration(t, "large", shopScopes, retain)
	before := w.secret(t, "large")
	for range 3 {
		w.reconcile(t, intg)
	}
	if diff := cmp.Diff([]string{"create secrets/", "patch integrations/status"}, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	w.wantEvents(t, intg)

	t.Run("also as the one of a former name that is released", func(t *testing.T) {
		edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "large-2" })
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		for name, wantOwned := range map[string]bool{"large": false, "large-2": true} {
			secret := w.secret(t, name)
			if diff := cmp.Diff(text(before.Data), text(secret.Data)); diff != "" {
				t.Errorf("data of %s (-before +after):\n%s", name, diff)
			}
			if owned := metav1.IsControlledBy(secret, intg); owned != wantOwned {
				t.Errorf("%s is the Integration's: %t", name, owned)
			}
			if _, found := secret.Annotations[v1alpha1.AnnotationTrimmed]; found {
				t.Errorf("%s has an annotation that is for caches", name)
			}
		}
		w.wantEvents(t, intg, "Normal SecretReplaced")
	})
}

func TestAFormerSecretThatSomethingHolds(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "first", rotating(v1alpha1.RotationSpec{Overlap: duration(0)}))
	former := w.secret(t, "first")
	edit(t, former, hold)
	w.letGo(t, "first")
	w.seen(t, former)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "second" })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if former = w.secret(t, "first"); former.DeletionTimestamp.IsZero() {
		t.Fatal("the former Secret is not deleted")
	}
	w.seen(t, former)
	w.clock.move(time.Minute)
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Rotation.RequestedAt = new(metav1.NewTime(w.clock.Now().Truncate(time.Second)))
	})
	rotated := w.rotates(t, intg, w.secret(t, "second"))
	w.wantEvents(t, intg, "Normal SecretReplaced", eventRotated)

	// What was rotated out must not come back from the Secret that is still there.
	if err := k8sClient.Delete(t.Context(), rotated); err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Eventually(func() error {
		return k8sClient.Get(t.Context(), client.ObjectKeyFromObject(rotated), rotated)
	}, deadline, poll).Should(Succeed())
	w.wantEvents(t, intg, "Normal SecretReplaced", eventRotated, "Warning ClientSecretRegenerated")
	if got := clientSecretIn(w.secret(t, "second")); got == clientSecretIn(former) {
		t.Error("a client secret that was rotated out came back")
	}
}
