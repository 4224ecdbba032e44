// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"errors"
	"testing"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// newVisit returns a visitor's session that is yet to be created.
func newVisit(i *v1alpha1.Integration) *sessions.Session {
	s := newSession(i)
	s.Username, s.UserKind = "visitor:0123456789abcdef0123", clients.KindVisitor
	return s
}

func TestAVisitorWhoRefreshesAllTheTimeMakesRoom(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	customer, visit := createSession(t, r, i), newVisit(i)
	if err := r.Create(t.Context(), visit, 2); err != nil {
		t.Fatal(err)
	}
	refreshed := *visit
	refresh := func() error {
		refreshed.Rotations++
		return r.Replace(t.Context(), &refreshed)
	}
	r.spy.beforeDelete.Store(&refresh)
	last := newSession(i)
	if err := r.Create(t.Context(), last, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(t.Context(), visit.Owner, visit.ID); !errors.Is(err, sessions.ErrNotFound) || refreshed.Rotations != 1 {
		t.Errorf("the visitor, after %d refreshes: %v, want %v", refreshed.Rotations, err, sessions.ErrNotFound)
	}
	for name, s := range map[string]*sessions.Session{"the first login": customer, "the last one": last} {
		if _, err := r.Get(t.Context(), s.Owner, s.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Until the leader removes it, an expired session is there and counts for nothing.
func TestAnExpiredSessionMakesRoomForAVisitor(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	expired, visit := newSession(i), newVisit(i)
	expired.ExpiresAt = time.Now().Add(time.Minute).UTC().Truncate(time.Second)
	if err := r.Create(t.Context(), expired, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Create(t.Context(), visit, 1); !errors.Is(err, sessions.ErrNoRoom) {
		t.Errorf("before it has expired: %v, want %v", err, sessions.ErrNoRoom)
	}
	r.ahead.Store(int64(2 * time.Minute))
	if err := r.Create(t.Context(), visit, 1); err != nil {
		t.Errorf("once it has expired: %v", err)
	}
	if _, err := r.Get(t.Context(), expired.Owner, expired.ID); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("the expired session: %v, want %v", err, sessions.ErrNotFound)
	}
}

// A login elsewhere may take the last room a moment after a visitor's was admitted.
func TestAVisitorIsNeverTheReasonThatAnotherLoginEnds(t *testing.T) {
	here, there := startReplica(t, restConfig, restConfig), startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	customer, other := createSession(t, here, i), newSession(i)
	eventually(t, func() bool { return there.Knows(customer.Owner, customer.ID) }, true)
	meanwhile := func() {
		if err := here.Create(t.Context(), other, 2); err != nil {
			t.Error(err)
		}
		eventually(t, func() bool { return there.Knows(other.Owner, other.ID) }, true)
	}
	there.spy.beforeCreate.Store(&meanwhile)
	if err := there.Create(t.Context(), newVisit(i), 2); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*sessions.Session{"before": customer, "meanwhile": other} {
		if _, err := here.Get(t.Context(), s.Owner, s.ID); err != nil {
			t.Errorf("the login %s: %v", name, err)
		}
	}
}
