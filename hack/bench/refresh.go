// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// measureRefreshes measures refreshes on every store that there is.
func measureRefreshes(ctx context.Context, o options, p *plane, r *report) error {
	if err := measureStore(ctx, o, p, r, "kubernetes"); err != nil {
		return fmt.Errorf("on Kubernetes: %w", err)
	}
	for _, name := range []string{"valkey-server", "redis-server"} {
		if program, err := exec.LookPath(name); err == nil {
			if err := measureValkey(ctx, o, p, r, name, program); err != nil {
				return fmt.Errorf("on %s: %w", name, err)
			}
			return nil
		}
	}
	r.add("refresh on valkey", "left out: neither valkey-server nor redis-server is on the PATH", "-")
	return nil
}

// measureValkey starts a server that keeps nothing on disk, and measures refreshes on it.
func measureValkey(ctx context.Context, o options, p *plane, r *report, name, program string) (err error) {
	var address string
	if err := p.choosePorts(ctx, &address); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(address)
	server, err := startProcess(ctx, p.dir, program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", p.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	err = poll(ctx, o.patience, 20*time.Millisecond, name+" to listen", func() (bool, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false, server.running()
		}
		return true, conn.Close()
	})
	if err != nil {
		return err
	}
	return measureStore(ctx, o, p, r, name, "--session-store=valkey", "--valkey-url=redis://"+address+"/0")
}

// measureStore measures refreshes with a manager that has the given flags.
func measureStore(ctx context.Context, o options, p *plane, r *report, store string, args ...string) (err error) {
	m, err := startManager(ctx, o, p, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	l, err := newLogin(ctx, o, p, store)
	if err != nil {
		return fmt.Errorf("%w; the end of the manager's log:\n%s", err, m.tail())
	}
	r.say("refreshing on %s for %s", store, o.warmUp+o.length)
	done, err := refreshAll(ctx, o, l)
	if err != nil {
		return fmt.Errorf("%w; the end of the manager's log:\n%s", err, m.tail())
	}
	measured := fmt.Sprintf("%.0f/s, p50 %s, p99 %s", float64(len(done.took))/o.length.Seconds(), quantile(done.took, 0.5), quantile(done.took, 0.99))
	if done.failed > 0 {
		measured += fmt.Sprintf(", %d failed", done.failed)
	}
	r.add(fmt.Sprintf("refresh on %s, %d connections", store, o.connections), measured, "-")
	return nil
}

// refreshes are those that ended after the warm-up and in time.
type refreshes struct {
	// took is how long each took that succeeded.
	took []time.Duration
	// failed is how many did not, as the store was unavailable.
	failed int
}

// refreshAll refreshes one login for each connection.
func refreshAll(ctx context.Context, o options, l *login) (refreshes, error) {
	var mu sync.Mutex
	var all refreshes
	begin := time.Now().Add(o.warmUp)
	end := begin.Add(o.length)
	err := each(ctx, o.connections, o.connections, func(ctx context.Context, _ int) error {
		own, err := refreshOne(ctx, o, l, begin, end)
		mu.Lock()
		defer mu.Unlock()
		all.took = append(all.took, own.took...)
		all.failed += own.failed
		return err
	})
	if err == nil && len(all.took) == 0 {
		err = errors.New("no refresh ended in time: raise -length")
	}
	return all, err
}

// refreshOne logs in and refreshes until the end. It logs in again where a refresh fails.
func refreshOne(ctx context.Context, o options, l *login, begin, end time.Time) (refreshes, error) {
	var own refreshes
	token, err := l.beginPatiently(ctx, o)
	if err != nil {
		return own, fmt.Errorf("log in: %w", err)
	}
	for {
		asked := time.Now()
		token, err = l.refresh(ctx, token)
		now := time.Now()
		counts := now.After(begin) && !now.After(end)
		switch {
		case unavailable(err):
			if counts {
				own.failed++
			}
			if token, err = l.beginPatiently(ctx, o); err != nil {
				return own, fmt.Errorf("log in: %w", err)
			}
		case err != nil:
			return own, fmt.Errorf("refresh: %w", err)
		case counts:
			own.took = append(own.took, now.Sub(asked))
		}
		if now.After(end) {
			return own, nil
		}
	}
}

// quantile returns a quantile of latencies, which it sorts.
func quantile(latencies []time.Duration, q float64) time.Duration {
	slices.Sort(latencies)
	return latencies[int(q*float64(len(latencies)-1))].Round(10 * time.Microsecond)
}
