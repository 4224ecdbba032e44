// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"maps"
	"slices"
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
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// legacySecret is the client secret of the Secrets that are taken over here.
const legacySecret = "gr8-L3gacy_client.secret~0123456789"

// legacy creates a Secret as it was before there was an operator, with the credentials of client legacy-7 for the named Integration.
func (w *world) legacy(t *testing.T, name string, edits ...func(*corev1.Secret)) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: name, Labels: map[string]string{v1alpha1.LabelIntegration: name, "app": "legacy"},
			Annotations: map[string]string{"note": "by hand"},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			"OAUTH_ID": []byte("legacy-7-" + w.namespace), "OAUTH_SECRET": []byte(legacySecret), "copy": []byte(legacySecret),
			"settings.ini": []byte("[a]\nb=c\n"), "binary": {0, 255, 128}, "scope": []byte("of the former server"),
		},
	}
	for _, edit := range edits {
		edit(secret)
	}
	if err := k8sClient.Create(t.Context(), secret); err != nil {
		t.Fatalf("create Secret %s/%s: %v", w.namespace, name, err)
	}
	return secret
}

// takesOver wants the client and the keys of a legacy Secret.
func (w *world) takesOver(i *v1alpha1.Integration) {
	i.Spec.ClientID = "legacy-7-" + w.namespace
	i.Spec.Secret.Keys = v1alpha1.SecretKeys{ClientID: "OAUTH_ID", ClientSecret: "OAUTH_SECRET", Scope: "OAUTH_SCOPE"}
}

func TestALegacySecretIsTakenOver(t *testing.T) {
	w := newWorld(t)
	before := w.legacy(t, "adopted")
	w.seen(t, before)
	intg := w.readyIntegration(t, "adopted", shopScopes, w.takesOver)
	// The event that tells of it may have been sent by now.
	writes := slices.DeleteFunc(w.writes(t), func(write string) bool { return write == "create events/" })
	if diff := cmp.Diff([]string{"update secrets/", "patch integrations/status"}, writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	after := w.secret(t, "adopted")
	for key, value := range before.Data {
		if diff := cmp.Diff(value, after.Data[key]); diff != "" {
			t.Errorf("key %s (-want +got):\n%s", key, diff)
		}
	}
	if after.UID != before.UID || after.Type != corev1.SecretTypeOpaque || !metav1.IsControlledBy(after, intg) {
		t.Errorf("it is another Secret, of type %s and with owners %v", after.Type, after.OwnerReferences)
	}
	if after.Labels["app"] != "legacy" || after.Annotations["note"] != "by hand" || string(after.Data["token_url"]) != issuer+"/oauth2/token" {
		t.Errorf("labels %v and annotations %v", after.Labels, after.Annotations)
	}
	if intg.Status.ClientID != "legacy-7-"+w.namespace {
		t.Errorf("client ID %s", intg.Status.ClientID)
	}
	w.wantEvents(t, intg, "Normal SecretAdopted")

	// It goes on so: what is edited beside stays, and what is damaged is put back.
	edit(t, after, func(s *corev1.Secret) { s.Data["settings.ini"], s.Data["OAUTH_ID"] = []byte("[new]\n"), nil })
	NewWithT(t).Eventually(func() string { return string(w.secret(t, "adopted").Data["OAUTH_ID"]) }, deadline, poll).
		Should(Equal("legacy-7-" + w.namespace))
	after = w.secret(t, "adopted")
	if string(after.Data["settings.ini"]) != "[new]\n" || string(after.Data["OAUTH_SECRET"]) != legacySecret || after.UID != before.UID {
		t.Error("what was taken over changed")
	}
	edit(t, after, func(s *corev1.Secret) { s.Annotations = nil })
	NewWithT(t).Eventually(func() string {
		return w.secret(t, "adopted").Annotations[v1alpha1.AnnotationAdoptedKeys]
	}, deadline, poll).Should(Equal(`["binary","copy","scope","settings.ini"]`))
}

func TestSecretsThatAreNotTakenOver(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct {
		edit       func(*corev1.Secret)
		wantReason string
		want       string
	}{
		"without-label":     {func(s *corev1.Secret) { s.Labels = nil }, v1alpha1.ReasonSecretConflict, "lacks the label"},
		"with-empty-label":  {func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "" }, v1alpha1.ReasonSecretConflict, "does not say"},
		"with-others-label": {func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "other" }, v1alpha1.ReasonSecretConflict, "does not say"},
		"with-others-id":    {func(s *corev1.Secret) { s.Data["OAUTH_ID"] = []byte("other") }, v1alpha1.ReasonSecretConflict, "client ID"},
		"without-secret":    {func(s *corev1.Secret) { delete(s.Data, "OAUTH_SECRET") }, v1alpha1.ReasonSecretConflict, "OAUTH_SECRET"},
		"weak": {
			func(s *corev1.Secret) { s.Data["OAUTH_SECRET"] = []byte(strings.Repeat("1234567890", 3)) }, v1alpha1.ReasonClientSecretTooWeak, "weak",
		},
		"controlled": {func(s *corev1.Secret) {
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: new(true)}}
		}, v1alpha1.ReasonSecretConflict, "belongs to ConfigMap x"},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			tt := tests[name]
			before := w.legacy(t, name, tt.edit)
			intg := w.integration(t, name, w.takesOver)
			defer func() { // The client ID is for the next one.
				if err := k8sClient.Delete(t.Context(), intg); err != nil {
					t.Error(err)
				}
			}()
			w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, tt.wantReason)
			message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
			if !strings.Contains(message, tt.want) || !strings.Contains(message, w.namespace+"/"+name) || strings.Contains(message, legacySecret) {
				t.Errorf("message: %s", message)
			}
			if after := w.secret(t, name); after.ResourceVersion != before.ResourceVersion {
				t.Error("the Secret was written")
			}
		})
	}
}

func TestASecretThatIsMendedIsTakenOver(t *testing.T) {
	w := newWorld(t)
	secret := w.legacy(t, "mended", func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "" })
	intg := w.integration(t, "mended", w.takesOver)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	edit(t, secret, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "mended" })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if string(w.secret(t, "mended").Data["OAUTH_SECRET"]) != legacySecret {
		t.Error("the client secret is another one")
	}
}

func TestARetainedSecretIsTakenOver(t *testing.T) {
	w := newWorld(t)
	retain := func(i *v1alpha1.Integration) { i.Spec.Secret.DeletionPolicy = v1alpha1.DeletionPolicyRetain }
	former := w.readyIntegration(t, "retained", retain)
	before := w.secret(t, "retained")
	if err := k8sClient.Delete(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	intg := w.integration(t, "retained", retain)
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretPending)
	// This control plane has no garbage collector: the test does its work.
	edit(t, before.DeepCopy(), func(s *corev1.Secret) { s.OwnerReferences = credentials.WithoutOwner(s.OwnerReferences, former) })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	after := w.secret(t, "retained")
	if diff := cmp.Diff(text(before.Data), text(after.Data)); diff != "" || after.UID != before.UID || !metav1.IsControlledBy(after, intg) {
		t.Errorf("owners %v, data (-want +got):\n%s", after.OwnerReferences, diff)
	}
	w.wantEvents(t, intg, "Normal SecretAdopted")
}

func TestAnAdoptedSecretGivesWayToAnotherName(t *testing.T) {
	w := newWorld(t)
	w.legacy(t, "moves")
	intg := w.readyIntegration(t, "moves", w.takesOver)
	secret := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Name = "moved" })
	if string(secret.Data["OAUTH_SECRET"]) != legacySecret || secret.Type != v1alpha1.SecretTypeCredentials || secret.Data["settings.ini"] != nil {
		t.Errorf("the new Secret is of type %s with keys %v", secret.Type, slices.Sorted(maps.Keys(secret.Data)))
	}
	gone := &corev1.Secret{}
	NewWithT(t).Eventually(func() bool {
		return apierrors.IsNotFound(k8sClient.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "moves"}, gone))
	}, deadline, poll).Should(BeTrue())
	w.wantEvents(t, intg, "Normal SecretAdopted", "Normal SecretReplaced")
}

func TestAnAdoptedSecretThatGrewKeepsItsKeys(t *testing.T) {
	w := newWorld(t)
	w.legacy(t, "grows")
	intg := w.readyIntegration(t, "grows", w.takesOver)
	// The manager's cache keeps of a Secret that is too large nothing but its client secret.
	trimmed := w.secret(t, "grows")
	trimmed.Data = map[string][]byte{"OAUTH_SECRET": trimmed.Data["OAUTH_SECRET"]}
	r := w.with(trimmedReader{Client: w.integrations.Client, trimmed: trimmed})
	s := &scope{intg: intg, now: w.clock.Now()}
	if err := r.gatherSecrets(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if string(s.existing.Data["settings.ini"]) != "[a]\nb=c\n" {
		t.Errorf("a pass would go by keys %v", slices.Sorted(maps.Keys(s.existing.Data)))
	}
}

func TestReservedSecretsAreNotTakenOver(t *testing.T) {
	w := newWorld(t)
	intg := newIntegration(w.operatorNamespace, "thief", func(i *v1alpha1.Integration) {
		i.Spec.Secret.Name = v1alpha1.CertificateAuthoritySecretName
	})
	err := w.integrations.gatherSecrets(t.Context(), &scope{intg: intg})
	if got := failure(err); !got.terminal || got.reason != v1alpha1.ReasonSecretConflict {
		t.Errorf("got %v", err)
	}
}

// A trimmedReader reads a Secret as a cache shows it that leaves much of it out.
type trimmedReader struct {
	client.Client
	trimmed *corev1.Secret
}

// Get reads an object.
func (r trimmedReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if secret, ok := obj.(*corev1.Secret); ok && key == client.ObjectKeyFromObject(r.trimmed) {
		r.trimmed.DeepCopyInto(secret)
		return nil
	}
	return r.Client.Get(ctx, key, obj, opts...)
}
