// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/certificates"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth/jwks"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey"
)

// lastFlush bounds the last writes of a process that ends.
const lastFlush = 3 * time.Second

// sweepEvery is how often the leader removes what has expired.
const sweepEvery = time.Minute

// leaderParts is what the leader takes from the token server.
type leaderParts struct {
	// cleaner runs beside the controllers, and removes sessions that have ended.
	cleaner manager.Runnable
	// minter makes the access tokens that the controllers put into Secrets.
	minter controllers.TokenMinter
	// synced reports whether the minter knows all keys that there are. The controllers start after that: a token that cannot be checked
	// would be taken for a bad one.
	synced func() bool
}

// addTokenServer adds the token server with its readiness check and metrics, and returns what the leader takes from it. Stop is to be
// called once the manager has ended: until then requests are served.
func addTokenServer(ctx context.Context, mgr ctrl.Manager, o Options, log *slog.Logger) (parts leaderParts, stop func(), err error) {
	store, err := kubestore.New(ctx, mgr.GetCache(), kubestore.Options{
		OperatorNamespace: o.OperatorNamespace, ServingCertificate: o.selfMadeCertificate(), DefaultIntegrations: o.DefaultIntegrations, Log: log,
	})
	if err != nil {
		return leaderParts{}, nil, err
	}
	kept, err := newSessionStore(ctx, mgr, o, log)
	if err != nil {
		return leaderParts{}, nil, err
	}
	lastUse, err := addLastUse(mgr, o, log, store)
	if err != nil {
		return leaderParts{}, nil, err
	}
	serverMetrics := tokenserver.NewMetrics(store.Len, store, o.Now)
	if err := metrics.Registry.Register(serverMetrics); err != nil {
		return leaderParts{}, nil, fmt.Errorf("register the token server's metrics: %w", err)
	}
	stop = func() {
		// What requests used up to the last one: the writer of last uses ended when the drain began.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
		defer cancel()
		lastUse.Flush(bounded)
		metrics.Registry.Unregister(serverMetrics)
		kept.close()
	}
	server := &tokenserver.Server{
		Issuer: o.IssuerURL, Clients: store, Virtual: store, Lasting: store, CORSOrigins: o.CORSOrigins, Keys: store, Sessions: kept, RefreshGrace: o.RefreshTokenGrace, MaxSessions: o.MaxSessions,
		Limits: limits.Observed(kept.limiter, serverMetrics.CountLimited), Sources: limits.Sources{Trusted: o.TrustedProxies},
		KeySource:    jwks.New(jwks.Options{AllowLocal: o.AllowLocalJWKSURI, Now: o.Now}),
		PreviousUsed: lastUse.Used,
		JWKSMaxAge:   v1alpha1.JWKSMaxAge, Now: o.Now, Log: log, Metrics: serverMetrics,
	}
	synced := func() bool { return store.Synced() && kept.synced() }
	ready := func() error {
		if err := store.Ready(); err != nil {
			return err
		}
		if !kept.synced() {
			return errors.New("wait for Kubernetes: the sessions are not synced")
		}
		return nil
	}
	if err := addListener(mgr, o, log, store, ready, server); err != nil {
		return leaderParts{}, nil, err
	}
	return leaderParts{
		cleaner: &sessions.Cleaner{
			Store: kept, Clients: store, Keys: store, Ready: synced, Every: sweepEvery, Now: o.Now, Log: log,
		},
		minter: &minter{
			issuer: o.IssuerURL, keys: store, audit: &audit.Recorder{Log: log, Count: serverMetrics.CountAudit}, now: o.Now,
		},
		synced: store.Synced,
	}, stop, nil
}

// addLastUse adds what tells the leader who still uses a previous client secret.
func addLastUse(mgr ctrl.Manager, o Options, log *slog.Logger, store *kubestore.Store) (*kubestore.LastUse, error) {
	live, err := kubestore.LiveClient(mgr.GetConfig())
	if err != nil {
		return nil, err
	}
	lastUse := kubestore.NewLastUse(live, store, kubestore.LastUseOptions{Now: o.Now, Log: log})
	if err := mgr.Add(lastUse); err != nil {
		return nil, fmt.Errorf("add the writer of last uses: %w", err)
	}
	return lastUse, nil
}

// A sessionStore is where sessions are kept, with what comes with it.
type sessionStore struct {
	sessions.Store
	// limiter counts failed attempts: for all replicas where the store is made for that.
	limiter limits.Limiter
	// synced reports whether the store knows what there was when the process started.
	synced func() bool
	// close gives up what the store holds, once nobody uses it any more.
	close func()
}

// newSessionStore returns the store that the options choose.
func newSessionStore(ctx context.Context, mgr ctrl.Manager, o Options, log *slog.Logger) (sessionStore, error) {
	memory := limits.NewMemory(o.Now)
	if o.SessionStore == sessionStoreValkey {
		kept, err := valkey.New(ctx, o.Valkey)
		if err != nil {
			return sessionStore{}, err
		}
		// The metrics and the log show what comes of it; a replica starts without its store, and serves what does not need it.
		if _, err := kept.Get(ctx, sessions.Owner{}, sessions.NewID()); errors.Is(err, sessions.ErrUnavailable) {
			log.Warn("the session store does not answer: check --valkey-url, the password and the CA; logins get 503 until it does", "error", err)
		}
		limiter := limits.NewValkey(kept.Client(), memory, o.Now)
		return sessionStore{Store: kept, limiter: limiter, synced: func() bool { return true }, close: kept.Close}, nil
	}
	live, err := kubestore.LiveClient(mgr.GetConfig())
	if err != nil {
		return sessionStore{}, err
	}
	kept, err := kubestore.NewSessions(ctx, mgr.GetCache(), live, kubestore.SessionsOptions{Now: o.Now, Log: log})
	if err != nil {
		return sessionStore{}, err
	}
	return sessionStore{Store: kept, limiter: memory, synced: kept.Synced, close: func() {}}, nil
}

// newListener returns what serves the token server on its port, without certificates.
func newListener(
	o Options, log *slog.Logger, store *kubestore.Store, ready func() error, server *tokenserver.Server,
) *tokenserver.Runnable {
	return &tokenserver.Runnable{
		Handler: server.Handler(), BindAddress: o.TokenBindAddress, Ready: ready, ShutdownDelay: o.ShutdownDelay,
		Insecure: o.InsecureHTTP, Log: log,
		// The manager starts it when the caches have synced, and the store hears of what is in them a moment later. The sessions are not
		// waited for: whoever needs one that is not there yet gets a 503, and nobody else is held up.
		Await: func(ctx context.Context) { awaitSynced(ctx, store.Synced) },
	}
}

// addListener adds what serves the token server on its port.
func addListener(
	mgr ctrl.Manager, o Options, log *slog.Logger, store *kubestore.Store, ready func() error, server *tokenserver.Server,
) error {
	runnable := newListener(o, log, store, ready, server)
	switch {
	case o.TLSCertDir != "":
		directory, err := certificates.NewDirectory(o.TLSCertDir, 0)
		if err != nil {
			return err
		}
		if err := mgr.Add(directory); err != nil {
			return fmt.Errorf("add the certificate directory: %w", err)
		}
		runnable.GetCertificate = directory.GetCertificate
	case o.selfMadeCertificate():
		runnable.GetCertificate = store.GetCertificate
	}
	if err := mgr.Add(runnable); err != nil {
		return fmt.Errorf("add the token server: %w", err)
	}
	return mgr.AddReadyzCheck("token-server", runnable.ReadyCheck)
}
