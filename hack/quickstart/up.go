// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The sample that gets the token.
const (
	namespace   = "shop"
	integration = "order-sync"
	audience    = "https://orders.shop.example"
)

// up brings everything up, or takes up what runs already, and ends with a verified token.
func up(ctx context.Context, l layout) error {
	if err := bringUp(ctx, l); err != nil {
		return fmt.Errorf("%w\n\nEverything is left as it is: logs are in %s/logs; `make quickstart-down` cleans up", err, l.shown(l.root))
	}
	return nil
}

func bringUp(ctx context.Context, l layout) error {
	s, err := prepare(ctx, l)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, layout, *state) error
	}{
		{"Installing the API (CRDs), the operator's permissions and the default policy", install},
		{"Starting the operator", ensureManager},
		{"Applying the sample Integrations in namespace " + namespace, applySamples},
		{"Waiting until they are Ready and the token server serves", waitReady},
	} {
		progress(step.name)
		if err := step.run(ctx, l, s); err != nil {
			return err
		}
	}
	return show(ctx, l, s)
}

func progress(line string) { fmt.Printf("==> %s\n", line) }

// prepare returns with a running control plane: that of the last run if it is well, or else a new one.
func prepare(ctx context.Context, l layout) (*state, error) {
	if mustRun(ctx, l, controlPlaneName) == nil {
		if _, err := kubectl(ctx, l, nil, "get", "--raw", "/readyz"); err == nil {
			progress("Taking up the control plane that runs already")
			return l.load()
		}
	}
	if _, err := os.Stat(l.root); err == nil {
		progress("Clearing away what a crash or a reboot left")
		if err := down(ctx, l); err != nil {
			return nil, err
		}
	}
	progress("Starting a control plane (kube-apiserver and etcd) on this machine")
	if err := l.make(); err != nil {
		return nil, err
	}
	s := &state{}
	if err := freePorts(ctx, &s.TokenPort, &s.MetricsPort, &s.HealthPort); err != nil {
		return nil, err
	}
	if err := l.save(s); err != nil {
		return nil, err
	}
	return s, startControlPlane(ctx, l)
}

// freePorts sets ports that are free on the loopback now; all are held until all are found, so that they differ.
func freePorts(ctx context.Context, ports ...*int) error {
	for _, port := range ports {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return nil
}

func install(ctx context.Context, l layout, _ *state) error {
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", l.config("default/namespace.yaml")},
		{"apply", "--server-side", "-k", l.config("crd")},
		{"apply", "--server-side", "-k", l.config("rbac")},
		{"wait", "--for=condition=Established", "--timeout=60s", "-f", l.config("crd/bases")},
		// What somebody tried out on the policy is undone.
		{"apply", "--server-side", "--force-conflicts", "-k", l.config("policy")},
		{"apply", "--server-side", "-k", l.config("restart")},
	} {
		if _, err := kubectl(ctx, l, nil, args...); err != nil {
			return err
		}
	}
	return nil
}

// ensureManager starts the manager unless the very same binary runs already.
func ensureManager(ctx context.Context, l layout, s *state) error {
	binary, err := os.ReadFile(l.managerBinary())
	if err != nil {
		return fmt.Errorf("read the manager (run `make build`): %w", err)
	}
	sum := sha256.Sum256(binary)
	digest := hex.EncodeToString(sum[:])
	if digest == s.ManagerDigest && mustRun(ctx, l, managerName) == nil {
		return nil
	}
	if _, err := stopProcess(ctx, l.pidFile(managerName)); err != nil {
		return err
	}
	err = startProcess(
		ctx, l.pidFile(managerName), l.log(managerName), l.managerBinary(),
		"--kubeconfig="+l.managerKubeconfig(),
		"--operator-namespace=integration-operator-system",
		"--leader-elect",
		"--issuer-url="+l.issuer(s),
		fmt.Sprintf("--token-bind-address=127.0.0.1:%d", s.TokenPort),
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", s.MetricsPort),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", s.HealthPort),
	)
	if err != nil {
		return err
	}
	s.ManagerDigest = digest
	return l.save(s)
}

func applySamples(ctx context.Context, l layout, _ *state) error {
	manifest := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q}}`, namespace)
	if _, err := kubectl(ctx, l, strings.NewReader(manifest), "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	// The samples are to be what the files say, whoever has patched them since.
	if _, err := kubectl(ctx, l, nil, "apply", "--server-side", "--force-conflicts", "-k", l.config("samples")); err != nil {
		return err
	}
	// Whoever stopped in the middle of the README may have left the sample suspended, which it says nothing about itself.
	_, err := kubectl(ctx, l, nil, "patch", "integration", integration, "-n", namespace, "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	return err
}

// waitReady waits in short turns, so that a manager that dies is noticed at once.
func waitReady(ctx context.Context, l layout, s *state) error {
	var last error
	err := poll(ctx, 2*time.Minute, func() (bool, error) {
		if err := mustRun(ctx, l, managerName); err != nil {
			return false, err
		}
		last = ready(ctx, l, s)
		return last == nil, nil
	})
	if err != nil {
		table, _ := kubectl(ctx, l, nil, "get", "integrations", "-n", namespace) // As far as it can be had.
		return fmt.Errorf("wait until the operator and the samples are ready: %w\n%s\nthe end of %s:\n%s",
			errors.Join(err, last), table, l.shown(l.log(managerName)), tail(l.log(managerName)))
	}
	return nil
}

func ready(ctx context.Context, l layout, s *state) error {
	// Only the sample Integrations: what else there is may be meant to be stuck.
	samples, err := kubectl(ctx, l, nil, "kustomize", l.config("samples"))
	if err != nil {
		return err
	}
	names, err := kubectl(ctx, l, bytes.NewReader(samples), "get", "-f", "-", "-o", "name")
	if err != nil {
		return err
	}
	wait := []string{"wait", "-n", namespace, "--for=condition=Ready", "--timeout=3s"}
	for name := range strings.FieldsSeq(string(names)) {
		if strings.HasPrefix(name, "integration.") {
			wait = append(wait, name)
		}
	}
	if _, err := kubectl(ctx, l, nil, wait...); err != nil {
		return err
	}
	return get(ctx, l.readyURL(s))
}

// get returns nil if url answers 200.
func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask whether the manager is ready: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the manager is not ready: %s", response.Status)
	}
	return nil
}

// kubectl runs the control plane's own kubectl and returns what it printed.
func kubectl(ctx context.Context, l layout, stdin io.Reader, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.kubectl(), append([]string{"--kubeconfig", l.kubeconfig()}, args...)...)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), errors.Join(err, errors.New(strings.TrimSpace(problems.String()))))
	}
	return out.Bytes(), nil
}
