// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package restarts_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/restarts"
)

var rotation = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return rotation.Add(time.Duration(n) * time.Minute) }

func metaTime(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

func deployment(name string, generation int64, edits ...func(*restarts.Workload)) restarts.Workload {
	w := restarts.Workload{
		Kind: restarts.KindDeployment, Name: name, Generation: generation, Created: minute(-60), ChangedAt: minute(-60), RolledOut: true,
	}
	for _, edit := range edits {
		edit(&w)
	}
	return w
}

func recordedAs(name string, generation int64) v1alpha1.RestartedWorkload {
	return v1alpha1.RestartedWorkload{Kind: restarts.KindDeployment, Name: name, Generation: generation}
}

func TestBegin(t *testing.T) {
	created := minute(-120)
	complete := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), CompletionTime: metaTime(minute(1))}
	under := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), Workloads: []v1alpha1.RestartedWorkload{recordedAs("a", 1)}}
	for _, tt := range []struct {
		name      string
		status    *v1alpha1.RestartStatus
		rotatedAt time.Time
		want      *v1alpha1.RestartStatus
	}{
		{
			"spec.restart seen first, before any rotation", nil,
			time.Time{},
			&v1alpha1.RestartStatus{RotationTime: *metaTime(created), CompletionTime: metaTime(minute(5))},
		},
		{
			"spec.restart seen first, after a rotation", nil, rotation,
			&v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), CompletionTime: metaTime(minute(5))},
		},
		{"the same rotation, to the second", complete, rotation.Add(900 * time.Millisecond), complete},
		{"a rotation under way", under, rotation, under},
		{"a new rotation", complete, minute(3), &v1alpha1.RestartStatus{RotationTime: *metaTime(minute(3))}},
		{"a new rotation while another is under way", under, minute(3), &v1alpha1.RestartStatus{RotationTime: *metaTime(minute(3))}},
		{"an older rotation, of a cache that lags", complete, minute(-30), complete},
		{"a lost record", under, time.Time{}, under},
		{"a rotation that is yet to come", complete, minute(6), complete},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, restarts.Begin(tt.status, tt.rotatedAt, created, minute(5))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNext(t *testing.T) {
	now := minute(5)
	comingUp := func(since time.Time) func(*restarts.Workload) {
		return func(w *restarts.Workload) { w.RestartedAt, w.RolledOut = since, false }
	}
	for _, tt := range []struct {
		name      string
		recorded  []v1alpha1.RestartedWorkload
		workloads []restarts.Workload
		want      []v1alpha1.RestartedWorkload
		wantPatch []string
		wantAgain time.Duration
		wantDone  bool
	}{
		{name: "no workload", wantDone: true},
		{
			name: "the first batch is recorded, and nothing is restarted yet", wantAgain: time.Second,
			workloads: []restarts.Workload{deployment("c", 1), deployment("a", 7), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)},
		},
		{
			name:      "workloads that came after the rotation are not concerned",
			workloads: []restarts.Workload{deployment("a", 1, func(w *restarts.Workload) { w.Created = minute(1) })}, wantDone: true,
		},
		{
			name:      "workloads that somebody restarted since are not concerned",
			workloads: []restarts.Workload{deployment("a", 2, func(w *restarts.Workload) { w.RestartedAt = minute(1) })}, wantDone: true,
		},
		{
			name: "workloads restarted before are", wantAgain: time.Second,
			workloads: []restarts.Workload{deployment("a", 2, func(w *restarts.Workload) { w.RestartedAt = minute(-1) })},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 2)},
		},
		{
			name: "what was recorded is restarted", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)},
			workloads: []restarts.Workload{deployment("c", 1), deployment("a", 7), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)},
			wantPatch: []string{"a", "b"}, wantAgain: 5 * time.Second,
		},
		{
			name: "of an interrupted batch only the rest", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)},
			workloads: []restarts.Workload{deployment("a", 8), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)},
			wantPatch: []string{"b"}, wantAgain: 5 * time.Second,
		},
		{
			name: "a batch that is coming up is waited for", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7)},
			workloads: []restarts.Workload{deployment("a", 8, comingUp(minute(4))), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7)}, wantAgain: 5 * time.Second,
		},
		{
			name: "one that never comes up is not waited for longer than ten minutes", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7)},
			workloads: []restarts.Workload{deployment("a", 8, comingUp(minute(-5)), func(w *restarts.Workload) { w.ChangedAt = minute(-5) }), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)}, wantAgain: time.Second,
		},
		{
			name:     "without the annotation, which somebody took away, its last change counts, and it is not restarted again",
			recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7)},
			workloads: []restarts.Workload{
				deployment("a", 9, comingUp(time.Time{}), func(w *restarts.Workload) { w.ChangedAt = minute(4) }), deployment("b", 2),
			},
			want: []v1alpha1.RestartedWorkload{recordedAs("a", 7)}, wantAgain: 5 * time.Second,
		},
		{
			name: "the next batch follows the one that has come up", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7)},
			workloads: []restarts.Workload{deployment("a", 8), deployment("b", 2)},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 7), recordedAs("b", 2)}, wantAgain: time.Second,
		},
		{
			name: "one that is gone is not waited for", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 7)},
			want: []v1alpha1.RestartedWorkload{recordedAs("a", 7)}, wantDone: true,
		},
		{
			name: "one that was made anew is not restarted", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 1)},
			workloads: []restarts.Workload{deployment("a", 1, func(w *restarts.Workload) { w.Created, w.RolledOut = minute(2), false })},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 1)}, wantDone: true,
		},
		{
			name: "another kind of the same name is another workload", recorded: []v1alpha1.RestartedWorkload{recordedAs("a", 1)},
			workloads: []restarts.Workload{
				deployment("a", 2), deployment("a", 1, func(w *restarts.Workload) { w.Kind = restarts.KindStatefulSet }),
			},
			want:      []v1alpha1.RestartedWorkload{recordedAs("a", 1), {Kind: restarts.KindStatefulSet, Name: "a", Generation: 1}},
			wantAgain: time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), Workloads: tt.recorded}
			step := restarts.Next(before, tt.workloads, 2, now)
			want := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), Workloads: tt.want}
			wantAgain := now.Add(tt.wantAgain)
			if tt.wantDone {
				want.CompletionTime, wantAgain = metaTime(now), time.Time{}
			}
			if diff := cmp.Diff(want, step.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			var patch []string
			for _, w := range step.Patch {
				patch = append(patch, w.Name)
			}
			if diff := cmp.Diff(tt.wantPatch, patch); diff != "" || !step.Again.Equal(wantAgain) {
				t.Errorf("again at %s, want %s; restarted (-want +got):\n%s", step.Again, wantAgain, diff)
			}
			if len(before.Workloads) != len(tt.recorded) || before.CompletionTime != nil {
				t.Errorf("Next changed its input: %+v", before)
			}
		})
	}
}

func TestTheStatusHoldsNoMoreThanItsSchemaAllows(t *testing.T) {
	var workloads []restarts.Workload
	for i := range 1100 {
		workloads = append(workloads, deployment(fmt.Sprintf("w%04d", i), 1))
	}
	status := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation)}
	var left []restarts.Workload
	for pass := 0; status.CompletionTime == nil; pass++ {
		if pass > 100 {
			t.Fatal("it does not end")
		}
		step := restarts.Next(status, workloads, 30, minute(1))
		status, left = step.Status, step.Left
		if len(left) > 0 && status.CompletionTime == nil {
			t.Fatal("workloads are said to be left before the restarts are complete")
		}
		for _, w := range step.Patch {
			for i := range workloads {
				if workloads[i].Name == w.Name {
					workloads[i].Generation++
				}
			}
		}
	}
	if len(status.Workloads) != 1000 {
		t.Errorf("got %d workloads in the status, want 1000", len(status.Workloads))
	}
	if len(left) != 100 || left[0].Name != "w1000" || left[99].Name != "w1099" {
		t.Errorf("got %d workloads that are left, %v, want the last 100", len(left), left)
	}
}

func TestOneThatCannotBeRestartedHoldsNobodyUp(t *testing.T) {
	workloads := []restarts.Workload{deployment("a", 7), deployment("b", 2)}
	status := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation), Workloads: []v1alpha1.RestartedWorkload{recordedAs("a", 7)}}
	restarts.PassOver(status, workloads[0])
	step := restarts.Next(status, workloads, 1, minute(1))
	want := []v1alpha1.RestartedWorkload{recordedAs("a", 0), recordedAs("b", 2)}
	if diff := cmp.Diff(want, step.Status.Workloads); diff != "" || len(step.Patch) > 0 {
		t.Errorf("restarted %v; recorded (-want +got):\n%s", step.Patch, diff)
	}
}

// A simulated namespace is worked on by leaders that are interrupted between any two writes, and by two at once that know different states.
func TestNoWorkloadIsRestartedTwiceForOneRotation(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		n, batch := 1+random.IntN(12), 1+random.IntN(4)
		cluster := make([]restarts.Workload, 0, n)
		for i := range n {
			cluster = append(cluster, deployment(fmt.Sprintf("w%02d", i), 1+random.Int64N(5)))
		}
		patched := map[string]int{}
		stored := &v1alpha1.RestartStatus{RotationTime: *metaTime(rotation.Add(-time.Hour)), CompletionTime: metaTime(rotation)}
		stale := stored
		now := minute(1)
		for pass := 0; ; pass++ {
			if pass > 400 {
				t.Fatalf("seed %d: the restarts do not end: %+v", seed, stored)
			}
			now = now.Add(time.Duration(random.IntN(120)) * time.Second)
			known, lags := stored, random.IntN(5) == 0
			if lags {
				known = stale
			}
			status := restarts.Begin(known, rotation, minute(-90), now)
			if status.CompletionTime != nil {
				if !lags {
					break
				}
				continue
			}
			// It reads the workloads live, and each write is refused if what it is about has changed.
			step := restarts.Next(status, append([]restarts.Workload(nil), cluster...), batch, now)
			interrupted := random.IntN(3) == 0
			for i, w := range step.Patch {
				if interrupted && i >= random.IntN(len(step.Patch)+1) {
					break
				}
				for j := range cluster {
					if live := &cluster[j]; live.Name == w.Name && live.Generation == w.Generation {
						patched[w.Name]++
						live.Generation, live.RestartedAt, live.ChangedAt, live.RolledOut = live.Generation+1, now, now, false
					}
				}
			}
			if !interrupted && !lags {
				stale, stored = stored, step.Status
			}
			for j := range cluster {
				live := &cluster[j]
				switch random.IntN(8) {
				case 0: // Somebody takes the annotation away, which starts a rollout of its own.
					if !live.RestartedAt.IsZero() {
						live.Generation, live.RestartedAt, live.ChangedAt, live.RolledOut = live.Generation+1, time.Time{}, now, false
					}
				case 1, 2, 3:
					live.RolledOut = true
				}
			}
		}
		for name, times := range patched {
			if times != 1 {
				t.Fatalf("seed %d: %s was restarted %d times", seed, name, times)
			}
		}
		if len(patched) != n {
			t.Fatalf("seed %d: %d of %d workloads were restarted", seed, len(patched), n)
		}
	}
}
