// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey"
)

// parseOptions reads flags in an environment that has only what is given.
func parseOptions(environment map[string]string, args ...string) (Options, string, error) {
	out := &bytes.Buffer{}
	o, err := ParseOptions(args, func(name string) string { return environment[name] }, out)
	return o, out.String(), err
}

func TestDefaultOptions(t *testing.T) {
	want := Options{
		IssuerURL: "https://tokens.example.com", TokenBindAddress: ":8443", MetricsBindAddress: ":8080", HealthProbeBindAddress: ":8081",
		OperatorNamespace: "integration-operator-system", SigningKeyRotation: 720 * time.Hour, ShutdownDelay: 5 * time.Second,
		SessionStore: "kubernetes", MaxSessions: 1000,
	}
	got, out, err := parseOptions(nil, "--issuer-url=https://tokens.example.com")
	if err != nil || out != "" {
		t.Fatalf("got error %v and output %q", err, out)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if !got.selfMadeCertificate() {
		t.Error("want a self-made certificate")
	}
}

func TestEveryOptionCanBeChosen(t *testing.T) {
	want := Options{
		IssuerURL: "http://localhost:8443/idp", TokenBindAddress: "127.0.0.1:1", MetricsBindAddress: "0", HealthProbeBindAddress: "[::1]:3",
		LeaderElect: true, Namespaces: []string{"shop", "stock"}, OperatorNamespace: "operators", InsecureHTTP: true,
		SigningKeyRotation: 20 * time.Minute, ShutdownDelay: 30 * time.Second, Kubeconfig: "/k", LogLevel: slog.LevelDebug,
		SessionStore: "valkey", RefreshTokenGrace: 10 * time.Second, MaxSessions: 50, AllowLocalJWKSURI: true,
		Valkey:              valkey.Options{URL: "rediss://operator@cache.example:6380/3", PasswordFile: "/p", CAFile: "/ca"},
		TrustedProxies:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		DefaultIntegrations: []types.NamespacedName{{Namespace: "shop", Name: "storefront"}, {Namespace: "erp", Name: "sync.v2"}},
		CORSOrigins:         []string{"https://shop.example", "http://localhost:3000"},
	}
	got, _, err := parseOptions(map[string]string{"POD_NAMESPACE": "elsewhere"},
		"--issuer-url=http://localhost:8443/idp", "--token-bind-address=127.0.0.1:1", "--metrics-bind-address=0",
		"--health-probe-bind-address=[::1]:3", "--leader-elect", "--namespaces=shop, stock,,shop", "--operator-namespace=operators",
		"--insecure-http", "--signing-key-rotation=20m", "--shutdown-delay=30s", "--kubeconfig=/k", "--log-level=DEBUG",
		"--session-store=valkey", "--valkey-url=rediss://operator@cache.example:6380/3", "--valkey-password-file=/p", "--valkey-ca-file=/ca",
		"--refresh-token-grace=10s", "--max-sessions=50", "--trusted-proxies=10.1.2.3/8, 192.0.2.7", "--allow-local-jwks-uri",
		"--default-integration=shop/storefront, erp/sync.v2", "--cors-origins=https://shop.example, http://localhost:3000,https://shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if got.selfMadeCertificate() {
		t.Error("want no certificate of our own for plain HTTP")
	}
	got, _, err = parseOptions(nil, "--issuer-url=https://tokens.example.com", "--tls-cert-dir=/tls")
	if err != nil || got.TLSCertDir != "/tls" || got.selfMadeCertificate() {
		t.Errorf("--tls-cert-dir: got %q, a self-made certificate (%t) and error %v", got.TLSCertDir, got.selfMadeCertificate(), err)
	}
}

func TestOperatorNamespaceIsThePodsOwn(t *testing.T) {
	got, _, err := parseOptions(map[string]string{"POD_NAMESPACE": "operators"}, "--issuer-url=https://tokens.example.com")
	if err != nil || got.OperatorNamespace != "operators" {
		t.Errorf("want operators, got %q and error %v", got.OperatorNamespace, err)
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	const issuer = "--issuer-url=https://tokens.example.com"
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"No issuer.", nil, []string{"--issuer-url is missing", "https"}},
		{"An issuer that is no URL.", []string{"--issuer-url=https://%zz"}, []string{"--issuer-url", "https://tokens.example.com"}},
		{"An issuer without a scheme.", []string{"--issuer-url=tokens.example.com"}, []string{"--issuer-url", "https://tokens.example.com"}},
		{"An issuer without a host.", []string{"--issuer-url=https://:8443"}, []string{"--issuer-url", "host"}},
		{"An endless issuer.", []string{"--issuer-url=https://" + strings.Repeat("a", 513)}, []string{"--issuer-url"}},
		{"Plain HTTP without saying so.", []string{"--issuer-url=http://tokens.example.com"}, []string{"https://", "--insecure-http"}},
		{"Another scheme.", []string{"--issuer-url=ftp://tokens.example.com", "--insecure-http"}, []string{"https://"}},
		{"An issuer with a query.", []string{"--issuer-url=https://t.example.com?password=hunter2"}, []string{"query"}},
		{"An issuer with an empty query.", []string{"--issuer-url=https://t.example.com?"}, []string{"query"}},
		{"An issuer with a fragment.", []string{"--issuer-url=https://t.example.com#x"}, []string{"fragment"}},
		{"An issuer with a user.", []string{"--issuer-url=https://me:hunter2@t.example.com"}, []string{"user"}},
		{"An issuer with a trailing slash.", []string{"--issuer-url=https://t.example.com/"}, []string{"slash"}},
		{"A path with a trailing slash.", []string{"--issuer-url=https://t.example.com/a/"}, []string{"slash"}},
		{"A path with dots.", []string{"--issuer-url=https://t.example.com/a/../b"}, []string{"path"}},
		{"A path with an empty part.", []string{"--issuer-url=https://t.example.com/a//b"}, []string{"path"}},
		{"A token address without a port.", []string{issuer, "--token-bind-address=localhost"}, []string{"--token-bind-address=localhost", "host:port"}},
		{"A token server that is turned off.", []string{issuer, "--token-bind-address=0"}, []string{"--token-bind-address=0"}},
		{"A metrics address without a port.", []string{issuer, "--metrics-bind-address=x"}, []string{"--metrics-bind-address=x"}},
		{"A probe address without a port.", []string{issuer, "--health-probe-bind-address=x"}, []string{"--health-probe-bind-address=x"}},
		{"A namespace that is none.", []string{issuer, "--namespaces=shop,Shop!"}, []string{`"Shop!"`, "--namespaces"}},
		{"An operator namespace that is none.", []string{issuer, "--operator-namespace=A.B"}, []string{`"A.B"`, "--operator-namespace"}},
		{"Two ways to serve.", []string{issuer, "--insecure-http", "--tls-cert-dir=/tls"}, []string{"--insecure-http", "--tls-cert-dir"}},
		{"A rotation that is too short.", []string{issuer, "--signing-key-rotation=19m59s"}, []string{"--signing-key-rotation=19m59s", "20m"}},
		{"A negative delay.", []string{issuer, "--shutdown-delay=-1s"}, []string{"--shutdown-delay=-1s", "30s"}},
		{"A delay that is too long.", []string{issuer, "--shutdown-delay=31s"}, []string{"--shutdown-delay=31s", "30s"}},
		{"A duration that is none.", []string{issuer, "--shutdown-delay=soon"}, []string{"shutdown-delay", "soon"}},
		{"A level that is none.", []string{issuer, "--log-level=LOUD"}, []string{"log-level", "LOUD"}},
		{"A flag that does not exist.", []string{issuer, "--issuer"}, []string{"issuer"}},
		{"An argument.", []string{issuer, "serve"}, []string{`"serve"`, "flag"}},
		{"A store that there is not.", []string{issuer, "--session-store=etcd"}, []string{"--session-store=etcd", "valkey"}},
		{"Valkey without a URL.", []string{issuer, "--session-store=valkey"}, []string{"--session-store=valkey", "URL is missing"}},
		{
			"A password in the URL.",
			[]string{issuer, "--session-store=valkey", "--valkey-url=valkeys://u:hunter2@cache.example"},
			[]string{"file", "password"},
		},
		{"A URL without its store.", []string{issuer, "--valkey-url=valkey://cache.example"}, []string{"--session-store=valkey"}},
		{"A grace period that is too long.", []string{issuer, "--refresh-token-grace=61s"}, []string{"--refresh-token-grace=1m1s", "1m0s"}},
		{"A negative grace period.", []string{issuer, "--refresh-token-grace=-1s"}, []string{"--refresh-token-grace=-1s"}},
		{"No sessions at all.", []string{issuer, "--max-sessions=0"}, []string{"--max-sessions=0", "100000"}},
		{"A default Integration without a namespace.", []string{issuer, "--default-integration=storefront"}, []string{"--default-integration", "namespace/name"}},
		{"A default Integration that is none.", []string{issuer, "--default-integration=shop/Store"}, []string{"--default-integration", "namespace/name"}},
		{"An origin without a scheme.", []string{issuer, "--cors-origins=shop.example"}, []string{"--cors-origins", "https://shop.example"}},
		{"An origin with a path.", []string{issuer, "--cors-origins=https://shop.example/"}, []string{"--cors-origins", "no origin"}},
		{"Every origin.", []string{issuer, "--cors-origins=*"}, []string{"--cors-origins", "no origin"}},
		{"A proxy that is none.", []string{issuer, "--trusted-proxies=10.0.0.0/8,ingress"}, []string{"--trusted-proxies", `"ingress"`}},
		{
			"Several at once.",
			[]string{"--shutdown-delay=-1s", "--signing-key-rotation=1s", "--metrics-bind-address=x"},
			[]string{"--issuer-url", "--shutdown-delay", "--signing-key-rotation", "--metrics-bind-address"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseOptions(nil, tt.args...)
			if err == nil {
				t.Fatal("want an error, got none")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %s: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes a password: %v", err)
			}
		})
	}
}

func TestHelpDocumentsEveryOption(t *testing.T) {
	_, help, err := parseOptions(nil, "--help")
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("want %v, got %v", flag.ErrHelp, err)
	}
	flags := []string{
		"issuer-url", "token-bind-address", "metrics-bind-address", "health-probe-bind-address", "leader-elect", "namespaces",
		"operator-namespace", "tls-cert-dir", "insecure-http", "signing-key-rotation", "shutdown-delay", "kubeconfig", "log-level",
		"session-store", "valkey-url", "valkey-password-file", "valkey-ca-file", "refresh-token-grace", "max-sessions", "trusted-proxies",
		"allow-local-jwks-uri", "default-integration", "cors-origins",
	}
	// The clock is no option of the command line's, and those of Valkey are three.
	if got := reflect.TypeFor[Options]().NumField() - 2 + 3; got != len(flags) {
		t.Errorf("%d options and %d documented flags", got, len(flags))
	}
	documented := regexp.MustCompile(`(?m)^  -([a-z-]+)( [a-zA-Z]+)?\n    \t(.+)$`).FindAllStringSubmatch(help, -1)
	names := map[string]string{}
	for _, found := range documented {
		names[found[1]] = found[3]
	}
	for _, name := range flags {
		if text := names[name]; len(text) < 20 || !strings.Contains(text, ".") {
			t.Errorf("--%s is said to be %q, want a sentence", name, text)
		}
	}
	if len(documented) != len(flags) {
		t.Errorf("want %d flags, got %d:\n%s", len(flags), len(documented), help)
	}
	if !strings.HasPrefix(help, "Runs the Integration controllers and the token server.") {
		t.Errorf("the help does not begin with what the program does:\n%s", help)
	}
}

func TestCertificateHosts(t *testing.T) {
	tests := []struct {
		name, issuer string
		want         []string
	}{
		{"A public name.", "https://tokens.example.com/idp", []string{"tokens.example.com"}},
		{"A port is no part of it.", "https://tokens.example.com:8443", []string{"tokens.example.com"}},
		{"An IPv4 address.", "https://127.0.0.1:8443", []string{"127.0.0.1"}},
		{"An IPv6 address.", "https://[::1]:8443", []string{"::1"}},
		{
			"A Service has two names.", "https://tokens.operators.svc",
			[]string{"tokens.operators.svc", "tokens.operators.svc.cluster.local"},
		},
		{"A Service's full name is one.", "https://tokens.operators.svc.cluster.local", []string{"tokens.operators.svc.cluster.local"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, _, err := parseOptions(nil, "--issuer-url="+tt.issuer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, o.certificateHosts()); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}
