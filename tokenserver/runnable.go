// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of the HTTP server. Requests are small and answered from memory, so these bound what a slow or hostile peer can hold.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 16 << 10
	// maxStreams bounds what one HTTP/2 connection can have in flight.
	maxStreams = 100
	// defaultDrainTimeout outlives every request, as writeTimeout ends it.
	defaultDrainTimeout = 20 * time.Second
)

// A Runnable serves the token server's handler on its own port, as a part of the manager that runs on every replica. The
// manager starts it after the caches have synced, and stops it before anything else; it opens its port once Await says so.
type Runnable struct {
	// Handler answers the requests.
	Handler http.Handler
	// BindAddress is the TCP address to listen on, such as ":8443".
	BindAddress string
	// Listener is used instead of BindAddress when it is set; Start closes it. Tests learn the port from it.
	Listener net.Listener
	// GetCertificate returns the serving certificate of each new TLS connection. It must be set unless Insecure is.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Insecure serves plain HTTP, for a proxy on the same host that ends TLS.
	Insecure bool
	// Await returns once Handler has all that it answers from, or ctx is done; nil means that there is nothing to wait for. Until then
	// the port is closed, and who tries it goes on to another replica: what has not been read yet would be taken for unknown, and a
	// client that is unknown gets a 401 and a failure that counts.
	Await func(ctx context.Context)
	// Ready returns why the server could not serve tokens now; nil means that nothing needs to be asked.
	Ready func() error
	// ShutdownDelay is how long the server goes on serving after it has become unready, so that the endpoints are withdrawn
	// before connections are refused.
	ShutdownDelay time.Duration
	// DrainTimeout is how long requests in flight may take to end after that; zero means 20 s.
	DrainTimeout time.Duration
	// After waits for ShutdownDelay; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// Log gets the errors of connections; nil discards.
	Log *slog.Logger

	phase atomic.Int32
}

// The phases of a Runnable. It goes through them in this order and never back.
const (
	phaseStopped int32 = iota
	phaseServing
	phaseShuttingDown
)

// NeedLeaderElection returns false: every replica serves tokens, whoever leads.
func (r *Runnable) NeedLeaderElection() bool { return false }

// ReadyCheck is a check for the manager's readiness probe. It returns an error before the port is open, while Ready does, and
// from the moment that shutdown begins.
func (r *Runnable) ReadyCheck(*http.Request) error {
	switch r.phase.Load() {
	case phaseStopped:
		return errors.New("the token server is not started")
	case phaseShuttingDown:
		return errors.New("the token server is shutting down")
	}
	if r.Ready == nil {
		return nil
	}
	return r.Ready()
}

// Start waits for Await, serves until ctx is done, then becomes unready, waits for ShutdownDelay, lets the requests in flight end and
// returns nil. It returns an error when the configuration is incomplete, the port cannot be opened, serving breaks off, or requests
// had to be cut because they took longer than DrainTimeout.
func (r *Runnable) Start(ctx context.Context) error {
	if r.Insecure == (r.GetCertificate != nil) {
		return errors.New("start the token server: set either a source of certificates or plain HTTP")
	}
	if r.Await != nil {
		r.Await(ctx)
	}
	if ctx.Err() != nil {
		return r.abandon()
	}
	listener := r.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", r.BindAddress); err != nil {
			return fmt.Errorf("listen on %s: %w", r.BindAddress, err)
		}
	}
	server := r.server()
	served := make(chan error, 1)
	go func() {
		if r.Insecure {
			served <- server.Serve(listener)
		} else {
			served <- server.ServeTLS(listener, "", "")
		}
	}()
	r.phase.Store(phaseServing)
	select {
	case err := <-served:
		r.phase.Store(phaseShuttingDown)
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
		r.phase.Store(phaseShuttingDown)
		return r.shutdown(ctx, server, served)
	}
}

// abandon ends a server that has never served.
func (r *Runnable) abandon() error {
	r.phase.Store(phaseShuttingDown)
	if r.Listener == nil {
		return nil
	}
	if err := r.Listener.Close(); err != nil {
		return fmt.Errorf("close the listener of a server that was never needed: %w", err)
	}
	return nil
}

// shutdown ends a server whose context is done. Nothing in it may be cut short by that context.
func (r *Runnable) shutdown(ctx context.Context, server *http.Server, served <-chan error) error {
	after, drain := r.After, r.DrainTimeout
	if after == nil {
		after = time.After
	}
	if drain == 0 {
		drain = defaultDrainTimeout
	}
	select {
	case <-after(r.ShutdownDelay):
	case err := <-served:
		return fmt.Errorf("serve during the shutdown delay: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("end the requests in flight within %s: %w", drain, err), server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve until the shutdown: %w", err)
	}
	return nil
}

func (r *Runnable) server() *http.Server {
	logger := r.Log
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler:           r.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          log.New(errorLog{logger}, "", 0),
	}
	if !r.Insecure {
		// http.Server adds HTTP/2 by itself.
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: r.GetCertificate}
	}
	return server
}

// errorLog takes the lines that http.Server writes about connections.
type errorLog struct{ log *slog.Logger }

// Write logs one line. What any peer can provoke, such as a failed TLS handshake, is for debugging only. A panic's value may
// hold what the request held, so of a panic only the stack is logged.
func (w errorLog) Write(line []byte) (int, error) {
	message := bytes.TrimSpace(line)
	stack := bytes.LastIndex(message, []byte("\ngoroutine "))
	switch {
	case stack >= 0 && bytes.Contains(message, []byte("panic serving")):
		w.log.Error("a request panicked", "stack", string(message[stack+1:]))
	case bytes.Contains(message, []byte("TLS handshake error")):
		w.log.Debug("a TLS handshake failed", "detail", string(message))
	default:
		w.log.Warn("the HTTP server reports an error", "detail", string(message))
	}
	return len(line), nil
}
