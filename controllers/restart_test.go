// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

func TestRestartsWhatUsesTheSecret(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	mounted := b.create(restarts.KindDeployment, "mounted", nil, inVolume("orders"))
	inEnv := b.create(restarts.KindStatefulSet, "in-env", nil, inEnvironment("orders"))
	initial := b.create(restarts.KindDaemonSet, "init", nil, inInit("orders"))
	other := b.create(restarts.KindDeployment, "other", map[string]string{"app": "orders"}, inVolume("another"))
	all := []client.Object{mounted, inEnv, initial, other}

	b.pass()
	if got := b.restarted(all...); len(got) > 0 {
		t.Fatalf("restarted without a rotation: %v", got)
	}
	b.rotate()
	if s := b.pass(); len(s.restart.Workloads) != 3 || len(b.restarted(all...)) > 0 {
		t.Fatalf("the first pass should only record: %+v, restarted %v", s.restart, b.restarted(all...))
	}
	b.finish(all...)
	if diff := cmp.Diff(map[string]int64{"mounted": 1, "in-env": 1, "init": 1}, b.restarted(all...)); diff != "" {
		t.Errorf("restarted (-want +got):\n%s", diff)
	}
	if at, err := time.Parse(time.RFC3339, b.templateOf(mounted).Annotations[restarts.Annotation]); err != nil || at.Before(b.rotatedAt) {
		t.Errorf("the annotation says %s (%v), and the rotation was at %s", at, err, b.rotatedAt)
	}
	if got := b.recorder.of(b.intg); !slices.Equal(got, []string{"Normal " + v1alpha1.ReasonWorkloadsRestarted}) {
		t.Errorf("events: %q", got)
	}

	// Long after, with another leader, and with a workload that came later, nothing more happens.
	late := b.create(restarts.KindDeployment, "late", nil, inVolume("orders"))
	b.forward(1000 * time.Hour)
	b.pass()
	if diff := cmp.Diff(map[string]int64{"mounted": 1, "in-env": 1, "init": 1}, b.restarted(append(all, late)...)); diff != "" {
		t.Errorf("restarted long after (-want +got):\n%s", diff)
	}
	// The next rotation concerns all.
	b.rotate()
	b.finish(append(all, late)...)
	if diff := cmp.Diff(map[string]int64{"mounted": 2, "in-env": 2, "init": 2, "late": 1}, b.restarted(append(all, late)...)); diff != "" {
		t.Errorf("restarted by the second rotation (-want +got):\n%s", diff)
	}
}

func TestRestartsWhatTheSelectorChooses(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}})
	chosen := b.create(restarts.KindStatefulSet, "chosen", map[string]string{"team": "shop"})
	user := b.create(restarts.KindDeployment, "user", map[string]string{"team": "web"}, inVolume("orders"))
	b.rotate()
	b.finish(chosen, user)
	if diff := cmp.Diff(map[string]int64{"chosen": 1}, b.restarted(chosen, user)); diff != "" {
		t.Errorf("restarted (-want +got):\n%s", diff)
	}
}

func TestRestartsInBatches(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 2})
	var all []client.Object
	for i := range 5 {
		all = append(all, b.create(restarts.KindDeployment, fmt.Sprintf("d%d", i), nil, inEnvironment("orders")))
	}
	b.rotate()
	b.pass()
	b.pass()
	if got := b.restarted(all...); len(got) != 2 {
		t.Fatalf("restarted at first: %v, want two", got)
	}
	// One of the two comes up.
	b.rollOut(all[0])
	b.forward(9 * time.Minute)
	b.pass()
	if got := b.restarted(all...); len(got) != 2 || len(b.intg.Status.Restart.Workloads) != 2 {
		t.Fatalf("restarted while one is coming up: %v", got)
	}
	// The other one never does.
	b.forward(time.Minute)
	b.pass()
	b.pass()
	if got := b.restarted(all...); len(got) != 4 {
		t.Fatalf("restarted after ten minutes: %v, want four", got)
	}
	b.finish(all[2:]...)
	if got := b.restarted(all...); len(got) != 5 {
		t.Errorf("restarted in the end: %v", got)
	}
	for name, times := range b.restarted(all...) {
		if times != 1 {
			t.Errorf("%s was restarted %d times", name, times)
		}
	}
}

func TestAnInterruptedRestartGoesOnAndRestartsNothingTwice(t *testing.T) {
	// With five workloads in batches of two there are nine writes: three records, five restarts, the completion; and passes that write nothing.
	for writes := range 12 {
		t.Run(fmt.Sprintf("killed after %d writes", writes), func(t *testing.T) {
			b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 2})
			var all []client.Object
			for i := range 5 {
				all = append(all, b.create(restarts.KindDeployment, fmt.Sprintf("d%d", i), nil, inEnvironment("orders")))
			}
			b.rotate()
			left := writes
			for range 20 {
				s, err := b.tryPass(mortal{k8sClient, &left})
				if left < 0 {
					break // The next leader has what was written, and not a word more.
				}
				if err != nil {
					t.Fatal(err)
				}
				if s.restart.CompletionTime != nil {
					break
				}
				for _, object := range all {
					b.rollOut(object)
				}
				b.now = s.again
			}
			b.forward(20 * time.Second)
			b.finish(all...)
			if diff := cmp.Diff(map[string]int64{"d0": 1, "d1": 1, "d2": 1, "d3": 1, "d4": 1}, b.restarted(all...)); diff != "" {
				t.Errorf("restarted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARestartThatComesSecondIsRefused(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	d := b.create(restarts.KindDeployment, "d", nil, inVolume("orders"))
	seen, _, _ := restarts.Of(d)
	// Another leader, which does not know yet that it leads no more, has seen the same.
	s := &scope{intg: b.intg, now: b.now}
	if err := b.r.restart(t.Context(), s, seen); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	if err := b.r.restart(t.Context(), s, seen); !apierrors.IsConflict(err) {
		t.Errorf("the second restart: got %v, want a conflict", err)
	}
	if got := b.restarted(d); got["d"] != 1 {
		t.Errorf("restarted: %v", got)
	}
}

func TestAnAnnotationThatSomebodyTakesAwayIsNotPutBack(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 1})
	first, second := b.create(restarts.KindDeployment, "a", nil, inVolume("orders")), b.create(restarts.KindDeployment, "b", nil, inVolume("orders"))
	b.rotate()
	b.pass()
	b.pass()
	takeAway := func() {
		edit(t, first, func(o client.Object) {
			o.(*appsv1.Deployment).Spec.Template.Annotations = nil
		})
	}
	takeAway()
	for range 5 {
		b.pass()
		b.forward(5 * time.Second)
	}
	if got := b.restarted(first, second); len(got) > 1 || got["a"] != 0 {
		t.Fatalf("restarted after the annotation was taken away: %v", got)
	}
	b.rollOut(first)
	b.finish(first, second)
	b.pass()
	if diff := cmp.Diff(map[string]int64{"b": 1}, b.restarted(first, second)); diff != "" {
		t.Errorf("restarted (-want +got):\n%s", diff)
	}
}

func TestRestartIsNotOwedForWhatWasBefore(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	d := b.create(restarts.KindDeployment, "d", nil, inVolume("orders"))
	// The status was lost, as in a restored cluster, or is from before there were restarts.
	for _, rotatedAt := range []time.Time{{}, b.now.Add(-time.Hour), b.now} {
		b.rotatedAt = rotatedAt
		b.intg.Status.Restart = nil
		if err := k8sClient.Status().Update(t.Context(), b.intg); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b.pass()
		}
		if got := b.restarted(d); len(got) > 0 || b.intg.Status.Restart.CompletionTime == nil {
			t.Fatalf("rotated at %s: restarted %v, %+v", rotatedAt, got, b.intg.Status.Restart)
		}
		b.forward(time.Minute)
	}
	// Without spec.restart there is no status of it, and with it again what was rotated meanwhile counts as done.
	edit(t, b.intg, func(i *v1alpha1.Integration) { i.Spec.Restart = nil })
	b.rotate()
	if s := b.pass(); s.restart != nil {
		t.Errorf("without spec.restart: %+v", s.restart)
	}
	edit(t, b.intg, func(i *v1alpha1.Integration) { i.Spec.Restart = &v1alpha1.RestartSpec{BatchSize: 5} })
	b.forward(time.Minute)
	b.finish(d)
	if got := b.restarted(d); len(got) > 0 {
		t.Errorf("restarted for a rotation from before spec.restart: %v", got)
	}
}

func TestASelectorThatChoosesNothingIsSaid(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	// A day after it was made nothing is asked, as spec has not changed.
	if s := b.pass(); s.restartProblem != nil || !s.again.IsZero() {
		t.Fatalf("an idle pass: %+v, again at %s", s.restartProblem, s.again)
	}
	edit(t, b.intg, func(i *v1alpha1.Integration) {
		i.Spec.Restart.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shpo"}}
	})
	s := b.pass()
	if s.restartProblem == nil || s.restartProblem.reason != v1alpha1.ReasonNothingToRestart ||
		!strings.Contains(s.restartProblem.message, "spec.restart.selector") || !s.again.Equal(b.now.Add(stuckRetry)) {
		t.Errorf("after a change of spec: %+v, again at %s", s.restartProblem, s.again)
	}
	b.rotate()
	if s := b.pass(); s.restartProblem == nil || s.restart.CompletionTime == nil {
		t.Errorf("after a rotation: %+v, %+v", s.restartProblem, s.restart)
	}

	// It is said no sooner than a minute after the Integration was made, as its workloads may be on their way.
	b.now = b.intg.CreationTimestamp.Add(59 * time.Second)
	b.intg.Status.Restart = nil
	s = &scope{intg: b.intg, now: b.now}
	if err := b.r.restartWorkloads(t.Context(), s); err != nil || s.restartProblem != nil || !s.again.Equal(b.now.Add(time.Second)) {
		t.Errorf("too soon: %v, %+v, again at %s", err, s.restartProblem, s.again)
	}
	s = &scope{intg: b.intg, now: b.now.Add(time.Second)}
	if err := b.r.restartWorkloads(t.Context(), s); err != nil || s.restartProblem == nil {
		t.Errorf("after a minute: %v, %+v", err, s.restartProblem)
	}

	// Where there is no selector, nothing that uses the Secret is nothing wrong.
	edit(t, b.intg, func(i *v1alpha1.Integration) { i.Spec.Restart.Selector = nil })
	b.forward(time.Hour)
	if s := b.pass(); s.restartProblem != nil || !s.again.IsZero() {
		t.Errorf("without selector: %+v, again at %s", s.restartProblem, s.again)
	}
}

// decodeRestart reads a manifest of config/restart.
func decodeRestart(t *testing.T, name string, into any) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(testplane.RepositoryRoot(), "config", "restart", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(manifest, into); err != nil {
		t.Fatal(err)
	}
}

func TestRestartsNeedAPermissionOfTheirOwn(t *testing.T) {
	role, binding := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
	decodeRestart(t, "cluster_role.yaml", role)
	decodeRestart(t, "cluster_role_binding.yaml", binding)
	want := []rbacv1.PolicyRule{{
		APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "deployments", "statefulsets"}, Verbs: []string{"list", "patch"},
	}}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("the role allows (-want +got):\n%s", diff)
	}
	subject := binding.Subjects[0]
	config := rest.CopyConfig(restConfig)
	config.Impersonate.UserName = "system:serviceaccount:" + subject.Namespace + ":" + subject.Name
	operator, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}

	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	b.r.Live = operator
	d, e := b.create(restarts.KindDeployment, "d", nil, inVolume("orders")), b.create(restarts.KindDeployment, "e", nil, inVolume("orders"))
	// The phase patches with the operator's permissions; the status is the bench's to write.
	forbidden := func(what string, wantPatches int) {
		t.Helper()
		left := 100
		s, err := b.tryPass(patchesAs{k8sClient, mortal{operator, &left}})
		if err != nil {
			t.Fatal(err)
		}
		if s.restartProblem == nil || s.restartProblem.reason != v1alpha1.ReasonRestartForbidden ||
			!strings.Contains(s.restartProblem.message, "config/restart") || !s.again.Equal(b.now.Add(stuckRetry)) {
			t.Errorf("%s: %+v, again at %s, want %s", what, s.restartProblem, s.again, b.now.Add(stuckRetry))
		}
		if got := b.restarted(d, e); len(got) > 0 || 100-left != wantPatches {
			t.Errorf("%s: restarted %v with %d tries, want none with %d", what, got, 100-left, wantPatches)
		}
	}
	b.rotate()
	forbidden("without any permission", 0)
	create := func(object client.Object) {
		t.Helper()
		if err := k8sClient.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k8sClient.Delete(context.WithoutCancel(t.Context()), object) })
	}
	reader := role.DeepCopy()
	reader.Name, reader.Rules[0].Verbs = "restart-reader", []string{"list"}
	create(reader)
	readerBinding := binding.DeepCopy()
	readerBinding.Name, readerBinding.RoleRef.Name = reader.Name, reader.Name
	create(readerBinding)
	NewWithT(t).Eventually(func() error {
		return operator.List(t.Context(), &appsv1.DeploymentList{}, client.InNamespace(b.namespace))
	}, deadline, poll).Should(Succeed())
	if s, err := b.tryPass(patchesAs{k8sClient, operator}); err != nil || len(s.restart.Workloads) != 2 {
		t.Fatalf("with permission to list: %v, %+v", err, s.restart)
	}
	forbidden("without permission to patch", 1)

	create(role)
	create(binding)
	NewWithT(t).Eventually(func() map[string]int64 {
		if _, err := b.tryPass(patchesAs{k8sClient, operator}); err != nil {
			t.Fatal(err)
		}
		return b.restarted(d, e)
	}, deadline, poll).Should(Equal(map[string]int64{"d": 1, "e": 1}))
}

// patchesAs patches objects as somebody else than it writes their status.
type patchesAs struct {
	client.Client
	as client.Client
}

// Patch patches.
func (p patchesAs) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return p.as.Patch(ctx, object, patch, opts...)
}

func TestARotationRestartsWorkloadsAndChangesNothingElse(t *testing.T) {
	w := newWorld(t)
	brought := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "brought", Labels: map[string]string{v1alpha1.LabelIntegration: ""}},
		StringData: map[string]string{v1alpha1.KeyClientSecret: "Qv7pLx2mNw9tRz4cKf6hBy8sGd3jVa5e"},
	}
	if err := k8sClient.Create(t.Context(), brought); err != nil {
		t.Fatal(err)
	}
	intg := w.readyIntegration(t, "orders", shopScopes, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: brought.Name}
		i.Spec.Restart = &v1alpha1.RestartSpec{BatchSize: 5}
	})
	b := &restartBench{t: t, namespace: w.namespace, intg: intg}
	d := b.create(restarts.KindDeployment, "app", nil, inEnvironment("orders"))
	if diff := cmp.Diff([]string{"create secrets/", "patch integrations/status"}, w.writes(t)); diff != "" {
		t.Errorf("writes for a new Integration (-want +got):\n%s", diff)
	}

	w.clock.move(time.Minute)
	edit(t, brought, func(s *corev1.Secret) { s.Data[v1alpha1.KeyClientSecret] = []byte("Zb8kHn3wQx6yTm1vLs9pRc5gJd2fEa7u") })
	NewWithT(t).Eventually(func() map[string]int64 { return b.restarted(d) }, deadline, poll).Should(Equal(map[string]int64{"app": 1}))
	b.rollOut(d)
	NewWithT(t).Eventually(func() (*metav1.Time, error) {
		err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)
		return intg.Status.Restart.CompletionTime, err
	}, deadline, poll).ShouldNot(BeNil())
	if !intg.Status.Restart.RotationTime.Equal(intg.Status.Credentials.LastRotationTime) {
		t.Errorf("restarted for the rotation at %s, and the last one was at %s", intg.Status.Restart.RotationTime, intg.Status.Credentials.LastRotationTime)
	}
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionFalse, v1alpha1.ReasonIdle)

	// A selector that chooses nothing is told, and the client stays ready.
	w.clock.move(time.Hour)
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Restart.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "nobody"}}
	})
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonNothingToRestart)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	edit(t, intg, func(i *v1alpha1.Integration) { i.Spec.Restart.Selector = nil })
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionFalse, v1alpha1.ReasonIdle)

	listed := func() int {
		t.Helper()
		entries, err := auditLog.Entries(func(e testplane.AuditEntry) bool {
			return e.UserAgent == w.agent && e.Object.APIGroup == appsv1.GroupName && e.Verb == "list"
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before, writes := listed(), w.writes(t)
	for range 5 {
		w.reconcile(t, intg)
	}
	if after := listed(); after != before || before == 0 {
		t.Errorf("the workloads were listed %d times, and with five idle passes %d times", before, after)
	}
	if diff := cmp.Diff(writes, w.writes(t)); diff != "" {
		t.Errorf("writes by idle passes (-before +after):\n%s", diff)
	}
	if got := b.restarted(d); got["app"] != 1 {
		t.Errorf("restarted in the end: %v", got)
	}
	// A watch is in the log once it has ended, and those that the manager has to hold end with any other.
	w.stop()
	ended := func(resources ...string) int {
		entries, err := auditLog.Entries(func(e testplane.AuditEntry) bool {
			return e.UserAgent == w.agent && e.Verb == "watch" && slices.Contains(resources, e.Object.Resource)
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	NewWithT(t).Eventually(func() bool {
		return ended("integrations") >= 2 && ended("secrets") >= 3 && ended("namespaces") >= 1 && ended("integrationpolicies") >= 1
	}, deadline, poll).Should(BeTrue())
	if n := ended("deployments", "statefulsets", "daemonsets"); n > 0 {
		t.Errorf("the operator watched workloads %d times", n)
	}
}
