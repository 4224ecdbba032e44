// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// RepositoryRoot returns the folder that holds go.mod, as it was when the package was compiled.
func RepositoryRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// BinaryDir returns the folder of kube-apiserver, etcd and kubectl: KUBEBUILDER_ASSETS, or where `make controlplane` puts them.
// The error says how to get them.
func BinaryDir() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		dir = filepath.Join(RepositoryRoot(), "bin", "controlplane")
	}
	if _, err := os.Stat(filepath.Join(dir, "kube-apiserver")); err != nil {
		return "", fmt.Errorf("find kube-apiserver in %s (run `make controlplane` first): %w", dir, err)
	}
	return dir, nil
}

// Kubectl returns the path of the kubectl that belongs to the control plane.
func Kubectl() (string, error) {
	dir, err := BinaryDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "kubectl"), nil
}

// startTimeout is how long the processes of a control plane may take to start, and to stop.
const startTimeout = 2 * time.Minute

// New returns a control plane that is not started, with the CRDs of config/crd to be installed. Callers may change it
// before they start it, for instance to add flags of the API server.
func New() (*envtest.Environment, error) {
	dir, err := BinaryDir()
	if err != nil {
		return nil, err
	}
	// Said aloud, as envtest otherwise lets an environment variable point the tests at somebody's real cluster.
	existing := false
	env := &envtest.Environment{
		BinaryAssetsDirectory: dir,
		CRDDirectoryPaths:     []string{filepath.Join(RepositoryRoot(), "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		UseExistingCluster:    &existing,
		// It takes seconds; envtest's own 20 s are not enough on two cores that others keep busy.
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout,
	}
	// Without it a stopping API server waits out every open watch, and informers always hold some.
	env.ControlPlane.GetAPIServer().Configure().Set("shutdown-watch-termination-grace-period", "1s")
	return env, nil
}

// Run starts env, calls run and stops env again, returning run's exit code; TestMain passes it to os.Exit.
func Run(env *envtest.Environment, run func() int) (code int, err error) {
	if _, err := env.Start(); err != nil {
		return 1, errors.Join(fmt.Errorf("start the control plane: %w", err), env.Stop())
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	return run(), nil
}

// KeepCertificates makes the API server of env keep its certificates and its client CA in dir, an empty folder of the
// caller's, so that StopAPIServer and StartAPIServer may be used. Call it before env starts, and once.
func KeepCertificates(env *envtest.Environment, dir string) {
	env.ControlPlane.GetAPIServer().CertDir = dir
}

// StopAPIServer stops the API server and leaves etcd running; it returns once the process is gone. Without KeepCertificates
// before env's start, no client could connect after StartAPIServer, which is therefore refused.
func StopAPIServer(env *envtest.Environment) error {
	server := env.ControlPlane.GetAPIServer()
	dir := server.CertDir
	if err := server.Stop(); err != nil {
		return fmt.Errorf("stop the API server: %w", err)
	}
	// envtest forgets, and deletes, a folder that it made itself.
	if server.CertDir != dir {
		return errors.New("stop the API server: its certificates went with it: call testplane.KeepCertificates before env.Start")
	}
	return nil
}

// StartAPIServer starts the API server again after StopAPIServer, on the same port, with the same data and certificates: every
// rest.Config, kubeconfig and connection pool from before goes on working. It returns once the server is healthy.
func StartAPIServer(env *envtest.Environment) error {
	if err := env.ControlPlane.GetAPIServer().Start(); err != nil {
		return fmt.Errorf("start the API server again: %w", err)
	}
	return nil
}
