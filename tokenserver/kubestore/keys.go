// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// keyring holds the signing keys of the operator's namespace as one snapshot, which is replaced when a key changes.
type keyring struct {
	namespace string
	log       *slog.Logger
	snapshot  atomic.Pointer[signer.Set]

	// mu guards bySecret, the sound keys by the name of their Secret.
	mu       sync.Mutex
	bySecret map[string]*signer.Key
}

func newKeyring(namespace string, log *slog.Logger) (*keyring, error) {
	empty, err := signer.NewSet(nil)
	if err != nil {
		return nil, err
	}
	k := &keyring{namespace: namespace, log: log, bySecret: map[string]*signer.Key{}}
	k.snapshot.Store(empty)
	return k, nil
}

func (k *keyring) current() *signer.Set {
	return k.snapshot.Load()
}

func (k *keyring) set(secret *corev1.Secret) {
	if secret.Namespace != k.namespace {
		return
	}
	key, err := keyOf(secret)
	if err != nil {
		k.log.Warn("leave out a damaged signing key", "secret", secret.Namespace+"/"+secret.Name, "error", err)
	}
	k.replace(secret.Name, key)
}

func (k *keyring) delete(name types.NamespacedName) {
	if name.Namespace == k.namespace {
		k.replace(name.Name, nil)
	}
}

// replace records what a Secret holds now, nil for nothing, and publishes a new snapshot if that changes anything.
func (k *keyring) replace(secret string, key *signer.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, had := k.bySecret[secret]; key == nil && !had {
		return
	}
	if key == nil {
		delete(k.bySecret, secret)
	} else {
		k.bySecret[secret] = key
	}
	// One key in two Secrets, as a restored backup may leave it, is published once; it signs if either Secret says so.
	byID := map[string]*signer.Key{}
	for _, candidate := range k.bySecret {
		if known := byID[candidate.ID]; known == nil || candidate.Active && !known.Active {
			byID[candidate.ID] = candidate
		}
	}
	keys := make([]*signer.Key, 0, len(byID))
	for _, unique := range byID {
		keys = append(keys, unique)
	}
	set, err := signer.NewSet(keys)
	if err != nil {
		k.log.Error("keep the signing keys as they were", "error", err)
		return
	}
	k.snapshot.Store(set)
}

// keyStates are the values of the key-state label.
var keyStates = []string{v1alpha1.KeyStateNext, v1alpha1.KeyStateActive, v1alpha1.KeyStateRetiring}

// keyOf returns the signing key in a Secret; nil for a Secret that is not meant to be one, and an error, which holds nothing
// of the key, for one that is damaged.
func keyOf(secret *corev1.Secret) (*signer.Key, error) {
	algorithm, ok := secret.Labels[v1alpha1.LabelSigningKey]
	if !ok || secret.Type != v1alpha1.SecretTypeSigningKey {
		return nil, nil
	}
	key, err := signer.ParseKey(secret.Data[v1alpha1.KeyPrivateKey])
	if err != nil {
		return nil, err
	}
	if key.Algorithm != algorithm {
		return nil, fmt.Errorf("label %s is %q, but the key is for %s", v1alpha1.LabelSigningKey, algorithm, key.Algorithm)
	}
	state := secret.Labels[v1alpha1.LabelKeyState]
	if !slices.Contains(keyStates, state) {
		return nil, fmt.Errorf("label %s is %q, want one of %q", v1alpha1.LabelKeyState, state, keyStates)
	}
	key.Active = state == v1alpha1.KeyStateActive
	// An active key signs even if nobody knows since when: it then counts as the oldest.
	if activated, err := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.AnnotationKeyActivatedAt]); err == nil {
		key.ActivatedAt = activated
	}
	return key, nil
}
