// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/certificates/certtest"
)

// waitLimit bounds every wait; a test that passes never needs it.
const waitLimit = 30 * time.Second

var (
	_ manager.Runnable               = (*tokenserver.Runnable)(nil)
	_ manager.LeaderElectionRunnable = (*tokenserver.Runnable)(nil)
	_ healthz.Checker                = (*tokenserver.Runnable)(nil).ReadyCheck
)

// A startedRunnable is a Runnable that was started.
type startedRunnable struct {
	*tokenserver.Runnable
	address string
	// stop ends the context of Start, and done gets what Start returned.
	stop context.CancelFunc
	done chan error
}

// startRunnable starts r on a port of its own and waits until it serves.
func startRunnable(t *testing.T, r *tokenserver.Runnable) *startedRunnable {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Listener = listener
	ctx, stop := context.WithCancel(t.Context())
	started := &startedRunnable{Runnable: r, address: listener.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { started.done <- r.Start(ctx) }()
	t.Cleanup(stop)
	NewWithT(t).Eventually(func() bool {
		err := r.ReadyCheck(nil)
		return err == nil || !strings.Contains(err.Error(), "not started")
	}, waitLimit, time.Millisecond).Should(BeTrue())
	return started
}

func withCertificate(pair certtest.Pair) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := tls.X509KeyPair(pair.Certificate, pair.PrivateKey)
		return &certificate, err
	}
}

// status requests a URL on a connection of its own and returns the status of the answer.
func status(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// blocking answers /slow when release is closed, after it has sent on entered, and everything else at once.
func blocking(entered chan<- struct{}, release <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			entered <- struct{}{}
			select {
			case <-release:
			case <-req.Context().Done():
			}
		}
		w.WriteHeader(http.StatusOK)
	})
}

func TestThePortIsClosedUntilTheHandlerCanAnswer(t *testing.T) {
	reserved, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	awaits, complete := make(chan struct{}), make(chan struct{})
	r := &tokenserver.Runnable{
		Handler: http.NotFoundHandler(), BindAddress: address, Insecure: true,
		Await: func(context.Context) { close(awaits); <-complete },
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- r.Start(ctx) }()
	select {
	case <-awaits:
	case err := <-done:
		t.Fatalf("Start() = %v before it has waited", err)
	case <-time.After(waitLimit):
		t.Fatal("Start does not wait for what the handler answers from")
	}
	if got, err := status(t.Context(), "http://"+address+"/"); err == nil {
		t.Errorf("a request before that got %d, want the port closed", got)
	}
	if err := r.ReadyCheck(nil); err == nil {
		t.Error("the server is ready before that")
	}

	close(complete)
	NewWithT(t).Eventually(func() (int, error) { return status(t.Context(), "http://"+address+"/") }, waitLimit, time.Millisecond).
		Should(Equal(http.StatusNotFound))
	stop()
	if err := <-done; err != nil {
		t.Errorf("Start() = %v, want nil after a clean shutdown", err)
	}
}

func TestAServerThatIsStoppedWhileItWaitsNeverServes(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &tokenserver.Runnable{
		Handler: http.NotFoundHandler(), Listener: listener, Insecure: true, Await: func(context.Context) { stop() },
	}
	if err := r.Start(ctx); err != nil {
		t.Errorf("Start() = %v, want nil", err)
	}
	if got, err := status(t.Context(), "http://"+listener.Addr().String()+"/"); err == nil {
		t.Errorf("a request got %d, want the listener closed", got)
	}
	if err := r.ReadyCheck(nil); err == nil {
		t.Error("the server is ready after that")
	}
}

func TestShutdownIsGraceful(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	delays, elapsed := make(chan time.Duration, 1), make(chan time.Time)
	server := startRunnable(t, &tokenserver.Runnable{
		Handler: blocking(entered, release), Insecure: true, ShutdownDelay: 7 * time.Second,
		After: func(d time.Duration) <-chan time.Time { delays <- d; return elapsed },
	})
	if err := server.ReadyCheck(nil); err != nil {
		t.Fatalf("ReadyCheck() = %v while serving", err)
	}
	type result struct {
		status int
		err    error
	}
	inFlight := make(chan result, 1)
	go func() {
		got, err := status(t.Context(), "http://"+server.address+"/slow")
		inFlight <- result{got, err}
	}()
	<-entered

	server.stop()
	if got := <-delays; got != server.ShutdownDelay {
		t.Errorf("waits for %s, want ShutdownDelay", got)
	}
	if err := server.ReadyCheck(nil); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("ReadyCheck() = %v during the delay, want it to say that the server is shutting down", err)
	}
	if got, err := status(t.Context(), "http://"+server.address+"/"); err != nil || got != http.StatusOK {
		t.Errorf("a request during the delay got %d, %v, want it served", got, err)
	}

	close(elapsed)
	NewWithT(t).Eventually(func() error {
		_, err := status(t.Context(), "http://"+server.address+"/")
		return err
	}, waitLimit, time.Millisecond).ShouldNot(Succeed())
	select {
	case err := <-server.done:
		t.Fatalf("Start returned %v with a request in flight", err)
	default:
	}
	close(release)
	if got := <-inFlight; got.err != nil || got.status != http.StatusOK {
		t.Errorf("the request in flight got %d, %v, want it to finish", got.status, got.err)
	}
	if err := <-server.done; err != nil {
		t.Errorf("Start() = %v, want nil after a clean shutdown", err)
	}
}

func TestARequestThatOutlivesTheDrainIsCut(t *testing.T) {
	entered := make(chan struct{})
	server := startRunnable(t, &tokenserver.Runnable{
		Handler: blocking(entered, nil), Insecure: true, DrainTimeout: time.Millisecond,
	})
	cut := make(chan error, 1)
	go func() {
		_, err := status(t.Context(), "http://"+server.address+"/slow")
		cut <- err
	}()
	<-entered
	server.stop()
	if err := <-server.done; err == nil || !strings.Contains(err.Error(), "end the requests in flight within 1ms") {
		t.Errorf("Start() = %v, want it to say that requests were cut", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered, want its connection closed")
	}
}

func TestReadyCheckAsksReady(t *testing.T) {
	var mu sync.Mutex
	why := errors.New("no active signing key")
	r := &tokenserver.Runnable{Handler: http.NotFoundHandler(), Insecure: true, Ready: func() error {
		mu.Lock()
		defer mu.Unlock()
		return why
	}}
	if err := r.ReadyCheck(nil); err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("ReadyCheck() = %v before the start", err)
	}
	server := startRunnable(t, r)
	if err := server.ReadyCheck(nil); !errors.Is(err, why) {
		t.Errorf("ReadyCheck() = %v, want what Ready says", err)
	}
	mu.Lock()
	why = nil
	mu.Unlock()
	if err := server.ReadyCheck(nil); err != nil {
		t.Errorf("ReadyCheck() = %v, want nil", err)
	}
	server.stop()
	if err := <-server.done; err != nil {
		t.Errorf("Start() = %v", err)
	}
	if err := server.ReadyCheck(nil); err == nil {
		t.Error("ReadyCheck() = nil after the end")
	}
}

func TestStartRefusesWhatCannotServe(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	certificate := withCertificate(certtest.New(t, "one"))
	for _, tc := range []struct {
		name string
		r    *tokenserver.Runnable
		want string
	}{
		{
			"a port that is taken", &tokenserver.Runnable{BindAddress: taken.Addr().String(), GetCertificate: certificate},
			"listen on " + taken.Addr().String() + ": ",
		},
		{"neither certificates nor plain HTTP", &tokenserver.Runnable{BindAddress: "127.0.0.1:0"}, "set either"},
		{
			"both certificates and plain HTTP",
			&tokenserver.Runnable{BindAddress: "127.0.0.1:0", GetCertificate: certificate, Insecure: true}, "set either",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Start() = %v, want it to say %q", err, tc.want)
			}
			if tc.r.ReadyCheck(nil) == nil {
				t.Error("a server that did not start is ready")
			}
		})
	}
}

func TestABrokenListenerEndsTheServer(t *testing.T) {
	server := startRunnable(t, &tokenserver.Runnable{Handler: http.NotFoundHandler(), Insecure: true})
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-server.done; err == nil || !strings.Contains(err.Error(), "serve on "+server.address) {
		t.Errorf("Start() = %v, want it to say where serving broke off", err)
	}
	if server.ReadyCheck(nil) == nil {
		t.Error("a server that broke off is ready")
	}
}

func TestOnlyCurrentTLSIsSpoken(t *testing.T) {
	pair := certtest.New(t, "one")
	server := startRunnable(t, &tokenserver.Runnable{Handler: http.NotFoundHandler(), GetCertificate: withCertificate(pair)})
	for _, tc := range []struct {
		name    string
		version uint16
		want    bool
	}{
		{"TLS 1.1 is refused", tls.VersionTLS11, false},
		{"TLS 1.2 is spoken", tls.VersionTLS12, true},
		{"TLS 1.3 is spoken", tls.VersionTLS13, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := &tls.Config{
				RootCAs: certtest.Pool(pair), MinVersion: tc.version, MaxVersion: tc.version, NextProtos: []string{"h2"},
			}
			conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", server.address)
			if (err == nil) != tc.want {
				t.Fatalf("the handshake gave %v, want success %t", err, tc.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "protocol version") {
					t.Errorf("the handshake gave %v, want the version to be refused", err)
				}
				return
			}
			defer func() { _ = conn.Close() }()
			if tlsConn, ok := conn.(*tls.Conn); !ok || tlsConn.ConnectionState().NegotiatedProtocol != "h2" {
				t.Error("HTTP/2 is not spoken")
			}
		})
	}
}

// TestAClientThatDawdlesIsCut waits for the server to hang up; how long that takes is the server's business.
func TestAClientThatDawdlesIsCut(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, "one")
	server := startRunnable(t, &tokenserver.Runnable{Handler: http.NotFoundHandler(), GetCertificate: withCertificate(pair)})
	hangsUp := func(t *testing.T, conn net.Conn) {
		t.Helper()
		defer func() { _ = conn.Close() }()
		if err := conn.SetReadDeadline(time.Now().Add(waitLimit)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("the server did not hang up; it sent %q", answer)
		}
	}
	t.Run("in the middle of the header", func(t *testing.T) {
		t.Parallel()
		config := &tls.Config{RootCAs: certtest.Pool(pair)}
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", server.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		hangsUp(t, conn)
	})
	t.Run("before the TLS handshake", func(t *testing.T) {
		t.Parallel()
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.address)
		if err != nil {
			t.Fatal(err)
		}
		hangsUp(t, conn)
	})
}

func TestAnOversizedHeaderIsRefused(t *testing.T) {
	server := startRunnable(t, &tokenserver.Runnable{Handler: http.NotFoundHandler(), Insecure: true})
	for size, want := range map[int]int{8 << 10: http.StatusNotFound, 32 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", size))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			t.Errorf("a header of %d bytes got status %d, want %d", size, res.StatusCode, want)
		}
	}
}

func TestTheErrorLogHoldsNothingOfARequest(t *testing.T) {
	var mu sync.Mutex
	var lines bytes.Buffer
	server := startRunnable(t, &tokenserver.Runnable{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			panic("cannot handle\n\ngoroutine " + req.Header.Get("Authorization"))
		}),
		Insecure: true,
		Log:      slog.New(slog.NewTextHandler(lockedWriter{&mu, &lines}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.address+"/?token=t0k3n", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "s3cr3t")
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
		t.Fatalf("a request that panics got status %d, want no answer", res.StatusCode)
	}
	read := func() string {
		mu.Lock()
		defer mu.Unlock()
		return lines.String()
	}
	NewWithT(t).Eventually(read, waitLimit, time.Millisecond).Should(ContainSubstring("a request panicked"))
	got := read()
	if !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "runnable_test.go") {
		t.Errorf("want an error with the stack of the panic, got:\n%s", got)
	}
	if strings.Contains(got, "s3cr3t") || strings.Contains(got, "t0k3n") {
		t.Errorf("the log holds a part of the request:\n%s", got)
	}
}

func TestAFailedHandshakeIsLoggedForDebuggingOnly(t *testing.T) {
	var mu sync.Mutex
	var lines bytes.Buffer
	server := startRunnable(t, &tokenserver.Runnable{
		Handler: http.NotFoundHandler(), GetCertificate: withCertificate(certtest.New(t, "one")),
		Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &lines}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	// The client does not trust the certificate.
	if _, err := status(t.Context(), "https://"+server.address); err == nil {
		t.Fatal("want the client to hang up")
	}
	read := func() string {
		mu.Lock()
		defer mu.Unlock()
		return lines.String()
	}
	NewWithT(t).Eventually(read, waitLimit, time.Millisecond).Should(
		And(ContainSubstring("level=DEBUG"), ContainSubstring("a TLS handshake failed")))
}

// lockedWriter lets a test read what a server writes.
type lockedWriter struct {
	mu *sync.Mutex
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Writer.Write(p)
}
