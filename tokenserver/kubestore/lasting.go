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

// lastRotation returns when a Secret's client secret took the place of another, and zero where none is known to have been. A damaged record says
// nothing.
func lastRotation(s *corev1.Secret) time.Time {
	record, err := v1alpha1.ParseRotationRecord(s.Annotations[v1alpha1.AnnotationRotation])
	if err != nil || record.RotatedAt.IsZero() {
		return time.Time{}
	}
	return record.RotatedAt.UTC().Truncate(time.Second)
}

// issuedAt returns since when a client secret of an Integration has been in place: since the last rotation. Where there was none, that is not
// since its Secret was made, as the same client secret may have moved there from another: after a rename, or because its owner brings it. So it
// is since the earlier of the two was made, and what was revoked before the move stays revoked. Whoever restores both from a backup makes both
// anew, and has to rotate a client secret whose token was revoked.
func (c credential) issuedAt(i *v1alpha1.Integration) time.Time {
	if !c.rotatedAt.IsZero() {
		return c.rotatedAt
	}
	made := c.madeAt
	if i.CreationTimestamp.Time.Before(made) {
		made = i.CreationTimestamp.Time
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
			c.lasting = lastingOf(c.plain, c.issuedAt(r.integration))
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
