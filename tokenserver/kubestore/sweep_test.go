// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// several is how many objects a sweep deletes at once.
const several = 16

func TestASweepGoesOnWhereOneIsRefused(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	const many = 2 * several
	for range many {
		createSession(t, r, i)
	}
	dead := func(s *sessions.Session) bool { return s.Owner.UID == string(i.UID) }
	var calls atomic.Int64
	refuse := func(refusal error, times int64) {
		calls.Store(0)
		before := func() error {
			if calls.Add(1) <= times {
				return refusal
			}
			return nil
		}
		r.spy.beforeDelete.Store(&before)
	}
	refuse(errors.New("no answer"), many)
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != 0 || !errors.Is(err, sessions.ErrUnavailable) || calls.Load() > several {
		t.Errorf("without an answer: %d removed by %d calls (%v), want it to give up at once", removed, calls.Load(), err)
	}
	forbidden := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("tokensessions").GroupResource(), "app", nil)
	refuse(forbidden, many)
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != 0 || !errors.Is(err, sessions.ErrUnavailable) || calls.Load() == many {
		t.Errorf("refused each time: %d removed by %d calls (%v), want it to give up", removed, calls.Load(), err)
	}
	refuse(forbidden, 2)
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != many-2 || !errors.Is(err, sessions.ErrUnavailable) || calls.Load() != many {
		t.Errorf("refused: %d removed by %d calls (%v), want all but 2", removed, calls.Load(), err)
	}
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != 2 || err != nil {
		t.Errorf("in the end: %d removed (%v), want 2", removed, err)
	}
}

// What expires is as much as clients create, so that one after the other would not do.
func TestASweepDeletesSeveralAtOnce(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	for range several {
		createSession(t, r, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var under atomic.Int64
	all := make(chan struct{})
	before := func() error {
		if under.Add(1) == several {
			close(all)
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.spy.beforeDelete.Store(&before)
	removed, err := r.Sweep(t.Context(), time.Now(), func(s *sessions.Session) bool { return s.Owner.UID == string(i.UID) })
	if removed != several || err != nil {
		t.Errorf("%d removed (%v), want %d", removed, err, several)
	}
}

// A client that chooses when its token IDs expire must not fill etcd with those that expire at once.
func TestWhatHasExpiredTakesRoomUntilItIsRemoved(t *testing.T) {
	here, there := startReplica(t, restConfig, restConfig), startReplica(t, restConfig, restConfig)
	owner := newSession(newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})).Owner
	const most = 30
	expired := time.Now().Add(-time.Minute)
	spend := func(r replica, id string) error {
		return r.Spend(t.Context(), sessions.Spent{Owner: owner, Kind: sessions.KindNonce, TokenID: id, ExpiresAt: expired})
	}
	for n := range most {
		if err := spend(here, fmt.Sprint(n)); err != nil {
			t.Fatalf("spend %d of %d: %v", n+1, most, err)
		}
	}
	if err := spend(here, "one more"); !errors.Is(err, sessions.ErrFull) {
		t.Errorf("one more: got %v, want %v", err, sessions.ErrFull)
	}
	other := sessions.Spent{Owner: owner, Kind: sessions.KindAccessToken, TokenID: "other", ExpiresAt: expired}
	if err := here.Spend(t.Context(), other); err != nil {
		t.Errorf("another kind: %v", err)
	}
	// Each ends what is spent of its own accord, and the informer tells it what the other has removed.
	removed := 0
	eventually(t, func() int {
		n, err := there.Sweep(t.Context(), time.Now(), func(*sessions.Session) bool { return false })
		if err != nil {
			t.Error(err)
		}
		removed += n
		return removed
	}, most+1)
	eventually(t, func() bool { return spend(here, "one more") == nil }, true)
}

// What the informer does not know of, as it was removed while that was cut off, must not take room for good.
func TestWhatTheInformerMissedTakesNoRoomForGood(t *testing.T) {
	line, config := throughProxy(t)
	r := startReplica(t, config, restConfig)
	owner := newSession(newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})).Owner
	line.set(cut)
	spend := func(id string) error {
		expires := time.Now().Add(time.Minute)
		return r.Spend(t.Context(), sessions.Spent{Owner: owner, Kind: sessions.KindNonce, TokenID: id, ExpiresAt: expires})
	}
	for n := range 30 {
		if err := spend(fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := spend("one more"); !errors.Is(err, sessions.ErrFull) {
		t.Errorf("one more: got %v, want %v", err, sessions.ErrFull)
	}
	r.ahead.Store(int64(2 * time.Minute))
	if err := spend("one more"); err != nil {
		t.Errorf("once all have expired: %v", err)
	}
}
