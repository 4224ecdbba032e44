// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is one that the quickstart started. A PID alone does not say so: after a crash or a reboot it may be somebody
// else's. The time at which the process started makes it unique.
type process struct {
	pid, parent int
	started     string
	name        string
}

// startProcess starts a program in the background, in a session of its own so that neither ctrl-C nor a closed terminal
// reaches it, and records it.
func startProcess(ctx context.Context, pidFile, logFile, program string, args ...string) error {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", program, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	// Reaps the child when it dies before this program does; afterwards init does.
	go func() { _ = cmd.Wait() }()
	p, err := find(ctx, cmd.Process.Pid)
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("start %s: it ended at once", program)
	}
	return p.record(pidFile)
}

func (p *process) record(pidFile string) error {
	return writeFile(pidFile, fmt.Appendf(nil, "%d %s\n", p.pid, p.started))
}

// recorded returns the process that a PID file speaks of if that very process still runs, or else nil.
func recorded(ctx context.Context, pidFile string) (*process, error) {
	data, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a PID file: %w", err)
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("parse PID file %s: %w", pidFile, err)
	}
	p, err := find(ctx, pid)
	if err != nil || p == nil || p.started != started {
		return nil, err
	}
	return p, nil
}

// stopProcess stops the process that a PID file speaks of, if it still runs, and reports whether it did.
func stopProcess(ctx context.Context, pidFile string) (bool, error) {
	p, err := recorded(ctx, pidFile)
	if err != nil || p == nil {
		return false, err
	}
	// The supervisor of the control plane gives each of its two children 20 seconds.
	for _, attempt := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 60 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		if err := syscall.Kill(p.pid, attempt.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return false, fmt.Errorf("stop process %d (%s): %w", p.pid, p.name, err)
		}
		err := poll(ctx, attempt.wait, func() (bool, error) {
			left, err := recorded(ctx, pidFile)
			return left == nil, err
		})
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, errTimeout) {
			return false, fmt.Errorf("stop process %d (%s): %w", p.pid, p.name, err)
		}
	}
	return false, fmt.Errorf("stop process %d (%s): it survived being killed", p.pid, p.name)
}

var errTimeout = errors.New("timed out")

// poll calls done until it returns true, an error, or the time is up.
func poll(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %v", errTimeout, limit)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// find returns the running process with a PID, or nil.
func find(ctx context.Context, pid int) (*process, error) {
	all, err := processes(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.pid == pid {
			return &p, nil
		}
	}
	return nil, nil
}

// processes returns every running process; what has ended and is only waiting to be reaped does not count.
func processes(ctx context.Context) ([]process, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return processesByPS(ctx)
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []process
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // It ended since it was listed.
		}
		if p, ok := parseStat(string(data), strings.TrimSpace(string(boot))); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads a line of Linux's /proc/<pid>/stat (proc(5)). The start time counts from the boot, which is therefore part
// of it. The name is in parentheses and may itself hold spaces and parentheses.
func parseStat(line, boot string) (process, bool) {
	head, rest, found := cutLast(line, ')')
	pid, name, named := strings.Cut(head, " (")
	fields := strings.Fields(rest)
	if !found || !named || len(fields) < 20 || strings.Contains("ZXx", fields[0]) {
		return process{}, false
	}
	number, err1 := strconv.Atoi(pid)
	parent, err2 := strconv.Atoi(fields[1])
	return process{pid: number, parent: parent, started: boot + "/" + fields[19], name: name}, err1 == nil && err2 == nil
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// processesByPS does the same where there is no /proc.
func processesByPS(ctx context.Context) ([]process, error) {
	out, err := exec.CommandContext(ctx, "ps", "-axo", "pid=,ppid=,state=,lstart=,comm=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []process
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line) // lstart is five words, such as "Sun Nov 22 10:00:00 2026"
		if len(fields) < 9 || strings.HasPrefix(fields[2], "Z") {
			continue
		}
		pid, err1 := strconv.Atoi(fields[0])
		parent, err2 := strconv.Atoi(fields[1])
		if err1 == nil && err2 == nil {
			name := filepath.Base(strings.Join(fields[8:], " "))
			all = append(all, process{pid: pid, parent: parent, started: strings.Join(fields[3:8], "-"), name: name})
		}
	}
	return all, nil
}
