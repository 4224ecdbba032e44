// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore_test

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// A proxy is a line to the API server that can be cut, and that can go silent.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	state proxyState
	conns map[net.Conn]struct{}
	pipes sync.WaitGroup
}

type proxyState int

const (
	open   proxyState = iota
	cut               // connections break at once
	silent            // connections stay and nothing comes back
)

// throughProxy returns a proxy, which stops with the test, and a configuration that goes through it.
func throughProxy(t *testing.T) (*proxy, *rest.Config) {
	t.Helper()
	target, err := url.Parse(restConfig.Host)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(restConfig)
	host := target.Host
	if host == "" {
		host = restConfig.Host // envtest gives host and port only.
	}
	p := &proxy{target: host, conns: map[net.Conn]struct{}{}}
	if p.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	config.Host = "https://" + p.listener.Addr().String()
	// The API server's certificate is checked for the address that it really has.
	if config.ServerName, _, err = net.SplitHostPort(host); err != nil {
		t.Fatal(err)
	}
	p.pipes.Go(p.accept)
	t.Cleanup(func() {
		if err := p.listener.Close(); err != nil {
			t.Errorf("close the proxy: %v", err)
		}
		p.set(cut)
		p.pipes.Wait()
	})
	return p, config
}

// set changes the state; connections from before break.
func (p *proxy) set(state proxyState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// hush makes the proxy silent, also on the connections that there are.
func (p *proxy) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = silent
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.pipes.Go(func() { p.serve(conn) })
	}
}

func (p *proxy) serve(conn net.Conn) {
	//nolint:noctx // The listener's end closes every connection.
	upstream, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = conn.Close()
		return
	}
	p.mu.Lock()
	if p.state == cut {
		p.mu.Unlock()
		_, _ = conn.Close(), upstream.Close()
		return
	}
	p.conns[conn], p.conns[upstream] = struct{}{}, struct{}{}
	p.mu.Unlock()
	p.pipes.Go(func() { p.pipe(upstream, conn) })
	p.pipe(conn, upstream)
}

func (p *proxy) pipe(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		quiet := p.state == silent
		p.mu.Unlock()
		if n > 0 && !quiet {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
