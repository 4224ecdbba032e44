// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What go test prints of a fuzzer, in a line that says how it is getting on and one that tells how it ended.
const (
	elapsed = "fuzz: elapsed: 3s, execs: 9 (3/sec), new interesting: 0 (total: 1)\n"
	good    = elapsed + "PASS\nok  \texample.com/one\t3.1s\n"
	end     = "FAIL\nexit status 1\nFAIL\texample.com/one\t3.1s\n"
	late    = elapsed + "--- FAIL: FuzzOne (3.01s)\n    context deadline exceeded\n" + end
	written = elapsed + "--- FAIL: FuzzOne (3.01s)\n    --- FAIL: FuzzOne (0.00s)\n        one_test.go:9: context deadline exceeded\n    \n" +
		"    Failing input written to testdata/fuzz/FuzzOne/1\n" + end
	crashed = elapsed + "--- FAIL: FuzzOne (3.01s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" + end
)

// fakeGo prints what the files of $RUNS hold, one a run, and fails where that says FAIL.
const fakeGo = `#!/bin/sh
n=$(($(cat "$RUNS/count") + 1))
echo $n >"$RUNS/count"
cat "$RUNS/$n"
if [ -n "$LEAVES_INPUT" ]; then mkdir -p testdata/fuzz/FuzzOne && echo >testdata/fuzz/FuzzOne/1; fi
! grep -q FAIL "$RUNS/$n"
`

func TestAFuzzerThatEndedWithItsTimeRunsOnceMore(t *testing.T) {
	for _, tt := range []struct {
		name        string
		says        []string
		leavesInput bool
		wantRuns    string
		wantGood    bool
	}{
		{"one that finds nothing runs once", []string{good}, false, "1", true},
		{"one that ended with its time", []string{late, good}, false, "2", true},
		{"one that ends with its time again", []string{late, late}, false, "2", false},
		{"one that finds something the second time", []string{late, written}, false, "2", false},
		{"one that wrote a failing input", []string{written, good}, false, "1", false},
		{"one that left an input without a word", []string{late, good}, true, "1", false},
		{"one that crashed", []string{crashed, good}, false, "1", false},
		{"one that does not build", []string{"one_test.go:1: syntax error\n" + end, good}, false, "1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, runs := t.TempDir(), t.TempDir()
			script, err := os.ReadFile("run.sh")
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(root, "hack", "fuzz", "run.sh"), string(script))
			write(t, filepath.Join(root, "one_test.go"), "package one\n\nfunc FuzzOne(f *testing.F) {}\n")
			write(t, filepath.Join(root, "bin", "go"), fakeGo)
			write(t, filepath.Join(runs, "count"), "0")
			for i, said := range tt.says {
				write(t, filepath.Join(runs, string(rune('1'+i))), said)
			}
			if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", root).CombinedOutput(); err != nil {
				t.Fatalf("git init: %v: %s", err, out)
			}
			run := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "fuzz", "run.sh"), "3s")
			run.Env = append(os.Environ(), "RUNS="+runs, "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
			if tt.leavesInput {
				run.Env = append(run.Env, "LEAVES_INPUT=yes")
			}
			out, err := run.CombinedOutput()
			if good := err == nil; good != tt.wantGood {
				t.Errorf("good is %t, want %t: %s", good, tt.wantGood, out)
			}
			count, err := os.ReadFile(filepath.Join(runs, "count"))
			if got := strings.TrimSpace(string(count)); err != nil || got != tt.wantRuns {
				t.Errorf("it ran %s times, want %s (%v)", got, tt.wantRuns, err)
			}
		})
	}
}

// write writes a file that can be run, and the folders above it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}
