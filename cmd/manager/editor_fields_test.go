// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// restartedAt is what a restart leaves on a Pod template.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// everyField returns the spec of the sample that has every field there is, with what the policy of the fenced namespace allows.
func everyField(t *testing.T) v1alpha1.IntegrationSpec {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(testplane.RepositoryRoot(), "config", "samples", "integration_every_field.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sample := &v1alpha1.Integration{}
	if err := yaml.Unmarshal([]byte(strings.SplitN(string(manifest), "\n---\n", 2)[0]), sample); err != nil {
		t.Fatal(err)
	}
	s := sample.Spec
	own := []string{"own.read"}
	s.ClientID, s.Audiences, s.Scopes, s.DefaultScopes = "", []string{"https://own.example"}, []string{"own.read", "own.write"}, &own
	s.ResourceServer.Audiences, s.Users[0].Scopes = s.Audiences, &own
	s.Secret.AccessTokens[0].Scopes, s.Secret.AccessTokens[0].Audience = &own, s.Audiences[0]
	return s
}

// workload makes a Deployment that the sample's selector chooses, and whose Pods have a Secret of the sample's name in their environment.
func (f *fenced) workload(t *testing.T, namespace string, s v1alpha1.IntegrationSpec) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": "stock-report", "tier": "batch"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "report", Labels: labels},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "report", Image: "example.com/report", EnvFrom: []corev1.EnvFromSource{
				{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: s.Secret.Name}}},
			}}}},
		}},
	}
	create(t, d)
	return d
}

// edit changes, as the editor, the spec of an Integration, and waits until the operator has said what it makes of it.
func (f *fenced) edit(t *testing.T, intg *v1alpha1.Integration, edit func(*v1alpha1.IntegrationSpec)) {
	t.Helper()
	key := client.ObjectKeyFromObject(intg)
	NewWithT(t).Eventually(func() error {
		if err := f.editor.Get(t.Context(), key, intg); err != nil {
			return err
		}
		edit(&intg.Spec)
		return f.editor.Update(t.Context(), intg)
	}, patience, poll).Should(Succeed())
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(f.editor.Get(t.Context(), key, intg)).To(Succeed())
		ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.ObservedGeneration).To(Equal(intg.Generation))
	}, patience, poll).Should(Succeed())
}

// readySays checks why an Integration is not ready.
func readySays(t *testing.T, intg *v1alpha1.Integration, wantReason, wantMessage string) {
	t.Helper()
	ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Reason != wantReason || !strings.Contains(ready.Message, wantMessage) {
		t.Errorf("Ready says %s: %s, want %s with %q", ready.Reason, ready.Message, wantReason, wantMessage)
	}
}

// holdsNothingOfOthers checks that the generated Secret has a client secret of its own, and nothing that the editor may not use.
func (f *fenced) holdsNothingOfOthers(t *testing.T, held map[string]string) {
	t.Helper()
	if held["CLIENT_SECRET"] == "" || !strings.Contains(held["stock.env"], "STOCK_CLIENT_SECRET="+held["CLIENT_SECRET"]+"\n") {
		t.Errorf("the Secret was not made as spec says; it has %d keys", len(held))
	}
	for key, value := range held {
		if strings.Contains(value, databaseSecret) || strings.Contains(value, databasePassword) {
			t.Errorf("the generated Secret holds what the editor may not use, under %s", key)
		}
	}
}

// testEveryField has an Integration with every field there is get as far as it can, and points each that names something at what the editor
// may not use.
func (f *fenced) testEveryField(t *testing.T) {
	spec := everyField(t)
	mine, theirs := f.workload(t, f.namespace, spec), f.workload(t, f.victim.Namespace, spec)
	intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
		*s = spec
		s.Users[0].SecretRef.Name = "database-login"
		s.Secret.DeletionPolicy = v1alpha1.DeletionPolicyRetain
	})
	readySays(t, intg, v1alpha1.ReasonSecretNotConsented, "database-login")
	want := []v1alpha1.Access{{Audience: "https://own.example", Scopes: []string{"own.read", "own.write"}}}
	if diff := cmp.Diff(want, intg.Status.Granted.Access); diff != "" {
		t.Fatalf("access (-want +got):\n%s", diff)
	}
	held := map[string]string{}
	if !within(patience, func() bool { // The first RS256 key is being made, and the token waits for it.
		held = f.own(t, intg)
		return held["stock_token"] != ""
	}) {
		t.Fatal("no token is delivered")
	}
	f.holdsNothingOfOthers(t, held)
	if claims := verifiedClaims(t, f.at.hc, f.at.issuer, "https://own.example", held["stock_token"]); claims["scope"] != "own.read" {
		t.Errorf("the delivered token has scope %v, want own.read", claims["scope"])
	}
	f.notTold(t, intg)
	f.testLoginOfOthers(t, f.as(held["CLIENT_ID"], held["CLIENT_SECRET"]))
	f.testRestart(t, intg, mine, theirs)
	held = f.own(t, intg)
	f.holdsNothingOfOthers(t, held)
	f.testSecretsOfOthers(t, intg, held)
	f.notTold(t, intg)

	// What Retain leaves behind is good for nothing.
	if err := f.editor.Delete(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	left := f.secretOf(t, intg.SecretName())
	at := f.as(string(left.Data["CLIENT_ID"]), string(left.Data["CLIENT_SECRET"]))
	if !within(patience, func() bool {
		r, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials")
		return err == nil && r.Error == "invalid_client"
	}) {
		t.Error("the client goes on with the Secret that was retained")
	}
}

// testLoginOfOthers tries to log in with a Secret that has not consented, once the replica knows the client.
func (f *fenced) testLoginOfOthers(t *testing.T, at *endpoint) {
	t.Helper()
	if !within(patience, func() bool {
		r, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials")
		return err == nil && r.status == http.StatusOK
	}) {
		t.Error("the client never comes")
	}
	f.refused(t, at, "invalid_grant", "grant_type", "password", "username", "root", "password", databasePassword)
}

// testRestart asks for a rotation, after which the workloads restart that spec.restart chooses: those of the editor's own namespace.
func (f *fenced) testRestart(t *testing.T, intg *v1alpha1.Integration, mine, theirs *appsv1.Deployment) {
	t.Helper()
	f.edit(t, intg, func(s *v1alpha1.IntegrationSpec) { s.Credentials.Rotation.RequestedAt = &metav1.Time{Time: time.Now()} })
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(mine), mine)).To(Succeed())
		g.Expect(mine.Spec.Template.Annotations).To(HaveKey(restartedAt))
		g.Expect(f.editor.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		g.Expect(intg.Status.Restart).NotTo(BeNil())
	}, patience, poll).Should(Succeed())
	if got := intg.Status.Restart.Workloads; len(got) != 1 || got[0].Name != mine.Name {
		t.Errorf("restarted are %+v, want the one of the namespace", got)
	}
	before := theirs.ResourceVersion
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs); err != nil {
		t.Fatal(err)
	}
	if theirs.ResourceVersion != before {
		t.Error("a workload of another namespace was written")
	}
}

// testSecretsOfOthers points a running Integration at Secrets that have not consented: what it has goes on, and nothing else does.
func (f *fenced) testSecretsOfOthers(t *testing.T, intg *v1alpha1.Integration, held map[string]string) {
	t.Helper()
	f.edit(t, intg, func(s *v1alpha1.IntegrationSpec) {
		r := s.Credentials.Rotation
		s.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "database"}
		r.Interval, r.Window, r.RequestedAt = nil, nil, nil
		s.Users = nil
	})
	readySays(t, intg, v1alpha1.ReasonSecretNotConsented, "spec.credentials.clientSecretRef")
	f.holdsNothingOfOthers(t, f.own(t, intg))
	f.refused(t, f.as(held["CLIENT_ID"], databaseSecret), "invalid_client", "grant_type", "client_credentials")

	before := f.secretOf(t, "neighbour")
	f.edit(t, intg, func(s *v1alpha1.IntegrationSpec) { s.Secret.Name = "neighbour" })
	readySays(t, intg, v1alpha1.ReasonSecretConflict, "neighbour")
	f.untouched(t, "neighbour", before)
	f.edit(t, intg, func(s *v1alpha1.IntegrationSpec) { s.Secret.Name = "stock-report-credentials" })
}
