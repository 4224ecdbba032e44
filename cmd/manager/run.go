// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

const (
	// preflightTimeout bounds the first question to the API server.
	preflightTimeout = 10 * time.Second
	// gracefulShutdown is as long as the longest shutdown delay and the drain after it, with five seconds to spare; config/manager
	// gives the Pod 60 s.
	gracefulShutdown = maxShutdownDelay + 25*time.Second
	// syncedPoll is how often it is asked whether the token server's half has seen all that there is.
	syncedPoll = 20 * time.Millisecond
	// maxConcurrentReconciles keeps the API server busy while single calls wait.
	maxConcurrentReconciles = 16
)

// run serves until ctx is done. It returns nil after a clean shutdown, and otherwise one error that says what to do.
func run(ctx context.Context, o Options, logs io.Writer) error {
	handler := slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: o.LogLevel})
	log := slog.New(handler)
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(log)

	kubeconfig, err := loadKubeconfig(o.Kubeconfig)
	if err != nil {
		return err
	}
	if err := preflight(kubeconfig); err != nil {
		return err
	}
	mgr, err := newManager(ctx, kubeconfig, o)
	if err != nil {
		return err
	}
	parts, stop, err := addTokenServer(ctx, mgr, o, log)
	if err != nil {
		return err
	}
	defer stop()
	lead := func(ctx context.Context) error { return lead(ctx, mgr, o, parts) }
	var controllerHalf manager.Runnable = everyReplica(lead)
	if o.LeaderElect {
		controllerHalf = &leaderLoop{config: kubeconfig, namespace: o.OperatorNamespace, log: log, lead: lead}
	}
	if err := mgr.Add(controllerHalf); err != nil {
		return fmt.Errorf("add the controllers: %w", err)
	}
	log.Info("starting", "issuer", o.IssuerURL, "operatorNamespace", o.OperatorNamespace, "namespaces", o.Namespaces,
		"leaderElection", o.LeaderElect, "sessionStore", o.SessionStore)
	return mgr.Start(ctx)
}

// everyReplica is a Runnable that needs no election.
type everyReplica func(context.Context) error

// Start runs the function.
func (f everyReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection returns false.
func (f everyReplica) NeedLeaderElection() bool { return false }

// loadKubeconfig finds the API server: by the path, or else $KUBECONFIG, the Pod's service account or ~/.kube/config.
func loadKubeconfig(path string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	kubeconfig, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the Kubernetes API server, set --kubeconfig or $KUBECONFIG outside a cluster: %w", err)
	}
	kubeconfig.QPS = -1 // The API server's own priority and fairness does this better.
	return rest.AddUserAgent(kubeconfig, "integration-operator"), nil
}

// preflight asks for the operator's API, so that the two usual mistakes end in one clear line rather than in retries.
func preflight(kubeconfig *rest.Config) error {
	bounded := rest.CopyConfig(kubeconfig)
	bounded.Timeout = preflightTimeout
	kube, err := discovery.NewDiscoveryClientForConfig(bounded)
	if err != nil {
		return fmt.Errorf("prepare to reach the Kubernetes API server at %s: %w", kubeconfig.Host, err)
	}
	_, err = kube.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	var transport *url.Error
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the Kubernetes API server at %s does not know %s: install the CRDs with `kubectl apply -k config/crd`",
			kubeconfig.Host, v1alpha1.GroupVersion)
	case errors.As(err, &transport):
		err = transport.Err // Without the URL and its query.
	}
	return fmt.Errorf("cannot reach the Kubernetes API server at %s, check that it runs and that the kubeconfig is right: %w", kubeconfig.Host, err)
}

// newManager returns the manager that holds what both halves share: cache, client, metrics and probes.
func newManager(ctx context.Context, kubeconfig *rest.Config, o Options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register the API types: %w", err)
	}
	byObject, err := kubestore.CacheByObject(o.OperatorNamespace, o.Namespaces...)
	if err != nil {
		return nil, err
	}
	maps.Copy(byObject, controllers.CacheByObject())
	shutdown, readYourWrites := gracefulShutdown, true
	mgr, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   cache.Options{ByObject: byObject},
		Client:                  client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &readYourWrites}},
		Metrics:                 metricsserver.Options{BindAddress: o.MetricsBindAddress},
		HealthProbeBindAddress:  o.HealthProbeBindAddress,
		GracefulShutdownTimeout: &shutdown,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := controllers.IndexFields(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	return mgr, mgr.AddHealthzCheck("ping", healthz.Ping)
}

// lead runs the controllers until ctx is done, in a manager of their own that borrows the shared one's cache and client: controllers
// cannot be started twice, and a replica may lead twice.
func lead(ctx context.Context, shared ctrl.Manager, o Options, parts leaderParts) error {
	mgr, err := ctrl.NewManager(shared.GetConfig(), ctrl.Options{
		Scheme:         shared.GetScheme(),
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return shared.GetRESTMapper(), nil },
		NewCache: func(*rest.Config, cache.Options) (cache.Cache, error) {
			return &termCache{Cache: shared.GetCache()}, nil
		},
		NewClient:              func(*rest.Config, client.Options) (client.Client, error) { return shared.GetClient(), nil },
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Controller:             config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return fmt.Errorf("set up the controllers' manager: %w", err)
	}
	recorder := mgr.GetEventRecorder("integration-operator")
	integrations := &controllers.IntegrationReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Issuer: o.IssuerURL,
		OperatorNamespace: o.OperatorNamespace, MaxConcurrent: maxConcurrentReconciles, Minter: parts.minter, Now: o.Now,
		CABundle: func(context.Context) ([]byte, error) { return nil, nil },
	}
	switch {
	case o.TLSCertDir != "":
		bundle := newDirectoryBundle(o.TLSCertDir)
		integrations.CABundle, integrations.CABundleChanged = bundle.read, bundle.changed
		if err := mgr.Add(bundle); err != nil {
			return fmt.Errorf("add the CA certificates of directory %s: %w", o.TLSCertDir, err)
		}
	case o.selfMadeCertificate():
		integrations.CABundle = controllers.SecretCABundle(mgr.GetClient(), o.OperatorNamespace)
		if err := (&controllers.CertificateReconciler{
			Client: mgr.GetClient(), Recorder: recorder, OperatorNamespace: o.OperatorNamespace, Hosts: o.certificateHosts(), Now: o.Now,
		}).SetupWithManager(mgr); err != nil {
			return err
		}
	}
	keys := &controllers.SigningKeyReconciler{
		Client: mgr.GetClient(), Recorder: recorder, OperatorNamespace: o.OperatorNamespace, RotateEvery: o.SigningKeyRotation, Now: o.Now,
	}
	awaitSynced(ctx, parts.synced) // When ctx is done, the manager ends at once.
	if err := errors.Join(integrations.SetupWithManager(mgr), keys.SetupWithManager(mgr), mgr.Add(parts.cleaner)); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// awaitSynced waits until synced says so, or ctx is done.
func awaitSynced(ctx context.Context, synced func() bool) {
	_ = wait.PollUntilContextCancel(ctx, syncedPoll, true, func(context.Context) (bool, error) { return synced(), nil })
}
