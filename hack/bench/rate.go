// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// The budgets of DESIGN 8.
const (
	budgetRatio  = ">= 0.60"
	budgetWrites = "exactly 2"
	budgetResync = "0"
)

// settleReconciles is how long the manager must have nothing to do before its writes are counted: what a watch brings may still come.
const settleReconciles = time.Second

// A rate measures how fast many Integrations become Ready, beside the floor.
type rate struct {
	options
	*plane
	*report
	audit auditTail
	floor *floor
}

// measureRate runs the floor and the manager in turns, in both ways of making the Integrations.
func measureRate(ctx context.Context, o options, p *plane, r *report) error {
	b := &rate{options: o, plane: p, report: r, audit: auditTail{path: filepath.Join(p.dir, auditLogName)}}
	of, err := b.makeModel(ctx)
	if err != nil {
		return fmt.Errorf("make the first Integration: %w", err)
	}
	if b.floor, err = newFloor(p.kubeconfig, of); err != nil {
		return err
	}
	var beforehand, applied comparison
	for i := range o.rounds {
		if err := b.compare(ctx, &beforehand, fmt.Sprintf("beforehand-%02d", i), true); err != nil {
			return err
		}
		if err := b.compare(ctx, &applied, fmt.Sprintf("applied-%02d", i), false); err != nil {
			return err
		}
	}
	beforehand.add(r, fmt.Sprintf("%d Integrations, made beforehand", o.bulk), o.bulk)
	applied.add(r, fmt.Sprintf("%d Integrations, applied meanwhile", o.bulk), o.bulk)
	return b.resync(ctx)
}

// makeModel lets a manager make the signing key, its certificate and one Secret, so that no round pays for the first, and the floor
// knows what to write.
func (b *rate) makeModel(ctx context.Context) (of model, err error) {
	err = withManager(ctx, b.options, b.plane, func(*manager) error {
		const name = "model-integration"
		if err := b.makeNamespace(ctx, "model-namespace"); err != nil {
			return err
		}
		intg := newIntegration("model-namespace", name)
		if err := b.admin.Create(ctx, intg); err != nil {
			return err
		}
		if err := awaitReady(ctx, b.options, b.plane, intg.Namespace, 1); err != nil {
			return err
		}
		of = model{intg: intg, secret: &corev1.Secret{}}
		return errors.Join(b.admin.Get(ctx, client.ObjectKeyFromObject(intg), intg), b.admin.Get(ctx, client.ObjectKeyFromObject(intg), of.secret))
	})
	return of, err
}

// compare adds one round of each side to a comparison.
func (b *rate) compare(ctx context.Context, to *comparison, name string, beforehand bool) error {
	for _, side := range []struct {
		name string
		run  func(ctx context.Context, namespace string, beforehand bool) (*tally, error)
		into *[]float64
	}{{"floor", b.runFloor, &to.floor}, {"operator", b.runOperator, &to.operator}} {
		namespace := name + "-" + side.name
		if err := b.makeNamespace(ctx, namespace); err != nil {
			return err
		}
		got, err := side.run(ctx, namespace, beforehand)
		if err != nil {
			return fmt.Errorf("run %s: %w", namespace, err)
		}
		from := got.begun
		if beforehand {
			from = got.first
		}
		perSecond := float64(b.bulk) / got.last.Sub(from).Seconds()
		b.say("%s: %.0f Integrations/s, %s writes each", namespace, perSecond, got.told(b.bulk))
		*side.into = append(*side.into, perSecond)
		if side.name == "operator" && !slices.Contains(to.writes, got.told(b.bulk)) {
			to.writes = append(to.writes, got.told(b.bulk))
		}
		if err := b.clean(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}

// runFloor lets the floor write for all Integrations of a namespace.
func (b *rate) runFloor(ctx context.Context, namespace string, beforehand bool) (*tally, error) {
	made := make(chan *v1alpha1.Integration, b.bulk)
	apply := func() error { return b.apply(ctx, namespace, func(intg *v1alpha1.Integration) { made <- intg }) }
	serve := func() error {
		return each(ctx, b.concurrency, b.bulk, func(ctx context.Context, _ int) error {
			select {
			case intg := <-made:
				return b.floor.serve(ctx, intg)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}
	if beforehand {
		if err := apply(); err != nil {
			return nil, err
		}
		if err := serve(); err != nil {
			return nil, err
		}
	} else if err := each(ctx, 2, 2, func(_ context.Context, i int) error { return []func() error{apply, serve}[i]() }); err != nil {
		return nil, err
	}
	return b.await(ctx, namespace)
}

// runOperator lets a new manager do the same.
func (b *rate) runOperator(ctx context.Context, namespace string, beforehand bool) (got *tally, err error) {
	if err := holdLease(ctx, b.plane); err != nil {
		return nil, err
	}
	err = withManager(ctx, b.options, b.plane, func(m *manager) error {
		if beforehand {
			if err := b.apply(ctx, namespace, nil); err != nil {
				return err
			}
		}
		if err := releaseLease(ctx, b.plane); err != nil {
			return err
		}
		if !beforehand {
			// The model is gone over first, so that the controllers are seen to run.
			if err := m.awaitPasses(ctx, b.options, 1); err != nil {
				return err
			}
			if err := b.apply(ctx, namespace, nil); err != nil {
				return err
			}
		}
		if got, err = b.await(ctx, namespace); err != nil {
			return err
		}
		if err := m.awaitIdle(ctx, b.options, settleReconciles); err != nil {
			return err
		}
		passes, err := m.passes(ctx)
		if err != nil {
			return err
		}
		b.say("%s: %.2f passes each", namespace, passes/float64(b.bulk))
		return b.audit.read(got.see)
	}, "--leader-elect")
	return got, err
}

// resync starts a manager twice on Integrations, and adds what the second one writes.
func (b *rate) resync(ctx context.Context) error {
	const namespace = "resync"
	if err := b.makeNamespace(ctx, namespace); err != nil {
		return err
	}
	if _, err := b.runOperator(ctx, namespace, true); err != nil {
		return err
	}
	again := newTally(namespace)
	err := withManager(ctx, b.options, b.plane, func(m *manager) error {
		if err := errors.Join(m.awaitPasses(ctx, b.options, b.bulk), m.awaitIdle(ctx, b.options, settleReconciles)); err != nil {
			return err
		}
		return b.audit.read(again.see)
	})
	if err != nil {
		return err
	}
	measured := "0"
	if len(again.writes) > 0 {
		measured = fmt.Sprintf("%d: %s", again.total(), again.told(b.bulk))
	}
	b.add(fmt.Sprintf("%d Integrations, manager started again: writes", b.bulk), measured, budgetResync)
	return nil
}

// makeNamespace makes a namespace.
func (b *rate) makeNamespace(ctx context.Context, name string) error {
	if err := b.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return fmt.Errorf("create Namespace %s: %w", name, err)
	}
	return nil
}

// apply makes the Integrations of a round, and hands each over as soon as the API server has it.
func (b *rate) apply(ctx context.Context, namespace string, made func(*v1alpha1.Integration)) error {
	err := each(ctx, b.concurrency, b.bulk, func(ctx context.Context, i int) error {
		intg := newIntegration(namespace, fmt.Sprintf("integration-%05d", i))
		if err := b.admin.Create(ctx, intg); err != nil {
			return err
		}
		if made != nil {
			made(intg)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create Integrations: %w", err)
	}
	return nil
}

// await waits until every Integration of a namespace is Ready, and returns what was written for that. It reads the audit log, which
// costs neither the API server nor the manager anything, before it asks.
func (b *rate) await(ctx context.Context, namespace string) (*tally, error) {
	got := newTally(namespace)
	err := poll(ctx, b.patience, 100*time.Millisecond, "the last status in namespace "+namespace, func() (bool, error) {
		err := b.audit.read(got.see)
		return got.writes[writeStatus] >= b.bulk, err
	})
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, b.options, b.plane, namespace, b.bulk); err != nil {
		return nil, err
	}
	return got, b.audit.read(got.see)
}

// clean removes the Integrations of a round and their Secrets: on this control plane nothing else collects them.
func (b *rate) clean(ctx context.Context, namespace string) error {
	for _, kind := range []client.Object{&v1alpha1.Integration{}, &corev1.Secret{}} {
		if err := b.admin.DeleteAllOf(ctx, kind, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("clean namespace %s: %w", namespace, err)
		}
	}
	return nil
}

// A comparison is how many Integrations a second each side served, by round, and what the manager wrote.
type comparison struct {
	floor, operator []float64
	// writes is what the manager wrote: one entry where it was the same in every round.
	writes []string
}

// add adds the medians to the table. A round of the manager is divided by the floor's just before it, as the machine's other work
// comes and goes.
func (c *comparison) add(r *report, what string, n int) {
	ratios := make([]float64, len(c.operator))
	for i := range ratios {
		ratios[i] = c.operator[i] / c.floor[i]
	}
	r.add(what+": floor", fmt.Sprintf("%.0f/s, %.2f s", median(c.floor), float64(n)/median(c.floor)), "-")
	r.add(what+": operator", fmt.Sprintf("%.0f/s, %.2f s", median(c.operator), float64(n)/median(c.operator)), "-")
	r.add(what+": ratio", fmt.Sprintf("%.2f (%.2f to %.2f in %d rounds)", median(ratios), slices.Min(ratios), slices.Max(ratios), len(ratios)), budgetRatio)
	r.add(what+": writes each", strings.Join(c.writes, "; "), budgetWrites)
}

// median returns the middle of values, or what lies between the two in the middle; it leaves them as they are.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
