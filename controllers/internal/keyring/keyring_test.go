// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

var (
	now      = time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	schedule = keyring.Schedule{RotateEvery: 24 * time.Hour, PublishFor: 10 * time.Minute, KeepFor: 25 * time.Hour}
)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func active(name string, since time.Duration) keyring.Key {
	return keyring.Key{Name: name, State: v1alpha1.KeyStateActive, PublishedAt: ago(since), ActivatedAt: ago(since)}
}

func next(name string, since time.Duration) keyring.Key {
	return keyring.Key{Name: name, State: v1alpha1.KeyStateNext, PublishedAt: ago(since)}
}

func retiring(name string, left time.Duration) keyring.Key {
	return keyring.Key{
		Name: name, State: v1alpha1.KeyStateRetiring, PublishedAt: ago(48 * time.Hour), ActivatedAt: ago(48 * time.Hour),
		ExpiresAt: now.Add(left),
	}
}

func damaged(key keyring.Key) keyring.Key {
	key.Damaged = true
	return key
}

func TestPlan(t *testing.T) {
	create := func(state string) keyring.Step { return keyring.Step{Action: keyring.Create, State: state} }
	activate := func(name string) keyring.Step { return keyring.Step{Action: keyring.Activate, Key: name} }
	remove := func(name string) keyring.Step { return keyring.Step{Action: keyring.Delete, Key: name} }
	retire := func(name string) keyring.Step {
		return keyring.Step{Action: keyring.Retire, Key: name, ExpiresAt: now.Add(schedule.KeepFor)}
	}
	rebuilt := func(step keyring.Step) keyring.Step {
		step.Rebuilt = true
		return step
	}
	nextPublication := now.Add(schedule.RotateEvery - schedule.PublishFor)

	tests := []struct {
		name      string
		keys      []keyring.Key
		unneeded  bool
		hadKey    bool
		wantSteps []keyring.Step
		wantWake  time.Time
	}{
		{name: "An algorithm that nobody needs gets no key.", unneeded: true},
		{
			name:      "The first key of an algorithm signs at once.",
			wantSteps: []keyring.Step{create(v1alpha1.KeyStateActive)}, wantWake: nextPublication,
		},
		{
			name: "A young active key is left alone until its successor has to be published.",
			keys: []keyring.Key{active("a", time.Hour)}, wantWake: ago(time.Hour).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "A successor is published before the active key is due.",
			keys:      []keyring.Key{active("a", 24*time.Hour-10*time.Minute)},
			wantSteps: []keyring.Step{create(v1alpha1.KeyStateNext)}, wantWake: now.Add(10 * time.Minute),
		},
		{
			name: "One nanosecond earlier it is not.",
			keys: []keyring.Key{active("a", 24*time.Hour-10*time.Minute-1)}, wantWake: now.Add(1),
		},
		{
			name:      "A successor that is published late is published as long all the same.",
			keys:      []keyring.Key{active("a", 300*time.Hour)},
			wantSteps: []keyring.Step{create(v1alpha1.KeyStateNext)}, wantWake: now.Add(10 * time.Minute),
		},
		{
			name:     "A successor waits for the active key's time, however long it is published.",
			keys:     []keyring.Key{active("a", 23*time.Hour), next("n", 20*time.Hour)},
			wantWake: now.Add(time.Hour),
		},
		{
			name:     "A successor does not sign before it was published long enough, however late the rotation is.",
			keys:     []keyring.Key{active("a", 300*time.Hour), next("n", 10*time.Minute-1)},
			wantWake: now.Add(1),
		},
		{
			name:      "A ripe successor takes over before the former key retires.",
			keys:      []keyring.Key{active("a", 24*time.Hour), next("n", 10*time.Minute)},
			wantSteps: []keyring.Step{activate("n"), retire("a")}, wantWake: nextPublication,
		},
		{
			name:      "The successor is promoted at once when the active key is lost.",
			keys:      []keyring.Key{next("n", time.Minute)},
			wantSteps: []keyring.Step{rebuilt(activate("n"))}, wantWake: nextPublication,
		},
		{
			name:      "The successor that was published longest is the one to be promoted.",
			keys:      []keyring.Key{next("young", time.Minute), next("old", time.Hour)},
			wantSteps: []keyring.Step{remove("young"), rebuilt(activate("old"))}, wantWake: nextPublication,
		},
		{
			name:      "A lost key is rebuilt, and said to be, when clients have been told that they can get tokens.",
			hadKey:    true,
			wantSteps: []keyring.Step{rebuilt(create(v1alpha1.KeyStateActive))}, wantWake: nextPublication,
		},
		{
			name:      "A damaged active key is deleted and rebuilt.",
			keys:      []keyring.Key{damaged(active("a", time.Hour))},
			wantSteps: []keyring.Step{remove("a"), rebuilt(create(v1alpha1.KeyStateActive))}, wantWake: nextPublication,
		},
		{
			name:      "A damaged active key gives way to its successor.",
			keys:      []keyring.Key{damaged(active("a", time.Hour)), next("n", time.Minute)},
			wantSteps: []keyring.Step{remove("a"), rebuilt(activate("n"))}, wantWake: nextPublication,
		},
		{
			name:      "A damaged successor is deleted and made again, published long enough.",
			keys:      []keyring.Key{active("a", 24*time.Hour), damaged(next("n", time.Hour))},
			wantSteps: []keyring.Step{remove("n"), create(v1alpha1.KeyStateNext)}, wantWake: now.Add(10 * time.Minute),
		},
		{
			name:      "A damaged successor that nobody waits for yet is only deleted.",
			keys:      []keyring.Key{active("a", time.Hour), damaged(next("n", time.Minute))},
			wantSteps: []keyring.Step{remove("n")}, wantWake: ago(time.Hour).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "A damaged retiring key is deleted, as it verifies nothing any more.",
			keys:      []keyring.Key{active("a", time.Hour), damaged(retiring("r", time.Hour))},
			wantSteps: []keyring.Step{remove("r")}, wantWake: ago(time.Hour).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "Of two active keys, as a crash may leave them, the younger goes on signing.",
			keys:      []keyring.Key{active("old", 24*time.Hour), active("young", time.Minute)},
			wantSteps: []keyring.Step{retire("old")}, wantWake: ago(time.Minute).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "Of two active keys that are both due, both retire when the successor takes over.",
			keys:      []keyring.Key{active("older", 50*time.Hour), active("old", 24*time.Hour), next("n", time.Hour)},
			wantSteps: []keyring.Step{retire("older"), activate("n"), retire("old")}, wantWake: nextPublication,
		},
		{
			name:      "Further successors are deleted.",
			keys:      []keyring.Key{active("a", 23*time.Hour), next("n2", time.Minute), next("n1", time.Hour), next("n3", time.Second)},
			wantSteps: []keyring.Step{remove("n2"), remove("n3")}, wantWake: now.Add(time.Hour),
		},
		{
			name:     "A retiring key stays until it expires, and wakes the operator then.",
			keys:     []keyring.Key{active("a", time.Hour), retiring("r", 5*time.Minute)},
			wantWake: now.Add(5 * time.Minute),
		},
		{
			name:      "A retiring key goes when it expires.",
			keys:      []keyring.Key{active("a", time.Hour), retiring("r", 0)},
			wantSteps: []keyring.Step{remove("r")}, wantWake: ago(time.Hour).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "A key without a state that makes sense retires, as it may have signed until now.",
			keys:      []keyring.Key{active("a", time.Minute), {Name: "x", State: "enabled", PublishedAt: ago(time.Hour)}},
			wantSteps: []keyring.Step{retire("x")}, wantWake: ago(time.Minute).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "A retiring key whose expiry is unknown stays as long as one that retires now.",
			keys:      []keyring.Key{active("a", time.Minute), {Name: "x", State: v1alpha1.KeyStateRetiring}},
			wantSteps: []keyring.Step{retire("x")}, wantWake: ago(time.Minute).Add(24*time.Hour - 10*time.Minute),
		},
		{
			name:      "An active key whose age is unknown is rotated as if it were due.",
			keys:      []keyring.Key{{Name: "a", State: v1alpha1.KeyStateActive}},
			wantSteps: []keyring.Step{create(v1alpha1.KeyStateNext)}, wantWake: now.Add(10 * time.Minute),
		},
		{
			name:     "When nobody needs an algorithm any more, its active key serves out its time.",
			keys:     []keyring.Key{active("a", time.Hour), next("n", time.Minute)},
			unneeded: true, wantWake: now.Add(23 * time.Hour),
		},
		{
			name:     "A key that nobody needs gets no successor.",
			keys:     []keyring.Key{active("a", 24*time.Hour-time.Second)},
			unneeded: true, wantWake: now.Add(time.Second),
		},
		{
			name:     "A key that nobody needs retires when its time is over, and its successor goes.",
			keys:     []keyring.Key{active("a", 24*time.Hour), next("n", time.Hour), retiring("r", time.Hour)},
			unneeded: true, wantSteps: []keyring.Step{retire("a"), remove("n")}, wantWake: now.Add(time.Hour),
		},
		{
			name:     "The last retiring key of an algorithm that nobody needs goes for good.",
			keys:     []keyring.Key{retiring("r", -time.Second)},
			unneeded: true, wantSteps: []keyring.Step{remove("r")},
		},
		{
			name:      "An algorithm that is needed again gets a new key beside the retiring one.",
			keys:      []keyring.Key{retiring("r", time.Hour)},
			wantSteps: []keyring.Step{create(v1alpha1.KeyStateActive)}, wantWake: now.Add(time.Hour),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps, wake := keyring.Plan(keyring.Input{
				Now: now, Keys: tt.keys, Needed: !tt.unneeded, HadKey: tt.hadKey, Schedule: schedule,
			})
			if diff := cmp.Diff(tt.wantSteps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if !wake.Equal(tt.wantWake) {
				t.Errorf("wake: want %s, got %s", tt.wantWake, wake)
			}
		})
	}
}
