// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The lease, with the times that Kubernetes' own components use.
const (
	leaseName     = "integration-operator-leader"
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// A leaderLoop runs lead whenever this replica holds the lease. The manager's own leader election ends the process with the lease,
// and the token server with it; this one ends lead, waits for it and stands for election again.
type leaderLoop struct {
	config    *rest.Config
	namespace string
	log       *slog.Logger
	// lead runs the controllers until its context is done. An error of its own ends the loop.
	lead func(context.Context) error
}

// NeedLeaderElection returns false: the loop is the election.
func (l *leaderLoop) NeedLeaderElection() bool { return false }

// Start stands for election until ctx is done.
func (l *leaderLoop) Start(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name this replica in the lease: %w", err)
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, l.namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}, l.config, renewDeadline)
	if err != nil {
		return fmt.Errorf("prepare lease %s/%s: %w", l.namespace, leaseName, err)
	}
	for ctx.Err() == nil {
		if err := l.term(ctx, lock); err != nil {
			return err
		}
	}
	return nil
}

// term waits for the lease, leads until the lease is lost or ctx is done, and returns when lead has returned. The lease is given up
// only after that, so that a successor finds nobody at work: the elector's own ReleaseOnCancel gives it up before.
func (l *leaderLoop) term(ctx context.Context, lock resourcelock.Interface) error {
	electorCtx, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var leading sync.Mutex
	stop := context.AfterFunc(ctx, func() {
		leading.Lock()
		defer leading.Unlock()
		release()
	})
	defer stop()

	var leadErr error
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: leaseName,
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leaseCtx context.Context) {
				leading.Lock()
				defer leading.Unlock()
				defer release()
				if leaseCtx.Err() != nil {
					return // The lease was lost again before this goroutine came to run.
				}
				leadCtx, cancel := context.WithCancel(leaseCtx)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				l.log.Info("leading", "lease", l.namespace+"/"+leaseName)
				leadErr = l.lead(leadCtx)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("set up the election for lease %s/%s: %w", l.namespace, leaseName, err)
	}
	elector.Run(electorCtx)
	leading.Lock() // Waits for lead.
	defer leading.Unlock()
	if ctx.Err() != nil || leadErr != nil {
		l.giveUp(context.WithoutCancel(ctx), lock)
	}
	l.log.Info("not leading", "lease", l.namespace+"/"+leaseName)
	return leadErr
}

// giveUp frees the lease if it is still this replica's, so that a successor need not wait until it runs out. Failing at that costs
// the successor those seconds and nothing else.
func (l *leaderLoop) giveUp(ctx context.Context, lock resourcelock.Interface) {
	ctx, cancel := context.WithTimeout(ctx, retryPeriod)
	defer cancel()
	held, _, err := lock.Get(ctx)
	if err != nil || held.HolderIdentity != lock.Identity() {
		return
	}
	freed := *held
	freed.HolderIdentity, freed.LeaseDurationSeconds = "", 1
	if err := lock.Update(ctx, freed); err != nil {
		l.log.Info("the lease runs out by itself, as it could not be given up", "lease", l.namespace+"/"+leaseName)
	}
}

// A termCache lends the process's cache to the manager of one term: it does not start it, and takes the term's event handlers off it
// at the end, which would pile up otherwise.
type termCache struct {
	cache.Cache
	mu      sync.Mutex
	cleanup []func() error
}

// Start waits for the end of the term and removes its event handlers.
func (c *termCache) Start(ctx context.Context) error {
	<-ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, remove := range c.cleanup {
		errs = append(errs, remove())
	}
	return errors.Join(errs...)
}

// GetInformer returns the shared informer, which remembers who listens.
func (c *termCache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, obj, opts...)
	return &termInformer{Informer: informer, cache: c}, err
}

// GetInformerForKind returns the shared informer, which remembers who listens.
func (c *termCache) GetInformerForKind(
	ctx context.Context, gvk schema.GroupVersionKind, opts ...cache.InformerGetOption,
) (cache.Informer, error) {
	informer, err := c.Cache.GetInformerForKind(ctx, gvk, opts...)
	return &termInformer{Informer: informer, cache: c}, err
}

type termInformer struct {
	cache.Informer
	cache *termCache
}

func (i *termInformer) remember(
	registration toolscache.ResourceEventHandlerRegistration, err error,
) (toolscache.ResourceEventHandlerRegistration, error) {
	if err == nil {
		i.cache.mu.Lock()
		defer i.cache.mu.Unlock()
		i.cache.cleanup = append(i.cache.cleanup, func() error { return i.RemoveEventHandler(registration) })
	}
	return registration, err
}

// AddEventHandler adds a handler for this term.
func (i *termInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandler(h))
}

// AddEventHandlerWithResyncPeriod adds a handler for this term.
func (i *termInformer) AddEventHandlerWithResyncPeriod(
	h toolscache.ResourceEventHandler, resync time.Duration,
) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandlerWithResyncPeriod(h, resync))
}

// AddEventHandlerWithOptions adds a handler for this term.
func (i *termInformer) AddEventHandlerWithOptions(
	h toolscache.ResourceEventHandler, options toolscache.HandlerOptions,
) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.remember(i.Informer.AddEventHandlerWithOptions(h, options))
}
