// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The metrics that are read.
const (
	metricResident = "process_resident_memory_bytes"
	metricClients  = "integration_operator_token_server_clients"
	metricPasses   = "controller_runtime_reconcile_total"
	metricActive   = "controller_runtime_active_workers"
	metricDepth    = "workqueue_depth"
)

// A manager is a running one.
type manager struct {
	*process
	plane *plane
	// readyAfter is how long it took from its start until it was ready.
	readyAfter time.Duration
}

// issuer is the URL of the token server on a plane.
func (p *plane) issuer() string {
	_, port, _ := net.SplitHostPort(p.token)
	return "https://localhost:" + port
}

// startManager starts a manager and waits until it is ready.
func startManager(ctx context.Context, o options, p *plane, args ...string) (*manager, error) {
	begin := time.Now()
	running, err := startProcess(ctx, p.dir, o.manager, append([]string{
		"--kubeconfig=" + p.kubeconfig, "--operator-namespace=" + operatorNamespace, "--issuer-url=" + p.issuer(),
		"--token-bind-address=" + p.token, "--metrics-bind-address=" + p.metrics, "--health-probe-bind-address=" + p.health,
		"--shutdown-delay=0s",
	}, args...)...)
	if err != nil {
		return nil, err
	}
	m := &manager{process: running, plane: p}
	err = poll(ctx, o.patience, 20*time.Millisecond, "the manager to be ready", func() (bool, error) {
		if err := m.running(); err != nil {
			return false, err
		}
		reply, err := get(ctx, "http://"+p.health+"/readyz")
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet, and m.running tells if it never will
		}
		return reply.StatusCode == http.StatusOK, reply.Body.Close()
	})
	if err != nil {
		return nil, errors.Join(err, errors.New("the end of its log:\n"+m.tail()), m.stop())
	}
	m.readyAfter = time.Since(begin)
	return m, nil
}

// get asks a URL. The caller closes the body.
func get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return probing.Do(request)
}

// probing asks for readiness and metrics.
var probing = &http.Client{Timeout: 10 * time.Second}

// metric returns a metric without labels.
func (m *manager) metric(ctx context.Context, name string) (float64, error) {
	values, err := m.metrics(ctx, name+" ")
	if err == nil && len(values) == 0 {
		err = fmt.Errorf("read the metric %s: there is none", name)
	}
	return sum(values), err
}

// metrics returns the values of all lines that begin so.
func (m *manager) metrics(ctx context.Context, prefix string) ([]float64, error) {
	reply, err := get(ctx, "http://"+m.plane.metrics+"/metrics")
	if err != nil {
		return nil, errors.Join(err, m.running())
	}
	defer reply.Body.Close() //nolint:errcheck // it was only read
	var values []float64
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), prefix) {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read the metric %s: %w", prefix, err)
		}
		values = append(values, value)
	}
	return values, lines.Err()
}

// sum adds values up.
func sum(values []float64) float64 {
	total := 0.0
	for _, value := range values {
		total += value
	}
	return total
}

// passes returns how many passes over Integrations have ended.
func (m *manager) passes(ctx context.Context) (float64, error) {
	values, err := m.metrics(ctx, metricPasses+`{controller="integration"`)
	return sum(values), err
}

// awaitPasses waits until so many have ended.
func (m *manager) awaitPasses(ctx context.Context, o options, want int) error {
	return poll(ctx, o.patience, 200*time.Millisecond, strconv.Itoa(want)+" passes over Integrations", func() (bool, error) {
		done, err := m.passes(ctx)
		return int(done) >= want, err
	})
}

// awaitIdle waits until no Integration waits for a pass or has one, for a while. Those that are to be looked at later do not count.
func (m *manager) awaitIdle(ctx context.Context, o options, idle time.Duration) error {
	since, before := time.Now(), -1.0
	return poll(ctx, o.patience, 200*time.Millisecond, "the manager to have nothing to do", func() (bool, error) {
		depth, err1 := m.metrics(ctx, metricDepth+`{controller="integration"`)
		active, err2 := m.metrics(ctx, metricActive+`{controller="integration"`)
		done, err3 := m.passes(ctx)
		if sum(depth)+sum(active) > 0 || done != before {
			since, before = time.Now(), done
		}
		return time.Since(since) >= idle, errors.Join(err1, err2, err3)
	})
}

// awaitClients waits until the token server knows so many clients.
func (m *manager) awaitClients(ctx context.Context, o options, want int) error {
	return poll(ctx, o.patience, 100*time.Millisecond, "the token server to know "+strconv.Itoa(want)+" clients", func() (bool, error) {
		known, err := m.metric(ctx, metricClients)
		return int(known) == want, err
	})
}

// settle waits until the resident memory stays within 2 % for a while, or else as long as it may, and returns it in bytes.
func (m *manager) settle(ctx context.Context, o options) (float64, error) {
	type sample struct {
		at    time.Time
		bytes float64
	}
	var last float64
	var samples []sample
	begin := time.Now()
	err := poll(ctx, o.settleLimit+time.Minute, time.Second, "memory to settle", func() (bool, error) {
		var err error
		if last, err = m.metric(ctx, metricResident); err != nil {
			return false, err
		}
		now := time.Now()
		samples = append(samples, sample{now, last})
		for now.Sub(samples[0].at) > o.settled {
			samples = samples[1:]
		}
		least, most := last, last
		for _, s := range samples {
			least, most = min(least, s.bytes), max(most, s.bytes)
		}
		waited := now.Sub(begin)
		return waited > o.settleLimit || waited > o.settled && most-least <= 0.02*most, nil
	})
	return last, err
}

// peak returns the most memory that the process ever resided in, in bytes, or zero where the system does not tell.
func (m *manager) peak() float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(m.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kilobytes, _ := strconv.ParseFloat(fields[1], 64)
			return kilobytes * 1024
		}
	}
	return 0
}
