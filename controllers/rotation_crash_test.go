// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

var errCrashed = errors.New("crashed")

// A crashingClient lets a number of writes of a rotation through and fails all from then on, as a leader's that ended. The last one may
// have been applied, and nobody knows.
type crashingClient struct {
	client.Client
	mu sync.Mutex
	// left is how many writes are let through; applied says that the one after those is applied as well.
	left    int
	applied bool
	crashed chan struct{}
}

// write passes a write on, or fails.
func (c *crashingClient) write(do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left > 0 {
		c.left--
		return do()
	}
	select {
	case <-c.crashed:
		return errCrashed
	default:
	}
	close(c.crashed)
	if c.applied {
		if err := do(); err != nil {
			return err
		}
	}
	return errCrashed
}

// Update passes an update on, or fails.
func (c *crashingClient) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	return c.write(func() error { return c.Client.Update(ctx, obj, opts...) })
}

// Status returns a writer of statuses that passes patches on, or fails.
func (c *crashingClient) Status() client.SubResourceWriter {
	return crashingStatus{SubResourceWriter: c.Client.Status(), client: c}
}

type crashingStatus struct {
	client.SubResourceWriter
	client *crashingClient
}

// Patch passes a patch on, or fails.
func (c crashingStatus) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	return c.client.write(func() error { return c.SubResourceWriter.Patch(ctx, obj, patch, opts...) })
}

// versions returns a function that says all that a Secret has been from now on.
func versions(t *testing.T, secret *corev1.Secret) func() []*corev1.Secret {
	t.Helper()
	watcher, err := client.NewWithWatch(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := watcher.Watch(t.Context(), &corev1.SecretList{}, client.InNamespace(secret.Namespace),
		client.MatchingFields{"metadata.name": secret.Name}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: secret.ResourceVersion}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := []*corev1.Secret{secret.DeepCopy()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range changes.ResultChan() {
			if changed, ok := event.Object.(*corev1.Secret); ok && event.Type == watch.Modified {
				mu.Lock()
				seen = append(seen, changed)
				mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		changes.Stop()
		<-done
	})
	return func() []*corev1.Secret {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// soundRotations returns what is wrong with what a Secret has been: each client secret was announced in time, each one before stays
// accepted, and there are never three.
func soundRotations(seen []*corev1.Secret) error {
	for i := 1; i < len(seen); i++ {
		was, is := seen[i-1], seen[i]
		before, after := rotation.RecordOf(was), rotation.RecordOf(is)
		if clientSecretIn(was) == clientSecretIn(is) {
			continue
		}
		switch digest := v1alpha1.DigestOf([]byte(clientSecretIn(is))); {
		case before.Next == nil || before.Next.Digest != digest:
			return fmt.Errorf("version %d: a client secret is published that was not announced", i)
		case after.RotatedAt.Sub(before.Next.Since) < rotation.Settle-time.Second: // RotatedAt is cut to seconds.
			return fmt.Errorf("version %d: a client secret is published %s after it was announced", i, after.RotatedAt.Sub(before.Next.Since))
		case before.Previous != nil:
			return fmt.Errorf("version %d: three client secrets", i)
		case after.Previous == nil || after.Previous.Digest != v1alpha1.DigestOf([]byte(clientSecretIn(was))):
			return fmt.Errorf("version %d: the client secret before is refused", i)
		}
	}
	return nil
}

// The writes of a rotation are: announce, status, publish, status, retire, status.
func TestARotationSurvivesACrashBetweenAnyTwoWrites(t *testing.T) {
	for survived := range 6 {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("after %d writes, the next one applied %t", survived, applied), func(t *testing.T) {
				w := newWorld(t)
				intg := w.readyIntegration(t, "crashing")
				first := w.secret(t, intg.Name)
				seen := versions(t, first)
				w.stop()
				crashing := &crashingClient{left: survived, applied: applied, crashed: make(chan struct{})}
				w.wrap = func(c client.Client) client.Client {
					crashing.Client = c
					return crashing
				}
				w.start(t, w.namespace+"-crashing", true)
				w.clock.move(time.Minute)
				edit(t, intg, rotating(v1alpha1.RotationSpec{
					Overlap: duration(10 * time.Minute), RequestedAt: new(metav1.NewTime(w.clock.Now().Truncate(time.Second))),
				}))
				w.ticks(t, intg, func() bool {
					select {
					case <-crashing.crashed:
						return true
					default:
						return false
					}
				})
				w.stop()

				w.wrap = nil
				w.start(t, w.namespace+"-successor", true)
				rotated := func() bool {
					record := rotation.RecordOf(w.secret(t, intg.Name))
					return !record.RotatedAt.IsZero() && record.Next == nil && record.Previous == nil
				}
				w.ticks(t, intg, rotated)
				w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
				w.retires(t, intg)
				if err := soundRotations(seen()); err != nil {
					t.Error(err)
				}
				last := w.secret(t, intg.Name)
				if clientSecretIn(last) == clientSecretIn(first) || !intg.Status.Credentials.LastRotationTime.Time.Equal(rotation.RecordOf(last).RotatedAt) {
					t.Errorf("want one rotation in the end, and the status about it, got %+v", intg.Status.Credentials)
				}
				secrets := map[string]bool{}
				for _, version := range seen() {
					secrets[clientSecretIn(version)] = true
				}
				if len(secrets) != 2 {
					t.Errorf("want one rotation, got %d", len(secrets)-1)
				}
			})
		}
	}
}

// ticks moves the clock on and runs passes until something holds.
func (w *world) ticks(t *testing.T, intg *v1alpha1.Integration, done func() bool) {
	t.Helper()
	NewWithT(t).Eventually(func() bool {
		w.clock.move(15 * time.Second)
		_, _ = w.integrations.Reconcile(bounded(t), requestFor(intg)) // It fails when it crashes.
		return done()
	}, deadline, poll).Should(BeTrue())
}
