// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

var (
	restConfig *rest.Config
	scheme     = runtime.NewScheme()
	// k8sClient talks to the suite's real API server without a cache, as users do.
	k8sClient client.Client
	// auditLog is what the API server says it was asked.
	auditLog *testplane.AuditLog
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func runSuite(m *testing.M) (code int, err error) {
	env, err := testplane.New()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "controllers-test-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if auditLog, err = testplane.EnableAudit(env, dir); err != nil {
		return 1, err
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 1, err
		}
	}
	// What a library logs outside of any manager, such as watches that end with one, is of no interest.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	return testplane.Run(env, func() int {
		restConfig = env.Config
		restConfig.QPS = -1
		if k8sClient, err = client.New(restConfig, client.Options{Scheme: scheme}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := testplane.ApplyDefaultPolicy(context.Background(), k8sClient); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
}
