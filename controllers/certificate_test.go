// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/pki"
)

// trusted returns what stands between a client that trusts the bundle and the serving certificate.
func (w *world) trusted(t *testing.T, bundle []byte, at time.Time) error {
	t.Helper()
	serving := &corev1.Secret{}
	key := client.ObjectKey{Namespace: w.operatorNamespace, Name: v1alpha1.ServingCertificateSecretName}
	if err := k8sClient.Get(t.Context(), key, serving); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(serving.Data[v1alpha1.KeyCertificate], serving.Data[v1alpha1.KeyCertificateKey])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "tokens.example.com", CurrentTime: at})
	return err
}

func TestSecretWaitsForTheCertificateAuthority(t *testing.T) {
	w := newBareWorld(t, false)
	w.makeKey(t, es256)
	intg := w.integration(t, "waits")
	w.waitFor(t, intg, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonCertificateAuthorityPending)
	if meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionCredentialsReady) || intg.Status.Granted != nil {
		t.Errorf("want no credentials and nothing granted, got %+v", intg.Status)
	}
	w.makeCertificates(t)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if err := w.trusted(t, w.secret(t, "waits").Data["ca.crt"], time.Now()); err != nil {
		t.Errorf("a client that trusts ca.crt: %v", err)
	}
	w.wantEvents(t, intg)
}

func TestChangeOfTheCertificateAuthorityReachesAllSecrets(t *testing.T) {
	w := newWorld(t)
	var integrations []*v1alpha1.Integration
	for i := range 5 {
		integrations = append(integrations, w.readyIntegration(t, fmt.Sprintf("trusts-%d", i)))
	}
	reached := func(want func(bundle []byte) error) {
		t.Helper()
		NewWithT(t).Eventually(func() error {
			var errs []error
			for _, intg := range integrations {
				secret := &corev1.Secret{}
				errs = append(errs, k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), secret), want(secret.Data["ca.crt"]))
			}
			return errors.Join(errs...)
		}, deadline, poll).Should(Succeed())
	}
	before := w.secret(t, "trusts-0").Data

	another, _, _, err := pki.RenewAuthority(pki.Authority{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca := w.operatorSecret(t, v1alpha1.CertificateAuthoritySecretName)
	edit(t, ca, func(s *corev1.Secret) {
		s.Data[v1alpha1.KeyCABundle] = append(s.Data[v1alpha1.KeyCABundle], another.Bundle...)
	})
	reached(func(bundle []byte) error {
		if !bytes.Contains(bundle, bytes.TrimSpace(another.Bundle)) {
			return errors.New("the added certificate is missing")
		}
		return w.trusted(t, bundle, time.Now())
	})

	if err := k8sClient.Delete(t.Context(), ca); err != nil {
		t.Fatal(err)
	}
	reached(func(bundle []byte) error {
		if bytes.Contains(bundle, bytes.TrimSpace(before["ca.crt"])) {
			return errors.New("the CA that was lost is still there")
		}
		return w.trusted(t, bundle, time.Now())
	})
	for _, intg := range integrations {
		w.wantEvents(t, intg)
	}
	after := w.secret(t, "trusts-0").Data
	delete(before, "ca.crt")
	delete(after, "ca.crt")
	if diff := cmp.Diff(text(before), text(after)); diff != "" {
		t.Error("something else than ca.crt changed")
	}
}

func TestServingCertificateIsRemade(t *testing.T) {
	w := newWorld(t)
	bundle, err := w.integrations.CABundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	remade := func(former *corev1.Secret) {
		t.Helper()
		NewWithT(t).Eventually(func() error {
			now := &corev1.Secret{}
			if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(former), now); err != nil {
				return err
			}
			if bytes.Equal(former.Data[v1alpha1.KeyCertificate], now.Data[v1alpha1.KeyCertificate]) || now.Type != corev1.SecretTypeTLS {
				return errors.New("not a new certificate")
			}
			return w.trusted(t, bundle, time.Now())
		}, deadline, poll).Should(Succeed())
	}
	NewWithT(t).Eventually(func() error { return w.trusted(t, bundle, time.Now()) }, deadline, poll).Should(Succeed())
	first := w.operatorSecret(t, v1alpha1.ServingCertificateSecretName)
	if err := k8sClient.Delete(t.Context(), first.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	remade(first)

	second := w.operatorSecret(t, v1alpha1.ServingCertificateSecretName)
	edit(t, second.DeepCopy(), func(s *corev1.Secret) { s.Data[v1alpha1.KeyCertificateKey] = []byte("rubbish") })
	remade(second)
	want := []string{"Normal ServingCertificateIssued", "Normal ServingCertificateIssued", "Normal ServingCertificateIssued"}
	NewWithT(t).Eventually(func() []string { return w.recorder.of(first) }, deadline, poll).Should(Equal(want))
	if again, err := w.integrations.CABundle(t.Context()); err != nil || !bytes.Equal(bundle, again) {
		t.Errorf("the CA changed with the certificate (%v)", err)
	}
}

func TestCertificatesAreRenewedOnTime(t *testing.T) {
	w := newBareWorld(t, false)
	clock := time.Date(2026, time.November, 22, 10, 0, 0, 0, time.UTC)
	w.certificates.Now = func() time.Time { return clock }
	w.certificates.Hosts = []string{"tokens.example.com"}
	ca := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: v1alpha1.CertificateAuthoritySecretName}}
	result := w.makeCertificates(t)
	if want := pki.CertificateLifetime - pki.CertificateRenewal; result.RequeueAfter != want {
		t.Errorf("looks again after %s, want %s", result.RequeueAfter, want)
	}
	held := []byte(nil)
	for end := clock.Add(pki.AuthorityLifetime + pki.CertificateLifetime); clock.Before(end); {
		if result.RequeueAfter <= 0 {
			t.Fatalf("%s: nobody looks again", clock)
		}
		clock = clock.Add(result.RequeueAfter)
		result = w.makeCertificates(t)
		version := w.operatorSecret(t, ca.Name).ResourceVersion
		w.makeCertificates(t)
		now := w.operatorSecret(t, ca.Name)
		if now.ResourceVersion != version {
			t.Fatalf("%s: a second pass writes the CA again", clock)
		}
		if err := w.trusted(t, now.Data[v1alpha1.KeyCABundle], clock); err != nil {
			t.Fatalf("%s: a client that reads ca.crt now: %v", clock, err)
		}
		// A successor is published alone; what is read then is good for the time that follows.
		if err := w.trusted(t, held, clock); held != nil && err != nil {
			t.Fatalf("%s: a client that read ca.crt while the successor was published: %v", clock, err)
		}
		if held == nil && len(now.Data[v1alpha1.KeyNextCertificate]) > 0 {
			held = now.Data[v1alpha1.KeyCABundle]
		}
	}
	var notes []string
	for _, e := range w.recorder.all() {
		if e.name == ca.Name {
			notes = append(notes, e.kind+": "+e.note)
		}
	}
	want := []string{
		"Normal: made a certificate authority",
		"Normal: published a new certificate authority; it signs later",
		"Normal: the certificate authority that was published before signs now",
		"Normal: corrected the certificates that clients should trust",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("events of the CA (-want +got):\n%s", diff)
	}
}

func TestForeignSecretInPlaceOfTheCertificateAuthorityIsLeftAlone(t *testing.T) {
	w := newBareWorld(t, false)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: v1alpha1.CertificateAuthoritySecretName},
		StringData: map[string]string{"theirs": "hunter2"},
	}
	if err := k8sClient.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	w.seen(t, foreign)
	_, err := w.certificates.Reconcile(bounded(t), ctrl.Request{})
	if err == nil || !strings.Contains(err.Error(), "delete it") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("want an error that says to delete the Secret, got %v", err)
	}
	if after := w.operatorSecret(t, foreign.Name); after.ResourceVersion != foreign.ResourceVersion {
		t.Error("the Secret was written")
	}
}
