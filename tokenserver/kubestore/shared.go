// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"hash/maphash"
	"sync"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// maxSharedKeys bounds how many keys a shared remembers a value of. The standard ones are nine, and users may rename them.
const maxSharedKeys = 64

// The words that are shared: how many at once, and of at most how many bytes.
const (
	sharedWords   = 1024
	maxSharedWord = 256
)

// A shared makes the objects of a cache share what is the same in nearly all of them: the token server's URLs and CA certificates are in
// every credentials Secret and every status, and would be most of what the cache holds. Objects of a cache are never changed.
type shared struct {
	mu        sync.Mutex
	values    map[string][]byte
	endpoints *v1alpha1.Endpoints
	// words are strings that came by lately, each in the place that its hash gives it. Whoever writes many others gets them forgotten, and
	// nothing more.
	words [sharedWords]string
	seed  maphash.Seed
}

func newShared() *shared {
	return &shared{values: map[string][]byte{}, seed: maphash.MakeSeed()}
}

// secret lets a credentials Secret share the values that the Secret before it had, but for the client secret.
func (s *shared) secret(secret *corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := secret.Annotations[v1alpha1.AnnotationClientSecretKey]
	for key, value := range secret.Data {
		before, known := s.values[key]
		switch {
		case key == own:
		case known && bytes.Equal(before, value):
			secret.Data[key] = before
		case known || len(s.values) < maxSharedKeys:
			s.values[key] = value
		}
	}
}

// integration lets an Integration share the endpoints that the one before it had, and what its grant and its conditions say.
func (s *shared) integration(integration *v1alpha1.Integration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch status := &integration.Status; {
	case status.Endpoints == nil:
	case s.endpoints == nil || *s.endpoints != *status.Endpoints:
		s.endpoints = status.Endpoints
		// Those of the profiles differ by what is the Integration's own.
		for _, url := range []*string{
			&s.endpoints.Issuer, &s.endpoints.Token, &s.endpoints.Introspection, &s.endpoints.Revocation, &s.endpoints.Verify, &s.endpoints.JWKS,
		} {
			share(s, url)
		}
	default:
		status.Endpoints = s.endpoints
	}
	if granted := integration.Status.Granted; granted != nil {
		shareAll(s, granted.GrantTypes)
		shareAll(s, granted.CredentialMethods)
		shareAll(s, granted.DefaultScopes)
		shareAll(s, granted.IntrospectedAudiences)
		share(s, &granted.SigningAlgorithm)
		share(s, &granted.TokenFormat)
		share(s, &granted.Profile)
		share(s, &granted.Application)
		for i := range granted.Access {
			share(s, &granted.Access[i].Audience)
			shareAll(s, granted.Access[i].Scopes)
		}
	}
	for i := range integration.Status.Conditions {
		c := &integration.Status.Conditions[i]
		share(s, &c.Type)
		share(s, &c.Status)
		share(s, &c.Reason)
		share(s, &c.Message)
	}
}

// share lets a string be the one that came by before, if that is alike.
func share[T ~string](s *shared, word *T) {
	if len(*word) == 0 || len(*word) > maxSharedWord {
		return
	}
	known := &s.words[maphash.String(s.seed, string(*word))%sharedWords]
	if *known != string(*word) {
		*known = string(*word)
		return
	}
	*word = T(*known)
}

// shareAll lets each string of a list be the one that came by before.
func shareAll[T ~string](s *shared, words []T) {
	for i := range words {
		share(s, &words[i])
	}
}
