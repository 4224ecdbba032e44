// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

func orderSync(namespace string) *v1alpha1.Integration {
	return &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "order-sync"},
		Spec: v1alpha1.IntegrationSpec{
			Audiences: []string{"https://orders.shop.example"}, Scopes: []string{"orders.read", "orders.write"},
		},
	}
}

func TestASecretAloneGetsATokenThatVerifies(t *testing.T) {
	r := startOnly(t)
	for _, algorithm := range []v1alpha1.SigningAlgorithm{"", "RS256", "EdDSA"} {
		intg := orderSync(newNamespace(t))
		intg.Spec.Token.SigningAlgorithm = algorithm
		apply(t, intg)
		data := credentialsOf(t, intg)
		hc := httpClient(t, data["ca.crt"], "", nil)
		for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams} {
			ctx := context.WithValue(t.Context(), oauth2.HTTPClient, hc)
			token, err := credentialsConfig(data, style).Token(ctx)
			if err != nil {
				t.Fatalf("%s in the %s: %v", algorithm, name, err)
			}
			claims := verifiedClaims(t, hc, string(data["issuer"]), "https://orders.shop.example", token.AccessToken)
			if claims["client_id"] != intg.Namespace+".order-sync" || claims["scope"] != "orders.read orders.write" {
				t.Errorf("claims %v", claims)
			}
		}
	}
	r.running()
}

func TestStatusNamesTheEndpointsThatDiscoveryNames(t *testing.T) {
	startOnly(t)
	intg := apply(t, orderSync(newNamespace(t)))
	hc := httpClient(t, credentialsOf(t, intg)["ca.crt"], "", nil)
	var published struct {
		Issuer        string `json:"issuer"`
		Token         string `json:"token_endpoint"`
		Introspection string `json:"introspection_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
		JWKS          string `json:"jwks_uri"`
	}
	status, body := get(t, hc, intg.Status.Endpoints.Issuer+"/.well-known/oauth-authorization-server")
	if err := json.Unmarshal([]byte(body), &published); err != nil {
		t.Fatalf("status %d: %v", status, err)
	}
	want := v1alpha1.Endpoints{
		Issuer: published.Issuer, Token: published.Token, Introspection: published.Introspection, Revocation: published.Revocation,
		JWKS: published.JWKS, Verify: published.Issuer + "/verify", // which has no place in the metadata
	}
	if got := *intg.Status.Endpoints; got != want {
		t.Errorf("status.endpoints %+v, discovery %+v", got, published)
	}
}

func TestSuspendingAndDeletingStopTokens(t *testing.T) {
	startOnly(t)
	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, httpClient(t, data["ca.crt"], "", nil))
	gets := func() error {
		_, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(ctx)
		return err
	}
	if err := gets(); err != nil {
		t.Fatal(err)
	}
	suspend := func(value bool) {
		before := intg.DeepCopy()
		intg.Spec.Suspend = value
		if err := admin.Patch(t.Context(), intg, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	g := NewWithT(t)
	suspend(true)
	g.Eventually(gets, patience, 20*time.Millisecond).Should(MatchError(ContainSubstring("invalid_client")))
	suspend(false)
	g.Eventually(gets, patience, 20*time.Millisecond).Should(Succeed())
	if err := admin.Delete(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	g.Eventually(gets, patience, 20*time.Millisecond).Should(MatchError(ContainSubstring("invalid_client")))
}

func TestMetricsTellRequestsClientsAndKeys(t *testing.T) {
	r := startOnly(t)
	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	hc := httpClient(t, data["ca.crt"], "", nil)
	if _, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(context.WithValue(t.Context(), oauth2.HTTPClient, hc)); err != nil {
		t.Fatal(err)
	}
	_, body := get(t, http.DefaultClient, "http://"+r.metrics+"/metrics")
	for _, want := range []string{
		`integration_operator_token_server_requests_total{grant="client_credentials",result="ok",route="/oauth2/token"} 1`,
		`integration_operator_token_server_request_duration_seconds_count{route="/oauth2/token"} 1`,
		`integration_operator_token_server_clients 1`,
		`integration_operator_token_server_signing_key_age_seconds{algorithm="ES256"}`,
		`controller_runtime_reconcile_total`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(r.logged(), string(data["client_secret"])) {
		t.Error("the log holds the client secret")
	}
}

func TestNamespacesBoundsWhatIsServed(t *testing.T) {
	served, ignored := newNamespace(t), newNamespace(t)
	startOnly(t, "--namespaces="+served)
	other := orderSync(ignored)
	if err := admin.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	apply(t, orderSync(served)) // By now the other would have been seen too, had it been watched: it is older.
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		t.Fatal(err)
	}
	if len(other.Status.Conditions) > 0 || other.Status.ObservedGeneration != -1 {
		t.Errorf("an Integration outside --namespaces was reconciled: %+v", other.Status)
	}
	if err := admin.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
}

func TestPlainHTTPNeedsNoCertificateAuthority(t *testing.T) {
	port := freePort(t)
	r := startReplica(t, "http://localhost:"+port, "127.0.0.1:"+port, "--insecure-http")
	r.awaitReady()
	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	if _, found := data["ca.crt"]; found {
		t.Error("the Secret has a ca.crt although the token server has no certificate")
	}
	if _, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestShutdownFinishesAndSaysUnreadyFirst(t *testing.T) {
	r := startOnly(t, "--shutdown-delay=3s")
	intg := apply(t, orderSync(newNamespace(t)))
	data := credentialsOf(t, intg)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, httpClient(t, data["ca.crt"], "", nil))
	ended := make(chan error, 1)
	go func() { ended <- r.terminate() }()
	// While it says that it is not ready, it still serves: that is what gives load balancers the time to notice.
	NewWithT(t).Eventually(func() (int, error) { return r.probe("/readyz") }, patience, 10*time.Millisecond).
		Should(Equal(http.StatusInternalServerError))
	if _, err := credentialsConfig(data, oauth2.AuthStyleInHeader).Token(ctx); err != nil {
		t.Errorf("after the readiness probe failed: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
}

func TestFailuresAtStartAreOneClearLine(t *testing.T) {
	bare := t.TempDir() + "/kubeconfig"
	unreachable := "127.0.0.1:" + freePort(t)
	writeKubeconfig(t, bare, "https://"+unreachable)
	cases := map[string]struct {
		args []string
		want string
		code int
	}{
		"no API server": {
			args: []string{"--kubeconfig=" + bare}, code: 1,
			want: "manager: cannot reach the Kubernetes API server at https://" + unreachable + ", check that it runs",
		},
		"no kubeconfig": {
			args: []string{"--kubeconfig=/does/not/exist"}, code: 1,
			want: "manager: find the Kubernetes API server, set --kubeconfig or $KUBECONFIG outside a cluster:",
		},
		"no certificate in the directory": {
			args: []string{"--kubeconfig=" + managerKubeconfig, "--tls-cert-dir=" + t.TempDir()}, code: 1,
			want: "manager: load the serving certificate from directory",
		},
		"a wrong flag": {args: []string{"--signing-key-rotation=1s"}, code: 2, want: "manager: --signing-key-rotation=1s is too short"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), testBinary(t), append([]string{"--issuer-url=https://localhost:8443"}, c.args...)...)
			cmd.Env = append(cmd.Environ(), actAsManager+"=1")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("exit %v, want code %d", err, c.code)
			}
			if got := strings.TrimSpace(string(out)); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("said:\n%s\nwant one line that starts:\n%s", got, c.want)
			}
		})
	}
}

func TestAMissingCRDIsOneClearLine(t *testing.T) {
	kubeconfig := startBarePlane(t)
	cmd := exec.CommandContext(t.Context(), testBinary(t), "--issuer-url=https://localhost:8443", "--kubeconfig="+kubeconfig)
	cmd.Env = append(cmd.Environ(), actAsManager+"=1")
	out, _ := cmd.CombinedOutput()
	got := strings.TrimSpace(string(out))
	if !strings.Contains(got, "install the CRDs with `kubectl apply -k config/crd`") || strings.Contains(got, "\n") || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d, said:\n%s", cmd.ProcessState.ExitCode(), got)
	}
}

func TestOnlyItsOwnSecretsAreTouched(t *testing.T) {
	startOnly(t)
	namespace := newNamespace(t)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "order-sync"}, StringData: map[string]string{"password": "mine"},
	}
	if err := admin.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	intg := orderSync(namespace)
	if err := admin.Create(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		g.Expect(intg.Status.Conditions).To(ContainElement(And(
			HaveField("Type", v1alpha1.ConditionStalled), HaveField("Status", metav1.ConditionTrue),
			HaveField("Reason", v1alpha1.ReasonSecretConflict))))
	}, patience, 20*time.Millisecond).Should(Succeed())
	after := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(foreign), after); err != nil {
		t.Fatal(err)
	}
	if after.ResourceVersion != foreign.ResourceVersion {
		t.Error("somebody else's Secret was changed")
	}
}
