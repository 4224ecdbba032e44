// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkeytest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RequireVariable names the environment variable that, when it is not empty, makes a missing server fail a test instead of skip it.
const RequireVariable = "INTEGRATION_OPERATOR_TEST_REQUIRE_SERVERS"

const (
	// startAttempts is how many ports are tried, as somebody may take one between its choice and its use.
	startAttempts = 5
	// patience is how long a server may take to start or to end.
	patience = 20 * time.Second
	poll     = 10 * time.Millisecond
)

var errExited = errors.New("the server has exited")

// A Server is a running server. Its methods fail the test when they cannot do what they are for.
type Server struct {
	// Address is its host and port, and Password what the default user logs in with.
	Address, Password string
	// PasswordFile holds Password, and CAFile the certificate to trust if the server uses TLS.
	PasswordFile, CAFile string

	tb            testing.TB
	program, dir  string
	tls           bool
	args          []string
	process       *exec.Cmd
	exited        chan struct{}
	output        *bytes.Buffer
	paused, ended bool
}

// Start starts a server that keeps everything in memory and ends with the test. Args are added to its command line, such as
// "--maxmemory", "1mb". It skips the test if neither valkey-server nor redis-server is on the PATH, or fails it if RequireVariable is set.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, false, args)
}

// StartTLS is Start for a server that speaks TLS only, with a certificate for 127.0.0.1 that CAFile vouches for.
func StartTLS(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, true, args)
}

func start(tb testing.TB, useTLS bool, args []string) *Server {
	tb.Helper()
	s := &Server{tb: tb, program: find(tb), dir: tb.TempDir(), tls: useTLS, args: args, PasswordFile: filepath.Join(tb.TempDir(), "password")}
	s.ChangePassword()
	if useTLS {
		s.CAFile = filepath.Join(s.dir, "ca.crt")
		s.RenewCertificate()
	}
	tb.Cleanup(s.Stop)
	for range startAttempts {
		s.Address = freeAddress(tb)
		err := s.launch()
		if err == nil {
			return s
		}
		if !errors.Is(err, errExited) {
			tb.Fatal(err)
		}
	}
	tb.Fatalf("%s does not start: %s", s.program, s.output)
	return nil
}

// ChangePassword makes another password, and writes it to PasswordFile. The server uses it from its next Restart on.
func (s *Server) ChangePassword() {
	s.tb.Helper()
	s.Password = rand.Text()
	s.write(s.PasswordFile, s.Password+"\n")
	// In a file, as a command line can be read by everybody.
	s.write(s.config(), "requirepass "+s.Password+"\n")
}

// find returns the path of a server.
func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "neither valkey-server nor redis-server is on the PATH: install Debian's package redis-server"
	if os.Getenv(RequireVariable) != "" {
		tb.Fatal(missing + " (" + RequireVariable + " is set)")
	}
	tb.Skip(missing)
	return ""
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func (s *Server) config() string { return filepath.Join(s.dir, "server.conf") }

func (s *Server) write(path, content string) {
	s.tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

// launch runs the server until it answers.
func (s *Server) launch() error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	args := []string{s.config(), "--bind", host, "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if s.tls {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
			"--tls-cert-file", s.certificate(), "--tls-key-file", s.key(), "--tls-ca-cert-file", s.CAFile)
	} else {
		args = append(args, "--port", port)
	}
	s.output = &bytes.Buffer{}
	// The server outlives the test's context, which is done before what the test has to clean up.
	//nolint:gosec // The program is the one on the PATH.
	s.process = exec.CommandContext(context.WithoutCancel(s.tb.Context()), s.program, append(args, s.args...)...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	process, exited := s.process, make(chan struct{})
	s.exited, s.ended = exited, false
	go func() {
		_ = process.Wait() // How it ended is in its output.
		close(exited)
	}()
	return s.awaitAnswer()
}

// awaitAnswer waits until the server lets a client in. Somebody else may have the port, whose server does not.
func (s *Server) awaitAnswer() error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for !s.answers(context.WithoutCancel(s.tb.Context())) {
		select {
		case <-s.exited:
			s.ended = true
			return errExited
		case <-limit.C:
			return fmt.Errorf("%s does not answer within %s", s.program, patience)
		case <-ticker.C:
		}
	}
	return nil
}

// answers tells whether the server takes the password.
func (s *Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var conn net.Conn
	var err error
	if s.tls {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.roots(), MinVersion: tls.VersionTLS12}}
		conn, err = dialer.DialContext(ctx, "tcp", s.Address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	}
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok && conn.SetDeadline(deadline) != nil {
		return false
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\n", s.Password); err != nil {
		return false
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && reply == "+OK\r\n"
}

// Stop ends the server. What it held is lost. It does nothing if the server has ended already.
func (s *Server) Stop() {
	s.tb.Helper()
	if s.process == nil || s.process.Process == nil || s.ended {
		return
	}
	s.Resume()
	s.signal(syscall.SIGTERM)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.exited:
	case <-limit.C:
		s.signal(syscall.SIGKILL)
		<-s.exited
	}
	s.ended = true
	if s.tb.Failed() {
		s.tb.Logf("%s said:\n%s", s.program, strings.TrimSpace(s.output.String()))
	}
}

// Restart ends the server if it runs, and starts one anew at the same address, which holds nothing.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("start %s again: %v: %s", s.program, err, s.output)
	}
}

// Pause makes the server answer nothing until Resume. It loses nothing.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	s.paused = true
}

// Resume ends a Pause.
func (s *Server) Resume() {
	s.tb.Helper()
	if s.paused {
		s.signal(syscall.SIGCONT)
		s.paused = false
	}
}

func (s *Server) signal(signal syscall.Signal) {
	s.tb.Helper()
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("send %s to %s: %v", signal, s.program, err)
	}
}
