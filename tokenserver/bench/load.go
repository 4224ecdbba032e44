// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// asked is a handler and the question that it is asked.
type asked struct {
	name    string
	handler http.Handler
	question
}

// A target is a running server, the request that it is asked, and how the reply must begin.
type target struct {
	name    string
	address string
	request []byte
	status  []byte
}

// measureHandlers serves the handlers, each on a port of its own, and measures them.
func measureHandlers(p plan, all []asked) ([]result, error) {
	targets := make([]target, 0, len(all))
	for _, a := range all {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
		if err != nil {
			return nil, err
		}
		server := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second}
		defer server.Close()                       //nolint:errcheck // nobody is connected any more
		go func() { _ = server.Serve(listener) }() // ends with Close
		address := listener.Addr().String()
		t := target{a.name, address, a.bytes(address), fmt.Appendf(nil, "HTTP/1.1 %d ", a.status)}
		if err := check(t, a.holds); err != nil {
			return nil, fmt.Errorf("ask %s: %w", a.name, err)
		}
		targets = append(targets, t)
	}
	return measure(p, targets)
}

// check asks once and looks at all of the reply, which nobody does later.
func check(t target, holds string) error {
	conn, err := net.Dial("tcp", t.address) //nolint:noctx // loopback
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // everything was read
	if _, err := conn.Write(t.request); err != nil {
		return err
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(body, []byte(holds)) {
		return fmt.Errorf("want a reply that holds %s, got status %d and %d bytes without it", holds, reply.StatusCode, len(body))
	}
	return nil
}

// measure asks the targets in turn. A round that nobody counts warms up each of them.
func measure(p plan, targets []target) ([]result, error) {
	for _, t := range targets {
		if err := round(t, p.connections, max(p.length/4, time.Second/4), &result{}); err != nil {
			return nil, fmt.Errorf("warm up %s: %w", t.name, err)
		}
	}
	results := make([]result, len(targets))
	for n := range p.rounds {
		for i := range targets {
			turn := (i + n) % len(targets) // Who goes first alternates.
			if err := round(targets[turn], p.connections, p.length, &results[turn]); err != nil {
				return nil, fmt.Errorf("ask %s: %w", targets[turn].name, err)
			}
		}
	}
	return results, nil
}

// round asks one server over all connections for a while and adds what came of it to result.
func round(t target, connections int, length time.Duration, into *result) error {
	latencies := make([][]time.Duration, connections)
	errs := make([]error, connections)
	begin := time.Now()
	end := begin.Add(length)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() { latencies[i], errs[i] = ask(t, end) })
	}
	wg.Wait()
	took := time.Since(begin)
	total := 0
	for _, l := range latencies {
		total += len(l)
		into.latencies = append(into.latencies, l...)
	}
	into.rates = append(into.rates, float64(total)/took.Seconds())
	return errors.Join(errs...)
}

// ask sends one request after the other over one connection until the end, and at least one: on a busy machine the end may come before
// the first.
func ask(t target, end time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", t.address) //nolint:noctx // the round bounds it
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // everything was read
	reader := bufio.NewReader(conn)
	latencies := make([]time.Duration, 0, 1<<14)
	for now := time.Now(); len(latencies) == 0 || now.Before(end); {
		if _, err := conn.Write(t.request); err != nil {
			return nil, err
		}
		if err := readReply(reader, t.status); err != nil {
			return nil, err
		}
		done := time.Now()
		latencies = append(latencies, done.Sub(now))
		now = done
	}
	return latencies, nil
}

var contentLength = []byte("Content-Length: ")

// readReply reads one reply, which must begin with status, and throws it away.
func readReply(r *bufio.Reader, status []byte) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, status) {
		return fmt.Errorf("want %q, got %q", status, line)
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return io.ErrUnexpectedEOF
	}
	_, err = r.Discard(length)
	return err
}

// A result collects what the rounds of one server gave.
type result struct {
	rates     []float64
	latencies []time.Duration
}

// latency returns a quantile of all latencies.
func (r *result) latency(quantile float64) time.Duration {
	slices.Sort(r.latencies)
	l := r.latencies[int(quantile*float64(len(r.latencies)-1))]
	if l > time.Millisecond {
		return l.Round(10 * time.Microsecond)
	}
	return l.Round(100 * time.Nanosecond)
}

// median returns the middle of values, which it leaves as they are.
func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// ratios divides the rates of rounds that were neighbours.
func ratios(of, by []float64) []float64 {
	all := make([]float64, 0, len(of))
	for i := range of {
		all = append(all, of[i]/by[i])
	}
	return all
}

// quotient divides two durations.
func quotient(of, by time.Duration) float64 { return float64(of) / float64(by) }
