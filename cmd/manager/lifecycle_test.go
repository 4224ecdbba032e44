// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// pauseEvery is how long a loop of requests pauses, so that it leaves the machine to what it asks.
const pauseEvery = 5 * time.Millisecond

func TestTenRotationsFailNoRequest(t *testing.T) {
	const rotations, size, killed = 10, 6, 3
	for _, tt := range []struct {
		name       string
		kills      bool
		retirement v1alpha1.Retirement
	}{
		{"with a leader that lives", false, v1alpha1.RetirementWhenUnused},
		{"with a leader that is killed at random points", true, v1alpha1.RetirementAfterOverlap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPair(t)
			namespace, policy := newOwnNamespace(t, everything())
			intg := apply(t, rotating(namespace, &v1alpha1.RotationSpec{
				Overlap: &metav1.Duration{Duration: 5 * time.Minute}, Retirement: tt.retirement,
			}))
			p.dial(intg)
			defer poke(t, policy)()
			f := startFleet(t, p, intg, size)
			seen := map[string]bool{string(credentialsOf(t, intg)["client_secret"]): true}
			random := rand.New(rand.NewPCG(4, uint64(time.Now().UnixNano())))
			for n := range rotations {
				since := intg.Status.Credentials.LastRotationTime
				if since == nil {
					since = &metav1.Time{}
				}
				p.request(intg)
				if tt.kills && n%(rotations/killed) == 1 {
					after := time.Duration(random.Int64N(int64(3 * pokeEvery)))
					t.Logf("rotation %d: the leader is killed after %s", n, after)
					select { // Not to wait for something, but to be anywhere in the rotation.
					case <-time.After(after):
					case <-t.Context().Done():
					}
					p.killLeader()
				}
				p.awaitRotation(intg, since)
				seen[string(credentialsOf(t, intg)["client_secret"])] = true
				p.awaitRetirement(intg)
				if t.Failed() {
					return
				}
			}
			f.stop()
			t.Logf("%d requests, %d client secrets", f.requests.Load(), len(seen))
			if len(seen) != rotations+1 || f.requests.Load() < 100*rotations {
				t.Errorf("%d client secrets and %d requests: there was too little to see", len(seen), f.requests.Load())
			}
		})
	}
}

func TestAClientThatNeverReadsAgain(t *testing.T) {
	p := startPair(t)
	namespace, policy := newOwnNamespace(t, everything())
	intg := apply(t, rotating(namespace, &v1alpha1.RotationSpec{
		Overlap: &metav1.Duration{Duration: 5 * time.Minute}, MaxOverlap: &metav1.Duration{Duration: 24 * time.Hour},
	}))
	p.dial(intg)
	defer poke(t, policy)()
	old := credentialsOf(t, intg)
	p.request(intg)
	p.awaitRotation(intg, &metav1.Time{})
	rotated := intg.Status.Credentials.LastRotationTime.Time

	// For six overlaps, only at one of the replicas.
	pause := time.NewTicker(pauseEvery)
	defer pause.Stop()
	for ; p.now().Before(rotated.Add(30 * time.Minute)); <-pause.C {
		if err := p.token(t.Context(), 1, string(old["client_id"]), string(old["client_secret"])); err != nil {
			t.Fatalf("%s after the rotation: %v", p.now().Sub(rotated), err)
		}
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg); err != nil {
		t.Fatal(err)
	}
	previous := intg.Status.Credentials.Previous
	if previous == nil || previous.LastUsedTime == nil || p.now().Sub(previous.LastUsedTime.Time) > 5*time.Minute {
		t.Fatalf("at %s the status should show who still uses the previous secret: %+v", p.now(), previous)
	}
	if !previous.ExpiresAt.Time.Equal(rotated.Add(24 * time.Hour)) {
		t.Errorf("the previous secret is accepted until %s, want 24h after %s", previous.ExpiresAt, rotated)
	}
	told := false
	for _, e := range eventsAbout(t, intg) {
		told = told || e.Type == corev1.EventTypeWarning && e.Reason == v1alpha1.ReasonPreviousSecretInUse
	}
	if !told {
		t.Errorf("no event says %s: %+v", v1alpha1.ReasonPreviousSecretInUse, eventsAbout(t, intg))
	}

	// Once it has moved to the new secret, the old one goes.
	fresh := credentialsOf(t, intg)
	if err := p.token(t.Context(), 0, string(fresh["client_id"]), string(fresh["client_secret"])); err != nil {
		t.Error(err)
	}
	p.awaitRetirement(intg)
	for i := range p.hc {
		if !within(patience, func() bool {
			status, _, err := requestToken(t.Context(), p.hc[i], p.issuer, string(old["client_id"]), string(old["client_secret"]))
			return err == nil && status == http.StatusUnauthorized
		}) {
			t.Errorf("replica %d accepts a secret that is retired", i)
		}
	}
}

// eventsAbout returns the events about an Integration.
func eventsAbout(t *testing.T, intg *v1alpha1.Integration) []eventsv1.Event {
	t.Helper()
	all := &eventsv1.EventList{}
	if err := admin.List(t.Context(), all, client.InNamespace(intg.Namespace)); err != nil {
		t.Fatal(err)
	}
	var about []eventsv1.Event
	for i := range all.Items {
		if all.Items[i].Regarding.UID == intg.UID {
			about = append(about, all.Items[i])
		}
	}
	return about
}

func TestANarrowedPolicyCountsOnEveryReplicaWithinTwoSeconds(t *testing.T) {
	allowance := everything()
	allowance.Scopes = []v1alpha1.Pattern{"orders.*"}
	namespace, policy := newOwnNamespace(t, allowance)
	at, _, _ := startTwo(t, nil)
	issuer := at[0].issuer
	intg := orderSync(namespace)
	apply(t, intg)
	data := credentialsOf(t, intg)
	for i := range at {
		at[i] = &endpoint{hc: at[i].hc, issuer: issuer, data: data}
	}
	wider := func(i int) int {
		r, err := at[i].post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials", "scope", "orders.write")
		if err != nil {
			t.Fatal(err)
		}
		return r.status
	}
	allow := func(scopes []v1alpha1.Pattern) {
		changed := policy.DeepCopy()
		changed.Spec.Allow.Scopes = scopes
		if err := admin.Patch(t.Context(), changed, client.MergeFrom(policy)); err != nil {
			t.Fatal(err)
		}
		policy = changed
	}
	say := func(want int) func() bool {
		return func() bool { return wider(0) == want && wider(1) == want }
	}
	allowed, before := policy.Spec.Allow.Scopes, http.StatusOK
	for _, tt := range []struct {
		name   string
		scopes []v1alpha1.Pattern
		want   int
	}{
		{"as it was", allowed, http.StatusOK},
		{"narrowed", []v1alpha1.Pattern{"orders.read"}, http.StatusBadRequest},
		{"widened again", []v1alpha1.Pattern{"orders.read", "*.write"}, http.StatusOK},
		{"with a typo", []v1alpha1.Pattern{"oders.*"}, http.StatusBadRequest},
		{"back", allowed, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A busy machine may be late now and then; a replica that does not hear of it in time is late always.
			former := policy.Spec.Allow.Scopes
			for range 5 {
				allow(tt.scopes)
				if within(2*time.Second, say(tt.want)) {
					before = tt.want
					return
				}
				allow(former)
				if !within(patience, say(before)) {
					t.Fatalf("back at what it was, the replicas say %d and %d, want %d", wider(0), wider(1), before)
				}
			}
			t.Fatalf("the replicas do not say %d within two seconds", tt.want)
		})
	}

	t.Run("a typo takes nothing away that another policy allows", func(t *testing.T) {
		other := policy.DeepCopy()
		other.ObjectMeta = metav1.ObjectMeta{Name: namespace + "-other"}
		other.Spec.Allow.MaxTokenLifetime = nil
		if err := admin.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin.Delete(context.WithoutCancel(t.Context()), other) })
		changed := policy.DeepCopy()
		changed.Spec.Allow.Scopes = []v1alpha1.Pattern{"oders.*"}
		changed.Spec.Allow.MaxTokenLifetime = &metav1.Duration{Duration: 5 * time.Minute}
		if err := admin.Patch(t.Context(), changed, client.MergeFrom(policy)); err != nil {
			t.Fatal(err)
		}
		// The shorter lifetime shows that the leader has seen the change.
		NewWithT(t).Eventually(func(g Gomega) {
			g.Expect(wider(0)).To(Equal(http.StatusOK))
			g.Expect(wider(1)).To(Equal(http.StatusOK))
			g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
			g.Expect(intg.Status.Granted.Lifetime.Duration).To(Equal(5 * time.Minute))
		}, patience, poll).Should(Succeed())
		for i := range at {
			if got := wider(i); got != http.StatusOK {
				t.Errorf("replica %d: %d: the typo took away what the other policy allows", i, got)
			}
		}
	})
}

func TestDeliveredTokensAreGood(t *testing.T) {
	p := startPair(t)
	namespace, policy := newOwnNamespace(t, everything())
	intg := orderSync(namespace)
	intg.Spec.Token.Lifetime = &metav1.Duration{Duration: 10 * time.Minute}
	intg.Spec.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{
		{Key: "access_token"}, {Key: "read_token", Scopes: &[]string{"orders.read"}, Audience: intg.Spec.Audiences[0]},
	}
	apply(t, intg)
	p.dial(intg)
	defer poke(t, policy)()

	// An API asks about it as about any other; for five lifetimes it is never out of date. A third of a lifetime is what the leader has to
	// renew it, and that is three seconds here.
	tokens := map[string]bool{}
	start := p.now()
	verify := func(token, query string) int {
		status, _, err := (&endpoint{hc: p.hc[0], issuer: p.issuer}).verify(t.Context(), token, query)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	pause := time.NewTicker(pauseEvery)
	defer pause.Stop()
	for ; p.now().Before(start.Add(50 * time.Minute)); <-pause.C {
		data := credentialsOf(t, intg)
		token := string(data["access_token"])
		tokens[token] = true
		query := "?audience=" + url.QueryEscape(intg.Spec.Audiences[0]) + "&scope="
		if got := verify(token, query+"orders.write"); got != http.StatusNoContent {
			t.Fatalf("%s after the start, with %s: %d", p.now().Sub(start), data["access_token_expires_at"], got)
		}
		if got := verify(string(data["read_token"]), query+"orders.read"); got != http.StatusNoContent {
			t.Fatalf("%s after the start: the narrow token: %d", p.now().Sub(start), got)
		}
		if got := verify(string(data["read_token"]), query+"orders.write"); got != http.StatusForbidden {
			t.Fatalf("%s after the start: the narrow token is too wide: %d", p.now().Sub(start), got)
		}
		expires, err := time.Parse(time.RFC3339, string(data["access_token_expires_at"]))
		if err != nil || !expires.After(p.now()) {
			t.Fatalf("expires_at is %q at %s: %v", data["access_token_expires_at"], p.now(), err)
		}
	}
	if len(tokens) < 5 || len(tokens) > 20 {
		t.Errorf("%d tokens in five lifetimes, want one each two thirds of a lifetime", len(tokens))
	}
}
