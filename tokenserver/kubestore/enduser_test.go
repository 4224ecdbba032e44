// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// unlabel makes the TokenSession of a session one from before the label of its user existed.
func unlabel(t *testing.T, s *sessions.Session) {
	t.Helper()
	patch(t, objectFor(t, s), func(o *v1alpha1.TokenSession) {
		maps.DeleteFunc(o.Labels, func(key, _ string) bool { return key != v1alpha1.LabelIntegration })
	})
}

// endUser ends the sessions of a session's user at a replica.
func endUser(t *testing.T, at replica, s *sessions.Session) (int, error) {
	t.Helper()
	return at.EndUser(t.Context(), s.Owner, s.Username, s.UserKind)
}

func TestAUsersSessionsAreFoundWhateverTheirLabels(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	r.spy.page.Store(2)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	var theirs, others []*sessions.Session
	for n := range 10 {
		s := createSession(t, r, i)
		if n%2 == 0 {
			unlabel(t, s)
		}
		theirs = append(theirs, s)
	}
	for n := range 3 {
		s := newSession(i)
		s.Username = "bob"
		if err := r.Create(t.Context(), s, 100); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			unlabel(t, s)
		}
		others = append(others, s)
	}
	// A label that is another user's makes nobody that user.
	patch(t, objectFor(t, others[0]), func(o *v1alpha1.TokenSession) { o.Labels = objectFor(t, theirs[1]).Labels })

	if ended, err := endUser(t, r, theirs[0]); ended != len(theirs) || err != nil {
		t.Errorf("got %d ended (%v), want %d", ended, err, len(theirs))
	}
	for _, s := range theirs {
		if _, err := r.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("get: %v, want %v", err, sessions.ErrNotFound)
		}
	}
	for _, s := range others {
		if _, err := r.Get(t.Context(), s.Owner, s.ID); err != nil {
			t.Errorf("another user's session: %v", err)
		}
	}
	if got := r.spy.lists.Load(); got < 7 {
		t.Errorf("%d lists, want three pages of labelled sessions and four of others at least", got)
	}
}

func TestTheEndOfAUsersSessionsReachesAReplicaThatIsCutOff(t *testing.T) {
	line, config := throughProxy(t)
	cutOff, there := startReplica(t, config, restConfig), startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	line.set(cut)
	s := createSession(t, there, i)
	if cutOff.Knows(s.Owner, s.ID) {
		t.Fatal("the informer knows the session, so the test shows nothing")
	}
	if ended, err := endUser(t, cutOff, s); ended != 1 || err != nil {
		t.Errorf("got %d ended (%v), want the one that the informer does not know", ended, err)
	}
	if got := standing(t, cutOff, s)(); got != "ended" {
		t.Errorf("standing: %s, want ended", got)
	}
	eventually(t, standing(t, there, s), "ended")
}

func TestAUsersSessionsEndWhereOneIsRefused(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	var theirs []*sessions.Session
	for range 4 {
		theirs = append(theirs, createSession(t, r, i))
	}
	refusals := make(chan error, 1)
	refusals <- apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("tokensessions").GroupResource(), "app", nil)
	refuse := func() error {
		select {
		case err := <-refusals:
			return err
		default:
			return nil
		}
	}
	r.spy.beforeDelete.Store(&refuse)
	if ended, err := endUser(t, r, theirs[0]); ended != 3 || !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("got %d ended (%v), want 3 and %v", ended, err, sessions.ErrUnavailable)
	}
	if ended, err := endUser(t, r, theirs[0]); ended != 1 || err != nil {
		t.Errorf("got %d ended (%v), want the one that is left", ended, err)
	}
}

func TestASessionThatAFinalizerHoldsEndsWithItsUsersOnce(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	patch(t, objectFor(t, s), func(o *v1alpha1.TokenSession) { o.Finalizers = []string{"example.com/hold"} })
	var counts []int
	for range 2 {
		ended, err := endUser(t, r, s)
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, ended)
	}
	if want := []int{1, 0}; !slices.Equal(counts, want) {
		t.Errorf("got %v ended, want %v", counts, want)
	}
	if got := standing(t, r, s)(); got != "ended" {
		t.Errorf("standing: %s, want ended", got)
	}
	patch(t, objectFor(t, s), func(o *v1alpha1.TokenSession) { o.Finalizers = nil })
}
