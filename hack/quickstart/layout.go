// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/integration-operator/integration-operator/internal/testplane"
)

const (
	controlPlaneName = "control-plane"
	managerName      = "manager"
)

// layout says where things are.
type layout struct {
	repository string // the checkout
	binaries   string // kube-apiserver, etcd and kubectl
	root       string // .quickstart, all that the quickstart leaves
}

func newLayout() (layout, error) {
	repository, err := filepath.Abs(testplane.RepositoryRoot())
	if err != nil {
		return layout{}, fmt.Errorf("find the checkout: %w", err)
	}
	return layout{repository: repository, root: filepath.Join(repository, ".quickstart")}, nil
}

func (l layout) kubeconfig() string        { return filepath.Join(l.root, "kubeconfig") }
func (l layout) managerKubeconfig() string { return filepath.Join(l.root, "manager.kubeconfig") }
func (l layout) caFile() string            { return filepath.Join(l.root, "ca.crt") }
func (l layout) envFile() string           { return filepath.Join(l.root, "env") }
func (l layout) stateFile() string         { return filepath.Join(l.root, "state.json") }
func (l layout) log(name string) string    { return filepath.Join(l.root, "logs", name+".log") }
func (l layout) pidFile(name string) string {
	return filepath.Join(l.root, "pids", name)
}
func (l layout) config(name string) string { return filepath.Join(l.repository, "config", name) }
func (l layout) kubectl() string           { return filepath.Join(l.binaries, "kubectl") }
func (l layout) managerBinary() string     { return filepath.Join(l.repository, "bin", "manager") }
func (l layout) controlPlaneData() string  { return filepath.Join(l.root, "data") }
func (l layout) shown(path string) string  { return strings.TrimPrefix(path, l.repository+"/") }
func (l layout) issuer(s *state) string    { return fmt.Sprintf("https://localhost:%d", s.TokenPort) }

func (l layout) readyURL(s *state) string {
	return fmt.Sprintf("http://127.0.0.1:%d/readyz", s.HealthPort)
}

func (l layout) metricsURL(s *state) string {
	return fmt.Sprintf("http://127.0.0.1:%d/metrics", s.MetricsPort)
}

// findBinaries finds what `make controlplane` built; "down" does without.
func (l layout) findBinaries() (layout, error) {
	binaries, err := testplane.BinaryDir()
	if err != nil {
		return l, err
	}
	if l.binaries, err = filepath.Abs(binaries); err != nil {
		return l, fmt.Errorf("find the control plane's binaries: %w", err)
	}
	return l, nil
}

// make creates the folders. They hold credentials, so they are nobody else's to read.
func (l layout) make() error {
	for _, dir := range []string{"logs", "pids", "data"} {
		if err := os.MkdirAll(filepath.Join(l.root, dir), 0o700); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
	}
	return nil
}

// state is what a second run needs to know of the first.
type state struct {
	TokenPort   int `json:"tokenPort"`
	MetricsPort int `json:"metricsPort"`
	HealthPort  int `json:"healthPort"`
	// ManagerDigest is the SHA-256 of the binary that runs, so that a new one takes its place.
	ManagerDigest string `json:"managerDigest"`
}

// load returns the state of an earlier run, or an empty one.
func (l layout) load() (*state, error) {
	data, err := os.ReadFile(l.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return &state{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the last run: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("parse %s (run `make quickstart-down` first): %w", l.stateFile(), err)
	}
	return s, nil
}

func (l layout) save(s *state) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	return writeFile(l.stateFile(), data)
}

// writeFile replaces a file as a whole: who waits for it never reads half of it.
func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// tail returns the last lines of a log.
func tail(path string) string {
	const lines = 25
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
