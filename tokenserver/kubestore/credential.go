// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// integrationKind is the kind of the owners of credentials Secrets.
const integrationKind = "Integration"

// A credential is what is kept of one credentials Secret: never the secret, only digests, but where lasting tokens are derived from it.
type credential struct {
	// secret is the name of the Secret, in the Integration's namespace.
	secret string
	// owner is the UID of the Integration that controls the Secret. Whether that is the Integration of this record shows
	// only when both are known.
	owner types.UID
	hash  [sha256.Size]byte
	// rotation is how far a rotation of the secret has come; nil while no other secret is accepted beside it.
	rotation *v1alpha1.RotationRecord
	// plain is the client secret until the Integration is known, and lasting the token that is derived from it if the Integration has one.
	plain   clients.Concealed
	lasting *clients.LastingToken
	// madeAt is when the Secret was made, and rotatedAt when its client secret took the place of another, if it did.
	madeAt, rotatedAt time.Time
}

// credentialOf returns the credential in a Secret and the Integration that its label names. It returns false for a Secret
// that can be nobody's credentials: without the label, not controlled by an Integration, or without a sound client secret.
func credentialOf(s *corev1.Secret) (credential, types.NamespacedName, bool) {
	integration := types.NamespacedName{Namespace: s.Namespace, Name: s.Labels[v1alpha1.LabelIntegration]}
	owner, controlled := controllerOf(s)
	if integration.Name == "" || !controlled {
		return credential{}, integration, false
	}
	secret := s.Data[s.Annotations[v1alpha1.AnnotationClientSecretKey]]
	if utf8.RuneCount(secret) < v1alpha1.MinClientSecretLength {
		return credential{}, integration, false
	}
	return credential{
		secret: s.Name, owner: owner.UID, hash: sha256.Sum256(secret), rotation: rotationOf(s), plain: concealed(secret),
		madeAt: s.CreationTimestamp.Time, rotatedAt: lastRotation(s),
	}, integration, true
}

// rotationOf returns the record of a rotation in which more than the Secret's own client secret is accepted, or nil. A damaged record is
// as good as none: the client secret stays good, and the controllers put the record right.
func rotationOf(s *corev1.Secret) *v1alpha1.RotationRecord {
	record, err := v1alpha1.ParseRotationRecord(s.Annotations[v1alpha1.AnnotationRotation])
	if err != nil || record.Next == nil && record.Previous == nil {
		return nil
	}
	return &record
}

// belonging returns those credentials that belong to an Integration.
func belonging(credentials []credential, i *v1alpha1.Integration) []credential {
	credentials = slices.DeleteFunc(slices.Clone(credentials), func(c credential) bool { return c.owner != i.UID })
	if slices.ContainsFunc(credentials, func(c credential) bool { return c.namedBy(i) }) {
		credentials = slices.DeleteFunc(credentials, func(c credential) bool { return !c.namedBy(i) })
	}
	return credentials
}

// secretsOf returns what is accepted by those credentials that belong to an Integration, without duplicates and in a fixed order, and when
// the current secret took the place of the previous one, if there is one. What is current or announced in one Secret is so altogether.
func secretsOf(credentials []credential, i *v1alpha1.Integration) (secrets []clients.Secret, rotatedAt time.Time) {
	credentials = belonging(credentials, i)
	add := func(s clients.Secret) {
		if at := slices.IndexFunc(secrets, func(known clients.Secret) bool { return known.Hash == s.Hash }); at < 0 {
			secrets = append(secrets, s)
		} else if known := &secrets[at]; known.Previous && s.Until.After(known.Until) {
			known.Until = s.Until
		}
	}
	for _, c := range credentials {
		add(clients.Secret{Hash: c.hash})
		if c.rotation != nil && c.rotation.Next != nil {
			add(clients.Secret{Hash: c.rotation.Next.Digest})
		}
	}
	for _, c := range credentials {
		if c.rotation == nil || c.rotation.Previous == nil {
			continue
		}
		add(clients.Secret{Hash: c.rotation.Previous.Digest, Previous: true, Until: c.rotation.Previous.Until})
		if c.rotation.RotatedAt.After(rotatedAt) {
			rotatedAt = c.rotation.RotatedAt
		}
	}
	slices.SortFunc(secrets, func(a, b clients.Secret) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	return secrets, rotatedAt
}

// namedBy reports whether a credential's Secret has the name that an Integration wants or, while it moves to another, had. One of any other
// name is none of the controllers' making, or one that they are about to remove: it counts only where there is no other. That is so while
// one of the two watches, of Integrations and of Secrets, lags behind the other.
func (c credential) namedBy(i *v1alpha1.Integration) bool {
	return c.secret == i.SecretName() || i.Status.Credentials != nil && c.secret == i.Status.Credentials.SecretName
}

// secretSink returns the side of the index that takes credentials Secrets.
func (x *clientIndex) secretSink() secretSink { return secretSink{x} }

type secretSink struct{ index *clientIndex }

func (s secretSink) set(secret *corev1.Secret) {
	name := types.NamespacedName{Namespace: secret.Namespace, Name: secret.Name}
	c, integration, ok := credentialOf(secret)
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	if former, named := s.index.namedBy[name]; named && (!ok || former != integration) {
		s.index.removeCredential(name)
	}
	if !ok {
		return
	}
	s.index.namedBy[name] = integration
	s.index.changeLocked(integration, func(r *record) {
		r.credentials = append(without(r.credentials, name.Name), c)
	})
}

func (s secretSink) delete(name types.NamespacedName) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	s.index.removeCredential(name)
}

// removeCredential forgets a Secret, if it is known.
func (x *clientIndex) removeCredential(name types.NamespacedName) {
	integration, ok := x.namedBy[name]
	if !ok {
		return
	}
	delete(x.namedBy, name)
	x.changeLocked(integration, func(r *record) { r.credentials = without(r.credentials, name.Name) })
}

// without returns credentials without that of the named Secret.
func without(credentials []credential, secret string) []credential {
	return slices.DeleteFunc(credentials, func(c credential) bool { return c.secret == secret })
}
