// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// concealed returns a client secret for the case that its Integration has a lasting token, which is derived from it; nil if it is none that
// an Integration may have.
func concealed(clientSecret []byte) clients.Concealed {
	if len(clientSecret) > v1alpha1.MaxClientSecretLength {
		return nil
	}
	return clients.Conceal(string(clientSecret))
}

// issuedAt returns since when a Secret's client secret has been in place: since the last rotation, or since the Secret was made. A damaged
// record says nothing, and the earlier time is the one of which more is revoked.
func issuedAt(s *corev1.Secret) time.Time {
	made := s.CreationTimestamp.Time
	if record, err := v1alpha1.ParseRotationRecord(s.Annotations[v1alpha1.AnnotationRotation]); err == nil && !record.RotatedAt.IsZero() {
		made = record.RotatedAt
	}
	return made.UTC().Truncate(time.Second)
}

// settle decides what becomes of the client secrets that are kept until their Integration is known: a lasting token is made of them where it
// is of the profile that has those, and they are forgotten everywhere else. A profile never changes.
func (r *record) settle() {
	for n := range r.credentials {
		c := &r.credentials[n]
		if c.plain == nil || r.integration == nil || r.integration.UID != c.owner {
			continue
		}
		if r.integration.Spec.Profile == v1alpha1.ProfileMagento {
			c.lasting = lastingOf(c.plain, c.issuedAt)
		}
		c.plain = nil
	}
}

// lastingOf returns the lasting token that goes with a client secret.
func lastingOf(clientSecret clients.Concealed, issuedAt time.Time) *clients.LastingToken {
	token, tokenSecret := v1alpha1.MagentoTokens([]byte(clientSecret()))
	return &clients.LastingToken{
		Hash: sha256.Sum256([]byte(token)), ConsumerSecret: clientSecret, TokenSecret: clients.Conceal(tokenSecret), IssuedAt: issuedAt,
	}
}

// lastingToken returns the lasting token of a client of an Integration, or nil. While the Secret moves to another name there are two, and the one
// that the Integration wants counts: a lasting token has no overlap.
func lastingToken(c *clients.Client, credentials []credential, i *v1alpha1.Integration) *clients.LastingToken {
	if c.Profile != clients.ProfileMagento || !c.Accepts(clients.MethodClientSecret) ||
		!c.MayUse(string(v1alpha1.GrantTypeClientCredentials)) {
		return nil
	}
	own := belonging(credentials, i)
	if len(own) == 0 {
		return nil
	}
	current := slices.MinFunc(own, func(a, b credential) int { return cmp.Compare(a.secret, b.secret) })
	if wanted := slices.IndexFunc(own, func(c credential) bool { return c.secret == i.SecretName() }); wanted >= 0 {
		current = own[wanted]
	}
	if current.lasting == nil {
		return nil
	}
	lasting := *current.lasting
	lasting.Bearer = i.Status.Granted.Bearer
	return &lasting
}
