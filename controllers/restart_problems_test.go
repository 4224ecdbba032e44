// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
)

// A failingReader lists nothing while broken says so.
type failingReader struct {
	client.Reader
	broken *bool
}

// List lists.
func (f failingReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if *f.broken {
		return errors.New("the API server has no time")
	}
	return f.Reader.List(ctx, list, opts...)
}

func TestARestartProblemStaysWhileItCannotBeLookedAt(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	broken := false
	b.r.Live = failingReader{k8sClient, &broken}
	edit(t, b.intg, func(i *v1alpha1.Integration) {
		i.Spec.Restart.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "nobody"}}
	})
	stalled := func() bool { return meta.IsStatusConditionTrue(b.intg.Status.Conditions, v1alpha1.ConditionStalled) }
	told := b.pass().restartProblem
	if told == nil || !stalled() {
		t.Fatalf("a selector that chooses nothing is not told: %+v", b.intg.Status.Conditions)
	}
	for range 2 {
		broken = true
		b.forward(stuckRetry)
		if s := b.pass(); s.restartProblem == nil || *s.restartProblem != *told || !stalled() || !s.again.Equal(b.now.Add(restartRetry)) {
			t.Errorf("after a list that failed: %+v, again at %s, want %+v as before", s.restartProblem, s.again, told)
		}
		broken = false
		b.forward(restartRetry)
		if s := b.pass(); s.restartProblem == nil || *s.restartProblem != *told || !s.again.Equal(b.now.Add(stuckRetry)) {
			t.Errorf("after a list that worked again: %+v, again at %s, want %+v as before", s.restartProblem, s.again, told)
		}
	}
	// It is mended while nobody can look, and told as soon as somebody can.
	b.create(restarts.KindDeployment, "d", map[string]string{"team": "nobody"})
	broken = true
	if s := b.pass(); s.restartProblem == nil {
		t.Error("a problem is called mended by a pass that did not look")
	}
	broken = false
	if s := b.pass(); s.restartProblem != nil || stalled() || !s.again.IsZero() {
		t.Errorf("once mended: %+v, again at %s", s.restartProblem, s.again)
	}
	// What was wrong with something else is no problem of restarts.
	b.intg.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionStalled, true, v1alpha1.ReasonSecretConflict, "another Secret")}
	if got := (&scope{intg: b.intg}).formerRestartProblem(); got != nil {
		t.Errorf("another problem than one of restarts was taken over: %+v", got)
	}
}

func TestARestartThatFailsIsTriedAgainLater(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	d := b.create(restarts.KindDeployment, "d", nil, inVolume("orders"))
	b.rotate()
	b.pass()
	left := 0
	s, err := b.tryPass(patchesAs{k8sClient, mortal{k8sClient, &left}})
	if err != nil || s.restartProblem != nil || !s.again.Equal(b.now.Add(restartRetry)) {
		t.Errorf("a restart that failed: %v, %+v, again at %s, want %s", err, s.restartProblem, s.again, b.now.Add(restartRetry))
	}
	b.now = s.again
	b.finish(d)
	if got := b.restarted(d); got["d"] != 1 {
		t.Errorf("restarted in the end: %v", got)
	}
}

func TestWorkloadsBeyondWhatTheStatusHoldsAreTold(t *testing.T) {
	b := newRestartBench(t, v1alpha1.RestartSpec{BatchSize: 5})
	var left []restarts.Workload
	for i := range maxNamedWorkloads + 3 {
		w, _, _ := restarts.Of(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("left%02d", i)}})
		left = append(left, w)
	}
	full := &v1alpha1.RestartStatus{RotationTime: metav1.NewTime(b.now)}
	for i := range 1000 {
		full.Workloads = append(full.Workloads, v1alpha1.RestartedWorkload{Kind: restarts.KindDeployment, Name: fmt.Sprintf("d%d", i), Generation: 1})
	}
	s := &scope{intg: b.intg, now: b.now, restart: full}
	if err := b.r.restartNext(t.Context(), s, left); err != nil || s.restart.CompletionTime == nil || !s.again.IsZero() {
		t.Fatalf("the restarts do not end: %v, again at %s", err, s.again)
	}
	if got := b.recorder.of(b.intg); !slices.Equal(got, []string{"Warning " + v1alpha1.ReasonWorkloadsRestarted}) {
		t.Fatalf("events: %q", got)
	}
	said := b.recorder.all()[0].note
	for _, want := range []string{"1000 workloads", "Deployment left00, ", "Deployment left07 and 3 more", "by hand"} {
		if !strings.Contains(said, want) {
			t.Errorf("the event lacks %q: %s", want, said)
		}
	}
}
