// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
)

const (
	// workloadsGrace is how long after an Integration its workloads may come, as when one command applies both.
	workloadsGrace = time.Minute
	// workloadsPage is how many workloads are read at a time.
	workloadsPage = 500
	// restartRetry is how soon restarts are tried again after the API server failed.
	restartRetry = 10 * time.Second
	// maxNamedWorkloads is how many workloads an event names.
	maxNamedWorkloads = 8
)

// restartWorkloads makes the workloads that spec.restart chooses read the Secret again after a rotation: see the package restarts. It stands in
// nobody's way: what it cannot do is a problem of its own, and the client gets tokens all the same.
//
// The permission to do so is not among the markers of this package: config/restart has it, and a platform may leave that out.
func (r *IntegrationReconciler) restartWorkloads(ctx context.Context, s *scope) error {
	if s.intg.Spec.Restart == nil {
		s.restart = nil
		return nil
	}
	s.restart = restarts.Begin(s.intg.Status.Restart, s.rotatedAt, s.intg.CreationTimestamp.Time, s.now)
	if !s.wantsWorkloads() {
		return nil
	}
	workloads, err := r.workloads(ctx, s)
	if err == nil && s.restart.CompletionTime == nil {
		err = r.restartNext(ctx, s, workloads)
	}
	if err != nil && s.restartProblem == nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot restart workloads")
		s.restartProblem = s.formerRestartProblem()
		s.lookAgain(s.now.Add(restartRetry))
	}
	return nil
}

// wantsWorkloads reports whether this pass has to look at the workloads: because restarts are under way, or to find out whether spec.restart
// can be followed when the day comes. That is asked once a change of spec, and again while something is wrong; no watch tells of workloads.
func (s *scope) wantsWorkloads() bool {
	if s.restart.CompletionTime == nil {
		return true
	}
	created := s.intg.CreationTimestamp.Time
	if s.now.Before(created.Add(workloadsGrace)) {
		s.lookAgain(created.Add(workloadsGrace))
		return false
	}
	conditions := s.intg.Status.Conditions
	return s.now.Before(created.Add(2*workloadsGrace)) || s.intg.Status.ObservedGeneration != s.intg.Generation ||
		meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled) || meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReconciling)
}

// formerRestartProblem returns what an earlier pass found to be wrong with restarts; nil if nothing was. A pass that could not find out must not
// call it mended: no later one would look.
func (s *scope) formerRestartProblem() *terminalError {
	stalled := meta.FindStatusCondition(s.intg.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled == nil || stalled.Status != metav1.ConditionTrue ||
		stalled.Reason != v1alpha1.ReasonNothingToRestart && stalled.Reason != v1alpha1.ReasonRestartForbidden {
		return nil
	}
	return &terminalError{reason: stalled.Reason, message: stalled.Message}
}

// workloads returns the workloads that spec.restart chooses, as the API server has them now. Where that cannot be, it records the problem and
// returns an error.
func (r *IntegrationReconciler) workloads(ctx context.Context, s *scope) ([]restarts.Workload, error) {
	chosen := labels.Everything()
	selector := s.intg.Spec.Restart.Selector
	if selector != nil {
		var err error
		if chosen, err = metav1.LabelSelectorAsSelector(selector); err != nil {
			return nil, s.cannotRestart(v1alpha1.ReasonNothingToRestart, "spec.restart.selector cannot be read, correct it: %v", err)
		}
	}
	var found []restarts.Workload
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &appsv1.DaemonSetList{}} {
		err := r.eachWorkload(ctx, s.intg.Namespace, chosen, list, func(w restarts.Workload, template *corev1.PodTemplateSpec) {
			if selector != nil || restarts.Uses(template, s.intg.SecretName()) {
				found = append(found, w)
			}
		})
		if apierrors.IsForbidden(err) {
			return nil, s.cannotRestart(v1alpha1.ReasonRestartForbidden, "the operator may not look at the workloads of namespace %s: "+
				"install config/restart beside the operator, or take spec.restart out", s.intg.Namespace)
		}
		if err != nil {
			return nil, err
		}
	}
	if selector != nil && len(found) == 0 {
		_ = s.cannotRestart(v1alpha1.ReasonNothingToRestart, "spec.restart.selector chooses no Deployment, StatefulSet or DaemonSet of namespace %s "+
			"by its own labels (those of its Pods do not count): correct it, or leave it out for the workloads that use Secret %s",
			s.intg.Namespace, s.intg.SecretName())
	}
	return found, nil
}

// eachWorkload visits the workloads of one kind in a namespace, page by page, so that there is never more than a page of them in memory.
func (r *IntegrationReconciler) eachWorkload(
	ctx context.Context, namespace string, chosen labels.Selector, list client.ObjectList,
	visit func(restarts.Workload, *corev1.PodTemplateSpec),
) error {
	for next := ""; ; {
		page, ok := list.DeepCopyObject().(client.ObjectList)
		if !ok {
			return fmt.Errorf("list workloads: %T is no list", list)
		}
		if err := r.Live.List(ctx, page, &client.ListOptions{
			Namespace: namespace, LabelSelector: chosen, Limit: workloadsPage, Continue: next,
		}); err != nil {
			return fmt.Errorf("list the workloads of namespace %s: %w", namespace, err)
		}
		if err := meta.EachListItem(page, func(object runtime.Object) error {
			if w, template, ok := restarts.Of(object); ok {
				visit(w, template)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("list the workloads of namespace %s: %w", namespace, err)
		}
		if next = page.GetContinue(); next == "" {
			return nil
		}
	}
}

// restartNext does the next step of restarts that are not complete, and sets when to look again unless it returns an error. What is forbidden is
// tried once a pass: as a rule the next workload would fare no better.
func (r *IntegrationReconciler) restartNext(ctx context.Context, s *scope, workloads []restarts.Workload) error {
	step := restarts.Next(s.restart, workloads, int(s.intg.Spec.Restart.BatchSize), s.now)
	s.restart = step.Status
	var restarted []restarts.Workload
	var failed error
	for _, w := range step.Patch {
		err := r.restart(ctx, s, w)
		if apierrors.IsForbidden(err) {
			failed = s.cannotRestart(v1alpha1.ReasonRestartForbidden, "the operator may not restart %s %s: install config/restart beside the "+
				"operator, see to an admission policy that is in the way, or take spec.restart out", w.Kind, w.Name)
			break
		}
		switch {
		case err == nil:
			restarted = append(restarted, w)
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			// It has changed since, or gone: the next pass sees what became of it.
		case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
			restarts.PassOver(s.restart, w)
			r.tellRestarts(s, corev1.EventTypeWarning, "cannot restart %s %s, as the API server refuses the change: restart it by hand", w.Kind, w.Name)
		default:
			failed = err
		}
	}
	rotation := s.restart.RotationTime.UTC().Format(time.RFC3339)
	if len(restarted) > 0 {
		r.tellRestarts(s, corev1.EventTypeNormal, "restarted after the rotation at %s: %s", rotation, workloadNames(restarted))
	}
	if len(step.Left) > 0 {
		r.tellRestarts(s, corev1.EventTypeWarning, "not restarted after the rotation at %s, as status.restart can hold no more than the %d workloads "+
			"that are there: restart these by hand: %s", rotation, len(s.restart.Workloads), workloadNames(step.Left))
	}
	if failed == nil {
		s.lookAgain(step.Again)
	}
	return failed
}

// tellRestarts records an event about restarts.
func (r *IntegrationReconciler) tellRestarts(s *scope, kind, format string, args ...any) {
	r.Recorder.Eventf(s.intg, nil, kind, v1alpha1.ReasonWorkloadsRestarted, "RestartWorkloads", "%s", note(fmt.Sprintf(format, args...)))
}

// workloadNames returns the kinds and names of workloads, as many as an event names, and how many more there are.
func workloadNames(workloads []restarts.Workload) string {
	var names []string
	for _, w := range workloads[:min(len(workloads), maxNamedWorkloads)] {
		names = append(names, w.Kind+" "+w.Name)
	}
	more := ""
	if n := len(workloads) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}

// restart restarts one workload, as kubectl rollout restart does, unless it has changed since it was looked at.
func (r *IntegrationReconciler) restart(ctx context.Context, s *scope, w restarts.Workload) error {
	named := metav1.ObjectMeta{Namespace: s.intg.Namespace, Name: w.Name}
	var object client.Object
	switch w.Kind {
	case restarts.KindDeployment:
		object = &appsv1.Deployment{ObjectMeta: named}
	case restarts.KindStatefulSet:
		object = &appsv1.StatefulSet{ObjectMeta: named}
	default:
		object = &appsv1.DaemonSet{ObjectMeta: named}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": w.ResourceVersion},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{restarts.Annotation: s.now.UTC().Format(time.RFC3339)},
		}}},
	})
	if err != nil {
		return fmt.Errorf("encode the restart of %s %s/%s: %w", w.Kind, s.intg.Namespace, w.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("restarting a workload after a rotation", "kind", w.Kind, "workload", w.Name)
	// To be consistent with later reads, the client would begin to watch every workload of the cluster.
	err = r.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.DisableReadYourWritesConsistency)
	return wrap(err, "restart %s %s/%s", w.Kind, s.intg.Namespace, w.Name)
}

// cannotRestart records and returns why workloads cannot be restarted. Nothing tells when that changes, so it is looked at again.
func (s *scope) cannotRestart(reason, format string, args ...any) error {
	s.restartProblem = &terminalError{reason: reason, message: fmt.Sprintf(format, args...)}
	s.lookAgain(s.now.Add(stuckRetry))
	return s.restartProblem
}
