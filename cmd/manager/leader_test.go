// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// countingCache hands out one informer and counts the handlers on it.
type countingCache struct {
	cache.Cache
	handlers int
}

func (c *countingCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return &countingInformer{cache: c}, nil
}

type countingInformer struct {
	cache.Informer
	cache *countingCache
}

func (i *countingInformer) AddEventHandlerWithOptions(
	toolscache.ResourceEventHandler, toolscache.HandlerOptions,
) (toolscache.ResourceEventHandlerRegistration, error) {
	i.cache.handlers++
	return nil, nil
}

func (i *countingInformer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	i.cache.handlers--
	return nil
}

func TestATermTakesItsEventHandlersWithIt(t *testing.T) {
	shared := &countingCache{}
	for term := range 3 {
		lent := &termCache{Cache: shared}
		informer, err := lent.GetInformer(t.Context(), &corev1.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := informer.AddEventHandlerWithOptions(nil, toolscache.HandlerOptions{}); err != nil {
			t.Fatal(err)
		}
		if shared.handlers != 1 {
			t.Fatalf("term %d: %d handlers, want its own", term, shared.handlers)
		}
		ctx, end := context.WithCancel(t.Context())
		end()
		if err := lent.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if shared.handlers != 0 {
			t.Fatalf("term %d: %d handlers stay behind", term, shared.handlers)
		}
	}
}

// holder returns who holds the lease of a namespace.
func holder(ctx context.Context, t *testing.T, namespace string) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: leaseName}, lease)
	if err != nil {
		t.Errorf("get the lease: %v", err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func TestTheLeaseIsGivenUpAfterTheLeaderHasStopped(t *testing.T) {
	namespace := newNamespace(t)
	leading, mayStop := make(chan struct{}), make(chan struct{})
	heldAtTheEnd := ""
	lead := func(ctx context.Context) error {
		close(leading)
		<-ctx.Done()
		<-mayStop // Work that takes its time to end.
		heldAtTheEnd = holder(context.WithoutCancel(ctx), t, namespace)
		return nil
	}
	loop := &leaderLoop{config: plane.Config, namespace: namespace, log: slog.New(slog.DiscardHandler), lead: lead}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Start(ctx) }()
	<-leading
	stop()
	close(mayStop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if heldAtTheEnd == "" {
		t.Error("the lease was given up while the leader was at work")
	}
	if got := holder(t.Context(), t, namespace); got != "" {
		t.Errorf("the lease is still held by %s", got)
	}
}

func TestALeaderThatFailsEndsTheLoopAndGivesUpTheLease(t *testing.T) {
	namespace := newNamespace(t)
	broken := errors.New("broken")
	loop := &leaderLoop{
		config: plane.Config, namespace: namespace, log: slog.New(slog.DiscardHandler),
		lead: func(context.Context) error { return broken },
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Start(t.Context()) }()
	NewWithT(t).Eventually(ended, patience, 10*time.Millisecond).Should(Receive(MatchError(broken)))
	if got := holder(t.Context(), t, namespace); got != "" {
		t.Errorf("the lease is still held by %s", got)
	}
}
