// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// A replica that answered earlier would tell the clients that it has not read yet that there are no such clients.
func TestThePortIsClosedUntilTheClientsAreKnown(t *testing.T) {
	namespace := newNamespace(t)
	o := Options{
		IssuerURL: "http://localhost", OperatorNamespace: namespace, Namespaces: []string{namespace}, InsecureHTTP: true,
		TokenBindAddress: "127.0.0.1:" + freePort(t), MetricsBindAddress: "0", HealthProbeBindAddress: "0", Now: time.Now,
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	mgr, err := newManager(ctx, managerConfig, o)
	if err != nil {
		t.Fatal(err)
	}
	store, err := kubestore.New(ctx, mgr.GetCache(), kubestore.Options{OperatorNamespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	listener := newListener(o, slog.New(slog.DiscardHandler), store, store.Ready, &tokenserver.Server{
		Issuer: o.IssuerURL, Clients: store, Keys: store, Now: o.Now,
	})
	run := func(start func(context.Context) error) {
		ended := make(chan error, 1)
		go func() { ended <- start(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	open := func() error {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", o.TokenBindAddress)
		if err != nil {
			return err
		}
		return connection.Close()
	}
	run(listener.Start)
	NewWithT(t).Consistently(open, 500*time.Millisecond, poll).ShouldNot(Succeed())
	run(mgr.Start)
	NewWithT(t).Eventually(open, patience, poll).Should(Succeed())
	if !store.Synced() {
		t.Error("the port is open, and the clients are not known")
	}
}
