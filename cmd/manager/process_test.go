// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	. "github.com/onsi/gomega"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

// patience bounds every wait; it is no expectation of speed.
const patience = 90 * time.Second

// A replica is a manager in a process of its own.
type replica struct {
	t       *testing.T
	process *exec.Cmd
	exited  chan error
	issuer  string
	health  string
	metrics string
	log     string
	// mayFail says that the test brings about what the manager rightly logs as an error.
	mayFail bool
}

// freePort returns a loopback port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
		if _, before := ports.LoadOrStore(port, true); !before {
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// ports are those that were handed out. Until it is listened on, a port is free again, and the kernel may give it out a second time.
var ports sync.Map

// issuerOnFreePort returns an issuer URL for a replica of its own.
func issuerOnFreePort(t *testing.T) string {
	t.Helper()
	return "https://localhost:" + freePort(t)
}

// startReplica starts a manager and returns at once. With several replicas of one issuer, bind is where this one listens.
func startReplica(t *testing.T, issuer, bind string, args ...string) *replica {
	t.Helper()
	r := &replica{
		t: t, issuer: issuer, exited: make(chan error, 1), log: filepath.Join(t.TempDir(), "manager.log"),
		health: "127.0.0.1:" + freePort(t), metrics: "127.0.0.1:" + freePort(t),
	}
	logs, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	r.process = exec.CommandContext(context.WithoutCancel(t.Context()), testBinary(t), append([]string{
		"--kubeconfig=" + managerKubeconfig, "--issuer-url=" + issuer, "--token-bind-address=" + bind,
		"--metrics-bind-address=" + r.metrics, "--health-probe-bind-address=" + r.health, "--shutdown-delay=0s",
	}, args...)...)
	r.process.Env = append(os.Environ(), actAsManager+"=1")
	r.process.Stdout, r.process.Stderr = logs, logs
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.exited <- r.process.Wait() }()
	t.Cleanup(func() {
		_ = r.process.Process.Kill()
		lines := strings.Split(r.logged(), "\n")
		for _, line := range lines {
			// Two replicas that start at once may both want to create or to take the lease; client-go logs the one that
			// comes second as an error.
			race := strings.Contains(line, "integration-operator-leader") &&
				(strings.Contains(line, "already exists") || strings.Contains(line, "the object has been modified"))
			// What is wrong with an Integration is for its user to mend; controller-runtime logs it as an error.
			mistake := strings.Contains(line, `"err":"terminal error: `)
			// What is under way when a leader's term ends is broken off, and controller-runtime logs that too.
			brokenOff := strings.HasSuffix(line, `context canceled"}`)
			if strings.Contains(line, `"level":"ERROR"`) && !r.mayFail && !race && !mistake && !brokenOff {
				t.Errorf("the manager logged an error: %s", line)
			}
		}
		if t.Failed() {
			t.Logf("the end of the manager's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return r
}

// startOnly starts the one replica of an issuer.
func startOnly(t *testing.T, args ...string) *replica {
	t.Helper()
	issuer := issuerOnFreePort(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(issuer, "https://"))
	r := startReplica(t, issuer, "127.0.0.1:"+port, args...)
	r.awaitReady()
	return r
}

// awaitReady waits until the readiness probe succeeds.
func (r *replica) awaitReady() {
	r.t.Helper()
	NewWithT(r.t).Eventually(func() (int, error) { return r.probe("/readyz") }, patience, 50*time.Millisecond).
		Should(Equal(http.StatusOK), "the manager should become ready")
}

func (r *replica) probe(path string) (int, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.health+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// kill ends the process as a power cut would.
func (r *replica) kill() {
	r.t.Helper()
	if err := r.process.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	r.exited <- <-r.exited // It has ended, however: a kill is no clean exit.
}

// terminate asks the process to end and returns how it did, or that it had ended before.
func (r *replica) terminate() error {
	r.t.Helper()
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-r.exited:
		r.exited <- err
		return err
	case <-time.After(patience):
		return fmt.Errorf("the manager does not end after SIGTERM")
	}
}

// running fails the test if the process has ended.
func (r *replica) running() {
	r.t.Helper()
	select {
	case err := <-r.exited:
		r.t.Fatalf("the manager ended: %v", err)
	default:
	}
}

func (r *replica) logged() string {
	r.t.Helper()
	content, err := os.ReadFile(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(content)
}

// newNamespace makes a namespace for one test.
func newNamespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// apply creates an Integration and waits until it is ready.
func apply(t *testing.T, intg *v1alpha1.Integration) *v1alpha1.Integration {
	t.Helper()
	if err := admin.Create(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, intg)
	awaitKnown(t, intg)
	t.Cleanup(func() { _ = client.IgnoreNotFound(admin.Delete(context.WithoutCancel(t.Context()), intg)) })
	return intg
}

func awaitReady(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		g.Expect(meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue(), "%+v", intg.Status.Conditions)
	}, patience, 20*time.Millisecond).Should(Succeed())
}

// awaitKnown waits until the token server at the issuer URL knows an Integration's client, a moment after its status says Ready. It does
// not wait where nobody listens there, as in tests with several replicas.
func awaitKnown(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	data := credentialsOf(t, intg)
	hc := http.DefaultClient
	if len(data["ca.crt"]) > 0 {
		hc = httpClient(t, data["ca.crt"], "", nil)
	}
	at := &endpoint{hc: hc, issuer: intg.Status.Endpoints.Issuer, data: data}
	if !within(patience, func() bool {
		// Public clients may revoke as well.
		r, err := at.post(t.Context(), v1alpha1.PathRevocation, "token", "none")
		return err != nil || r.Error != "invalid_client"
	}) {
		t.Fatalf("the token server does not learn of Integration %s/%s", intg.Namespace, intg.Name)
	}
}

// credentialsOf returns the data of an Integration's Secret.
func credentialsOf(t *testing.T, intg *v1alpha1.Integration) map[string][]byte {
	t.Helper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: intg.Namespace, Name: intg.Status.Credentials.SecretName}
	if err := admin.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	return secret.Data
}

// httpClient returns a client that trusts just the given certificates and connects to bind, whatever the URL's host and port are.
func httpClient(t *testing.T, caBundle []byte, bind string, now func() time.Time) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caBundle) {
		t.Fatal("ca.crt holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: now}}
	if bind != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, bind)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 15 * time.Second}
}

// credentialsConfig configures the independent OAuth 2 client from the Secret alone, as a Pod would.
func credentialsConfig(data map[string][]byte, style oauth2.AuthStyle) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID: string(data["client_id"]), ClientSecret: string(data["client_secret"]), TokenURL: string(data["token_url"]), AuthStyle: style,
	}
}

// verifiedClaims verifies a token with the independent library, which finds the keys by discovery, and returns its claims.
func verifiedClaims(t *testing.T, hc *http.Client, issuer, audience, token string) map[string]any {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), hc)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256", "RS256", "EdDSA"}}).Verify(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// get fetches a URL and returns status and body.
func get(t *testing.T, hc *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// testBinary returns the path of this test's own program, which is the manager when actAsManager is set.
func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// writeKubeconfig writes a kubeconfig that names a server and nothing else.
func writeKubeconfig(t *testing.T, path, server string) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: server, InsecureSkipTLSVerify: true}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test"}
	config.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
}

// startBarePlane starts a control plane without the operator's CRDs and returns the path of an admin's kubeconfig.
func startBarePlane(t *testing.T) string {
	t.Helper()
	env, err := testplane.New()
	if err != nil {
		t.Fatal(err)
	}
	env.CRDDirectoryPaths = nil
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := env.Start(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
