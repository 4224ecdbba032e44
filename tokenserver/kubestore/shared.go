// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"sync"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// maxSharedKeys bounds how many keys a shared remembers a value of. The standard ones are nine, and users may rename them.
const maxSharedKeys = 64

// A shared makes the objects of a cache share what is the same in nearly all of them: the token server's URLs and CA certificates are in
// every credentials Secret and every status, and would be most of what the cache holds. Objects of a cache are never changed.
type shared struct {
	mu        sync.Mutex
	values    map[string][]byte
	endpoints *v1alpha1.Endpoints
}

func newShared() *shared { return &shared{values: map[string][]byte{}} }

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

// integration lets an Integration share the endpoints that the one before it had.
func (s *shared) integration(integration *v1alpha1.Integration) {
	if integration.Status.Endpoints == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints == nil || *s.endpoints != *integration.Status.Endpoints {
		s.endpoints = integration.Status.Endpoints
		return
	}
	integration.Status.Endpoints = s.endpoints
}
