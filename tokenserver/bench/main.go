// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 6, "rounds for each row and server")
	length := flag.Duration("round", 2*time.Second, "length of a round")
	connections := flag.Int("connections", 16, "connections at once")
	only := flag.String("only", "", "measure only the rows whose name contains this")
	flag.Parse()
	err := errors.New("-rounds, -round and -connections must be positive")
	if *rounds > 0 && *length > 0 && *connections > 0 {
		err = run(os.Stdout, plan{*rounds, *connections, *length}, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A plan says how often, by how many and for how long a server is asked.
type plan struct {
	rounds, connections int
	length              time.Duration
}

// run measures the rows and prints the tables.
func run(out io.Writer, p plan, only string) error {
	if err := compare(out, p, only); err != nil {
		return err
	}
	// One connection, so that what is measured is the server and not the queue before it; short rounds, so that the turns are close.
	return compareRefusals(out, plan{p.rounds * 10, 1, p.length / 10}, only)
}

// compare prints how the server does beside each row's floor.
func compare(out io.Writer, p plan, only string) error {
	table := newTable("\tfloor req/s\tserver req/s\tratio\tbudget\tfloor p50\tp99\tserver p50\tp99\tp99 ratio\tbudget")
	for _, r := range rows {
		if !strings.Contains(r.name, only) {
			continue
		}
		results, err := measureRow(r, p)
		if err != nil {
			return fmt.Errorf("measure %s: %w", r.name, err)
		}
		floor, server := results[0], results[1]
		floorTail, serverTail := floor.latency(0.99), server.latency(0.99)
		table.line("%s\t%.0f\t%.0f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%.2f\t%s", r.name,
			median(floor.rates), median(server.rates), median(ratios(server.rates, floor.rates)), limit(">=", r.ratio),
			floor.latency(0.5), floorTail, server.latency(0.5), serverTail, quotient(serverTail, floorTail), limit("<=", r.tail))
	}
	return table.print(out, fmt.Sprintf("Over HTTP, %d connections, %d rounds of %s each, floor and server taking turns",
		p.connections, p.rounds, p.length))
}

// compareRefusals prints how long it takes to refuse.
func compareRefusals(out io.Writer, p plan, only string) error {
	table := newTable("\tfirst p50\tsecond p50\tratio\tfirst p99\tsecond p99\tratio")
	for _, r := range refusals {
		if !strings.Contains(r.name, only) {
			continue
		}
		results, err := measureRefusal(r, p)
		if err != nil {
			return fmt.Errorf("measure %s: %w", r.name, err)
		}
		first, second := results[0], results[1]
		table.line("%s\t%s\t%s\t%.2f\t%s\t%s\t%.2f", r.name,
			first.latency(0.5), second.latency(0.5), quotient(second.latency(0.5), first.latency(0.5)),
			first.latency(0.99), second.latency(0.99), quotient(second.latency(0.99), first.latency(0.99)))
	}
	return table.print(out, fmt.Sprintf("How long a refusal takes, %d connection, %d rounds of %s each, both taking turns",
		p.connections, p.rounds, p.length))
}

// A table collects lines and prints them aligned.
type table struct {
	text   strings.Builder
	writer *tabwriter.Writer
	lines  int
}

// newTable returns a table with a header.
func newTable(header string) *table {
	t := &table{}
	t.writer = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	t.line("%s", header)
	return t
}

// line adds a line of cells that end in tabs. Nothing fails while a table is written to memory.
func (t *table) line(format string, cells ...any) {
	_, _ = fmt.Fprintf(t.writer, format+"\t\n", cells...)
	t.lines++
}

// print writes a table that has more than its header.
func (t *table) print(out io.Writer, title string) error {
	if t.lines == 1 {
		return nil
	}
	if err := t.writer.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n\n%s\n", title, t.text.String())
	return err
}

// limit writes a budget.
func limit(sign string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %.2f", sign, value)
}
