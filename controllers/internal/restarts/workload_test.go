// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package restarts_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
)

func TestUses(t *testing.T) {
	const secret = "orders"
	reference := corev1.LocalObjectReference{Name: secret}
	fromEnv := corev1.Container{EnvFrom: []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: reference}},
	}}
	fromKey := corev1.Container{Env: []corev1.EnvVar{
		{Name: "PLAIN", Value: secret},
		{Name: "SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: reference, Key: "client_secret"}}},
	}}
	volume := func(source corev1.VolumeSource) corev1.PodSpec {
		return corev1.PodSpec{Volumes: []corev1.Volume{{Name: "other"}, {Name: "v", VolumeSource: source}}}
	}
	for _, tt := range []struct {
		name string
		spec corev1.PodSpec
		want bool
	}{
		{"nothing", corev1.PodSpec{Containers: []corev1.Container{{Name: secret}}}, false},
		{"a volume", volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}), true},
		{"a volume of another Secret", volume(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "other"}}), false},
		{"a projected volume", volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: reference}}, {Secret: &corev1.SecretProjection{LocalObjectReference: reference}},
		}}}), true},
		{"a projected volume of another Secret", volume(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: reference}},
		}}}), false},
		{"a CSI volume's own Secret", volume(corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{NodePublishSecretRef: &reference}}), false},
		{"envFrom", corev1.PodSpec{Containers: []corev1.Container{{}, fromEnv}}, true},
		{"env", corev1.PodSpec{Containers: []corev1.Container{fromKey}}, true},
		{"envFrom of an init container", corev1.PodSpec{InitContainers: []corev1.Container{fromEnv}}, true},
		{"env of an init container", corev1.PodSpec{InitContainers: []corev1.Container{fromKey}}, true},
		{"an ephemeral container", corev1.PodSpec{EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon(fromEnv)},
		}}, false},
		{"imagePullSecrets", corev1.PodSpec{ImagePullSecrets: []corev1.LocalObjectReference{reference}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := restarts.Uses(&corev1.PodTemplateSpec{Spec: tt.spec}, secret); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRolledOut(t *testing.T) {
	meta := metav1.ObjectMeta{Generation: 4}
	deployment := func(edit func(*appsv1.Deployment)) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: new(int32(3))}, Status: appsv1.DeploymentStatus{
			ObservedGeneration: 4, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3,
		}}
		edit(d)
		return d
	}
	statefulSet := func(edit func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: new(int32(3))}, Status: appsv1.StatefulSetStatus{
			ObservedGeneration: 4, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3,
		}}
		edit(s)
		return s
	}
	daemonSet := func(edit func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
		d := &appsv1.DaemonSet{ObjectMeta: meta, Status: appsv1.DaemonSetStatus{
			ObservedGeneration: 4, DesiredNumberScheduled: 3, UpdatedNumberScheduled: 3, NumberAvailable: 3,
		}}
		edit(d)
		return d
	}
	partition := func(s *appsv1.StatefulSet, n int32) {
		s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n, MaxUnavailable: new(intstr.FromInt32(1))}
	}
	for _, tt := range []struct {
		name   string
		object any
		want   bool
	}{
		{"a Deployment that is", deployment(func(*appsv1.Deployment) {}), true},
		{"a Deployment whose controller has not looked", deployment(func(d *appsv1.Deployment) { d.Status.ObservedGeneration = 3 }), false},
		{"a Deployment with Pods to make", deployment(func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 2 }), false},
		{"a Deployment with old Pods", deployment(func(d *appsv1.Deployment) { d.Status.Replicas = 4 }), false},
		{"a Deployment with a Pod that is not available", deployment(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 2 }), false},
		{"a Deployment scaled to zero", deployment(func(d *appsv1.Deployment) {
			d.Spec.Replicas, d.Status = new(int32(0)), appsv1.DeploymentStatus{ObservedGeneration: 4}
		}), true},
		{"a Deployment of the default size without Pods", deployment(func(d *appsv1.Deployment) {
			d.Spec.Replicas, d.Status = nil, appsv1.DeploymentStatus{ObservedGeneration: 4}
		}), false},
		{"a StatefulSet that is", statefulSet(func(*appsv1.StatefulSet) {}), true},
		{"a StatefulSet whose controller has not looked", statefulSet(func(s *appsv1.StatefulSet) { s.Status.ObservedGeneration = 3 }), false},
		{"a StatefulSet with old Pods", statefulSet(func(s *appsv1.StatefulSet) { s.Status.UpdatedReplicas = 2 }), false},
		{"a StatefulSet with a Pod that is not available", statefulSet(func(s *appsv1.StatefulSet) { s.Status.AvailableReplicas = 2 }), false},
		{"a StatefulSet with old Pods below its partition", statefulSet(func(s *appsv1.StatefulSet) {
			s.Status.UpdatedReplicas = 1
			partition(s, 2)
		}), true},
		{"a StatefulSet with old Pods above its partition", statefulSet(func(s *appsv1.StatefulSet) {
			s.Status.UpdatedReplicas = 0
			partition(s, 2)
		}), false},
		{"a StatefulSet with a partition beyond its size", statefulSet(func(s *appsv1.StatefulSet) {
			s.Status.UpdatedReplicas = 0
			partition(s, 9)
		}), true},
		{"a StatefulSet whose Pods somebody deletes", statefulSet(func(s *appsv1.StatefulSet) {
			s.Status.UpdatedReplicas, s.Spec.UpdateStrategy.Type = 0, appsv1.OnDeleteStatefulSetStrategyType
		}), true},
		{"a DaemonSet that is", daemonSet(func(*appsv1.DaemonSet) {}), true},
		{"a DaemonSet whose controller has not looked", daemonSet(func(d *appsv1.DaemonSet) { d.Status.ObservedGeneration = 3 }), false},
		{"a DaemonSet with old Pods", daemonSet(func(d *appsv1.DaemonSet) { d.Status.UpdatedNumberScheduled = 2 }), false},
		{"a DaemonSet with a Pod that is not available", daemonSet(func(d *appsv1.DaemonSet) { d.Status.NumberAvailable = 2 }), false},
		{"a DaemonSet without nodes", daemonSet(func(d *appsv1.DaemonSet) { d.Status = appsv1.DaemonSetStatus{ObservedGeneration: 4} }), true},
		{"a DaemonSet whose Pods somebody deletes", daemonSet(func(d *appsv1.DaemonSet) {
			d.Status.UpdatedNumberScheduled, d.Spec.UpdateStrategy.Type = 0, appsv1.OnDeleteDaemonSetStrategyType
		}), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, _, ok := restarts.Of(tt.object)
			if !ok || w.RolledOut != tt.want {
				t.Errorf("got %t (%t), want %t", w.RolledOut, ok, tt.want)
			}
		})
	}
}

func TestOf(t *testing.T) {
	at := func(minute int) metav1.Time {
		return metav1.NewTime(time.Date(2026, 11, 22, 10, minute, 0, 0, time.UTC))
	}
	stateful := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{
		Name: "db", Generation: 3, ResourceVersion: "77", CreationTimestamp: at(1),
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "a", Time: new(at(2))}, {Manager: "b", Time: new(at(5))}, {Manager: "c"}, {Manager: "d", Subresource: "status", Time: new(at(9))},
		},
	}}
	stateful.Spec.Template.Annotations = map[string]string{restarts.Annotation: "2026-11-22T11:04:00+01:00"}
	got, template, ok := restarts.Of(stateful)
	want := restarts.Workload{
		Kind: "StatefulSet", Name: "db", Generation: 3, ResourceVersion: "77",
		Created: at(1).Time, RestartedAt: at(4).Time, ChangedAt: at(5).Time,
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok || template != &stateful.Spec.Template {
		t.Errorf("%t (-want +got):\n%s", ok, diff)
	}

	stateful.Spec.Template.Annotations[restarts.Annotation] = "yesterday"
	if got, _, _ := restarts.Of(stateful); !got.RestartedAt.IsZero() {
		t.Errorf("an annotation that is no time: got %s", got.RestartedAt)
	}
	if _, _, ok := restarts.Of(&corev1.Pod{}); ok {
		t.Error("a Pod counts as a workload")
	}
}
