// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

const (
	operatorNamespace = "integration-operator-system"
	// namespace has everything that is measured.
	namespace = "bench"
)

// A plane is a control plane with the operator installed, and the addresses that every manager on it uses, one after the other.
type plane struct {
	env *envtest.Environment
	// admin may do everything.
	admin client.Client
	// dir is for files, and kubeconfig is one for the manager: it may do what config/rbac allows, and nothing else.
	dir, kubeconfig string
	// token, metrics and health are addresses.
	token, metrics, health string
}

// auditLogName is the file in a plane's dir where testplane.EnableAudit has the API server log.
const auditLogName = "audit.log"

// startPlane starts a control plane that keeps its files in dir. Audited, its API server logs every request.
func startPlane(ctx context.Context, dir string, audited bool) (p *plane, err error) {
	env, err := testplane.New()
	if err != nil {
		return nil, err
	}
	if audited {
		if _, err := testplane.EnableAudit(env, dir); err != nil {
			return nil, err
		}
	}
	if _, err := env.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane: %w", err), env.Stop())
	}
	p = &plane{env: env, dir: dir, kubeconfig: filepath.Join(dir, "manager.kubeconfig")}
	if err := errors.Join(p.choosePorts(ctx, &p.token, &p.metrics, &p.health), p.install(ctx)); err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	return p, nil
}

// choosePorts finds ports that are free on the loopback now; all are held until all are found, so that they differ.
func (p *plane) choosePorts(ctx context.Context, addresses ...*string) error {
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		*address = listener.Addr().String()
	}
	return nil
}

// install makes the clients, the namespaces and the default policy, and applies the operator's RBAC.
func (p *plane) install(ctx context.Context) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register the API types: %w", err)
	}
	config := rest.CopyConfig(p.env.Config)
	config.QPS, config.UserAgent = -1, agentBench // The API server is what is to be kept busy.
	var err error
	if p.admin, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("set up a client: %w", err)
	}
	for _, name := range []string{operatorNamespace, namespace} {
		if err := p.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("create Namespace %s: %w", name, err)
		}
	}
	if err := testplane.ApplyDefaultPolicy(ctx, p.admin); err != nil {
		return err
	}
	kubectl, err := testplane.Kubectl()
	if err != nil {
		return err
	}
	adminKubeconfig := filepath.Join(p.dir, "admin.kubeconfig")
	if err := os.WriteFile(adminKubeconfig, p.env.KubeConfig, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	apply := exec.CommandContext(ctx, kubectl, "--kubeconfig", adminKubeconfig, "apply", "-n", operatorNamespace, "-k",
		filepath.Join(testplane.RepositoryRoot(), "config", "rbac"))
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("apply config/rbac: %w: %s", err, out)
	}
	user, err := p.env.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + operatorNamespace + ":controller-manager",
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}, nil)
	if err != nil {
		return fmt.Errorf("add the manager's user: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return fmt.Errorf("make the manager's kubeconfig: %w", err)
	}
	return os.WriteFile(p.kubeconfig, kubeconfig, 0o600)
}
