// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/valkey"
)

// minSigningKeyRotation leaves a key time to sign after it was published for twice the JWKS' max-age.
const minSigningKeyRotation = 4 * v1alpha1.JWKSMaxAge

// maxShutdownDelay leaves requests in flight time to end within the Pod's grace period.
const maxShutdownDelay = 30 * time.Second

// Options is everything that can be chosen about a manager.
type Options struct {
	// IssuerURL is the token server's own URL as clients see it, without a trailing slash.
	IssuerURL string
	// TokenBindAddress, MetricsBindAddress and HealthProbeBindAddress are what the three servers listen on.
	TokenBindAddress, MetricsBindAddress, HealthProbeBindAddress string
	// LeaderElect makes several replicas agree on one that writes.
	LeaderElect bool
	// Namespaces are the namespaces whose Integrations are served; none means all.
	Namespaces []string
	// OperatorNamespace holds the signing keys, the certificates and the lease.
	OperatorNamespace string
	// TLSCertDir holds tls.crt and tls.key, and ca.crt where clients need one; empty means a self-made certificate.
	TLSCertDir string
	// InsecureHTTP serves plain HTTP.
	InsecureHTTP bool
	// SigningKeyRotation is how long a signing key signs.
	SigningKeyRotation time.Duration
	// ShutdownDelay is how long the token server goes on after it reported itself unready.
	ShutdownDelay time.Duration
	// SessionStore is where logins and revoked tokens are kept: sessionStoreKubernetes or sessionStoreValkey.
	SessionStore string
	// Valkey says how to reach the server of sessionStoreValkey.
	Valkey valkey.Options
	// RefreshTokenGrace is how long a redeemed refresh token may be presented once more by a client that lost the reply.
	RefreshTokenGrace time.Duration
	// MaxSessions is how many logins an Integration may have at a time.
	MaxSessions int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// AllowLocalJWKSURI lets spec.credentials.jwksURI point to loopback and link-local addresses.
	AllowLocalJWKSURI bool
	// DefaultIntegrations stand in for logins that name neither a client nor an Integration, each for its profile.
	DefaultIntegrations []types.NamespacedName
	// CORSOrigins are the origins whose pages may ask for tokens of the profile OroCommerce.
	CORSOrigins []string
	// Kubeconfig is a path; empty means the environment's.
	Kubeconfig string
	// LogLevel is the least level that is logged.
	LogLevel slog.Level
	// Now is the clock.
	Now func() time.Time
}

// ParseOptions reads flags from args, without the program's name. It writes the usage to out when asked for it and returns
// flag.ErrHelp then; every other error says which flag to correct, and how.
func ParseOptions(args []string, getenv func(string) string, out io.Writer) (Options, error) {
	var o Options
	var namespaces, trustedProxies string
	fs := flag.NewFlagSet("manager", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Usage = func() {
		_, _ = fmt.Fprintf(out, "Runs the Integration controllers and the token server.\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.IssuerURL, "issuer-url", "",
		"The `URL` at which clients reach the token server; it becomes the issuer of every token. Required, without a trailing slash.")
	fs.StringVar(&o.TokenBindAddress, "token-bind-address", ":8443", "The `address` that the token server listens on.")
	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", ":8080", "The `address` that serves /metrics over plain HTTP; 0 turns it off.")
	fs.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", ":8081",
		"The `address` that serves /healthz and /readyz over plain HTTP; 0 turns it off.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", false,
		"Elect a leader, which alone writes to the cluster. Needed as soon as there is more than one replica.")
	fs.StringVar(&namespaces, "namespaces", "", "A comma-separated `list` of the namespaces to serve; empty serves all of them.")
	fs.StringVar(&o.OperatorNamespace, "operator-namespace", cmp.Or(getenv("POD_NAMESPACE"), "integration-operator-system"),
		"The `namespace` of the signing keys, the certificates and the lease. The default is $POD_NAMESPACE, where it is set.")
	fs.StringVar(&o.TLSCertDir, "tls-cert-dir", "",
		"A `directory` with tls.crt and tls.key, and ca.crt if clients need one, as cert-manager writes them. Empty makes the operator "+
			"issue a certificate of its own.")
	fs.BoolVar(&o.InsecureHTTP, "insecure-http", false,
		"Serve tokens over plain HTTP. Only behind something that ends TLS in the same pod, or for trying things out.")
	fs.DurationVar(&o.SigningKeyRotation, "signing-key-rotation", 720*time.Hour,
		fmt.Sprintf("How long a signing key signs before the next one takes over; at least %s.", minSigningKeyRotation))
	fs.DurationVar(&o.ShutdownDelay, "shutdown-delay", 5*time.Second,
		"How long the token server goes on serving after it reported itself unready, so that load balancers notice first.")
	o.sessionFlags(fs)
	fs.StringVar(&trustedProxies, "trusted-proxies", "",
		"A comma-separated `list` of networks, such as 10.0.0.0/8, whose X-Forwarded-For header tells where a request comes from. Failed logins "+
			"are limited by source address, so name the ingress controller's network here.")
	fs.BoolVar(&o.AllowLocalJWKSURI, "allow-local-jwks-uri", false,
		"Let spec.credentials.jwksURI point to loopback and link-local addresses. Only for trying things out.")
	parseProfiles := o.profileFlags(fs)
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "",
		"The `path` of a kubeconfig. The default is $KUBECONFIG, the pod's service account or ~/.kube/config.")
	fs.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "The least `level` to log: DEBUG, INFO, WARN or ERROR.")
	if err := fs.Parse(args); err != nil {
		return Options{}, err
	}
	if fs.NArg() > 0 {
		return Options{}, fmt.Errorf("unexpected argument %q: every option is a flag", fs.Arg(0))
	}
	for name := range strings.SplitSeq(namespaces, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(o.Namespaces, name) {
			o.Namespaces = append(o.Namespaces, name)
		}
	}
	var err error
	if o.TrustedProxies, err = parsePrefixes(trustedProxies); err != nil {
		return Options{}, err
	}
	if err := parseProfiles(); err != nil {
		return Options{}, err
	}
	return o, o.Validate()
}

// Validate returns an error for each option that cannot work, joined; each names the flag and says what to write instead.
func (o *Options) Validate() error {
	errs := []error{o.validateIssuer()}
	for flagName, address := range map[string]string{
		"token-bind-address": o.TokenBindAddress, "metrics-bind-address": o.MetricsBindAddress,
		"health-probe-bind-address": o.HealthProbeBindAddress,
	} {
		if _, _, err := net.SplitHostPort(address); err != nil && (address != "0" || flagName == "token-bind-address") {
			errs = append(errs, fmt.Errorf("--%s=%s is no address: write host:port, or :port for every interface", flagName, address))
		}
	}
	for _, name := range append([]string{o.OperatorNamespace}, o.Namespaces...) {
		if problems := validation.ValidateNamespaceName(name, false); len(problems) > 0 {
			errs = append(errs, fmt.Errorf("%q in --namespaces or --operator-namespace is no namespace: %s", name, problems[0]))
		}
	}
	if o.InsecureHTTP && o.TLSCertDir != "" {
		errs = append(errs, errors.New("--insecure-http and --tls-cert-dir exclude each other: leave one out"))
	}
	if o.SigningKeyRotation < minSigningKeyRotation {
		errs = append(errs, fmt.Errorf("--signing-key-rotation=%s is too short: verifiers cache the keys, so write at least %s",
			o.SigningKeyRotation, minSigningKeyRotation))
	}
	if o.ShutdownDelay < 0 || o.ShutdownDelay > maxShutdownDelay {
		errs = append(errs, fmt.Errorf("--shutdown-delay=%s is out of range: write 0s to %s", o.ShutdownDelay, maxShutdownDelay))
	}
	return errors.Join(append(errs, o.validateSessions()...)...)
}

func (o *Options) validateIssuer() error {
	if o.IssuerURL == "" {
		return errors.New("--issuer-url is missing: write the https URL at which clients reach the token server")
	}
	u, err := url.Parse(o.IssuerURL)
	if err != nil || u.Hostname() == "" || len(o.IssuerURL) > 512 {
		return errors.New("--issuer-url is no URL with a host: write for example https://tokens.example.com")
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !o.InsecureHTTP):
		return errors.New("--issuer-url must begin with https:// (RFC 8414 section 2), or with http:// beside --insecure-http")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil:
		return errors.New("--issuer-url must have no query, fragment or user (RFC 8414 section 2): leave them out")
	case strings.HasSuffix(o.IssuerURL, "/"):
		return errors.New("--issuer-url must not end in a slash, as verifiers compare it character by character: leave it out")
	case u.Path != "" && path.Clean(u.Path) != u.Path:
		return errors.New("--issuer-url has a path with empty or dotted parts: write a plain one")
	}
	return nil
}

// certificateHosts returns what a self-made certificate has to be valid for: the issuer's host, and for a Service's short name also
// its full one.
func (o *Options) certificateHosts() []string {
	u, err := url.Parse(o.IssuerURL)
	if err != nil {
		return nil // Validate has refused it.
	}
	hosts := []string{u.Hostname()}
	if strings.HasSuffix(u.Hostname(), ".svc") {
		hosts = append(hosts, u.Hostname()+".cluster.local")
	}
	return hosts
}

// selfMadeCertificate reports whether the operator issues its own serving certificate.
func (o *Options) selfMadeCertificate() bool {
	return o.TLSCertDir == "" && !o.InsecureHTTP
}
