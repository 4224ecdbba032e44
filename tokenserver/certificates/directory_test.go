// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certificates_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/certificates"
	"github.com/integration-operator/integration-operator/tokenserver/certificates/certtest"
)

const deadline = 30 * time.Second

// mount swaps the pair in dir as the kubelet does: both files are links through a link, which is replaced in one step, and what
// it pointed to before is removed.
func mount(t *testing.T, dir, version string, pair certtest.Pair) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	data, link := filepath.Join(dir, version), filepath.Join(dir, "..data")
	must(os.Mkdir(data, 0o700))
	must(os.WriteFile(filepath.Join(data, "tls.crt"), pair.Certificate, 0o600))
	must(os.WriteFile(filepath.Join(data, "tls.key"), pair.PrivateKey, 0o600))
	former, err := os.Readlink(link)
	must(os.Symlink(version, link+"_tmp"))
	must(os.Rename(link+"_tmp", link))
	if err == nil {
		must(os.RemoveAll(filepath.Join(dir, former)))
		return
	}
	must(os.Symlink(filepath.Join("..data", "tls.crt"), filepath.Join(dir, "tls.crt")))
	must(os.Symlink(filepath.Join("..data", "tls.key"), filepath.Join(dir, "tls.key")))
}

// refusedPairs returns how often certwatcher found files that it could not use.
func refusedPairs(t *testing.T) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "certwatcher_read_certificate_errors_total" {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("certwatcher counts no errors")
	return 0
}

func TestASwappedDirectoryIsServedWithoutDroppingAConnection(t *testing.T) {
	dir := t.TempDir()
	first, second, third := certtest.New(t, "first"), certtest.New(t, "second"), certtest.New(t, "third")
	mount(t, dir, "..1", first)
	d, err := certificates.NewDirectory(dir, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &tokenserver.Runnable{Handler: http.NotFoundHandler(), Listener: listener, GetCertificate: d.GetCertificate}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- d.Start(ctx) }()
	go func() { done <- r.Start(ctx) }()

	trust := &tls.Config{RootCAs: certtest.Pool(first, second, third)}
	keepAlive := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	get := func() (name string, reused bool) {
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodHead,
			"https://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := keepAlive.Do(req)
		if err != nil {
			t.Fatalf("request: %v", err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.TLS.PeerCertificates[0].Subject.CommonName, reused
	}
	newConnection := func() string {
		conn, err := (&tls.Dialer{Config: trust}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		tlsConn, _ := conn.(*tls.Conn)
		return tlsConn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	g := NewWithT(t)
	if name, reused := get(); name != "first" || reused {
		t.Fatalf("the first connection meets %q (reused %t)", name, reused)
	}

	mount(t, dir, "..2", second)
	g.Eventually(newConnection, deadline, 10*time.Millisecond).Should(Equal("second"))
	if name, reused := get(); name != "first" || !reused {
		t.Errorf("the open connection meets %q (reused %t), want it to go on", name, reused)
	}

	refused := refusedPairs(t)
	mount(t, dir, "..3", certtest.Pair{Certificate: third.Certificate, PrivateKey: second.PrivateKey})
	// Two more, as the first may be a read in the middle of the swap.
	g.Eventually(func() float64 { return refusedPairs(t) }, deadline, 10*time.Millisecond).Should(BeNumerically(">=", refused+2))
	if got := newConnection(); got != "second" {
		t.Errorf("with a broken pair on disk a connection meets %q, want the last good one", got)
	}
	mount(t, dir, "..4", third)
	g.Eventually(newConnection, deadline, 10*time.Millisecond).Should(Equal("third"))

	keepAlive.CloseIdleConnections()
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

func TestABrokenDirectoryIsRefusedByName(t *testing.T) {
	pair, other := certtest.New(t, "one"), certtest.New(t, "two")
	for _, tc := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"when it is empty", nil, "no such file"},
		{"when the key is missing", map[string][]byte{"tls.crt": pair.Certificate}, "no such file"},
		{"when the certificate is missing", map[string][]byte{"tls.key": pair.PrivateKey}, "no such file"},
		{
			"when the key belongs to another certificate",
			map[string][]byte{"tls.crt": pair.Certificate, "tls.key": other.PrivateKey},
			"does not match",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tc.files {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := certificates.NewDirectory(dir, 0)
			if err == nil || !strings.Contains(err.Error(), "from directory "+dir+",") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewDirectory() error = %v, want it to name %s and say %q", err, dir, tc.want)
			}
		})
	}
}

func TestADirectoryRunsOnEveryReplica(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "..1", certtest.New(t, "one"))
	d, err := certificates.NewDirectory(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d.NeedLeaderElection() {
		t.Error("only the leader would follow the files")
	}
	certificate, err := d.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err := x509.ParseCertificate(certificate.Certificate[0]); err != nil || leaf.Subject.CommonName != "one" {
		t.Errorf("before it is started it serves %v (%v), want the certificate of the files", leaf, err)
	}
}
