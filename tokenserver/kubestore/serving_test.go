// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/certificates/certtest"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
)

// servingSecret returns the self-made serving certificate as the controllers keep it.
func servingSecret(namespace string, pair certtest.Pair) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ServingCertificateSecretName},
		Type:       corev1.SecretTypeTLS,
		Data: map[string][]byte{
			v1alpha1.KeyCertificate: pair.Certificate, v1alpha1.KeyCertificateKey: pair.PrivateKey,
		},
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// servedName returns the common name of the certificate that a new TLS connection meets, or why there is none.
func servedName(ctx context.Context, address string, config *tls.Config) string {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	tlsConn, ok := conn.(*tls.Conn)
	if !ok {
		return "not TLS"
	}
	return tlsConn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// get requests url and returns the answer's status, the common name of the connection's certificate, and whether the connection
// is one from before.
func get(t *testing.T, c *http.Client, url string) (status int, commonName string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("get %s: %v", url, err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatalf("read the answer of %s: %v", url, err)
	}
	return res.StatusCode, res.TLS.PeerCertificates[0].Subject.CommonName, reused
}

func TestTheServingCertificateIsReplacedWithoutDroppingAConnection(t *testing.T) {
	operator, log := newNamespace(t), &logBuffer{}
	first, second := certtest.New(t, "first"), certtest.New(t, "second")
	secret := servingSecret(operator, first)
	create(t, secret)
	store := startStore(t, kubestore.Options{OperatorNamespace: operator, ServingCertificate: true, Log: log.logger()})

	listener := listen(t)
	r := &tokenserver.Runnable{Handler: http.NotFoundHandler(), Listener: listener, GetCertificate: store.GetCertificate}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Start(ctx) }()

	trust := &tls.Config{RootCAs: certtest.Pool(first, second)}
	keepAlive := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}
	address, url := listener.Addr().String(), "https://"+listener.Addr().String()
	if _, name, reused := get(t, keepAlive, url); name != "first" || reused {
		t.Fatalf("the first connection meets certificate %q (reused %t)", name, reused)
	}

	patch(t, secret, func(s *corev1.Secret) {
		s.Data[v1alpha1.KeyCertificate], s.Data[v1alpha1.KeyCertificateKey] = second.Certificate, second.PrivateKey
	})
	newConnection := func() string { return servedName(t.Context(), address, trust) }
	eventually(t, newConnection, "second")
	if status, name, reused := get(t, keepAlive, url); status != http.StatusNotFound || name != "first" || !reused {
		t.Errorf("the open connection gave status %d with certificate %q (reused %t), want it to go on", status, name, reused)
	}

	patch(t, secret, func(s *corev1.Secret) { s.Data[v1alpha1.KeyCertificate] = first.Certificate })
	eventually(t, func() int { return strings.Count(log.String(), "\n") }, 1)
	if got := newConnection(); got != "second" {
		t.Errorf("after a broken update a connection meets %q, want the last good certificate", got)
	}
	if !strings.Contains(log.String(), operator+"/"+v1alpha1.ServingCertificateSecretName) {
		t.Errorf("want the log line to name the Secret, got %s", log)
	}
	remove(t, secret)
	eventually(t, func() int { return strings.Count(log.String(), "\n") }, 2)
	if got := newConnection(); got != "second" {
		t.Errorf("after the Secret is deleted a connection meets %q, want the last good certificate", got)
	}

	keepAlive.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestReadySaysWhatIsMissing(t *testing.T) {
	operator := newNamespace(t)
	c := newCache(t, operator)
	store, err := kubestore.New(t.Context(), c, kubestore.Options{OperatorNamespace: operator, ServingCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	ready := func() string {
		if err := store.Ready(); err != nil {
			return err.Error()
		}
		return ""
	}
	noKey := "no active signing key in namespace " + operator
	noCertificate := "no serving certificate in Secret " + operator + "/" + v1alpha1.ServingCertificateSecretName
	if want := "wait for Kubernetes: the caches are not synced, " + noKey + ", " + noCertificate; ready() != want {
		t.Errorf("before the start Ready() = %q, want %q", ready(), want)
	}
	if _, err := store.GetCertificate(nil); err == nil {
		t.Error("want an error for a certificate that is not there")
	}
	start(t, c)
	eventually(t, ready, "wait for Kubernetes: "+noKey+", "+noCertificate)
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateNext))
	create(t, servingSecret(operator, certtest.New(t, "first")))
	eventually(t, ready, "wait for Kubernetes: "+noKey)
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive))
	eventually(t, ready, "")
}

func TestAStoreThatIsNotAskedForTheCertificateDoesNotWaitForIt(t *testing.T) {
	operator := newNamespace(t)
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive))
	create(t, servingSecret(operator, certtest.New(t, "first")))
	store := startStore(t, kubestore.Options{OperatorNamespace: operator})
	if err := store.Ready(); err != nil {
		t.Errorf("Ready() = %v, want nil", err)
	}
	if _, err := store.GetCertificate(nil); err == nil {
		t.Error("want an error for a certificate that was not asked for")
	}
}

// TestTheTokenServerRunsWithoutLeadership pins that a replica serves tokens while another one leads.
func TestTheTokenServerRunsWithoutLeadership(t *testing.T) {
	operator := newNamespace(t)
	create(t, signingKeySecret(t, operator, "ES256", v1alpha1.KeyStateActive))
	pair := certtest.New(t, "serving")
	create(t, servingSecret(operator, pair))
	another, hour := "another-replica", int32(3600)
	create(t, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: operator, Name: "lead"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &another, LeaseDurationSeconds: &hour, RenewTime: &metav1.MicroTime{Time: time.Now()},
		},
	})
	byObject, err := kubestore.CacheByObject(operator)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Cache: cache.Options{ByObject: byObject},
		LeaderElection: true, LeaderElectionID: "lead", LeaderElectionNamespace: operator,
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := kubestore.New(t.Context(), mgr.GetCache(), kubestore.Options{OperatorNamespace: operator, ServingCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	listener := listen(t)
	r := &tokenserver.Runnable{
		Handler: http.NotFoundHandler(), Listener: listener, GetCertificate: store.GetCertificate, Ready: store.Ready,
	}
	if err := mgr.AddReadyzCheck("token-server", r.ReadyCheck); err != nil {
		t.Fatal(err)
	}
	if err := mgr.Add(r); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()

	NewWithT(t).Eventually(func() error { return r.ReadyCheck(nil) }, deadline, 10*time.Millisecond).Should(Succeed())
	if got := servedName(t.Context(), listener.Addr().String(), &tls.Config{RootCAs: certtest.Pool(pair)}); got != "serving" {
		t.Errorf("a connection meets %q, want the certificate of the Secret", got)
	}
	select {
	case <-mgr.Elected():
		t.Error("the manager leads, so the test shows nothing")
	default:
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("stop the manager: %v", err)
	}
	if r.ReadyCheck(nil) == nil {
		t.Error("the token server is ready after it stopped")
	}
}
