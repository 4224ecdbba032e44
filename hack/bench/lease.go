// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaseName is the lease that a manager with --leader-elect needs to lead.
const leaseName = "integration-operator-leader"

// leaseSeconds is for how long the lease is held: longer than anything takes, so that it need not be renewed.
const leaseSeconds = 3600

// holdLease takes the lease, so that a manager that is started next with --leader-elect serves, and waits to lead.
func holdLease(ctx context.Context, p *plane) error {
	now := metav1.NewMicroTime(time.Now())
	return setLease(ctx, p, coordinationv1.LeaseSpec{
		HolderIdentity: new(agentBench), LeaseDurationSeconds: new(int32(leaseSeconds)), AcquireTime: &now, RenewTime: &now,
	})
}

// releaseLease lets the manager lead, which tries every two seconds.
func releaseLease(ctx context.Context, p *plane) error {
	now := metav1.NewMicroTime(time.Now())
	return setLease(ctx, p, coordinationv1.LeaseSpec{
		HolderIdentity: new(""), LeaseDurationSeconds: new(int32(1)), AcquireTime: &now, RenewTime: &now,
	})
}

// setLease writes the lease, whoever holds it.
func setLease(ctx context.Context, p *plane, spec coordinationv1.LeaseSpec) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: leaseName}}
	err := p.admin.Get(ctx, client.ObjectKeyFromObject(lease), lease)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Lease %s/%s: %w", operatorNamespace, leaseName, err)
	}
	lease.Spec = spec
	write := func() error { return p.admin.Update(ctx, lease) }
	if err != nil {
		write = func() error { return p.admin.Create(ctx, lease) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("write Lease %s/%s: %w", operatorNamespace, leaseName, err)
	}
	return nil
}
