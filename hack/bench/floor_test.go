// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// auditedPlane starts a control plane with an audit log.
func auditedPlane(t *testing.T) *plane {
	t.Helper()
	p, err := startPlane(t.Context(), t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.env.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// aModel is what a manager could have left.
func aModel() model {
	intg := newIntegration("model-namespace", "model-integration")
	intg.Spec.Secret.Keys.ClientSecret = "client_secret"
	intg.Status = v1alpha1.IntegrationStatus{
		ObservedGeneration: 1, ClientID: "model-namespace.model-integration",
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
			Message: "client model-namespace.model-integration can get tokens", LastTransitionTime: metav1.NewTime(time.Unix(1795341600, 0)),
		}},
		Credentials: &v1alpha1.CredentialsStatus{SecretName: "model-integration"},
	}
	return model{intg: intg, secret: &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: intg.Namespace, Name: intg.Name, UID: "of-the-model",
			Labels:      map[string]string{v1alpha1.LabelIntegration: intg.Name},
			Annotations: map[string]string{"key": "client_secret"},
		},
		Type: v1alpha1.SecretTypeCredentials,
		Data: map[string][]byte{"client_id": []byte("model-namespace.model-integration"), "client_secret": []byte("the model's")},
	}}
}

func TestTheFloorDoesTheTwoWritesOfTheManager(t *testing.T) {
	p := auditedPlane(t)
	ctx := t.Context()
	floor, err := newFloor(p.kubeconfig, aModel())
	if err != nil {
		t.Fatal(err)
	}
	b := &rate{
		options: options{bulk: 3, concurrency: 2, patience: 20 * time.Second}, plane: p, report: &report{progress: io.Discard},
		audit: auditTail{path: filepath.Join(p.dir, auditLogName)}, floor: floor,
	}
	for name, beforehand := range map[string]bool{"beforehand": true, "meanwhile": false} {
		if err := b.makeNamespace(ctx, name); err != nil {
			t.Fatal(err)
		}
		got, err := b.runFloor(ctx, name, beforehand)
		if err != nil {
			t.Fatal(err)
		}
		if told := got.told(3); told != "exactly 2" {
			t.Errorf("%s: writes each: %s", name, told)
		}
		if got.begun.IsZero() || !got.first.After(got.begun) || !got.last.After(got.first) {
			t.Errorf("%s: applied from %s, written from %s to %s: want one after the other", name, got.begun, got.first, got.last)
		}
	}

	key := client.ObjectKey{Namespace: "beforehand", Name: "integration-00002"}
	intg, secret := &v1alpha1.Integration{}, &corev1.Secret{}
	for _, object := range []client.Object{intg, secret} {
		if err := p.admin.Get(ctx, key, object); err != nil {
			t.Fatal(err)
		}
	}
	if want := "client beforehand.integration-00002 can get tokens"; intg.Status.Conditions[0].Message != want {
		t.Errorf("the condition says %q, want %q", intg.Status.Conditions[0].Message, want)
	}
	if !metav1.IsControlledBy(secret, intg) || secret.Type != v1alpha1.SecretTypeCredentials {
		t.Errorf("the Secret has the owners %v and the type %s", secret.OwnerReferences, secret.Type)
	}
	if id := string(secret.Data["client_id"]); id != "beforehand.integration-00002" || string(secret.Data["client_secret"]) == "the model's" {
		t.Errorf("the Secret holds client ID %q, want its own, and a client secret, which must not be the model's", id)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.LabelIntegration: key.Name}, secret.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}

	if err := b.clean(ctx, "beforehand"); err != nil {
		t.Fatal(err)
	}
	left := &corev1.SecretList{}
	if err := p.admin.List(ctx, left, client.InNamespace("beforehand")); err != nil || len(left.Items) > 0 {
		t.Errorf("after cleaning: %d Secrets, error %v", len(left.Items), err)
	}
	testLease(t, p)
}

// testLease checks the lease as the manager's election reads it.
func testLease(t *testing.T, p *plane) {
	t.Helper()
	lock := &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: leaseName},
		Client:    kubernetes.NewForConfigOrDie(p.env.Config).CoordinationV1(),
	}
	for range 2 {
		for _, step := range []struct {
			name   string
			do     func() error
			holder string
		}{
			{"held", func() error { return holdLease(t.Context(), p) }, agentBench},
			{"released", func() error { return releaseLease(t.Context(), p) }, ""},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			if record, _, err := lock.Get(t.Context()); err != nil || record.HolderIdentity != step.holder {
				t.Errorf("%s: the lease says %+v, error %v, want the holder %q", step.name, record, err, step.holder)
			}
		}
	}
}
