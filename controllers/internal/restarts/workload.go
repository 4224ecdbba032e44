// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package restarts

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotation is the annotation of a Pod template that restarts a workload; kubectl rollout restart sets the same.
const Annotation = "kubectl.kubernetes.io/restartedAt"

// The kinds of workloads.
const (
	KindDeployment  = "Deployment"
	KindStatefulSet = "StatefulSet"
	KindDaemonSet   = "DaemonSet"
)

// A Workload is what matters of a Deployment, StatefulSet or DaemonSet.
type Workload struct {
	Kind, Name      string
	Generation      int64
	ResourceVersion string
	Created         time.Time
	// RestartedAt is what Annotation says; zero without it.
	RestartedAt time.Time
	// ChangedAt is when its metadata or spec was changed last, as far as the API server keeps track.
	ChangedAt time.Time
	// RolledOut says that all its Pods are of its present template, and available.
	RolledOut bool
}

// Of returns what matters of an object, and its Pod template; false for an object of another type.
func Of(object any) (Workload, *corev1.PodTemplateSpec, bool) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return workload(KindDeployment, &o.ObjectMeta, &o.Spec.Template, deploymentRolledOut(o)), &o.Spec.Template, true
	case *appsv1.StatefulSet:
		return workload(KindStatefulSet, &o.ObjectMeta, &o.Spec.Template, statefulSetRolledOut(o)), &o.Spec.Template, true
	case *appsv1.DaemonSet:
		return workload(KindDaemonSet, &o.ObjectMeta, &o.Spec.Template, daemonSetRolledOut(o)), &o.Spec.Template, true
	default:
		return Workload{}, nil, false
	}
}

func workload(kind string, meta *metav1.ObjectMeta, template *corev1.PodTemplateSpec, rolledOut bool) Workload {
	w := Workload{
		Kind: kind, Name: meta.Name, Generation: meta.Generation, ResourceVersion: meta.ResourceVersion,
		Created: meta.CreationTimestamp.Time, ChangedAt: meta.CreationTimestamp.Time, RolledOut: rolledOut,
	}
	if at, err := time.Parse(time.RFC3339, template.Annotations[Annotation]); err == nil {
		w.RestartedAt = at
	}
	for _, entry := range meta.ManagedFields {
		if entry.Subresource == "" && entry.Time != nil && entry.Time.After(w.ChangedAt) {
			w.ChangedAt = entry.Time.Time
		}
	}
	return w
}

func deploymentRolledOut(d *appsv1.Deployment) bool {
	wanted := replicas(d.Spec.Replicas)
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas >= wanted &&
		d.Status.Replicas <= d.Status.UpdatedReplicas && d.Status.AvailableReplicas >= wanted
}

func statefulSetRolledOut(s *appsv1.StatefulSet) bool {
	if s.Status.ObservedGeneration < s.Generation {
		return false
	}
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return true // Somebody deletes the Pods some day; there is nothing to wait for.
	}
	wanted := replicas(s.Spec.Replicas)
	updated := wanted
	if rolling := s.Spec.UpdateStrategy.RollingUpdate; rolling != nil {
		updated -= min(replicasOr(rolling.Partition, 0), wanted)
	}
	return s.Status.UpdatedReplicas >= updated && s.Status.AvailableReplicas >= wanted
}

func daemonSetRolledOut(d *appsv1.DaemonSet) bool {
	if d.Status.ObservedGeneration < d.Generation {
		return false
	}
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return true
	}
	wanted := d.Status.DesiredNumberScheduled
	return d.Status.UpdatedNumberScheduled >= wanted && d.Status.NumberAvailable >= wanted
}

func replicas(n *int32) int32 { return replicasOr(n, 1) }

func replicasOr(n *int32, absent int32) int32 {
	if n == nil {
		return absent
	}
	return *n
}

// Uses reports whether the Pods of a template have a Secret of that name among their files or in their environment. A Secret that serves
// to pull images, or that a CSI driver reads, is none of both.
func Uses(template *corev1.PodTemplateSpec, secret string) bool {
	pod := &template.Spec
	return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return mounts(v, secret) }) ||
		slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool { return reads(c, secret) }) ||
		slices.ContainsFunc(pod.InitContainers, func(c corev1.Container) bool { return reads(c, secret) })
}

func mounts(v corev1.Volume, secret string) bool {
	if v.Secret != nil && v.Secret.SecretName == secret {
		return true
	}
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(p corev1.VolumeProjection) bool {
		return p.Secret != nil && p.Secret.Name == secret
	})
}

func reads(c corev1.Container, secret string) bool {
	return slices.ContainsFunc(c.EnvFrom, func(from corev1.EnvFromSource) bool {
		return from.SecretRef != nil && from.SecretRef.Name == secret
	}) || slices.ContainsFunc(c.Env, func(env corev1.EnvVar) bool {
		return env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil && env.ValueFrom.SecretKeyRef.Name == secret
	})
}
