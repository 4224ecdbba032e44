// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/integration-operator/integration-operator/internal/testplane"
)

// options say what is measured and how much of it.
type options struct {
	manager                                  string
	only                                     string
	connections                              int
	warmUp, length                           time.Duration
	integrations, logins, perLogin, restarts int
	settled, settleLimit, patience           time.Duration
	bulk, rounds, concurrency                int
}

func main() {
	var o options
	flag.StringVar(&o.manager, "manager", filepath.Join(testplane.RepositoryRoot(), "bin", "manager"), "the manager to measure")
	flag.StringVar(&o.only, "only", "", "measure only these, separated by commas: refresh, rate, memory")
	flag.IntVar(&o.bulk, "bulk", 1000, "Integrations at once for rate")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of rate")
	flag.IntVar(&o.concurrency, "concurrency", 16, "how many Integrations are applied at once, and how many the floor serves at once")
	flag.IntVar(&o.connections, "connections", 16, "connections at once to the token server")
	flag.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "how long refreshes do not count")
	flag.DurationVar(&o.length, "length", 10*time.Second, "how long they count, for each store")
	flag.IntVar(&o.integrations, "integrations", 10_000, "Integrations with client credentials")
	flag.IntVar(&o.logins, "login-integrations", 10, "Integrations with one user each")
	flag.IntVar(&o.perLogin, "logins", 1000, "logins of each of them")
	flag.IntVar(&o.restarts, "restarts", 1, "how many managers to start with all of that, one after the other")
	flag.DurationVar(&o.settled, "settled", 30*time.Second, "how long memory must stay within 2 % to count as settled")
	flag.DurationVar(&o.settleLimit, "settle-limit", 4*time.Minute, "how long to wait for that")
	flag.DurationVar(&o.patience, "patience", 10*time.Minute, "how long to wait for anything else")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: unexpected argument %q: every option is a flag\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A measurement is one of the things that are measured. It adds lines to the table.
type measurement struct {
	name string
	run  func(context.Context, options, *plane, *report) error
	// audited says that it needs the audit log, which costs the API server time.
	audited bool
}

// measurements are all of them, in the order of the table.
var measurements = []measurement{{"refresh", measureRefreshes, false}, {"rate", measureRate, true}, {"memory", measureMemory, false}}

// run measures and prints the table.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	if min(o.connections, o.bulk, o.rounds, o.concurrency) < 1 ||
		min(o.integrations, o.logins, o.perLogin, o.restarts) < 0 || o.length <= 0 {
		return errors.New("-connections, -bulk, -rounds, -concurrency and -length must be positive, and no number may be negative")
	}
	if _, err := os.Stat(o.manager); err != nil {
		return fmt.Errorf("find the manager (run `make build` first): %w", err)
	}
	r := &report{progress: progress}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	r.say("load average before: %s", loadAverage())
	for _, m := range chosen {
		if err := onPlane(ctx, o, r, m); err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
	}
	r.say("load average after: %s", loadAverage())
	return r.print(out)
}

// choose returns the measurements that are named, or all.
func choose(only string) ([]measurement, error) {
	if only == "" {
		return measurements, nil
	}
	var chosen []measurement
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(measurements, func(m measurement) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: there is no %q: write refresh, rate or memory", only, name)
		}
		chosen = append(chosen, measurements[i])
	}
	return chosen, nil
}

// loadAverage says what else the machine is doing: the load of the last minute, five minutes and quarter of an hour, where the system tells.
func loadAverage() string {
	content, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(content)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

// onPlane measures on a control plane of its own, which it ends, and removes every file.
func onPlane(ctx context.Context, o options, r *report, m measurement) (err error) {
	dir, err := os.MkdirTemp("", "integration-operator-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r.say("starting a control plane")
	p, err := startPlane(ctx, dir, m.audited)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.env.Stop()) }()
	return m.run(ctx, o, p, r)
}

// A report collects the lines of the table, and says what is going on meanwhile.
type report struct {
	lines    []string
	progress io.Writer
}

// say writes what is going on.
func (r *report) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.progress, "==> "+format+"\n", args...)
}

// add adds a line.
func (r *report) add(what, measured, budget string) {
	r.lines = append(r.lines, what+"\t"+measured+"\t"+budget)
}

// print writes the table.
func (r *report) print(out io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	// Nothing fails while a table is written to memory; Flush would say so.
	_, _ = fmt.Fprintln(table, strings.Join(append([]string{"what\tmeasured\tbudget"}, r.lines...), "\n"))
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s", text.String())
	return err
}
