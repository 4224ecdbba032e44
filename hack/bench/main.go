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
	workers                                  int
	settled, settleLimit, patience           time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.manager, "manager", filepath.Join(testplane.RepositoryRoot(), "bin", "manager"), "the manager to measure")
	flag.StringVar(&o.only, "only", "", "measure only refresh, or only memory")
	flag.IntVar(&o.connections, "connections", 16, "connections at once to the token server")
	flag.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "how long refreshes do not count")
	flag.DurationVar(&o.length, "length", 10*time.Second, "how long they count, for each store")
	flag.IntVar(&o.integrations, "integrations", 10_000, "Integrations with client credentials")
	flag.IntVar(&o.logins, "login-integrations", 10, "Integrations with one user each")
	flag.IntVar(&o.perLogin, "logins", 1000, "logins of each of them")
	flag.IntVar(&o.workers, "workers", 32, "how many create Integrations at once")
	flag.IntVar(&o.restarts, "restarts", 1, "how many managers to start with all of that, one after the other")
	flag.DurationVar(&o.settled, "settled", 30*time.Second, "how long memory must stay within 2 % to count as settled")
	flag.DurationVar(&o.settleLimit, "settle-limit", 4*time.Minute, "how long to wait for that")
	flag.DurationVar(&o.patience, "patience", 10*time.Minute, "how long to wait for anything else")
	flag.Parse()
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
}

// run measures and prints the table.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	if o.connections < 1 || o.workers < 1 ||
		min(o.integrations, o.logins, o.perLogin, o.restarts) < 0 || o.length <= 0 {
		return errors.New("-connections, -workers and -length must be positive, and no number may be negative")
	}
	if _, err := os.Stat(o.manager); err != nil {
		return fmt.Errorf("find the manager (run `make build` first): %w", err)
	}
	r := &report{progress: progress}
	for _, m := range []measurement{{"refresh", measureRefreshes}, {"memory", measureMemory}} {
		if o.only != "" && o.only != m.name {
			continue
		}
		if err := onPlane(ctx, o, r, m.run); err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
	}
	return r.print(out)
}

// onPlane measures on a control plane of its own, which it ends, and removes every file.
func onPlane(ctx context.Context, o options, r *report, measure func(context.Context, options, *plane, *report) error) (err error) {
	dir, err := os.MkdirTemp("", "integration-operator-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r.say("starting a control plane")
	p, err := startPlane(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.env.Stop()) }()
	return measure(ctx, o, p, r)
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
