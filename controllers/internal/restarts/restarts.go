// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package restarts

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// settle is how long after the record of a batch it is restarted. It leaves kubelets a moment to learn of the new Secret.
	settle = time.Second
	// pollInterval is how often a batch that is coming up is looked at.
	pollInterval = 5 * time.Second
	// rolloutPatience is how long one workload that does not come up holds the others up. A paused Deployment never does.
	rolloutPatience = 10 * time.Minute
	// maxRecorded is how many workloads the status can hold; the schema says the same.
	maxRecorded = 1000
)

// A Step is what is to be done in one pass.
type Step struct {
	// Status is what to record.
	Status *v1alpha1.RestartStatus
	// Patch are the workloads to restart now, all of them recorded by an earlier pass.
	Patch []Workload
	// Left are the workloads that are not restarted, as the status cannot hold them. They are told once, when the restarts are complete.
	Left []Workload
	// Again is when to look again; zero once the restarts are complete.
	Again time.Time
}

// Begin returns how far the restarts have come, before anything is done about them now: nothing yet for a new rotation, and status as it is
// otherwise. status is what an earlier pass recorded, nil if there was none: then there is nothing to restart for, whatever was rotated
// before. rotatedAt is the latest rotation, zero if there was none; one that the clock has not reached is damage, and waits. created is when
// the Integration was created. The result has a CompletionTime if there is nothing to do.
func Begin(status *v1alpha1.RestartStatus, rotatedAt, created, now time.Time) *v1alpha1.RestartStatus {
	rotatedAt = rotatedAt.Truncate(time.Second)
	if rotatedAt.After(now) {
		rotatedAt = time.Time{}
	}
	switch {
	case status == nil && rotatedAt.IsZero():
		return &v1alpha1.RestartStatus{RotationTime: recorded(created), CompletionTime: new(recorded(now))}
	case status == nil:
		return &v1alpha1.RestartStatus{RotationTime: recorded(rotatedAt), CompletionTime: new(recorded(now))}
	// A rotation that is older than the one recorded comes from a cache that lags.
	case rotatedAt.After(status.RotationTime.Time):
		return &v1alpha1.RestartStatus{RotationTime: recorded(rotatedAt)}
	default:
		return status.DeepCopy()
	}
}

// recorded returns a time as the API server keeps it.
func recorded(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }

// Next decides what to do about restarts that are not complete. workloads are those of the namespace that are chosen, as they are now; at
// most batch of them are restarted at a time. It does not change status.
func Next(status *v1alpha1.RestartStatus, workloads []Workload, batch int, now time.Time) Step {
	type key struct{ kind, name string }
	rotation := status.RotationTime.Time
	// What came after the rotation has never seen the former secret.
	concerned := map[key]Workload{}
	for _, w := range workloads {
		if !w.Created.After(rotation) {
			concerned[key{w.Kind, w.Name}] = w
		}
	}
	step := Step{Status: status.DeepCopy()}
	known := map[key]bool{}
	comingUp := false
	for _, r := range status.Workloads {
		k := key{r.Kind, r.Name}
		known[k] = true
		// One that is gone, or made anew, or no longer chosen, is not waited for.
		w, ok := concerned[k]
		switch {
		case !ok:
		case w.Generation == r.Generation:
			step.Patch = append(step.Patch, w)
		case !w.RolledOut && now.Before(w.restarted(rotation, now).Add(rolloutPatience)):
			comingUp = true
		}
	}
	if comingUp || len(step.Patch) > 0 {
		step.Again = now.Add(pollInterval)
		return step
	}

	var left []Workload
	for k, w := range concerned {
		if !known[k] && !w.RestartedAt.After(rotation) {
			left = append(left, w)
		}
	}
	slices.SortFunc(left, func(a, b Workload) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	next := left[:min(len(left), max(batch, 1), max(maxRecorded-len(status.Workloads), 0))]
	if len(next) == 0 {
		step.Status.CompletionTime, step.Left = new(recorded(now)), left
		return step
	}
	for _, w := range next {
		step.Status.Workloads = append(step.Status.Workloads, v1alpha1.RestartedWorkload{Kind: w.Kind, Name: w.Name, Generation: w.Generation})
	}
	step.Again = now.Add(settle)
	return step
}

// restarted returns when a workload that was restarted for a rotation was restarted. Where somebody has taken the annotation away since, which
// starts another rollout, that counts.
func (w Workload) restarted(rotation, now time.Time) time.Time {
	if w.RestartedAt.Before(rotation) || w.RestartedAt.After(now) {
		return w.ChangedAt
	}
	return w.RestartedAt
}

// PassOver records that a workload cannot be restarted, so that it does not hold the others up: it keeps its place in status with a
// generation that it never has.
func PassOver(status *v1alpha1.RestartStatus, w Workload) {
	for i := range status.Workloads {
		if r := &status.Workloads[i]; r.Kind == w.Kind && r.Name == w.Name {
			r.Generation = 0
		}
	}
}
