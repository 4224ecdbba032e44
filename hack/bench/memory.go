// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// The budgets of DESIGN 8.
const (
	budgetResident = "<= 256 MiB"
	budgetReady    = "<= 10s"
)

// listChunk is how many objects are listed at once.
const listChunk = 500

// measureMemory makes many Integrations and then many logins, and measures the manager that saw it all and those that are started after
// it.
func measureMemory(ctx context.Context, o options, p *plane, r *report) error {
	total := o.integrations + o.logins
	what := fmt.Sprintf("%d Integrations, %d sessions", total, o.logins*o.perLogin)
	err := withManager(ctx, o, p, func(m *manager) error {
		if err := fill(ctx, o, p, r, m); err != nil {
			return err
		}
		if err := reportMemory(ctx, o, r, m, fmt.Sprintf("%d Integrations, made while it ran", o.integrations)); err != nil {
			return err
		}
		if o.logins == 0 {
			return nil
		}
		if err := logIn(ctx, o, p, r); err != nil {
			return err
		}
		return reportMemory(ctx, o, r, m, what+", made while it ran")
	})
	if err != nil {
		return err
	}
	for range o.restarts {
		err := withManager(ctx, o, p, func(m *manager) error {
			r.add(what+", started with all: ready after", m.readyAfter.Round(10*time.Millisecond).String(), budgetReady)
			// What it knew when it said that it was ready.
			known, err := m.metric(ctx, metricClients)
			if err != nil {
				return err
			}
			if int(known) != total {
				return fmt.Errorf("the manager said that it was ready and knew %.0f of %d clients", known, total)
			}
			return reportMemory(ctx, o, r, m, what+", started with all")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withManager runs something beside a manager.
func withManager(ctx context.Context, o options, p *plane, do func(*manager) error, args ...string) (err error) {
	m, err := startManager(ctx, o, p, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := do(m); err != nil {
		return fmt.Errorf("%w; the end of the manager's log:\n%s", err, m.tail())
	}
	return nil
}

// reportMemory waits until the manager's memory has settled and adds it to the table.
func reportMemory(ctx context.Context, o options, r *report, m *manager, what string) error {
	r.say("waiting until the manager's memory has settled")
	resident, err := m.settle(ctx, o)
	if err != nil {
		return err
	}
	const mebibyte = 1 << 20
	r.add(what+": resident", fmt.Sprintf("%.0f MiB", resident/mebibyte), budgetResident)
	if peak := m.peak(); peak > 0 {
		r.add(what+": the most until then", fmt.Sprintf("%.0f MiB", peak/mebibyte), "-")
	}
	return nil
}

// fill makes the Integrations, and returns once all are Ready.
func fill(ctx context.Context, o options, p *plane, r *report, m *manager) error {
	r.say("creating %d Integrations", o.integrations)
	begin := time.Now()
	err := each(ctx, o.concurrency, o.integrations, func(ctx context.Context, i int) error {
		return p.admin.Create(ctx, newIntegration(namespace, fmt.Sprintf("integration-%05d", i)))
	})
	if err != nil {
		return fmt.Errorf("create Integrations: %w", err)
	}
	created := time.Since(begin)
	if err := m.awaitClients(ctx, o, o.integrations); err != nil {
		return err
	}
	if err := awaitReady(ctx, o, p, namespace, o.integrations); err != nil {
		return err
	}
	r.say("created after %s, all Ready after %s", created.Round(time.Second/10), time.Since(begin).Round(time.Second/10))
	return nil
}

// logIn makes the logins, and returns once every session is there.
func logIn(ctx context.Context, o options, p *plane, r *report) error {
	logins := make([]*login, o.logins)
	for i := range logins {
		var err error
		if logins[i], err = newLogin(ctx, o, p, fmt.Sprintf("login-%d", i)); err != nil {
			return err
		}
	}
	r.say("logging in %d times", o.logins*o.perLogin)
	begin := time.Now()
	// newLogin has logged in once.
	err := each(ctx, o.connections, o.logins*max(0, o.perLogin-1), func(ctx context.Context, i int) error {
		_, err := logins[i%o.logins].beginPatiently(ctx, o)
		return err
	})
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	r.say("logged in after %s", time.Since(begin).Round(time.Second/10))
	return expectSessions(ctx, p, o.logins*o.perLogin)
}

// awaitReady waits until so many Integrations of a namespace are Ready.
func awaitReady(ctx context.Context, o options, p *plane, namespace string, want int) error {
	return poll(ctx, o.patience, time.Second, fmt.Sprintf("%d Integrations to be ready", want), func() (bool, error) {
		ready := 0
		list := &v1alpha1.IntegrationList{}
		for first := true; first || list.Continue != ""; first = false {
			if err := p.admin.List(ctx, list, client.InNamespace(namespace), client.Limit(listChunk), client.Continue(list.Continue)); err != nil {
				return false, err
			}
			for i := range list.Items {
				if isReady(&list.Items[i]) {
					ready++
				}
			}
		}
		return ready == want, nil
	})
}

// expectSessions returns an error if there are fewer sessions.
func expectSessions(ctx context.Context, p *plane, want int) error {
	got := 0
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TokenSessionList"))
	for first := true; first || list.Continue != ""; first = false {
		if err := p.admin.List(ctx, list, client.InNamespace(namespace), client.Limit(listChunk), client.Continue(list.Continue)); err != nil {
			return fmt.Errorf("list TokenSessions: %w", err)
		}
		got += len(list.Items)
	}
	// A login that was told that the store is unavailable may have been written all the same.
	if got < want {
		return fmt.Errorf("there are %d TokenSessions, want at least %d", got, want)
	}
	return nil
}
