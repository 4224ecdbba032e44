// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// controllerManagerStart bounds how long kube-controller-manager takes to answer.
	controllerManagerStart = time.Minute
	// controllerManagerPoll is how often it is asked until then.
	controllerManagerPoll = 50 * time.Millisecond
	// controllerManagerStop is how long it may take to end before it is killed.
	controllerManagerStop = 10 * time.Second
	// loggedLines is how much of its log an error quotes.
	loggedLines = 10
)

// ControllerManager returns the path of the kube-controller-manager that belongs to the control plane. A folder of KUBEBUILDER_ASSETS may lack
// it, as envtest's own download does; the error says how to get it.
func ControllerManager() (string, error) {
	dir, err := BinaryDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kube-controller-manager")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find kube-controller-manager in %s (run `make controlplane`, and if KUBEBUILDER_ASSETS is set, unset it or copy "+
			"bin/controlplane/kube-controller-manager there): %w", dir, err)
	}
	return path, nil
}

// StartControllerManager runs kube-controller-manager against env, which has been started, with only the named controllers, such as
// namespace-controller and garbage-collector-controller, and with an administrator's permissions. It returns once it is healthy. Its log and
// its files are in dir, an empty folder of the caller's. It ends with ctx or with stop, whichever is first; stop returns once it is gone, and
// an error if it had ended by itself.
func StartControllerManager(ctx context.Context, env *envtest.Environment, dir string, controllers ...string) (stop func() error, err error) {
	path, err := ControllerManager()
	if err != nil {
		return nil, err
	}
	user, err := env.AddUser(envtest.User{Name: "controller-manager", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, fmt.Errorf("make an identity for kube-controller-manager: %w", err)
	}
	config, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("make a kubeconfig for kube-controller-manager: %w", err)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, config, 0o600); err != nil {
		return nil, fmt.Errorf("write a kubeconfig for kube-controller-manager: %w", err)
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(address)

	run, cancel := context.WithCancel(ctx)
	p := &controllerManager{log: filepath.Join(dir, "kube-controller-manager.log"), ended: make(chan struct{})}
	command := exec.CommandContext(run, path,
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address="+host, "--secure-port="+port, "--cert-dir="+dir, "--leader-elect=false",
		"--controllers="+strings.Join(controllers, ","), "--kube-api-qps=500", "--kube-api-burst=1000")
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = controllerManagerStop
	if err := p.start(command); err != nil {
		cancel()
		return nil, err
	}
	stop = sync.OnceValue(func() error {
		stopped := run.Err() != nil
		select {
		case <-p.ended:
		default:
			stopped = true
		}
		cancel()
		<-p.ended
		if !stopped {
			return p.failure("it ended by itself")
		}
		return nil
	})
	certificate := filepath.Join(dir, "kube-controller-manager.crt")
	if err := p.awaitHealthy(run, "https://"+address+"/healthz", certificate); err != nil {
		cancel()
		<-p.ended
		return nil, err
	}
	return stop, nil
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := listener.Addr().String()
	return address, listener.Close()
}

// A controllerManager is a running kube-controller-manager.
type controllerManager struct {
	log string
	// ended is closed when the process is gone.
	ended chan struct{}
}

// start starts the process, with its output to the log.
func (p *controllerManager) start(command *exec.Cmd) error {
	log, err := os.Create(p.log)
	if err != nil {
		return fmt.Errorf("make a log for kube-controller-manager: %w", err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("start kube-controller-manager: %w", err), log.Close())
	}
	go func() {
		defer close(p.ended)
		_ = command.Wait() // How it ended, its log says.
		_ = log.Close()
	}()
	return nil
}

// awaitHealthy waits until the process says that it is healthy, at a URL whose certificate it writes to a file.
func (p *controllerManager) awaitHealthy(ctx context.Context, url, certificate string) error {
	ctx, cancel := context.WithTimeout(ctx, controllerManagerStart)
	defer cancel()
	ticker := time.NewTicker(controllerManagerPoll)
	defer ticker.Stop()
	for {
		if healthy(ctx, url, certificate) {
			return nil
		}
		select {
		case <-p.ended:
			return p.failure("it ended")
		case <-ctx.Done():
			return p.failure("it does not become healthy")
		case <-ticker.C:
		}
	}
}

// healthy asks once.
func healthy(ctx context.Context, url, certificate string) bool {
	pem, err := os.ReadFile(certificate)
	if err != nil {
		return false // Not written yet.
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// failure returns an error with the end of the log.
func (p *controllerManager) failure(what string) error {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("run kube-controller-manager: %s, and its log cannot be read: %w", what, err)
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return fmt.Errorf("run kube-controller-manager: %s; the end of its log:\n%s", what, bytes.Join(lines[max(0, len(lines)-loggedLines):], []byte("\n")))
}
