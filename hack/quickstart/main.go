// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nquickstart: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	l, err := newLayout()
	if err != nil {
		return err
	}
	if len(args) == 1 && args[0] == "down" {
		return down(ctx, l)
	}
	if l, err = l.findBinaries(); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "up":
		return up(ctx, l)
	case len(args) == 1 && args[0] == controlPlaneName:
		return superviseControlPlane(ctx, l)
	default:
		return fmt.Errorf("unknown arguments %q: use up or down", args)
	}
}

// down stops whatever the quickstart started and removes its folder. It succeeds when there is nothing to do.
func down(ctx context.Context, l layout) error {
	if _, err := os.Stat(l.root); os.IsNotExist(err) {
		fmt.Println("quickstart: nothing to stop")
		return nil
	}
	// A supervisor that is still starting has not written down its children yet.
	if p, err := recorded(ctx, l.pidFile(controlPlaneName)); err == nil && p != nil {
		if err := recordChildren(ctx, l, p.pid); err != nil {
			return err
		}
	}
	// The manager first, while the API server still takes its last writes; the API server and etcd last, in case their
	// supervisor died and left them behind.
	for _, name := range []string{managerName, controlPlaneName, "kube-apiserver", "etcd"} {
		stopped, err := stopProcess(ctx, l.pidFile(name))
		if err != nil {
			return err
		}
		if stopped {
			fmt.Printf("quickstart: stopped %s\n", name)
		}
	}
	if err := os.RemoveAll(l.root); err != nil {
		return fmt.Errorf("remove %s: %w", l.root, err)
	}
	fmt.Printf("quickstart: removed %s\n", l.root)
	return nil
}
