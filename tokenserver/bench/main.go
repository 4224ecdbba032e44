// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 6, "rounds for each algorithm and server")
	length := flag.Duration("round", 2*time.Second, "length of a round")
	connections := flag.Int("connections", 16, "connections at once")
	flag.Parse()
	if err := run(*rounds, *connections, *length); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A budget is what DESIGN 8 asks of an algorithm: at least ratio of the floor's rate, at most tail times its p99. A zero asks
// for nothing.
type budget struct {
	algorithm   string
	ratio, tail float64
}

// run measures every algorithm and prints the table.
func run(rounds, connections int, length time.Duration) error {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := fmt.Fprintf(os.Stdout,
		"client_credentials over HTTP, %d connections, %d rounds of %s each, floor and server taking turns\n\n",
		connections, rounds, length); err != nil {
		return err
	}
	// Nothing fails while a table is written to memory; Flush would say so.
	_, _ = fmt.Fprintln(table, "algorithm\tfloor req/s\tserver req/s\tratio\tbudget\tfloor p50\tp99\tserver p50\tp99\tp99 ratio\tbudget\t")
	for _, b := range []budget{{"ES256", 0.80, 1.5}, {"RS256", 0.90, 1.5}, {"EdDSA", 0, 0}} {
		floor, server, err := measure(b.algorithm, rounds, connections, length)
		if err != nil {
			return fmt.Errorf("measure %s: %w", b.algorithm, err)
		}
		ratios := make([]float64, 0, rounds)
		for i := range floor.rates {
			ratios = append(ratios, server.rates[i]/floor.rates[i])
		}
		floorTail, serverTail := floor.latency(0.99), server.latency(0.99)
		_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%.2f\t%s\t\n", b.algorithm,
			median(floor.rates), median(server.rates), median(ratios), limit(">=", b.ratio),
			floor.latency(0.5), floorTail, server.latency(0.5), serverTail,
			float64(serverTail)/float64(floorTail), limit("<=", b.tail))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := os.Stdout.WriteString(out.String())
	return err
}

// limit writes a budget.
func limit(sign string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %.2f", sign, value)
}

// A result collects what the rounds of one server gave.
type result struct {
	rates     []float64
	latencies []time.Duration
}

// latency returns a quantile of all latencies.
func (r *result) latency(quantile float64) time.Duration {
	slices.Sort(r.latencies)
	return r.latencies[int(quantile*float64(len(r.latencies)-1))].Round(time.Microsecond)
}

// median returns the middle of values, which it leaves as they are.
func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
