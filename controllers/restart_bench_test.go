// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
)

// A restartBench runs the phase restartWorkloads by itself, pass by pass, on the real API server, with a clock of its own. There are no workload
// controllers: the test plays them.
type restartBench struct {
	t         *testing.T
	namespace string
	intg      *v1alpha1.Integration
	r         *IntegrationReconciler
	recorder  *recorder
	now       time.Time
	rotatedAt time.Time
}

// newRestartBench makes an Integration with spec.restart that a pass has seen, a day old by the clock.
func newRestartBench(t *testing.T, spec v1alpha1.RestartSpec) *restartBench {
	t.Helper()
	namespace := newNamespace(t)
	told := &recorder{real: silent{}}
	b := &restartBench{
		t: t, namespace: namespace, recorder: told, now: time.Now().Add(24 * time.Hour).Truncate(time.Second),
		r: &IntegrationReconciler{Client: k8sClient, Live: k8sClient, Recorder: told},
	}
	b.intg = createIntegration(t, namespace, "orders", func(i *v1alpha1.Integration) { i.Spec.Restart = &spec })
	b.pass()
	return b
}

// pass runs the phase as a pass does, and writes the status.
func (b *restartBench) pass() *scope {
	b.t.Helper()
	s, err := b.tryPass(k8sClient)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// tryPass runs the phase with a client, and writes the status with it.
func (b *restartBench) tryPass(c client.Client) (*scope, error) {
	b.t.Helper()
	ctx := b.t.Context()
	if err := k8sClient.Get(ctx, client.ObjectKeyFromObject(b.intg), b.intg); err != nil {
		b.t.Fatal(err)
	}
	b.r.Client = c
	before := b.intg.DeepCopy()
	s := &scope{intg: b.intg, now: b.now, rotatedAt: b.rotatedAt, restart: before.Status.Restart}
	if err := b.r.restartWorkloads(ctx, s); err != nil {
		b.t.Fatalf("restarts stand in the way of a pass: %v", err)
	}
	b.intg.Status.Restart, b.intg.Status.ObservedGeneration = s.restart, b.intg.Generation
	// The other conditions are about phases that have not run.
	for _, c := range conditionsOf(s) {
		if c.Type == v1alpha1.ConditionStalled {
			setConditions(s, &b.intg.Status, c)
		}
	}
	return s, c.Status().Patch(ctx, b.intg, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// rotate is a rotation of the client secret, and forward moves the clock.
func (b *restartBench) rotate()                 { b.rotatedAt = b.now }
func (b *restartBench) forward(d time.Duration) { b.now = b.now.Add(d) }

// create creates a workload of the bench's namespace, which labels and template edit.
func (b *restartBench) create(kind, name string, labels map[string]string, edits ...func(*corev1.PodTemplateSpec)) client.Object {
	b.t.Helper()
	pods := map[string]string{"pods-of": kind + "." + name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: pods}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.com/app"}}},
	}
	for _, edit := range edits {
		edit(&template)
	}
	meta := metav1.ObjectMeta{Namespace: b.namespace, Name: name, Labels: labels}
	selector := &metav1.LabelSelector{MatchLabels: pods}
	var object client.Object
	switch kind {
	case restarts.KindDeployment:
		object = &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template}}
	case restarts.KindStatefulSet:
		object = &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template}}
	default:
		object = &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}}
	}
	if err := k8sClient.Create(b.t.Context(), object); err != nil {
		b.t.Fatal(err)
	}
	b.rollOut(object)
	return object
}

// rollOut plays the workload's controller: all its Pods are of the present template, and available.
func (b *restartBench) rollOut(object client.Object) {
	b.t.Helper()
	b.get(object)
	switch o := object.(type) {
	case *appsv1.Deployment:
		o.Status = appsv1.DeploymentStatus{
			ObservedGeneration: o.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
		}
	case *appsv1.StatefulSet:
		o.Status = appsv1.StatefulSetStatus{
			ObservedGeneration: o.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
		}
	case *appsv1.DaemonSet:
		o.Status = appsv1.DaemonSetStatus{
			ObservedGeneration: o.Generation, DesiredNumberScheduled: 1, CurrentNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberReady: 1,
			NumberAvailable: 1,
		}
	}
	if err := k8sClient.Status().Update(b.t.Context(), object); err != nil {
		b.t.Fatal(err)
	}
}

func (b *restartBench) get(object client.Object) {
	b.t.Helper()
	if err := k8sClient.Get(b.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		b.t.Fatal(err)
	}
}

// templateOf returns the Pod template of a workload as it is now.
func (b *restartBench) templateOf(object client.Object) *corev1.PodTemplateSpec {
	b.t.Helper()
	b.get(object)
	_, template, ok := restarts.Of(object)
	if !ok {
		b.t.Fatalf("%T is no workload", object)
	}
	return template
}

// restarted returns which of the workloads have the annotation, with how often their spec was changed since they were made.
func (b *restartBench) restarted(objects ...client.Object) map[string]int64 {
	b.t.Helper()
	found := map[string]int64{}
	for _, object := range objects {
		if b.templateOf(object).Annotations[restarts.Annotation] != "" {
			found[object.GetName()] = object.GetGeneration() - 1
		}
	}
	return found
}

// finish goes on with passes, and plays the workloads' controllers, until the restarts are complete. It returns how many passes that took.
func (b *restartBench) finish(objects ...client.Object) int {
	b.t.Helper()
	for pass := 1; pass <= 50; pass++ {
		s := b.pass()
		if s.restart.CompletionTime != nil {
			return pass
		}
		if s.again.IsZero() {
			b.t.Fatal("the restarts are under way, and no time is set to look again")
		}
		for _, object := range objects {
			b.rollOut(object)
		}
		b.now = s.again
	}
	b.t.Fatal("the restarts do not end")
	return 0
}

// silent drops events; the recorder in front of it remembers them.
type silent struct{}

// Eventf does nothing.
func (silent) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// A mortal client fails for good after some writes, as if the process had been killed before the next one.
type mortal struct {
	client.Client
	left *int
}

var errKilled = errors.New("killed")

// Patch patches while there is a write left.
func (m mortal) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if *m.left--; *m.left < 0 {
		return errKilled
	}
	return m.Client.Patch(ctx, object, patch, opts...)
}

// Status returns a writer that is as mortal.
func (m mortal) Status() client.SubResourceWriter { return mortalStatus{m.Client.Status(), m.left} }

type mortalStatus struct {
	client.SubResourceWriter
	left *int
}

// Patch patches while there is a write left.
func (m mortalStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	if *m.left--; *m.left < 0 {
		return errKilled
	}
	return m.SubResourceWriter.Patch(ctx, object, patch, opts...)
}

// inVolume, inEnvironment and inInit make Pods use a Secret.
func inVolume(secret string) func(*corev1.PodTemplateSpec) {
	return func(p *corev1.PodTemplateSpec) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
	}
}

func inEnvironment(secret string) func(*corev1.PodTemplateSpec) {
	return func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}},
		}
	}
}

func inInit(secret string) func(*corev1.PodTemplateSpec) {
	return func(p *corev1.PodTemplateSpec) {
		p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "example.com/init", Env: []corev1.EnvVar{{
			Name: "SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "client_secret",
			}},
		}}}}
	}
}
