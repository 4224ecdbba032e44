// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// servingCertificate holds the self-made serving certificate. Once there is one it stays until a better one comes: a broken
// update or a deleted Secret must not take the token server off the network, and the controllers put both right.
type servingCertificate struct {
	name    types.NamespacedName
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]
}

func newServingCertificate(namespace string, log *slog.Logger) *servingCertificate {
	return &servingCertificate{
		name: types.NamespacedName{Namespace: namespace, Name: v1alpha1.ServingCertificateSecretName},
		log:  log,
	}
}

// certificate returns the current certificate; nil if there was none yet.
func (c *servingCertificate) certificate() *tls.Certificate {
	return c.current.Load()
}

func (c *servingCertificate) set(secret *corev1.Secret) {
	if secret.Namespace != c.name.Namespace || secret.Name != c.name.Name {
		return
	}
	pair, err := tls.X509KeyPair(secret.Data[v1alpha1.KeyCertificate], secret.Data[v1alpha1.KeyCertificateKey])
	if err != nil {
		c.log.Warn("keep the last serving certificate, as the Secret is damaged", "secret", c.name.String(), "error", err)
		return
	}
	c.current.Store(&pair)
}

func (c *servingCertificate) delete(name types.NamespacedName) {
	if name == c.name {
		c.log.Warn("keep the last serving certificate, as the Secret is deleted", "secret", c.name.String())
	}
}
