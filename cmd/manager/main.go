// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

// gcPercent makes the garbage collector run when the heap has grown by half rather than doubled: what the caches hold of 10,000
// Integrations then fits into 256 MiB. $GOGC overrides it.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(realMain(time.Now))
}

// realMain runs a manager with a clock and returns the exit code: 0 after a clean shutdown, 1 when something failed, 2 when the flags are wrong.
func realMain(now func() time.Time) int {
	options, err := ParseOptions(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		return 2
	}
	options.Now = now
	if err := run(ctrl.SetupSignalHandler(), options, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		return 1
	}
	return 0
}
