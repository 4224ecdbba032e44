// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

func TestARevocationCountsThoughTheWatchLags(t *testing.T) {
	// The informers of the one replica are cut off before anything is revoked.
	line, config := throughProxy(t)
	cutOff, other := startReplica(t, config, restConfig), startReplica(t, restConfig, restConfig)
	owner := newSession(newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})).Owner
	line.set(cut)
	spent := func(id string) sessions.Spent {
		return sessions.Spent{Owner: owner, Kind: sessions.KindAccessToken, TokenID: id, ExpiresAt: time.Now().Add(time.Hour)}
	}
	if err := errors.Join(cutOff.Spend(t.Context(), spent("here")), other.Spend(t.Context(), spent("there"))); err != nil {
		t.Fatal(err)
	}
	// Whoever is told that a token is revoked already may rely on it as well.
	if err := cutOff.Spend(t.Context(), spent("there")); !errors.Is(err, sessions.ErrUsed) {
		t.Errorf("spend again: %v, want %v", err, sessions.ErrUsed)
	}
	for _, tt := range []struct {
		ahead time.Duration
		want  bool
	}{{0, true}, {59 * time.Minute, true}, {61 * time.Minute, false}} {
		cutOff.ahead.Store(int64(tt.ahead))
		// Something else that is spent has the replica forget what it may forget.
		if err := cutOff.Spend(t.Context(), spent(fmt.Sprint("at ", tt.ahead))); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"here", "there"} {
			if got, _, err := cutOff.Standing(t.Context(), owner, id, ""); got != tt.want || err != nil {
				t.Errorf("%s, after %s: spent %t (%v), want %t", id, tt.ahead, got, err, tt.want)
			}
		}
	}
}

func TestAReplayOfAnEndedSessionCostsNoCall(t *testing.T) {
	here, there := startReplica(t, restConfig, restConfig), startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, here, i)
	eventually(t, func() bool { return there.Knows(s.Owner, s.ID) }, true)
	if err := here.End(t.Context(), s.Owner, s.ID); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]replica{"where it ended": here, "elsewhere": there} {
		eventually(t, func() bool { return r.Knows(s.Owner, s.ID) }, false)
		before := r.spy.reads.Load()
		for range 5 {
			if _, err := r.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("%s: get: %v, want %v", name, err, sessions.ErrNotFound)
			}
			if err := r.End(t.Context(), s.Owner, s.ID); err != nil {
				t.Errorf("%s: end: %v", name, err)
			}
		}
		if got := r.spy.reads.Load() - before; got != 0 {
			t.Errorf("%s: %d reads, want 0", name, got)
		}
	}
}

func TestCallsAreBoundedInNumber(t *testing.T) {
	const most = 64
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	release := make(chan struct{})
	wait := func() {
		if r.spy.reads.Load() <= most {
			<-release
		}
	}
	r.spy.beforeGet.Store(&wait)
	var group sync.WaitGroup
	for range most {
		group.Go(func() { _, _ = r.Get(t.Context(), s.Owner, s.ID) })
	}
	NewWithT(t).Eventually(r.spy.reads.Load, deadline, time.Millisecond).Should(BeEquivalentTo(most))
	var waiting sync.WaitGroup
	for name, call := range map[string]func() error{
		"get":     func() error { _, err := r.Get(t.Context(), s.Owner, s.ID); return err },
		"create":  func() error { return r.Create(t.Context(), newSession(i), 9) },
		"replace": func() error { return r.Replace(t.Context(), s) },
		"end a user's sessions": func() error {
			_, err := endUser(t, r, s)
			return err
		},
		"spend": func() error {
			return r.Spend(t.Context(), sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: "j", ExpiresAt: s.ExpiresAt})
		},
		"sweep": func() error {
			_, err := r.Sweep(t.Context(), time.Now(), func(d *sessions.Session) bool { return d.ID == s.ID })
			return err
		},
	} {
		waiting.Go(func() {
			if err := call(); !errors.Is(err, sessions.ErrUnavailable) {
				t.Errorf("%s beside %d others: %v, want %v", name, most, err, sessions.ErrUnavailable)
			}
		})
	}
	waiting.Wait()
	if got := r.spy.reads.Load(); got != most {
		t.Errorf("%d reads at once, want %d", got, most)
	}
	close(release)
	group.Wait()
	if _, err := r.Get(t.Context(), s.Owner, s.ID); err != nil {
		t.Errorf("get when there is room again: %v", err)
	}
}
