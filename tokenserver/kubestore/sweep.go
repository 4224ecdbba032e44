// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

const (
	// maxSweepFailures is after how many refusals a Sweep gives up: one namespace that refuses does not stop it. When the API server does
	// not answer it gives up at once.
	maxSweepFailures = 10
	// sweepsAtOnce is how many objects a Sweep deletes at once: more than clients create in the same time, and few enough to leave others
	// their turn.
	sweepsAtOnce = 16
)

// A sweep is what one Sweep has come to. Several of its calls may be under way at once.
type sweep struct {
	*Sessions

	// mu guards the rest.
	mu       sync.Mutex
	removed  int
	failures []error
	// done says that it gives up.
	done bool
}

// Sweep implements sessions.Store on what the informers know. What has changed meanwhile is left for the next time.
func (s *Sessions) Sweep(ctx context.Context, now time.Time, dead func(*sessions.Session) bool) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sweep: %w: %w", sessions.ErrUnavailable, err)
	}
	w := &sweep{Sessions: s}
	var group sync.WaitGroup
	turns := make(chan struct{}, sweepsAtOnce)
	for _, object := range s.over(now, dead) {
		turns <- struct{}{}
		if w.givenUp() {
			break
		}
		group.Go(func() {
			defer func() { <-turns }()
			w.finish(object, s.sweepOne(ctx, object))
		})
	}
	group.Wait()
	return w.removed, errors.Join(w.failures...)
}

func (w *sweep) givenUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// finish takes in what came of deleting an object.
func (w *sweep) finish(object client.Object, err error) {
	name := client.ObjectKeyFromObject(object)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.removed++
	case apierrors.IsConflict(err):
		return
	case !apierrors.IsNotFound(err):
		w.failures = append(w.failures, failed("delete", "expired object", name, err))
		answered := apierrors.APIStatus(nil)
		w.done = w.done || len(w.failures) >= maxSweepFailures || !errors.As(err, &answered)
		return
	}
	if _, ok := object.(*v1alpha1.TokenSession); ok {
		w.forget(name)
	} else {
		w.revocations.delete(name)
	}
}

// over returns the objects that have expired by now, and those of dead sessions. A damaged one stays until it expires, as it may be
// sound to a newer version of the operator.
func (s *Sessions) over(now time.Time, dead func(*sessions.Session) bool) []client.Object {
	var over []client.Object
	for _, object := range s.sessions.all() {
		if object.DeletionTimestamp != nil {
			continue
		}
		if !object.Status.ExpiresAt.After(now) {
			over = append(over, object)
		} else if session, ok := sessionOf(object); ok && dead(session) {
			over = append(over, object)
		}
	}
	for _, object := range s.revocations.all() {
		if object.DeletionTimestamp == nil && !object.Spec.ExpiresAt.After(now) {
			over = append(over, object)
		}
	}
	return over
}

// sweepOne deletes an object that is over, if it is still as it was seen.
func (s *Sessions) sweepOne(ctx context.Context, object client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.remove(ctx, object)
}
