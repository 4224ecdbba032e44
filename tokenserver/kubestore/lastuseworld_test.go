// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// rotation is when the client secrets of these tests were rotated.
var rotation = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// A fakeClock is set by the test.
type fakeClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A statusSpy notes when statuses were patched, by the clock, and may refuse to.
type statusSpy struct {
	client.Client
	clock  *fakeClock
	refuse func(name string) error

	mu      sync.Mutex
	written []time.Time
	tried   int
}

func (s *statusSpy) Status() client.SubResourceWriter {
	return &spiedStatus{SubResourceWriter: s.Client.Status(), spy: s}
}

type spiedStatus struct {
	client.SubResourceWriter
	spy *statusSpy
}

func (s *spiedStatus) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	err := s.refusal(o.GetName())
	if err == nil {
		err = s.SubResourceWriter.Patch(ctx, o, p, opts...)
	}
	s.spy.mu.Lock()
	defer s.spy.mu.Unlock()
	s.spy.tried++
	if err == nil {
		s.spy.written = append(s.spy.written, s.spy.clock.now())
	}
	return err
}

func (s *spiedStatus) refusal(name string) error {
	if s.spy.refuse == nil {
		return nil
	}
	return s.spy.refuse(name)
}

func (s *statusSpy) counts() (tried, written int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried, len(s.written)
}

// A noter is the LastUse of one replica, with a store of its own.
type noter struct {
	*kubestore.LastUse
	store *kubestore.Store
	spy   *statusSpy
	log   *logBuffer
	// ticks lets Start look again.
	ticks chan time.Time
}

// newNoter returns a replica that is synced, and reaches the API server on two ways.
func newNoter(t *testing.T, clock *fakeClock, informers, live *rest.Config) *noter {
	t.Helper()
	byObject, err := kubestore.CacheByObject("operator")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.New(informers, cache.Options{Scheme: scheme, ByObject: byObject})
	if err != nil {
		t.Fatal(err)
	}
	n := &noter{log: &logBuffer{}, ticks: make(chan time.Time)}
	if n.store, err = kubestore.New(t.Context(), c, kubestore.Options{OperatorNamespace: "operator"}); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	NewWithT(t).Eventually(n.store.Synced, deadline, 10*time.Millisecond).Should(BeTrue())
	direct, err := kubestore.LiveClient(live)
	if err != nil {
		t.Fatal(err)
	}
	n.spy = &statusSpy{Client: direct, clock: clock}
	n.LastUse = kubestore.NewLastUse(n.spy, n.store, kubestore.LastUseOptions{
		Now: clock.now, Log: n.log.logger(), After: func(time.Duration) <-chan time.Time { return n.ticks },
	})
	return n
}

// newRotated returns an Integration whose client secret was rotated, with the client that a replica makes of it.
func newRotated(t *testing.T, at *noter) (*v1alpha1.Integration, *clients.Client) {
	t.Helper()
	i := newIntegration(t, newNamespace(t), "app", v1alpha1.IntegrationSpec{})
	secret := credentials(i, "app", longSecret("new"))
	secret.Annotations[v1alpha1.AnnotationRotation] = v1alpha1.RotationRecord{
		RotatedAt: rotation.Add(123 * time.Millisecond),
		Previous:  &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf([]byte(longSecret("old"))), Until: rotation.Add(time.Hour)},
	}.Annotation()
	create(t, secret)
	setRotation(t, i, rotation)
	var c *clients.Client
	eventually(t, func() bool {
		c, _ = at.store.Client(i.Status.ClientID)
		return c != nil && !c.RotatedAt.IsZero() && sees(at, i)
	}, true)
	return i, c
}

// setRotation writes what the leader writes about a rotation.
func setRotation(t *testing.T, i *v1alpha1.Integration, at time.Time) {
	t.Helper()
	patchStatus(t, i, func(s *v1alpha1.IntegrationStatus) {
		s.Credentials = &v1alpha1.CredentialsStatus{
			SecretName: "app", LastRotationTime: &metav1.Time{Time: at},
			Previous: &v1alpha1.PreviousSecret{ExpiresAt: metav1.NewTime(at.Add(time.Hour))},
		}
	})
}

// sees reports whether a replica's informer has an Integration as it was last written.
func sees(at *noter, i *v1alpha1.Integration) bool {
	known, ok := at.store.Integration(client.ObjectKeyFromObject(i))
	return ok && known.ResourceVersion == i.ResourceVersion
}

// read reads an Integration anew.
func read(t *testing.T, i *v1alpha1.Integration) *v1alpha1.Integration {
	t.Helper()
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(i), i); err != nil {
		t.Fatal(err)
	}
	return i
}

// lastUsed returns what status says of the last use, or "none".
func lastUsed(t *testing.T, i *v1alpha1.Integration) string {
	t.Helper()
	status := read(t, i).Status.Credentials
	if status == nil || status.Previous == nil || status.Previous.LastUsedTime == nil {
		return "none"
	}
	return status.Previous.LastUsedTime.UTC().Format(time.TimeOnly)
}

// wantLastUsed checks what status says of the last use.
func wantLastUsed(t *testing.T, i *v1alpha1.Integration, want string) {
	t.Helper()
	if got := lastUsed(t, i); got != want {
		t.Errorf("status says that the previous secret was last used at %s, want %s", got, want)
	}
}

// rest waits until Start is done with what it does now: only then may the clock go on, as a write ends by the clock, too. There must be a
// use that it looks after.
func (n *noter) rest() {
	n.ticks <- n.spy.clock.now()
}

// run runs a replica's Start, and returns what ends it and waits for that.
func (n *noter) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Start returns %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
