// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki is the operator's own certificate authority, for token servers without a certificate that is publicly trusted: it
// makes the CA and the serving certificate and decides when to renew them.
//
// Clients hold the CA's certificate in their Secrets, and may read them late. So a new CA is published beside the old one for a
// while before it signs anything.
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

const (
	// AuthorityLifetime is how long a CA is valid.
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	// AuthorityRenewal is how long before a CA expires its successor is published.
	AuthorityRenewal = 365 * 24 * time.Hour
	// AuthorityPublication is how long a new CA is published before it signs.
	AuthorityPublication = 30 * 24 * time.Hour
	// CertificateLifetime is how long a serving certificate is valid.
	CertificateLifetime = 90 * 24 * time.Hour
	// CertificateRenewal is how long before it expires a serving certificate is replaced.
	CertificateRenewal = 30 * 24 * time.Hour

	// backdate lets clocks that are a little slow accept a new certificate.
	backdate   = 5 * time.Minute
	serialBits = 128
)

// A Pair is a certificate and its private key, both in PEM.
type Pair struct {
	Certificate, Key []byte
}

// parsed is a Pair that is known to fit together.
type parsed struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// parse returns an error that says nothing of the key.
func (p Pair) parse() (*parsed, error) {
	certificate, err := parseCertificate(p.Certificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(p.Key)
	if block == nil {
		return nil, errors.New("the private key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key is not PKCS #8")
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("the private key does not belong to the certificate")
	}
	return &parsed{certificate: certificate, key: private}, nil
}

func parseCertificate(pemBytes []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(pemBytes)
	if block == nil {
		return nil, errors.New("the certificate is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate: %w", err)
	}
	return certificate, nil
}

// An Authority is the CA as it is stored.
type Authority struct {
	// Current signs.
	Current Pair
	// Next is published and will sign; empty most of the time.
	Next Pair
	// Bundle is every certificate that clients should trust, in PEM.
	Bundle []byte
}

// RenewAuthority returns the CA as it should be at a time, and when to look again. The result equals a when nothing is to be done. A
// CA that is missing, damaged or expired gives way to its published successor, or is made anew: then created is true.
func RenewAuthority(a Authority, now time.Time) (renewed Authority, created bool, wake time.Time, err error) {
	current, broken := a.Current.parse()
	if broken != nil || !now.Before(current.certificate.NotAfter) {
		if current, broken = a.Next.parse(); broken == nil && now.Before(current.certificate.NotAfter) {
			a.Current, a.Next = a.Next, Pair{} // Clients have its certificate already.
		} else {
			if a.Current, current, err = newAuthority(now); err != nil {
				return a, false, time.Time{}, err
			}
			a.Next, created = Pair{}, true
			a.Bundle = nil // The others were signed by nobody that we know.
		}
	}
	next, missing := a.Next.parse()
	if renewAt := current.certificate.NotAfter.Add(-AuthorityRenewal); missing != nil {
		wake = renewAt
		a.Next = Pair{}
		if !now.Before(renewAt) {
			if a.Next, next, err = newAuthority(now); err != nil {
				return a, false, time.Time{}, err
			}
			missing = nil
		}
	}
	if missing == nil {
		wake = next.certificate.NotBefore.Add(backdate + AuthorityPublication)
		if !now.Before(wake) {
			a.Bundle = append(slices.Clone(a.Bundle), a.Current.Certificate...)
			a.Current, a.Next = a.Next, Pair{}
			wake = next.certificate.NotAfter.Add(-AuthorityRenewal)
		}
	}
	a.Bundle = bundle(now, a.Current.Certificate, a.Next.Certificate, a.Bundle)
	return a, created, wake, nil
}

// bundle joins certificates, each once, without those that have expired or are none.
func bundle(now time.Time, pems ...[]byte) []byte {
	var joined []byte
	var seen [][]byte
	for rest := bytes.Join(pems, []byte("\n")); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return joined
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		known := slices.ContainsFunc(seen, func(der []byte) bool { return bytes.Equal(der, block.Bytes) })
		if err != nil || known || !now.Before(certificate.NotAfter) {
			continue
		}
		seen = append(seen, block.Bytes)
		joined = append(joined, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes})...)
	}
}

// RenewCertificate returns the serving certificate as it should be at a time for the hosts, which are DNS names and IP addresses, and
// when to look again. The result is current itself when that will do: signed by the CA, for just these hosts, and not about to
// expire.
func RenewCertificate(current Pair, ca Pair, hosts []string, now time.Time) (renewed Pair, wake time.Time, err error) {
	authority, err := ca.parse()
	if err != nil {
		return Pair{}, time.Time{}, fmt.Errorf("read the CA: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "integration-operator token server"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if p, broken := current.parse(); broken == nil && p.certificate.CheckSignatureFrom(authority.certificate) == nil &&
		slices.Equal(p.certificate.DNSNames, template.DNSNames) &&
		slices.EqualFunc(p.certificate.IPAddresses, template.IPAddresses, net.IP.Equal) {
		if wake = p.certificate.NotAfter.Add(-CertificateRenewal); now.Before(wake) {
			return current, wake, nil
		}
	}
	renewed, _, err = issue(template, authority, now, CertificateLifetime)
	return renewed, now.Add(CertificateLifetime - CertificateRenewal), err
}

func newAuthority(now time.Time) (Pair, *parsed, error) {
	return issue(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "integration-operator CA"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, now, AuthorityLifetime)
}

// issue fills in and signs a template; without a parent it signs itself.
func issue(template *x509.Certificate, parent *parsed, now time.Time, lifetime time.Duration) (Pair, *parsed, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, nil, fmt.Errorf("generate a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits-1))
	if err != nil {
		return Pair{}, nil, fmt.Errorf("choose a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(lifetime)
	signer := parent
	if signer == nil {
		signer = &parsed{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return Pair{}, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, nil, fmt.Errorf("parse a certificate just signed: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, nil, fmt.Errorf("encode a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, &parsed{certificate: certificate, key: key}, nil
}
