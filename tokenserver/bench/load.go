// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// measure runs both servers for an algorithm and asks them in turn. A round that nobody counts warms up each of them.
func measure(algorithm string, rounds, connections int, length time.Duration) (floor, server result, err error) {
	targets, stop, err := start(algorithm)
	if err != nil {
		return floor, server, err
	}
	defer stop()
	results := []*result{{}, {}}
	for i, t := range targets {
		if err := round(t, connections, length/4, &result{}); err != nil {
			return floor, server, fmt.Errorf("warm up %s: %w", t.name, err)
		}
		// Who goes first in a pair alternates with the loop below; nothing is left of the warm-up.
		results[i] = &result{}
	}
	for n := range rounds {
		for i := range targets {
			turn := (i + n) % len(targets)
			if err := round(targets[turn], connections, length, results[turn]); err != nil {
				return floor, server, fmt.Errorf("ask %s: %w", targets[turn].name, err)
			}
		}
	}
	return *results[0], *results[1], nil
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

// ask sends one request after the other over one connection until the end.
func ask(t target, end time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", t.address) //nolint:noctx // the round bounds it
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // everything was read
	reader := bufio.NewReader(conn)
	latencies := make([]time.Duration, 0, 1<<14)
	for now := time.Now(); now.Before(end); {
		if _, err := conn.Write(t.request); err != nil {
			return nil, err
		}
		if err := readReply(reader); err != nil {
			return nil, err
		}
		done := time.Now()
		latencies = append(latencies, done.Sub(now))
		now = done
	}
	return latencies, nil
}

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
)

// readReply reads one reply, which must be a success, and throws it away.
func readReply(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, statusOK) {
		return fmt.Errorf("want 200, got %q", line)
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
