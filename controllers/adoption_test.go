// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
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
			Namespace: w.namespace, Name: name,
			Labels:      map[string]string{v1alpha1.LabelIntegration: name, v1alpha1.LabelAdopt: name, "app": "legacy"},
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
	const needs = "under its key OAUTH_SECRET a client secret of 22 to 1024"
	tests := map[string]struct {
		edit func(*corev1.Secret)
		want string
	}{
		"without-label": {func(s *corev1.Secret) { s.Labels = nil }, "lacks the label integration-operator.io/adopt=without-label"},
		"not-handed-over": {
			func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelAdopt) }, "lacks the label integration-operator.io/adopt=not-handed-over",
		},
		"handed-to-others": {
			func(s *corev1.Secret) { s.Labels[v1alpha1.LabelAdopt] = "other" }, "lacks the label integration-operator.io/adopt=handed-to-others",
		},
		"with-empty-label": {
			func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "" }, "lacks the label integration-operator.io/integration=with-empty-label",
		},
		"with-others-id": {func(s *corev1.Secret) { s.Data["OAUTH_ID"] = []byte("other") }, needs},
		"without-secret": {func(s *corev1.Secret) { delete(s.Data, "OAUTH_SECRET") }, needs},
		"weak":           {func(s *corev1.Secret) { s.Data["OAUTH_SECRET"] = []byte(strings.Repeat("1234567890", 3)) }, needs},
		"ssh-key": {func(s *corev1.Secret) {
			s.Type, s.Data[corev1.SSHAuthPrivateKey] = corev1.SecretTypeSSHAuth, []byte("x")
		}, "it needs a type that has no meaning to Kubernetes"},
		"controlled": {func(s *corev1.Secret) {
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: new(true)}}
		}, "belongs to another object, of kind ConfigMap"},
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
			w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
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
	secret := w.legacy(t, "mended", func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelAdopt) })
	intg := w.integration(t, "mended", w.takesOver)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
	edit(t, secret, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelAdopt] = "mended" })
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
	if before.Labels[v1alpha1.LabelAdopt] != "retained" {
		t.Errorf("what is retained is not handed over: labels %v", before.Labels)
	}
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

func TestAnAdoptedSecretIsReleasedForAnotherName(t *testing.T) {
	w := newWorld(t)
	before := w.legacy(t, "moves")
	intg := w.readyIntegration(t, "moves", w.takesOver)
	secret := w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Name = "moved" })
	if string(secret.Data["OAUTH_SECRET"]) != legacySecret || secret.Type != v1alpha1.SecretTypeCredentials || secret.Data["settings.ini"] != nil {
		t.Errorf("the new Secret is of type %s with keys %v", secret.Type, slices.Sorted(maps.Keys(secret.Data)))
	}
	NewWithT(t).Eventually(func() bool { return metav1.GetControllerOf(w.secret(t, "moves")) == nil }, deadline, poll).Should(BeTrue())
	released := w.secret(t, "moves")
	if _, found := released.Annotations[v1alpha1.AnnotationClientSecretKey]; found || len(released.OwnerReferences) != 0 || released.UID != before.UID {
		t.Errorf("what is released has owners %v and annotations %v", released.OwnerReferences, released.Annotations)
	}
	for key, value := range before.Data {
		if diff := cmp.Diff(value, released.Data[key]); diff != "" {
			t.Errorf("key %s (-want +got):\n%s", key, diff)
		}
	}
	w.wantEvents(t, intg, "Normal SecretAdopted", "Normal SecretReplaced")
}

func TestALoginIsNotTakenOver(t *testing.T) {
	w := newWorld(t)
	// By this label its owner lets the Integration shop log users in, and no more.
	login := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "admin-login", Labels: map[string]string{v1alpha1.LabelIntegration: "shop"}},
		Type:       corev1.SecretTypeBasicAuth,
		Data:       map[string][]byte{"username": []byte("admin"), "password": []byte("correct-Horse-battery-staple-42")},
	}
	if err := k8sClient.Create(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	w.seen(t, login)
	intg := w.integration(t, "shop", func(i *v1alpha1.Integration) {
		i.Spec.ClientID, i.Spec.Secret.Name = "admin", "admin-login"
		i.Spec.Secret.Keys = v1alpha1.SecretKeys{ClientID: "username", ClientSecret: "password"}
	})
	for _, label := range []string{"", "shop"} {
		if label != "" {
			edit(t, login, func(s *corev1.Secret) { s.Labels[v1alpha1.LabelAdopt] = label })
			w.seen(t, login)
			edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"wake": "up"} })
		}
		w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretConflict)
		message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
		if strings.Contains(message, "basic-auth") {
			t.Errorf("message: %s", message)
		}
		if after := w.secret(t, "admin-login"); after.ResourceVersion != login.ResourceVersion {
			t.Error("the login was written")
		}
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "readable" })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if readable := w.secret(t, "readable"); string(readable.Data["password"]) == string(login.Data["password"]) {
		t.Error("the login's password is in a Secret that the editor of the Integration named")
	}
	w.secret(t, "admin-login") // Is still there.
}

func TestATemplateDoesNotTakeAnAdoptedKey(t *testing.T) {
	w := newWorld(t)
	w.legacy(t, "keeps")
	intg := w.integration(t, "keeps", w.takesOver, templateOf(map[string]v1alpha1.TemplateText{"settings.ini": "chosen", "other": "{{ .ClientID }}"}),
		delivered(v1alpha1.AccessTokenSpec{Key: "copy"}))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonTemplateInvalid)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
	for _, want := range []string{"spec.secret.template.data: settings.ini", "spec.secret.accessTokens: copy"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message lacks %q: %s", want, message)
		}
	}
	data := text(w.secret(t, "keeps").Data)
	if data["settings.ini"] != "[a]\nb=c\n" || data["copy"] != legacySecret || data["copy_expires_at"] != "" || data["other"] == "" {
		t.Errorf("got keys %v", slices.Sorted(maps.Keys(data)))
	}
	before, minted := w.secret(t, "keeps"), w.minter.count()
	_, err := w.integrations.Reconcile(bounded(t), requestFor(intg))
	if got := failure(err); got.reason != v1alpha1.ReasonTemplateInvalid || w.minter.count() != minted ||
		w.secret(t, "keeps").ResourceVersion != before.ResourceVersion {
		t.Errorf("a pass with nothing to do made %d tokens, or wrote the Secret, and ended with %v", w.minter.count()-minted, err)
	}
	w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Template, s.AccessTokens = nil, nil })
}

func TestASecretThatTheCacheTrimsIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.restartWith(t, func(c client.Client) client.Client { return trimmingClient{c} })
	data := map[string]v1alpha1.TemplateText{"small": "{{ .ClientID }}"}
	for i := range 12 {
		data[fmt.Sprintf("large-%02d", i)] = v1alpha1.TemplateText(strings.Repeat("x", 8190))
	}
	intg := w.readyIntegration(t, "large", templateOf(data), func(i *v1alpha1.Integration) {
		i.Spec.Audiences = []string{"https://orders.shop.example"}
		for n := range 256 {
			i.Spec.Scopes = append(i.Spec.Scopes, fmt.Sprintf("%03d%s", n, strings.Repeat("s", 125)))
		}
		i.Spec.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "access_token"}}
	})
	before := w.secret(t, "large")
	cached := &corev1.Secret{}
	if err := w.integrations.Client.Get(t.Context(), client.ObjectKeyFromObject(before), cached); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, value := range before.Data {
		size += len(value)
	}
	if len(cached.Data) != 1 || size <= 128<<10 {
		t.Fatalf("the cache shows %d of %d keys, with %d bytes", len(cached.Data), len(before.Data), size)
	}
	minted, writes := w.minter.count(), len(w.writes(t))
	for range 3 {
		w.reconcile(t, intg)
	}
	if got := w.minter.count() - minted; got != 0 {
		t.Errorf("idle passes made %d access tokens", got)
	}
	if diff := cmp.Diff([]string{}, append([]string{}, w.writes(t)[writes:]...)); diff != "" {
		t.Errorf("writes of idle passes (-want +got):\n%s", diff)
	}
	if after := w.secret(t, "large"); after.ResourceVersion != before.ResourceVersion {
		t.Error("the Secret was written")
	}
	w.wantEvents(t, intg)
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
