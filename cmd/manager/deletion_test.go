// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// startCollector runs the controllers of a real cluster that end namespaces and collect what deleted objects owned.
func startCollector(t *testing.T) {
	t.Helper()
	stop, err := testplane.StartControllerManager(t.Context(), plane, t.TempDir(), "namespace-controller", "garbage-collector-controller")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// broughtSecret makes a Secret with a client secret that a user brings, for any Integration of the namespace.
func broughtSecret(t *testing.T, namespace, name string) {
	t.Helper()
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelIntegration: ""}},
		StringData: map[string]string{v1alpha1.KeyClientSecret: "Qv7pLx2mNw9tRz4cKf6hBy8sGd3jVa5e"},
	})
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// awaitGone waits until an object does not exist.
func awaitGone(t *testing.T, object client.Object) {
	t.Helper()
	key := client.ObjectKeyFromObject(object)
	NewWithT(t).Eventually(func() bool { return apierrors.IsNotFound(admin.Get(t.Context(), key, object)) }, patience, poll).
		Should(BeTrue(), "%T %s should go: %+v", object, key, object)
}

func secretOf(intg *v1alpha1.Integration) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: intg.Namespace, Name: intg.SecretName()}}
}

// furnish fills a namespace with an Integration of every sort, and whatever else they need.
func furnish(t *testing.T, r *replica, namespace string) {
	t.Helper()
	newUser(t, namespace, alice, alicePassword)
	broughtSecret(t, namespace, "brought")
	named := func(name string, edit func(*v1alpha1.Integration)) *v1alpha1.Integration {
		intg := orderSync(namespace)
		intg.Name = name
		edit(intg)
		return intg
	}
	endpointAt(t, apply(t, newLogin(namespace)), r.issuer, "").login(t)
	if len(sessionsOf(t, namespace)) == 0 {
		t.Fatal("a login left no TokenSession")
	}
	adopted := named("adopted", func(*v1alpha1.Integration) {})
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: adopted.Name, Labels: map[string]string{
			v1alpha1.LabelIntegration: adopted.Name, v1alpha1.LabelAdopt: adopted.Name,
		}},
		StringData: map[string]string{"client_id": adopted.WantedClientID(), "client_secret": "Wd4kTz9bMx2hQs7vJn5yLc8rFg3pEa6u", "other": "kept"},
	})
	for _, intg := range []*v1alpha1.Integration{
		adopted,
		named("minimal", func(*v1alpha1.Integration) {}),
		named("brings", func(i *v1alpha1.Integration) {
			i.Spec.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "brought"}
		}),
		named("retained", func(i *v1alpha1.Integration) { i.Spec.Secret.DeletionPolicy = v1alpha1.DeletionPolicyRetain }),
		named("delivered", func(i *v1alpha1.Integration) {
			i.Spec.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "access_token"}}
		}),
		named("rotating", func(i *v1alpha1.Integration) {
			i.Spec.Credentials.Rotation = &v1alpha1.RotationSpec{Interval: &metav1.Duration{Duration: 720 * time.Hour}}
			i.Spec.Restart = &v1alpha1.RestartSpec{BatchSize: 5}
		}),
	} {
		apply(t, intg)
	}
	create(t, named("suspended", func(i *v1alpha1.Integration) { i.Spec.Suspend = true }))
	// Two that are stuck: somebody else's Secret is in the way of the one, and the other waits for a user's.
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "stuck"}})
	for name, intg := range map[string]*v1alpha1.Integration{
		v1alpha1.ReasonSecretConflict: named("stuck", func(*v1alpha1.Integration) {}),
		v1alpha1.ReasonSecretNotFound: named("waiting", func(i *v1alpha1.Integration) {
			i.Spec.GrantTypes = append(i.Spec.GrantTypes, v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword)
			i.Spec.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "nobody"}, Kind: v1alpha1.UserKindAdmin}}
		}),
	} {
		create(t, intg)
		awaitReason(t, intg, v1alpha1.ConditionReady, name)
	}
	app := map[string]string{"app": "orders"}
	create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app"},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.com/app"}}},
		}},
	})
}

// awaitReason waits until a condition has a reason.
func awaitReason(t *testing.T, intg *v1alpha1.Integration, conditionType, reason string) {
	t.Helper()
	NewWithT(t).Eventually(func() (string, error) {
		err := admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)
		if condition := meta.FindStatusCondition(intg.Status.Conditions, conditionType); condition != nil {
			return condition.Reason, err
		}
		return "", err
	}, patience, poll).Should(Equal(reason))
}

func TestANamespaceTerminatesWithEverythingInIt(t *testing.T) {
	startCollector(t)
	r := startOnly(t)
	namespace := newNamespace(t)
	furnish(t, r, namespace)
	outside := apply(t, orderSync(newNamespace(t)))
	at := endpointAt(t, outside, r.issuer, "")

	terminating := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := admin.Delete(t.Context(), terminating); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, terminating)
	// The operator is none the worse, and says so by its log, which the end of the test reads.
	r.running()
	at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
	apply(t, orderSync(newNamespace(t)))
}

func TestDeletingAnIntegrationLeavesNothing(t *testing.T) {
	startCollector(t)
	r := startOnly(t)
	for _, tt := range []struct {
		name        string
		propagation metav1.DeletionPropagation
		wantSecret  bool
	}{
		{"in the background, as kubectl does", metav1.DeletePropagationBackground, false},
		{"in the foreground", metav1.DeletePropagationForeground, false},
		{"as an orphanage", metav1.DeletePropagationOrphan, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			namespace := newNamespace(t)
			newUser(t, namespace, alice, alicePassword)
			intg := apply(t, newLogin(namespace))
			at := endpointAt(t, intg, r.issuer, "")
			api := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-api"}}
			api.Spec.ResourceServer = &v1alpha1.ResourceServer{Audiences: []string{"https://orders.example"}}
			asker := endpointAt(t, apply(t, api), r.issuer, "")
			login := at.login(t)
			own := at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
			expectActive(t, asker, login.AccessToken)
			expectActive(t, asker, own.AccessToken)
			if got := len(sessionsOf(t, namespace)); got != 1 {
				t.Fatalf("%d TokenSessions after a login", got)
			}

			if err := admin.Delete(t.Context(), intg, client.PropagationPolicy(tt.propagation)); err != nil {
				t.Fatal(err)
			}
			awaitGone(t, intg)
			for _, token := range []string{login.AccessToken, own.AccessToken} {
				NewWithT(t).Eventually(func() (bool, error) { return asker.active(t.Context(), token) }, patience, poll).Should(BeFalse())
			}
			NewWithT(t).Eventually(func() (string, error) {
				refused, err := at.refresh(t.Context(), login.RefreshToken)
				return refused.Error, err
			}, patience, poll).Should(Equal("invalid_client"))
			if !tt.wantSecret {
				awaitGone(t, secretOf(intg))
				NewWithT(t).Eventually(func() int { return len(sessionsOf(t, namespace)) }, patience, poll).
					Should(BeZero(), "the TokenSessions should be collected")
				return
			}
			NewWithT(t).Eventually(func() ([]metav1.OwnerReference, error) {
				secret := secretOf(intg)
				err := admin.Get(t.Context(), client.ObjectKeyFromObject(secret), secret)
				return secret.OwnerReferences, err
			}, patience, poll).Should(BeEmpty())
			if refused, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials"); err != nil || refused.Error != "invalid_client" {
				t.Errorf("an orphaned Secret gets a token: %d %s, %v", refused.status, refused.Error, err)
			}
		})
	}
	r.running()
}

func TestARetainedSecretOutlivesItsIntegration(t *testing.T) {
	startCollector(t)
	r := startOnly(t)
	intg := orderSync(newNamespace(t))
	intg.Spec.Secret.DeletionPolicy = v1alpha1.DeletionPolicyRetain
	apply(t, intg)
	ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady)
	if ready == nil || !strings.Contains(ready.Message, "it stays when the Integration is deleted") {
		t.Errorf("CredentialsReady should say beforehand what becomes of the Secret: %+v", ready)
	}
	at := endpointAt(t, intg, r.issuer, "")
	at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials")
	if err := admin.Delete(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, intg)

	// The garbage collector takes the owner off that is gone; the Namespace is left.
	secret := secretOf(intg)
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		g.Expect(secret.OwnerReferences).To(HaveLen(1))
		g.Expect(secret.OwnerReferences[0].Kind).To(Equal("Namespace"))
	}, patience, poll).Should(Succeed())
	if string(secret.Data["client_secret"]) != string(at.data["client_secret"]) {
		t.Error("the Secret that stays holds another client secret")
	}
	NewWithT(t).Eventually(func() (string, error) {
		refused, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials")
		return refused.Error, err
	}, patience, poll).Should(Equal("invalid_client"), "nobody gets a token with it")

	// It goes with its namespace.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: intg.Namespace}}
	if err := admin.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, namespace)
	r.running()
}
