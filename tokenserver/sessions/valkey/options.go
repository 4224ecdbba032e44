// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	defaultPort = "6379"
	// dialTimeout bounds connecting with TLS and login, and commandTimeout everything that one call of a Store does, connecting included.
	dialTimeout    = time.Second
	commandTimeout = 1500 * time.Millisecond
	// defaultMostSpent bounds the memory that one client can take.
	defaultMostSpent = 10_000
	// bufferBytes is enough for a session; larger answers take several reads.
	bufferBytes = 64 << 10
	// maxFileBytes bounds what is read of a password or CA file.
	maxFileBytes = 1 << 20
)

// Options say where the server is and how to log in to it.
type Options struct {
	// URL is valkey://user@host:port/database, where user, port and database may be left out: they are the default user, 6379 and 0.
	// The scheme valkeys uses TLS; redis and rediss are the same as valkey and valkeys. It holds no password.
	URL string
	// PasswordFile holds the user's password; without a user, the default user's. It is read anew for each connection.
	PasswordFile string
	// CAFile holds PEM certificates to trust instead of the system's. It is read anew for each connection, and needs TLS.
	CAFile string
	// MostSpent is how many spent token IDs of one kind an owner may have, and of nonces thirty times as many; zero for 10,000.
	MostSpent int
}

// A target is what a URL says.
type target struct {
	address, host, username string
	database                int
	tls                     bool
}

// Validate returns what is wrong with the options, without a look at files or the server. The error holds no part of the URL that
// may be secret.
func (o Options) Validate() error {
	target, err := parseURL(o.URL)
	if err != nil {
		return err
	}
	if o.CAFile != "" && !target.tls {
		return errors.New("the Valkey URL does not use TLS, so the CA file is of no use: write valkeys:// or leave the file out")
	}
	if target.username != "" && o.PasswordFile == "" {
		return errors.New("the Valkey URL names a user, who needs a password: name the file that holds it")
	}
	return nil
}

// parseURL reads a URL. Its errors do not quote it, as people put passwords there.
func parseURL(raw string) (target, error) {
	const form = "write valkeys://host:6379/0, or valkey:// without TLS"
	if raw == "" {
		return target{}, errors.New("the Valkey URL is missing: " + form)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, errors.New("the Valkey URL is malformed: " + form)
	}
	if _, has := u.User.Password(); has {
		return target{}, errors.New("the Valkey URL holds a password: put that into a file, and name the file")
	}
	t := target{host: u.Hostname(), username: u.User.Username()}
	switch u.Scheme {
	case "valkey", "redis":
	case "valkeys", "rediss":
		t.tls = true
	default:
		return target{}, errors.New("the Valkey URL has an unknown scheme: " + form)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return target{}, errors.New("the Valkey URL holds more than host, port and database number: " + form)
	}
	if t.host == "" {
		return target{}, errors.New("the Valkey URL has no host: " + form)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return target{}, errors.New("the port in the Valkey URL is out of range: " + form)
	}
	t.address = net.JoinHostPort(t.host, port)
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		n, err := strconv.ParseUint(path, 10, 16)
		if err != nil {
			return target{}, errors.New("the path of the Valkey URL is no database number: " + form)
		}
		t.database = int(n)
	}
	return t, nil
}

// clientOption returns what the client library is to do.
func (o Options) clientOption(t target) valkey.ClientOption {
	return valkey.ClientOption{
		InitAddress: []string{t.address}, SelectDB: t.database, ClientName: "integration-operator", ClientSetInfo: valkey.DisableClientSetInfo,
		// Every read has to be of the server's own state, and whoever is alone needs no cluster's topology.
		DisableCache: true, ForceSingleClient: true,
		Dialer: net.Dialer{Timeout: dialTimeout}, ConnWriteTimeout: commandTimeout,
		ReadBufferEachConn: bufferBytes, WriteBufferEachConn: bufferBytes, RetryDelay: retryDelay,
		AuthCredentialsFn: func(valkey.AuthCredentialsContext) (valkey.AuthCredentials, error) {
			password, err := o.password()
			return valkey.AuthCredentials{Username: t.username, Password: password}, err
		},
		DialCtxFn: func(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
			if !t.tls {
				return dialer.DialContext(ctx, "tcp", address)
			}
			config, err := o.tlsConfig(t)
			if err != nil {
				return nil, err
			}
			return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
		},
	}
}

// retryDelay waits a little for a server that restarts, and no longer, as each of many requests would.
func retryDelay(attempts int, _ valkey.Completed, _ error) time.Duration {
	switch attempts {
	case 1:
		return 5 * time.Millisecond
	case 2:
		return 50 * time.Millisecond
	default:
		return -1
	}
}

// password returns what the password file holds, without the line break at its end.
func (o Options) password() (string, error) {
	if o.PasswordFile == "" {
		return "", nil
	}
	content, err := readFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the Valkey password: %w", err)
	}
	password := string(bytes.TrimRight(content, "\r\n"))
	if password == "" {
		return "", fmt.Errorf("read the Valkey password: %s is empty", o.PasswordFile)
	}
	return password, nil
}

// tlsConfig returns how to check the server's certificate.
func (o Options) tlsConfig(t target) (*tls.Config, error) {
	config := &tls.Config{ServerName: t.host, MinVersion: tls.VersionTLS12}
	if o.CAFile == "" {
		return config, nil
	}
	content, err := readFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the Valkey CA: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("read the Valkey CA: %s holds no certificate in PEM", o.CAFile)
	}
	return config, nil
}

// readFile reads a file that is not overly large.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFileBytes)
	}
	return os.ReadFile(path) //nolint:gosec // The path is the operator's own configuration.
}
