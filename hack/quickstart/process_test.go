// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// startSleeper starts a background process that ends only when somebody stops it.
func startSleeper(t *testing.T) (pidFile string) {
	t.Helper()
	dir := t.TempDir()
	pidFile = filepath.Join(dir, "sleeper")
	if err := startProcess(t.Context(), pidFile, filepath.Join(dir, "log"), "sleep", "600"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := stopProcess(context.WithoutCancel(t.Context()), pidFile); err != nil {
			t.Error(err)
		}
	})
	return pidFile
}

func TestStopProcessStopsWhatWasStartedAndOnlyOnce(t *testing.T) {
	pidFile := startSleeper(t)
	p, err := recorded(t.Context(), pidFile)
	if err != nil || p == nil {
		t.Fatalf("want the running process, got %v, %v", p, err)
	}

	stopped, err := stopProcess(t.Context(), pidFile)
	if err != nil || !stopped {
		t.Errorf("want it stopped, got %v, %v", stopped, err)
	}
	if left, err := find(t.Context(), p.pid); err != nil || left != nil {
		t.Errorf("want no process left, got %v, %v", left, err)
	}
	stopped, err = stopProcess(t.Context(), pidFile)
	if err != nil || stopped {
		t.Errorf("want nothing left to stop, got %v, %v", stopped, err)
	}
}

func TestStopProcessLeavesAStrangerWithTheSamePIDAlone(t *testing.T) {
	pidFile := startSleeper(t)
	p, err := recorded(t.Context(), pidFile)
	if err != nil || p == nil {
		t.Fatalf("want the running process, got %v, %v", p, err)
	}
	// As after a reboot: the recorded process is gone and another one has its PID.
	former := *p
	former.started += "0"
	stale := pidFile + "-stale"
	if err := former.record(stale); err != nil {
		t.Fatal(err)
	}

	stopped, err := stopProcess(t.Context(), stale)
	if err != nil || stopped {
		t.Errorf("want nothing stopped, got %v, %v", stopped, err)
	}
	if left, err := recorded(t.Context(), pidFile); err != nil || left == nil {
		t.Errorf("want the stranger to live, got %v, %v", left, err)
	}
}

func TestStopProcessRefusesAPIDFileThatIsNone(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(pidFile, []byte("no number\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stopProcess(t.Context(), pidFile); err == nil || !strings.Contains(err.Error(), pidFile) {
		t.Errorf("want an error that names the file, got %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " 12 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 424242 20 21"
	for _, test := range []struct {
		name, line string
		want       process
		wantOK     bool
	}{
		{
			name: "a running process", line: "7 (etcd) S" + rest,
			want: process{pid: 7, parent: 12, started: "boot/424242", name: "etcd"}, wantOK: true,
		},
		{
			name: "a name with a space and parentheses", line: "7 (a (b) c) R" + rest,
			want: process{pid: 7, parent: 12, started: "boot/424242", name: "a (b) c"}, wantOK: true,
		},
		{name: "a process that only waits to be reaped", line: "7 (etcd) Z" + rest},
		{name: "a line that breaks off", line: "7 (etcd) S 12 3"},
		{name: "an empty line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := parseStat(test.line, "boot")
			if ok != test.wantOK {
				t.Fatalf("parseStat reports %v, want %v", ok, test.wantOK)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(process{})); ok && diff != "" {
				t.Errorf("process (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFreePortsDiffer(t *testing.T) {
	var a, b, c int
	if err := freePorts(t.Context(), &a, &b, &c); err != nil {
		t.Fatal(err)
	}
	if a == 0 || b == 0 || c == 0 || a == b || b == c || a == c {
		t.Errorf("want three different ports, got %d, %d and %d", a, b, c)
	}
}
