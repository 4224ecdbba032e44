// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// managerUser is who the manager is in a cluster: its service account. Here it signs in by a client certificate, which makes
// it the same user to the API server, so that config/rbac decides what it may do.
var managerUser = envtest.User{
	Name:   "system:serviceaccount:integration-operator-system:controller-manager",
	Groups: []string{"system:serviceaccounts", "system:serviceaccounts:integration-operator-system"},
}

// superviseControlPlane starts kube-apiserver and etcd on free ports of the loopback, writes the kubeconfigs once they are
// healthy, and stops them when ctx ends.
func superviseControlPlane(ctx context.Context, l layout) (err error) {
	env, closeLogs, err := newControlPlane(l)
	if err != nil {
		return err
	}
	defer closeLogs()
	if _, err := env.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the control plane: %w", err), env.Stop())
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	if err := recordChildren(ctx, l, os.Getpid()); err != nil {
		return err
	}
	manager, err := env.AddUser(managerUser, nil)
	if err != nil {
		return fmt.Errorf("add the manager's user: %w", err)
	}
	kubeconfig, err := manager.KubeConfig()
	if err != nil {
		return fmt.Errorf("make the manager's kubeconfig: %w", err)
	}
	if err := writeFile(l.managerKubeconfig(), kubeconfig); err != nil {
		return err
	}
	// Last, as it tells "up" that all is there.
	if err := writeFile(l.kubeconfig(), env.KubeConfig); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func newControlPlane(l layout) (env *envtest.Environment, closeLogs func(), err error) {
	server, err := os.Create(l.log("kube-apiserver"))
	if err != nil {
		return nil, nil, fmt.Errorf("create a log: %w", err)
	}
	etcd, err := os.Create(l.log("etcd"))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("create a log: %w", err), server.Close())
	}
	certificates := filepath.Join(l.controlPlaneData(), "certificates")
	data := filepath.Join(l.controlPlaneData(), "etcd")
	for _, dir := range []string{certificates, data} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("create a folder: %w", err), server.Close(), etcd.Close())
		}
	}
	existing := false
	env = &envtest.Environment{
		BinaryAssetsDirectory:    l.binaries,
		UseExistingCluster:       &existing,
		ControlPlaneStartTimeout: time.Minute,
	}
	plane := env.ControlPlane.GetAPIServer()
	plane.CertDir, plane.Out, plane.Err = certificates, server, server
	// Without it a stopping API server waits out every open watch.
	plane.Configure().Set("shutdown-watch-termination-grace-period", "1s")
	env.ControlPlane.Etcd = &envtest.Etcd{DataDir: data, Out: etcd, Err: etcd}
	return env, func() { _, _ = server.Close(), etcd.Close() }, nil
}

// recordChildren writes down kube-apiserver and etcd, so that "down" finds them even if their supervisor is killed.
func recordChildren(ctx context.Context, l layout, supervisor int) error {
	all, err := processes(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.parent != supervisor {
			continue
		}
		if err := p.record(l.pidFile(p.name)); err != nil {
			return err
		}
	}
	return nil
}

// startControlPlane starts the supervisor in the background and waits until the API server is healthy.
func startControlPlane(ctx context.Context, l layout) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := startProcess(ctx, l.pidFile(controlPlaneName), l.log(controlPlaneName), self, controlPlaneName); err != nil {
		return err
	}
	err = poll(ctx, 3*time.Minute, func() (bool, error) {
		if _, err := os.Stat(l.kubeconfig()); err == nil {
			return true, nil
		}
		return false, mustRun(ctx, l, controlPlaneName)
	})
	if err != nil {
		return fmt.Errorf("wait for the control plane: %w; the end of %s:\n%s\nthe end of %s:\n%s", err,
			l.log(controlPlaneName), tail(l.log(controlPlaneName)), l.log("kube-apiserver"), tail(l.log("kube-apiserver")))
	}
	return nil
}

// mustRun returns an error if a background process has ended.
func mustRun(ctx context.Context, l layout, name string) error {
	p, err := recorded(ctx, l.pidFile(name))
	if err == nil && p == nil {
		err = fmt.Errorf("%s ended on its own", name)
	}
	return err
}
