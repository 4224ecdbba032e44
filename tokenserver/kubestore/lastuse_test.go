// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// However often the secret is used, and on however many replicas.
func TestLastUseIsWrittenOnceInThirtySeconds(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	replicas := []*noter{newNoter(t, clock, restConfig, restConfig), newNoter(t, clock, restConfig, restConfig)}
	i, c := newRotated(t, replicas[0])
	eventually(t, func() bool { return sees(replicas[1], i) }, true)

	written := func() []time.Time {
		var all []time.Time
		for _, r := range replicas {
			r.spy.mu.Lock()
			all = append(all, r.spy.written...)
			r.spy.mu.Unlock()
		}
		return all
	}
	var times []time.Time
	for range 1000 {
		clock.advance(300 * time.Millisecond)
		var both sync.WaitGroup
		for _, r := range replicas {
			both.Go(func() {
				r.Used(c)
				r.Flush(t.Context())
			})
		}
		both.Wait()
		switch now := len(written()); {
		case now > len(times)+1:
			t.Fatalf("both replicas have written at %s", clock.now())
		case now > len(times):
			times = append(times, clock.now())
			read(t, i)
			eventually(t, func() bool { return sees(replicas[0], i) && sees(replicas[1], i) }, true)
		}
	}
	for n := 1; n < len(times); n++ {
		if gap := times[n].Sub(times[n-1]); gap < 30*time.Second || gap > time.Minute {
			t.Errorf("write %d came %s after the one before it, want 30 s to a minute", n, gap)
		}
	}
	if len(times) < 5 || len(times) > 11 || !times[0].Before(rotation.Add(61*time.Second)) {
		t.Errorf("1,000 uses in 300 s were written at %v, want the first at once and 5 to 11 in all", times)
	}
	got, err := time.Parse(time.TimeOnly, lastUsed(t, i))
	if want := times[len(times)-1].Truncate(time.Second).Format(time.TimeOnly); err != nil || got.Format(time.TimeOnly) != want {
		t.Errorf("status says %s, want %s", got.Format(time.TimeOnly), want)
	}
	// The rest of status is as the leader wrote it.
	if s := i.Status.Credentials; s.SecretName != "app" || !s.LastRotationTime.Time.Equal(rotation) || i.Status.Granted == nil {
		t.Errorf("status has changed: %+v", i.Status)
	}
}

func TestStartWritesTheFirstUseAtOnceAndOthersLater(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	i, c := newRotated(t, r)
	stop := r.run(t)
	r.Used(c)
	eventually(t, func() string { return lastUsed(t, i) }, "10:01:00")
	eventually(t, func() bool { return sees(r, i) }, true)
	r.rest()

	clock.advance(20 * time.Second)
	r.Used(c)
	r.ticks <- clock.now()
	r.rest()
	wantLastUsed(t, i, "10:01:00")
	clock.advance(11 * time.Second)
	r.ticks <- clock.now()
	eventually(t, func() string { return lastUsed(t, i) }, "10:01:20")
	eventually(t, func() bool { return sees(r, i) }, true)
	r.rest()

	// What is left when it ends is written then.
	clock.advance(31 * time.Second)
	r.Used(c)
	stop()
	wantLastUsed(t, i, "10:02:02")
}

func TestWhatWasNotUsedIsNotWritten(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	i, _ := newRotated(t, r)
	r.run(t)()
	if tried, _ := r.spy.counts(); tried != 0 {
		t.Errorf("%d writes, want none", tried)
	}
	wantLastUsed(t, i, "none")
}

// Whatever the informer has not told yet.
func TestAWriteIsOnlyAboutTheRotationThatWasSeen(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, i *v1alpha1.Integration)
		// wantPrevious says that there is a previous secret afterwards.
		wantPrevious bool
	}{
		"there was another rotation": {func(t *testing.T, i *v1alpha1.Integration) {
			t.Helper()
			setRotation(t, i, rotation.Add(10*time.Minute))
		}, true},
		"the previous secret was retired": {func(t *testing.T, i *v1alpha1.Integration) {
			t.Helper()
			patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { s.Credentials.Previous = nil })
		}, false},
		"the status is gone": {func(t *testing.T, i *v1alpha1.Integration) {
			t.Helper()
			patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) { *s = v1alpha1.IntegrationStatus{} })
		}, false},
		"it is another Integration of the same name": {func(t *testing.T, i *v1alpha1.Integration) {
			t.Helper()
			remove(t, i)
			*i = *newIntegration(t, i.Namespace, i.Name, v1alpha1.IntegrationSpec{})
			setRotation(t, i, rotation)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fakeClock{at: rotation.Add(time.Minute)}
			line, informers := throughProxy(t)
			late, soon := newNoter(t, clock, informers, restConfig), newNoter(t, clock, restConfig, restConfig)
			i, c := newRotated(t, late)
			line.hush()
			tc.change(t, i)
			eventually(t, func() bool { return sees(soon, i) }, true)
			for _, r := range []*noter{late, soon} {
				r.Used(c)
				r.Flush(t.Context())
				if _, written := r.spy.counts(); written != 0 {
					t.Error("the use was written")
				}
			}
			wantLastUsed(t, i, "none")
			if got := i.Status.Credentials != nil && i.Status.Credentials.Previous != nil; got != tc.wantPrevious {
				t.Errorf("status has a previous secret: %t, want %t", got, tc.wantPrevious)
			}
			if tried, _ := late.spy.counts(); tried != 1 {
				t.Errorf("the replica that did not know yet tried %d times, want once", tried)
			}
			if tried, _ := soon.spy.counts(); tried != 0 {
				t.Errorf("the replica that knew tried %d times", tried)
			}
		})
	}

	t.Run("the Integration is gone", func(t *testing.T) {
		clock := &fakeClock{at: rotation.Add(time.Minute)}
		line, informers := throughProxy(t)
		r := newNoter(t, clock, informers, restConfig)
		i, c := newRotated(t, r)
		line.hush()
		remove(t, i)
		r.Used(c)
		r.Flush(t.Context())
		if tried, written := r.spy.counts(); tried != 1 || written != 0 || r.Remembered() != 0 {
			t.Errorf("%d writes of %d, and %d uses are remembered", written, tried, r.Remembered())
		}
	})
}

// The Secret and the status travel in different informers.
func TestAUseWaitsForTheStatusOfItsRotation(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(11 * time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	i, c := newRotated(t, r)
	former := *c
	next := *c
	next.RotatedAt = rotation.Add(10 * time.Minute)
	r.Used(&former)
	r.Used(&next)
	r.Used(&former) // A request that was under way takes nothing away.
	r.Flush(t.Context())
	if tried, _ := r.spy.counts(); tried != 0 {
		t.Errorf("%d writes before the status is about the rotation", tried)
	}
	setRotation(t, i, next.RotatedAt)
	eventually(t, func() bool { return sees(r, i) }, true)
	clock.advance(time.Second)
	r.Flush(t.Context())
	wantLastUsed(t, i, "10:11:00")
}

func TestUsesAreKeptWhileTheAPIServerIsAway(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	line, live := throughProxy(t)
	r := newNoter(t, clock, restConfig, live)
	i, c := newRotated(t, r)
	line.set(cut)
	stop := r.run(t)
	r.Used(c)
	eventually(t, func() int { tried, _ := r.spy.counts(); return tried }, 1)
	for range 3 {
		r.ticks <- clock.now()
	}
	if tried, _ := r.spy.counts(); tried != 1 {
		t.Errorf("it tried %d times at one moment, want a rest after the first", tried)
	}
	clock.advance(10 * time.Second)
	r.Used(c)
	r.ticks <- clock.now()
	eventually(t, func() int { tried, _ := r.spy.counts(); return tried }, 2)
	r.rest()
	wantLastUsed(t, i, "none")
	if log := r.log.String(); strings.Contains(log, "http") || !strings.Contains(log, i.Namespace+"/app") || !strings.Contains(log, "level=WARN") {
		t.Errorf("want warnings that name the Integration and no URL, got:\n%s", log)
	}
	line.set(open)
	clock.advance(10 * time.Second)
	r.ticks <- clock.now()
	eventually(t, func() string { return lastUsed(t, i) }, "10:01:10")
	eventually(t, func() bool { return sees(r, i) }, true)
	r.rest()

	// It ends soon, and without an answer, too.
	line.set(cut)
	clock.advance(time.Minute)
	r.Used(c)
	stop()
	wantLastUsed(t, i, "10:01:10")
	// And what could not be written by then is, once there is an answer.
	line.set(open)
	r.Flush(t.Context())
	wantLastUsed(t, i, "10:02:20")
}

func TestOneRefusalDoesNotStopOtherUses(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	refused, refusedClient := newRotated(t, r)
	i := newIntegration(t, refused.Namespace, "other", v1alpha1.IntegrationSpec{})
	setRotation(t, i, rotation)
	eventually(t, func() bool { return sees(r, i) }, true)
	r.spy.refuse = func(name string) error {
		if name == "other" {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: "integrations"}, name, nil)
	}
	r.Used(refusedClient)
	r.Used(&clients.Client{Namespace: i.Namespace, Name: i.Name, UID: string(i.UID), RotatedAt: rotation})
	r.Flush(t.Context())
	wantLastUsed(t, i, "10:01:00")
	wantLastUsed(t, refused, "none")
	r.spy.refuse = nil
	clock.advance(10 * time.Second)
	r.Flush(t.Context())
	wantLastUsed(t, refused, "10:01:00")
}

// After an outage every replica has something to write that is long ago.
func TestReplicasDoNotWriteOldUsesOneAfterTheOther(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	first, second := newNoter(t, clock, restConfig, restConfig), newNoter(t, clock, restConfig, restConfig)
	i, c := newRotated(t, first)
	eventually(t, func() bool { return sees(second, i) }, true)
	for _, r := range []*noter{first, second} {
		r.spy.refuse = func(name string) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "integrations"}, name, nil)
		}
		r.Used(c)
		r.Flush(t.Context())
		clock.advance(time.Minute)
	}
	clock.advance(10 * time.Minute)
	first.spy.refuse, second.spy.refuse = nil, nil
	first.Flush(t.Context())
	wantLastUsed(t, i, "10:01:00")
	eventually(t, func() bool { return sees(second, i) }, true)
	second.Flush(t.Context())
	wantLastUsed(t, i, "10:01:00")
	clock.advance(30 * time.Second)
	second.Flush(t.Context())
	wantLastUsed(t, i, "10:02:00")
}

func TestUsesThatAreRememberedAreBounded(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	for n := range 20_000 {
		r.Used(&clients.Client{Namespace: "nowhere", Name: "app", UID: fmt.Sprint(types.UID("uid-"), n), RotatedAt: rotation})
	}
	if got := r.Remembered(); got != 16_384 {
		t.Errorf("%d uses are remembered, want 16,384", got)
	}
	// Of Integrations that there are not there is nothing to say.
	r.Flush(t.Context())
	if tried, _ := r.spy.counts(); tried != 0 || r.Remembered() != 0 {
		t.Errorf("%d writes, and %d uses are remembered", tried, r.Remembered())
	}
}

func TestUsesThatAreWrittenAreForgotten(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restConfig)
	i, c := newRotated(t, r)
	r.Used(c)
	r.Flush(t.Context())
	wantLastUsed(t, i, "10:01:00")
	clock.advance(31 * time.Second)
	r.Flush(t.Context())
	if r.Remembered() != 0 {
		t.Errorf("%d uses are remembered", r.Remembered())
	}
}

func TestTheMarkerAllowsWhatLastUseDoes(t *testing.T) {
	clock := &fakeClock{at: rotation.Add(time.Minute)}
	r := newNoter(t, clock, restConfig, restricted(t, "lastuse.go", 1))
	i, c := newRotated(t, r)
	r.Used(c)
	r.Flush(t.Context())
	wantLastUsed(t, i, "10:01:00")
}

// A replica that does not lead sees uses, too.
func TestLastUseRunsOnEveryReplica(t *testing.T) {
	var r manager.LeaderElectionRunnable = &kubestore.LastUse{}
	if r.NeedLeaderElection() {
		t.Error("LastUse would run on the leader only")
	}
}
