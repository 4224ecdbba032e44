// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// shopScopes makes the Integration of the README.
func shopScopes(i *v1alpha1.Integration) {
	i.Spec.Audiences = []string{"https://orders.shop.example"}
	i.Spec.Scopes = []string{"orders.read", "orders.write"}
}

func text(data map[string][]byte) map[string]string {
	found := map[string]string{}
	for key, value := range data {
		found[key] = string(value)
	}
	return found
}

func TestMinimalIntegration(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "order-sync", shopScopes)
	secret := w.secret(t, "order-sync")

	clientSecret := string(secret.Data["client_secret"])
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(clientSecret) {
		t.Errorf("the client secret has %d characters, want 43 of A-Z, a-z, 0-9, - and _", len(clientSecret))
	}
	bundle, err := w.integrations.CABundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantData := map[string]string{
		"client_id": w.namespace + ".order-sync", "client_secret": clientSecret, "token_url": issuer + "/oauth2/token", "issuer": issuer,
		"scope": "orders.read orders.write", "audience": "https://orders.shop.example", "ca.crt": string(bundle), "type": "oauth2",
		"provider": "integration-operator",
	}
	if diff := cmp.Diff(wantData, text(secret.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	yes := true
	wantOwners := []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Integration", Name: intg.Name, UID: intg.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}}
	if diff := cmp.Diff(wantOwners, secret.OwnerReferences); diff != "" {
		t.Errorf("owner references (-want +got):\n%s", diff)
	}
	wantLabels := map[string]string{
		v1alpha1.LabelIntegration: "order-sync", "app.kubernetes.io/managed-by": "integration-operator",
	}
	if diff := cmp.Diff(wantLabels, secret.Labels); diff != "" || secret.Type != v1alpha1.SecretTypeCredentials {
		t.Errorf("type %s and labels (-want +got):\n%s", secret.Type, diff)
	}

	status := intg.Status
	status.Conditions = nil
	wantStatus := v1alpha1.IntegrationStatus{
		ObservedGeneration: 1, ClientID: w.namespace + ".order-sync",
		Endpoints: &v1alpha1.Endpoints{
			Issuer: issuer, Token: issuer + "/oauth2/token", JWKS: issuer + "/oauth2/jwks",
			Introspection: issuer + "/oauth2/introspect", Revocation: issuer + "/oauth2/revoke", Verify: issuer + "/verify",
		},
		Granted: &v1alpha1.Granted{
			Profile:       v1alpha1.ProfileOAuth2,
			GrantTypes:    []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
			Access:        []v1alpha1.Access{{Audience: "https://orders.shop.example", Scopes: []string{"orders.read", "orders.write"}}},
			DefaultScopes: []string{"orders.read", "orders.write"}, SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
			Lifetime: metav1.Duration{Duration: 10 * time.Minute}, TokenFormat: v1alpha1.TokenFormatJWT,
			CredentialMethods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
		},
		Credentials: &v1alpha1.CredentialsStatus{SecretName: "order-sync"},
		Binding:     &v1alpha1.Binding{Name: "order-sync"},
	}
	if diff := cmp.Diff(wantStatus, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	for conditionType, want := range map[string]string{
		v1alpha1.ConditionReady: "True Ready", v1alpha1.ConditionReconciling: "False Idle", v1alpha1.ConditionStalled: "False Idle",
		v1alpha1.ConditionCredentialsReady: "True SecretReady",
	} {
		c := meta.FindStatusCondition(intg.Status.Conditions, conditionType)
		if c == nil || string(c.Status)+" "+c.Reason != want {
			t.Errorf("%s: want %s, got %+v", conditionType, want, c)
		}
	}
	w.wantEvents(t, intg)
}

func TestIntegrationWithTheLongestName(t *testing.T) {
	w := newWorld(t)
	name := strings.Repeat("a", 63)
	intg := w.readyIntegration(t, name)
	if want := w.namespace + "." + name; intg.Status.ClientID != want || string(w.secret(t, name).Data["client_id"]) != want {
		t.Errorf("client ID: want %s, got %s", want, intg.Status.ClientID)
	}
}

func TestDeletedIntegrationIsLeftToTheGarbageCollector(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "goes", func(i *v1alpha1.Integration) { i.Finalizers = []string{"example.com/somebody-waits"} })
	before := w.secret(t, "goes")
	if err := k8sClient.Delete(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	w.seen(t, intg)
	if intg.DeletionTimestamp.IsZero() {
		t.Fatal("the Integration is not being deleted")
	}
	if err := k8sClient.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	w.seen(t, before)
	w.reconcile(t, intg)
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(before), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Secret of an Integration that is being deleted: want NotFound, got %v", err)
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Finalizers = nil })
	w.seen(t, intg)
	w.reconcile(t, intg)
}

func TestSuspendAndResume(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "pauses")
	before := w.secret(t, "pauses")

	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Suspend = true })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSuspended)
	w.wantEvents(t, intg, "Normal Suspended")
	if !meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady) {
		t.Error("want CredentialsReady: the Secret is there")
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Suspend = false })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, "Normal Suspended", "Normal Ready")
	if diff := cmp.Diff(before.ResourceVersion, w.secret(t, "pauses").ResourceVersion); diff != "" {
		t.Errorf("the Secret was written (-before +after):\n%s", diff)
	}

	// The real recorder sends what was told to the API server, where kubectl describe finds it.
	NewWithT(t).Eventually(func() int {
		sent := &eventsv1.EventList{}
		if err := k8sClient.List(t.Context(), sent, client.InNamespace(w.namespace)); err != nil {
			return 0
		}
		found := 0
		for _, e := range sent.Items {
			if e.Regarding.UID == intg.UID && e.Regarding.Kind == "Integration" && (e.Reason == "Suspended" || e.Reason == "Ready") {
				found++
			}
		}
		return found
	}, deadline, poll).Should(Equal(2))
}

func TestSecretThatTheAPIServerRefuses(t *testing.T) {
	w := newWorld(t)
	intg := w.integration(t, "refused", func(i *v1alpha1.Integration) {
		// The schema counts characters and the API server counts bytes: this is twice what it takes.
		i.Spec.Secret.Annotations = map[string]v1alpha1.AnnotationValue{}
		for key := range strings.SplitSeq("abcdefghijklmnopqrstuvwxyzABCDEF", "") {
			i.Spec.Secret.Annotations[key] = v1alpha1.AnnotationValue(strings.Repeat("😀", 4096))
		}
	})
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretRejected)
	message := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionStalled).Message
	if !strings.Contains(message, "metadata.annotations") || strings.Contains(message, "😀") || len(message) > 300 {
		t.Errorf("want a message that names metadata.annotations and no value, got %q", message)
	}
	if got := w.recorder.of(intg); !cmp.Equal(got, []string{"Warning SecretRejected"}) {
		t.Errorf("events: want one warning, got %q", got)
	}
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Secret.Annotations = nil })
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, "Warning SecretRejected", "Normal Ready")
}
