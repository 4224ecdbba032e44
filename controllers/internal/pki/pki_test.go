// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/controllers/internal/pki"
)

const day = 24 * time.Hour

var (
	birth = time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	hosts = []string{"tokens.shop.svc", "tokens.shop.svc.cluster.local", "127.0.0.1", "::1"}
)

// renew returns the CA at a time, and checks that a second pass at the same time changes nothing.
func renew(t *testing.T, a pki.Authority, at time.Time) (renewed pki.Authority, created bool, wake time.Time) {
	t.Helper()
	renewed, created, wake, err := pki.RenewAuthority(a, at)
	if err != nil {
		t.Fatal(err)
	}
	again, createdAgain, wakeAgain, err := pki.RenewAuthority(renewed, at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(renewed, again); diff != "" || createdAgain {
		t.Errorf("a second pass at %s changes the CA (created: %t)", at, createdAgain)
	}
	if !wake.Equal(wakeAgain) || !wake.After(at) {
		t.Errorf("wake: want one later than %s twice, got %s and %s", at, wake, wakeAgain)
	}
	return renewed, created, wake
}

// serve returns the serving certificate at a time, and checks that a second pass changes nothing.
func serve(t *testing.T, current, ca pki.Pair, names []string, at time.Time) (renewed pki.Pair, wake time.Time) {
	t.Helper()
	renewed, wake, err := pki.RenewCertificate(current, ca, names, at)
	if err != nil {
		t.Fatal(err)
	}
	again, wakeAgain, err := pki.RenewCertificate(renewed, ca, names, at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(renewed, again); diff != "" {
		t.Errorf("a second pass at %s issues another certificate", at)
	}
	// A certificate keeps whole seconds.
	if gap := wake.Sub(wakeAgain).Abs(); gap >= time.Second || !wake.After(at) {
		t.Errorf("wake: want one later than %s twice, got %s and %s", at, wake, wakeAgain)
	}
	return renewed, wake
}

func parse(t *testing.T, pemBytes []byte) []*x509.Certificate {
	t.Helper()
	var found []*x509.Certificate
	for block, rest := pem.Decode(pemBytes); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, certificate)
	}
	return found
}

// verify is what a client does that trusts the bundle.
func verify(t *testing.T, serving pki.Pair, bundle []byte, host string, at time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := parse(t, serving.Certificate)[0].Verify(x509.VerifyOptions{
		Roots: roots, DNSName: host, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

func TestFirstAuthority(t *testing.T) {
	ca, created, wake := renew(t, pki.Authority{}, birth)
	if !created {
		t.Error("want created")
	}
	if want := birth.Add(pki.AuthorityLifetime - pki.AuthorityRenewal); !wake.Equal(want) {
		t.Errorf("wake: want %s, got %s", want, wake)
	}
	if !bytes.Equal(ca.Bundle, ca.Current.Certificate) || len(ca.Next.Certificate) > 0 {
		t.Error("want a bundle of the one CA and no successor")
	}
	certificate := parse(t, ca.Current.Certificate)[0]
	if !certificate.IsCA || !certificate.MaxPathLenZero || certificate.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Error("want a certificate that may sign others, and no other CA")
	}
	if err := certificate.CheckSignatureFrom(certificate); err != nil {
		t.Errorf("the CA does not sign itself: %v", err)
	}

	later, created, _ := renew(t, ca, wake.Add(-time.Second))
	if diff := cmp.Diff(ca, later); diff != "" || created {
		t.Error("the CA changes before its renewal is due")
	}
}

func TestAuthorityIsMadeAnewWhenItCannotSign(t *testing.T) {
	sound, _, _ := renew(t, pki.Authority{}, birth)
	other, _, _ := renew(t, pki.Authority{}, birth)
	serving, _ := serve(t, pki.Pair{}, sound.Current, hosts, birth)
	tests := []struct {
		name   string
		damage func(*pki.Authority)
		at     time.Time
	}{
		{"without a certificate", func(a *pki.Authority) { a.Current.Certificate = nil }, birth},
		{"without a key", func(a *pki.Authority) { a.Current.Key = nil }, birth},
		{"with rubbish for a certificate", func(a *pki.Authority) { a.Current.Certificate = []byte("rubbish") }, birth},
		{"with rubbish for a key", func(a *pki.Authority) { a.Current.Key = []byte("rubbish") }, birth},
		{"with somebody else's key", func(a *pki.Authority) { a.Current.Key = other.Current.Key }, birth},
		{"with a certificate for a key", func(a *pki.Authority) { a.Current.Key = serving.Certificate }, birth},
		{"after it expired unnoticed", func(*pki.Authority) {}, birth.Add(pki.AuthorityLifetime)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			damaged := sound
			tt.damage(&damaged)
			ca, created, _ := renew(t, damaged, tt.at)
			if !created || bytes.Equal(ca.Current.Certificate, sound.Current.Certificate) {
				t.Error("want a new CA")
			}
			if !bytes.Equal(ca.Bundle, ca.Current.Certificate) {
				t.Error("want a bundle of the new CA only")
			}
			renewed, _ := serve(t, serving, ca.Current, hosts, tt.at)
			if err := verify(t, renewed, ca.Bundle, hosts[0], tt.at); err != nil {
				t.Errorf("the serving certificate after it does not verify: %v", err)
			}
		})
	}
}

// TestAuthorityRenewal lives through the succession of a CA. At every moment clients connect with what they last read, which may be as old
// as AuthorityPublication.
func TestAuthorityRenewal(t *testing.T) {
	type state struct {
		at      time.Time
		bundle  []byte
		serving pki.Pair
	}
	ca, _, wake := renew(t, pki.Authority{}, birth)
	first := ca
	serving, servingWake := serve(t, pki.Pair{}, ca.Current, hosts, birth)
	history := []state{{birth, ca.Bundle, serving}}
	var published, promoted time.Time
	for at := birth; at.Before(birth.Add(pki.AuthorityLifetime + 2*day)); {
		// The controller looks again at whichever comes first.
		if at = servingWake; wake.Before(at) {
			at = wake
		}
		var created bool
		ca, created, wake = renew(t, ca, at)
		if created {
			t.Fatalf("%s: the CA was made anew rather than renewed", at)
		}
		serving, servingWake = serve(t, serving, ca.Current, hosts, at)
		history = append(history, state{at, ca.Bundle, serving})
		if published.IsZero() && len(ca.Next.Certificate) > 0 {
			published = at
			if !bytes.Equal(ca.Current.Certificate, first.Current.Certificate) {
				t.Error("the new CA signs as soon as it is published")
			}
		}
		if promoted.IsZero() && !bytes.Equal(ca.Current.Certificate, first.Current.Certificate) {
			promoted = at
		}
	}
	if want := birth.Add(pki.AuthorityLifetime - pki.AuthorityRenewal); !published.Equal(want) {
		t.Errorf("published: want %s, got %s", want, published)
	}
	if got := promoted.Sub(published); got < pki.AuthorityPublication || got > pki.AuthorityPublication+time.Second {
		t.Errorf("published for %s before it signs: want %s", got, pki.AuthorityPublication)
	}

	for i, now := range history {
		for j, past := range history[:i+1] {
			// A bundle was current until the next one was written; a client may have read it just before that.
			if j < i && now.at.Sub(history[j+1].at) >= pki.AuthorityPublication {
				continue
			}
			for _, host := range hosts {
				if err := verify(t, now.serving, past.bundle, host, now.at); err != nil {
					t.Errorf("%s: a client with the bundle of %s does not trust %s: %v", now.at, past.at, host, err)
				}
			}
		}
	}
	if last := history[len(history)-1]; bytes.Contains(last.bundle, bytes.TrimSpace(first.Current.Certificate)) {
		t.Errorf("%s: the bundle still holds the CA that expired", last.at)
	}
}

func TestBundleKeepsTheOldAuthorityUntilItExpires(t *testing.T) {
	old, _, wake := renew(t, pki.Authority{}, birth)
	ca, _, wake := renew(t, old, wake)
	if got := len(parse(t, ca.Bundle)); got != 2 {
		t.Fatalf("want 2 certificates while the successor is published, got %d", got)
	}
	ca, _, _ = renew(t, ca, wake)
	expiry := birth.Add(pki.AuthorityLifetime)
	for _, tt := range []struct {
		at   time.Time
		want int
	}{{wake, 2}, {expiry.Add(-time.Second), 2}, {expiry, 1}} {
		got, created, _ := renew(t, ca, tt.at)
		if n := len(parse(t, got.Bundle)); n != tt.want || created {
			t.Errorf("%s: want %d certificates and no new CA, got %d (created: %t)", tt.at, tt.want, n, created)
		}
	}
}

func TestBundleIsRepaired(t *testing.T) {
	ca, _, _ := renew(t, pki.Authority{}, birth)
	for name, bundle := range map[string][]byte{
		"lost": nil, "rubbish": []byte("rubbish"), "doubled": append(bytes.Clone(ca.Bundle), ca.Bundle...),
		"with a block that is no certificate": append(bytes.Clone(ca.Bundle), ca.Current.Key...),
	} {
		t.Run(name, func(t *testing.T) {
			damaged := ca
			damaged.Bundle = bundle
			repaired, created, _ := renew(t, damaged, birth)
			if diff := cmp.Diff(ca, repaired); diff != "" || created {
				t.Errorf("want the CA as before (created: %t)", created)
			}
		})
	}
}

func TestDamagedSuccessorIsPublishedAnew(t *testing.T) {
	ca, _, wake := renew(t, pki.Authority{}, birth)
	ca, _, _ = renew(t, ca, wake)
	ca.Next.Key = nil
	later := wake.Add(20 * day)
	repaired, created, promotion := renew(t, ca, later)
	if created || len(repaired.Next.Key) == 0 || bytes.Equal(repaired.Next.Certificate, ca.Next.Certificate) {
		t.Error("want another successor, and the same CA")
	}
	if want := later.Add(pki.AuthorityPublication); promotion.Before(want) {
		t.Errorf("the other successor signs at %s: want it published until %s", promotion, want)
	}
}

func TestPublishedSuccessorTakesOverFromADamagedAuthority(t *testing.T) {
	ca, _, wake := renew(t, pki.Authority{}, birth)
	ca, _, _ = renew(t, ca, wake)
	successor := ca.Next
	ca.Current.Key = []byte("rubbish")
	repaired, created, _ := renew(t, ca, wake.Add(day))
	if created || !bytes.Equal(repaired.Current.Certificate, successor.Certificate) || len(repaired.Next.Key) > 0 {
		t.Error("want the published successor to sign, as clients have its certificate already")
	}
}

func TestServingCertificate(t *testing.T) {
	ca, _, _ := renew(t, pki.Authority{}, birth)
	other, _, _ := renew(t, pki.Authority{}, birth)
	first, wake := serve(t, pki.Pair{}, ca.Current, hosts, birth)
	if want := birth.Add(pki.CertificateLifetime - pki.CertificateRenewal); !wake.Equal(want) {
		t.Errorf("wake: want %s, got %s", want, wake)
	}
	tests := []struct {
		name     string
		current  pki.Pair
		ca       pki.Pair
		hosts    []string
		at       time.Time
		wantSame bool
	}{
		{"A certificate that will do is kept.", first, ca.Current, hosts, wake.Add(-time.Second), true},
		{"A certificate is renewed on time.", first, ca.Current, hosts, wake, false},
		{"A certificate that expired unnoticed is renewed.", first, ca.Current, hosts, wake.Add(365 * day), false},
		{"Another host asks for another certificate.", first, ca.Current, []string{"tokens.example.com"}, birth, false},
		{"A further host asks for another certificate.", first, ca.Current, append([]string{"tokens.example.com"}, hosts...), birth, false},
		{"A host less asks for another certificate.", first, ca.Current, hosts[1:], birth, false},
		{"Another IP address asks for another certificate.", first, ca.Current, []string{hosts[0], hosts[1], "127.0.0.2", "::1"}, birth, false},
		{"Another CA asks for another certificate.", first, other.Current, hosts, birth, false},
		{"A lost key asks for another certificate.", pki.Pair{Certificate: first.Certificate}, ca.Current, hosts, birth, false},
		{"Another's key asks for another certificate.", pki.Pair{Certificate: first.Certificate, Key: ca.Current.Key}, ca.Current, hosts, birth, false},
		{"Rubbish asks for another certificate.", pki.Pair{Certificate: []byte("x"), Key: []byte("y")}, ca.Current, hosts, birth, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := serve(t, tt.current, tt.ca, tt.hosts, tt.at)
			if same := cmp.Equal(first, got); same != tt.wantSame {
				t.Errorf("the same certificate: want %t, got %t", tt.wantSame, same)
			}
			for _, host := range tt.hosts {
				if err := verify(t, got, tt.ca.Certificate, host, tt.at); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			}
			if verify(t, got, tt.ca.Certificate, "elsewhere.example.com", tt.at) == nil {
				t.Error("the certificate is good for a host that nobody asked for")
			}
		})
	}
}

func TestServingCertificateNeedsAnAuthority(t *testing.T) {
	if _, _, err := pki.RenewCertificate(pki.Pair{}, pki.Pair{}, hosts, birth); err == nil {
		t.Error("want an error, got none")
	}
}
