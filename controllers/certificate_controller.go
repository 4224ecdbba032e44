// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/pki"
)

// errAuthorityLost marks the log line by which somebody on call finds why clients no longer trust the token server.
var errAuthorityLost = errors.New("the certificate authority was lost")

// A CertificateReconciler keeps the self-made CA and serving certificate in two Secrets of the operator's namespace. It is not run
// where the certificate comes from a directory, or where there is none.
type CertificateReconciler struct {
	// Client reads from the cache, and sees its own writes.
	Client client.Client
	// Recorder tells of renewals, on the Secrets.
	Recorder events.EventRecorder
	// OperatorNamespace holds the two Secrets.
	OperatorNamespace string
	// Hosts are the DNS names and IP addresses that the certificate is for.
	Hosts []string
	Now   func() time.Time
}

// SetupWithManager adds the controller to a manager.
func (r *CertificateReconciler) SetupWithManager(mgr ctrl.Manager) error {
	start := make(chan event.GenericEvent, 1)
	start <- event.GenericEvent{Object: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: r.OperatorNamespace, Name: v1alpha1.ServingCertificateSecretName,
	}}}
	own := handler.EnqueueRequestsFromMapFunc(r.own)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("certificate").
		WatchesRawSource(source.Channel(start, own)).
		Watches(&corev1.Secret{}, own).
		WithOptions(controller.Options{ReconciliationTimeout: reconcileTimeout}).
		Complete(r)
	return wrap(err, "set up the certificate controller")
}

// own maps both Secrets to the one request that there is.
func (r *CertificateReconciler) own(_ context.Context, obj client.Object) []ctrl.Request {
	name := obj.GetName()
	if obj.GetNamespace() != r.OperatorNamespace ||
		name != v1alpha1.CertificateAuthoritySecretName && name != v1alpha1.ServingCertificateSecretName {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{
		Namespace: r.OperatorNamespace, Name: v1alpha1.ServingCertificateSecretName,
	}}}
}

// Reconcile renews what is due.
func (r *CertificateReconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	now := r.Now()
	caSecret, err := r.get(ctx, v1alpha1.CertificateAuthoritySecretName, v1alpha1.SecretTypeCertificateAuthority)
	if err != nil {
		return ctrl.Result{}, err
	}
	serving, err := r.get(ctx, v1alpha1.ServingCertificateSecretName, string(corev1.SecretTypeTLS))
	if err != nil {
		return ctrl.Result{}, err
	}
	ca, created, caWake, err := pki.RenewAuthority(authorityOf(caSecret), now)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("renew the certificate authority in Secret %s/%s: %w", caSecret.Namespace, caSecret.Name, err)
	}
	kind, note := tell(caSecret, serving, ca, created)
	if err := r.put(ctx, caSecret, map[string][]byte{
		v1alpha1.KeyCertificate: ca.Current.Certificate, v1alpha1.KeyCertificateKey: ca.Current.Key,
		v1alpha1.KeyNextCertificate: ca.Next.Certificate, v1alpha1.KeyNextCertificateKey: ca.Next.Key,
		v1alpha1.KeyCABundle: ca.Bundle,
	}, kind, v1alpha1.ReasonCertificateAuthorityCreated, note); err != nil {
		return outcomeOf(err)
	}

	current := pki.Pair{Certificate: serving.Data[v1alpha1.KeyCertificate], Key: serving.Data[v1alpha1.KeyCertificateKey]}
	renewed, wake, err := pki.RenewCertificate(current, ca.Current, r.Hosts, now)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("renew the serving certificate in Secret %s/%s: %w", serving.Namespace, serving.Name, err)
	}
	if err := r.put(ctx, serving, map[string][]byte{
		v1alpha1.KeyCertificate: renewed.Certificate, v1alpha1.KeyCertificateKey: renewed.Key, v1alpha1.KeyCABundle: ca.Bundle,
	}, corev1.EventTypeNormal, v1alpha1.ReasonServingCertificateIssued, fmt.Sprintf("issued a serving certificate for %v", r.Hosts)); err != nil {
		return outcomeOf(err)
	}
	if caWake.Before(wake) {
		wake = caWake
	}
	return ctrl.Result{RequeueAfter: max(wake.Sub(now), time.Second)}, nil
}

// tell says what became of the CA in a Secret. There was one before if it is there, or a serving certificate is that it must have signed.
func tell(before, serving *corev1.Secret, after pki.Authority, created bool) (kind, note string) {
	switch {
	case created && before.ResourceVersion == "" && serving.ResourceVersion == "":
		return corev1.EventTypeNormal, "made a certificate authority"
	case created:
		return corev1.EventTypeWarning, "the certificate authority was lost: made a new one, and clients have to read ca.crt again"
	case !bytes.Equal(before.Data[v1alpha1.KeyCertificate], after.Current.Certificate):
		return corev1.EventTypeNormal, "the certificate authority that was published before signs now"
	case len(after.Next.Certificate) > 0 && !bytes.Equal(before.Data[v1alpha1.KeyNextCertificate], after.Next.Certificate):
		return corev1.EventTypeNormal, "published a new certificate authority; it signs later"
	default:
		return corev1.EventTypeNormal, "corrected the certificates that clients should trust"
	}
}

// get returns one of the two Secrets; without a resource version when it does not exist. One of another type, which the API server
// would refuse to change, is an error that says so.
func (r *CertificateReconciler) get(ctx context.Context, name string, secretType string) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: r.OperatorNamespace, Name: name}
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Type: corev1.SecretType(secretType),
		}, nil
	}
	if err == nil && string(secret.Type) != secretType {
		return nil, fmt.Errorf("use Secret %s: it has type %s, want %s: delete it, and it is made anew", key, secret.Type, secretType)
	}
	return secret, wrap(err, "get Secret %s", key)
}

// put writes the data unless it is already there, and tells of it.
func (r *CertificateReconciler) put(
	ctx context.Context, secret *corev1.Secret, data map[string][]byte, kind, reason, note string,
) error {
	for key, value := range data {
		if len(value) == 0 && secret.Type == v1alpha1.SecretTypeCertificateAuthority {
			delete(data, key)
		}
	}
	if equality.Semantic.DeepEqual(secret.Data, data) {
		return nil
	}
	secret.Data = data
	write := func() error { return r.Client.Update(ctx, secret) }
	if secret.ResourceVersion == "" {
		write = func() error { return r.Client.Create(ctx, secret) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("write Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	if log := ctrl.LoggerFrom(ctx); kind == corev1.EventTypeWarning {
		log.Error(errAuthorityLost, note, "secret", secret.Name)
	} else {
		log.Info(note, "secret", secret.Name)
	}
	r.Recorder.Eventf(secret, nil, kind, reason, "RenewCertificate", "%s", note)
	return nil
}

func authorityOf(secret *corev1.Secret) pki.Authority {
	return pki.Authority{
		Current: pki.Pair{Certificate: secret.Data[v1alpha1.KeyCertificate], Key: secret.Data[v1alpha1.KeyCertificateKey]},
		Next:    pki.Pair{Certificate: secret.Data[v1alpha1.KeyNextCertificate], Key: secret.Data[v1alpha1.KeyNextCertificateKey]},
		Bundle:  secret.Data[v1alpha1.KeyCABundle],
	}
}

// SecretCABundle returns the CABundle that reads what a CertificateReconciler wrote.
func SecretCABundle(reader client.Reader, operatorNamespace string) CABundle {
	key := client.ObjectKey{Namespace: operatorNamespace, Name: v1alpha1.CertificateAuthoritySecretName}
	return func(ctx context.Context) ([]byte, error) {
		secret := &corev1.Secret{}
		err := reader.Get(ctx, key, secret, client.DisableReadYourWritesConsistency)
		missing := secret.Type != v1alpha1.SecretTypeCertificateAuthority || len(secret.Data[v1alpha1.KeyCABundle]) == 0
		if apierrors.IsNotFound(err) || err == nil && missing {
			return nil, ErrCABundlePending
		}
		if err != nil {
			return nil, fmt.Errorf("get Secret %s: %w", key, err)
		}
		return secret.Data[v1alpha1.KeyCABundle], nil
	}
}
