// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package valkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func (s *Server) certificate() string { return filepath.Join(s.dir, "tls.crt") }

func (s *Server) key() string { return filepath.Join(s.dir, "tls.key") }

// roots returns what CAFile holds.
func (s *Server) roots() *x509.CertPool {
	s.tb.Helper()
	certificates, err := os.ReadFile(s.CAFile)
	if err != nil {
		s.tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificates)
	return roots
}

// RenewCertificate makes another certificate with another key, and writes it to CAFile too, for it vouches for itself. The server uses it
// from its next Restart on.
func (s *Server) RenewCertificate() {
	s.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.tb.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		s.tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "valkeytest"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		// Certificates are for any time, so that tests may set their clock.
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.tb.Fatal(err)
	}
	certificatePEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	s.write(s.certificate(), certificatePEM)
	s.write(s.key(), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	s.write(s.CAFile, certificatePEM)
}
