// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
)

// A counted store has told every replica of a session before a Create that may make another one go returns: how many there are is
// counted by what a replica knows.
type counted struct {
	sessions.Store
	replicas []replica
}

func (c counted) Create(ctx context.Context, s *sessions.Session, most int) error {
	if err := c.Store.Create(ctx, s, most); err != nil || most > 100 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, r := range c.replicas {
		for !r.Knows(s.Owner, s.ID) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
	return nil
}

func TestSessionsKeepTheStoresWord(t *testing.T) {
	line, config := throughProxy(t)
	replicas := []replica{startReplica(t, config, config), startReplica(t, config, config)}
	sessionstest.Run(t, func(*testing.T) []sessions.Store {
		return []sessions.Store{counted{replicas[0], replicas}, counted{replicas[1], replicas}}
	}, sessionstest.Options{
		Now: time.Now, MostSpent: 30, NewNamespace: newNamespace, StandingFromMemory: true,
		Break: func(*testing.T) func() {
			line.set(cut)
			return func() { line.set(open) }
		},
	})
}

func TestDeletingATokenSessionEndsTheLoginOnEveryReplica(t *testing.T) {
	here, there := startReplica(t, restConfig, restConfig), startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app.v2", v1alpha1.IntegrationSpec{}) // A name with a dot.
	s := createSession(t, here, i)
	object := objectFor(t, s)
	if owner := metav1.GetControllerOf(object); owner == nil || owner.UID != i.UID || owner.BlockOwnerDeletion != nil ||
		object.Labels[v1alpha1.LabelIntegration] != i.Name {
		t.Errorf("metadata: %+v", object.ObjectMeta)
	}
	for _, r := range []replica{here, there} {
		eventually(t, standing(t, r, s), "there")
	}
	remove(t, object)
	for _, r := range []replica{here, there} {
		eventually(t, standing(t, r, s), "ended")
		if _, err := r.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("get: %v, want %v", err, sessions.ErrNotFound)
		}
	}
}

func TestASessionThatAFinalizerHoldsHasEnded(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	held, other := createSession(t, r, i), createSession(t, r, i)
	object := objectFor(t, held)
	patch(t, object, func(o *v1alpha1.TokenSession) { o.Finalizers = []string{"example.com/hold"} })
	before, err := r.Get(t.Context(), held.Owner, held.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.End(t.Context(), held.Owner, held.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(t.Context(), held.Owner, held.ID); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("get: %v, want %v", err, sessions.ErrNotFound)
	}
	if err := r.Replace(t.Context(), before); !errors.Is(err, sessions.ErrNotFound) {
		t.Errorf("replace: %v, want %v", err, sessions.ErrNotFound)
	}
	eventually(t, standing(t, r, held), "ended")
	// It takes no other session's place.
	third := newSession(i)
	if err := r.Create(t.Context(), third, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(t.Context(), other.Owner, other.ID); err != nil {
		t.Errorf("the other session: %v", err)
	}
	// Nor is it swept again and again.
	dead := func(s *sessions.Session) bool { return s.ID == held.ID }
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != 0 || err != nil {
		t.Errorf("a sweep removed %d (%v), want 0", removed, err)
	}
	patch(t, objectFor(t, held), func(o *v1alpha1.TokenSession) { o.Finalizers = nil })
}

func TestWhatIsNotASessionOfTheOwnerCountsForNothing(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	for _, tt := range []struct {
		name string
		edit func(*v1alpha1.TokenSession)
	}{
		{"without a controller", func(o *v1alpha1.TokenSession) { o.OwnerReferences = nil }},
		{"with an owner that is not the controller", func(o *v1alpha1.TokenSession) { o.OwnerReferences[0].Controller = nil }},
		{"of another Integration's UID", func(o *v1alpha1.TokenSession) { o.OwnerReferences[0].UID = "other" }},
		{"of an owner of another name", func(o *v1alpha1.TokenSession) { o.OwnerReferences[0].Name = "other" }},
		{"of an owner of another kind", func(o *v1alpha1.TokenSession) { o.OwnerReferences[0].Kind = "Deployment" }},
		{"of an owner of another API group", func(o *v1alpha1.TokenSession) { o.OwnerReferences[0].APIVersion = "apps/v1" }},
		{"whose spec names another Integration", func(o *v1alpha1.TokenSession) { o.Spec.Integration = "other" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
			sound := objectFor(t, createSession(t, r, i))
			s := newSession(i)
			object := &v1alpha1.TokenSession{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: i.Namespace, Name: i.Name + "-" + s.ID, OwnerReferences: sound.OwnerReferences,
				},
				Spec: sound.Spec, Status: sound.Status,
			}
			tt.edit(object)
			create(t, object)
			eventually(t, func() bool { return r.Knows(s.Owner, s.ID) }, true)
			if got, err := r.Get(t.Context(), s.Owner, s.ID); !errors.Is(err, sessions.ErrNotFound) {
				t.Errorf("get: %v, %v, want %v", got, err, sessions.ErrNotFound)
			}
			if got := standing(t, r, s)(); got != "ended" {
				t.Errorf("standing: %s, want ended", got)
			}
			if err := r.End(t.Context(), s.Owner, s.ID); err != nil {
				t.Errorf("end: %v", err)
			}
			asked := false
			dead := func(d *sessions.Session) bool {
				asked = asked || d.ID == s.ID && d.Owner == s.Owner
				return false
			}
			if _, err := r.Sweep(t.Context(), time.Now(), dead); err != nil || asked {
				t.Errorf("sweep: %v; asked whether it is dead: %t", err, asked)
			}
			objectFor(t, s) // It is still there.
		})
	}
}

func TestAnEndedSessionCostsOneRead(t *testing.T) {
	here, there := startReplica(t, restConfig, restConfig), startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	unknown := newSession(i)
	for range 20 {
		if got := standing(t, here, unknown)(); got != "ended" {
			t.Fatalf("standing: %s, want ended", got)
		}
	}
	if got := here.spy.reads.Load(); got != 1 {
		t.Errorf("%d reads of a session that never was, want 1", got)
	}

	s := createSession(t, here, i)
	eventually(t, func() bool { return there.Knows(s.Owner, s.ID) }, true)
	if got := standing(t, here, s)() + ", " + standing(t, there, s)(); got != "there, there" {
		t.Errorf("standing: %s", got)
	}
	if err := here.End(t.Context(), s.Owner, s.ID); err != nil {
		t.Fatal(err)
	}
	ending := here.spy.reads.Load()
	for _, r := range []replica{here, there} {
		eventually(t, standing(t, r, s), "ended")
	}
	if got := here.spy.reads.Load() - ending + there.spy.reads.Load(); got != 0 {
		t.Errorf("%d reads of a session that both replicas knew, want 0", got)
	}
}

func TestASessionCreatedAMomentAgoElsewhereIsConfirmed(t *testing.T) {
	// The informer of the one replica is cut off before the session is created.
	line, config := throughProxy(t)
	cutOff := startReplica(t, config, restConfig)
	here := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	line.set(cut)
	s := createSession(t, here, i)
	if cutOff.Knows(s.Owner, s.ID) {
		t.Fatal("the informer knows the session, so the test shows nothing")
	}
	if got := standing(t, cutOff, s)(); got != "there" || cutOff.spy.reads.Load() != 1 {
		t.Errorf("standing: %s after %d reads, want there after 1", got, cutOff.spy.reads.Load())
	}
}

func TestNothingStandsBeforeTheCachesAreSynced(t *testing.T) {
	r, c := newReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	spent := sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: "jti", ExpiresAt: time.Now().Add(time.Hour)}
	if err := r.Spend(t.Context(), spent); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Standing(t.Context(), s.Owner, "jti", s.ID); !errors.Is(err, sessions.ErrUnavailable) {
		t.Errorf("standing: %v, want %v", err, sessions.ErrUnavailable)
	}
	start(t, c)
	NewWithT(t).Eventually(r.Synced, deadline, 10*time.Millisecond).Should(BeTrue())
	if revoked, got, err := r.Standing(t.Context(), s.Owner, "jti", s.ID); !revoked || got == nil || err != nil {
		t.Errorf("standing: %t, %v, %v, want a spent token of a session that is there", revoked, got, err)
	}
}

func TestAnAPIServerThatGoesSilentIsUnavailableInTime(t *testing.T) {
	line, config := throughProxy(t)
	r := startReplica(t, restConfig, config)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	line.hush()
	calls := map[string]func(context.Context) error{
		"get":     func(ctx context.Context) error { _, err := r.Get(ctx, s.Owner, s.ID); return err },
		"create":  func(ctx context.Context) error { return r.Create(ctx, newSession(i), 1) },
		"replace": func(ctx context.Context) error { return r.Replace(ctx, s) },
		"end":     func(ctx context.Context) error { return r.End(ctx, s.Owner, s.ID) },
		"end a user's sessions": func(ctx context.Context) error {
			_, err := r.EndUser(ctx, s.Owner, s.Username, s.UserKind)
			return err
		},
		"spend": func(ctx context.Context) error {
			return r.Spend(ctx, sessions.Spent{Owner: s.Owner, Kind: sessions.KindAccessToken, TokenID: "j", ExpiresAt: s.ExpiresAt})
		},
		"standing": func(ctx context.Context) error {
			_, _, err := r.Standing(ctx, s.Owner, "", sessions.NewID())
			return err
		},
	}
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			err := call(ctx)
			if !errors.Is(err, sessions.ErrUnavailable) || ctx.Err() != nil {
				t.Errorf("%s: got %v, want %v before the caller gives up", name, err, sessions.ErrUnavailable)
			}
			if err != nil && (strings.Contains(err.Error(), "://") || strings.Contains(err.Error(), "?")) {
				t.Errorf("%s: the error holds a URL: %v", name, err)
			}
		})
	}
	group.Wait()
	if got := standing(t, r, s)(); got != "there" {
		t.Errorf("standing of a known session: %s, want there", got)
	}
}

func TestARefreshLeavesAloneWhatOthersWrote(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	patch(t, objectFor(t, s), func(o *v1alpha1.TokenSession) {
		o.Labels["team"], o.Annotations = "shop", map[string]string{"note": "kept"}
	})
	s, err := r.Get(t.Context(), s.Owner, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.Previous, s.Current, s.Rotations, s.RotatedAt = s.Current, sha256.Sum256([]byte("next")), 1, time.Now()
	if err := r.Replace(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	object := objectFor(t, s)
	if object.Labels["team"] != "shop" || object.Annotations["note"] != "kept" || object.Status.Rotations != 1 {
		t.Errorf("labels %v, annotations %v, %d refreshes", object.Labels, object.Annotations, object.Status.Rotations)
	}
	// What is emptied is gone.
	s.Previous, s.RotatedAt, s.Rotations = [sha256.Size]byte{}, time.Time{}, 0
	if err := r.Replace(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(t.Context(), s.Owner, s.ID)
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestASweepLeavesWhatWasRefreshedMeanwhile(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	refreshed := false
	refresh := func() error {
		if refreshed {
			return nil
		}
		refreshed = true
		s.Rotations++
		s.ExpiresAt = s.ExpiresAt.Add(time.Hour)
		return r.Replace(t.Context(), s)
	}
	r.spy.beforeDelete.Store(&refresh)
	dead := func(d *sessions.Session) bool { return d.ID == s.ID }
	if removed, err := r.Sweep(t.Context(), time.Now(), dead); removed != 0 || err != nil || !refreshed {
		t.Errorf("a sweep removed %d (%v), want 0", removed, err)
	}
	eventually(t, func() int64 {
		_, got, err := r.Standing(t.Context(), s.Owner, "", s.ID)
		if err != nil || got == nil {
			return -1
		}
		return got.Rotations
	}, s.Rotations)

	// The same holds when others have to make room: then the one that expires next goes.
	refreshed = true
	next, last := newSession(i), newSession(i)
	next.ExpiresAt = s.ExpiresAt.Add(time.Hour)
	last.ExpiresAt = next.ExpiresAt
	if err := r.Create(t.Context(), next, 2); err != nil {
		t.Fatal(err)
	}
	refreshed = false
	if err := r.Create(t.Context(), last, 2); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for name, session := range map[string]*sessions.Session{"refreshed": s, "next": next, "last": last} {
		_, err := r.Get(t.Context(), session.Owner, session.ID)
		there[name] = err == nil
	}
	if diff := cmp.Diff(map[string]bool{"refreshed": true, "next": false, "last": true}, there); diff != "" {
		t.Errorf("which sessions are left (-want +got):\n%s", diff)
	}
}

func TestALoginSucceedsThoughNoOtherCanMakeRoom(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	refuse := func() error { return errors.New("refused") }
	r.spy.beforeDelete.Store(&refuse)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	createSession(t, r, i)
	s := newSession(i)
	if err := r.Create(t.Context(), s, 1); err != nil || s.Version == "" {
		t.Errorf("create: %v, want nil", err)
	}
	if !strings.Contains(r.log.String(), slog.LevelWarn.String()) || !strings.Contains(r.log.String(), i.Namespace+"/app") {
		t.Errorf("want a warning that names the Integration, got:\n%s", r.log)
	}
}

func TestANamespaceThatIsGoingIsUnavailable(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	s := createSession(t, r, i)
	// Without a namespace controller it stays in that state.
	remove(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: i.Namespace}})
	eventually(t, func() bool { return errors.Is(r.Create(t.Context(), newSession(i), 9), sessions.ErrUnavailable) }, true)
	if err := r.End(t.Context(), s.Owner, s.ID); err != nil {
		t.Errorf("end: %v", err)
	}
}

func TestARevocationLastsAsLongAsTheToken(t *testing.T) {
	r := startReplica(t, restConfig, restConfig)
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	owner := newSession(i).Owner
	expires := time.Now().Truncate(time.Second).Add(time.Hour + time.Millisecond)
	spent := sessions.Spent{Owner: owner, Kind: sessions.KindAccessToken, TokenID: "s3cr3t-jti", ExpiresAt: expires}
	if err := r.Spend(t.Context(), spent); err != nil {
		t.Fatal(err)
	}
	object := &v1alpha1.TokenRevocation{}
	name := types.NamespacedName{Namespace: i.Namespace, Name: kubestore.RevocationName(owner, spent.Kind, spent.TokenID)}
	if err := k8sClient.Get(t.Context(), name, object); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.TokenRevocationSpec{
		Integration: "app", TokenType: "AccessToken", ExpiresAt: metav1.NewTime(expires.Truncate(time.Second).Add(time.Second)),
	}
	if diff := cmp.Diff(want, object.Spec); diff != "" || strings.Contains(object.Name, "s3cr3t") {
		t.Errorf("TokenRevocation %s (-want +got):\n%s", object.Name, diff)
	}
	nobody := func(*sessions.Session) bool { return false }
	for _, tt := range []struct {
		now  time.Time
		want bool
	}{{expires, true}, {expires.Add(time.Second), false}} {
		if _, err := r.Sweep(t.Context(), tt.now, nobody); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool {
			revoked, _, err := r.Standing(t.Context(), owner, spent.TokenID, "")
			return revoked && err == nil
		}, tt.want)
	}
}
