// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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

// actAsManager makes the test binary be the manager: tests start it as a process of its own, which they can kill.
const actAsManager = "INTEGRATION_OPERATOR_TEST_ACT_AS_MANAGER"

const operatorNamespace = "integration-operator-system"

var (
	// plane is the suite's control plane; its API server can be stopped and started again.
	plane *envtest.Environment
	// admin may do everything.
	admin client.Client
	// managerConfig is the manager's own identity: it may do what config/rbac allows, and nothing else.
	managerConfig *rest.Config
	// managerKubeconfig is the path of a kubeconfig for the same identity.
	managerKubeconfig string
	// adminKubeconfig is the path of a kubeconfig for admin.
	adminKubeconfig string
)

func TestMain(m *testing.M) {
	if os.Getenv(actAsManager) != "" {
		os.Exit(realMain(clockOf(os.Getenv(fastClock))))
	}
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "manager-suite-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if plane, err = testplane.New(); err != nil {
		return 1, err
	}
	certificates := filepath.Join(dir, "apiserver")
	if err := os.Mkdir(certificates, 0o700); err != nil {
		return 1, err
	}
	testplane.KeepCertificates(plane, certificates)
	var prepareErr error
	code, err = testplane.Run(plane, func() int {
		if prepareErr = prepare(context.Background(), dir); prepareErr != nil {
			return 1
		}
		return m.Run()
	})
	return code, errors.Join(prepareErr, err)
}

// prepare makes the clients, and installs the operator's own RBAC and namespace.
func prepare(ctx context.Context, dir string) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if admin, err = client.New(plane.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	if err := errors.Join(admin.Create(ctx, namespace), testplane.ApplyDefaultPolicy(ctx, admin)); err != nil {
		return err
	}
	kubectl, err := testplane.Kubectl()
	if err != nil {
		return err
	}
	adminKubeconfig = filepath.Join(dir, "admin.kubeconfig")
	if err := os.WriteFile(adminKubeconfig, plane.KubeConfig, 0o600); err != nil {
		return err
	}
	for _, folder := range []string{"rbac", "restart"} {
		manifests := filepath.Join(testplane.RepositoryRoot(), "config", folder)
		apply := exec.CommandContext(ctx, kubectl, "--kubeconfig", adminKubeconfig, "apply", "-n", operatorNamespace, "-k", manifests)
		if out, err := apply.CombinedOutput(); err != nil {
			return fmt.Errorf("apply config/%s: %w: %s", folder, err, out)
		}
	}
	user, err := plane.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + operatorNamespace + ":controller-manager",
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}, nil)
	if err != nil {
		return err
	}
	managerConfig = user.Config()
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	managerKubeconfig = filepath.Join(dir, "manager.kubeconfig")
	return os.WriteFile(managerKubeconfig, kubeconfig, 0o600)
}
