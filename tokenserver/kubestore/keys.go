// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// A ring holds the keys of one sort as one snapshot, which is replaced when a key changes.
type ring[Key, Set any] struct {
	// describe returns a key's ID and whether it is active, and build makes a snapshot.
	describe func(*Key) (id string, active bool)
	build    func([]*Key) (*Set, error)
	snapshot atomic.Pointer[Set]

	// mu guards bySecret, the sound keys by the name of their Secret.
	mu       sync.Mutex
	bySecret map[string]*Key
}

func newRing[Key, Set any](describe func(*Key) (string, bool), build func([]*Key) (*Set, error)) (*ring[Key, Set], error) {
	empty, err := build(nil)
	if err != nil {
		return nil, err
	}
	r := &ring[Key, Set]{describe: describe, build: build, bySecret: map[string]*Key{}}
	r.snapshot.Store(empty)
	return r, nil
}

// replace records what a Secret holds now, nil for nothing, and publishes a new snapshot if that changes anything. When there is an
// error the snapshot stays as it was.
func (r *ring[Key, Set]) replace(secret string, key *Key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, had := r.bySecret[secret]; key == nil && !had {
		return nil
	}
	if key == nil {
		delete(r.bySecret, secret)
	} else {
		r.bySecret[secret] = key
	}
	// One key in two Secrets, as a restored backup may leave it, is published once; it is active if either Secret says so.
	byID := map[string]*Key{}
	for _, candidate := range r.bySecret {
		id, active := r.describe(candidate)
		if byID[id] == nil || active {
			byID[id] = candidate
		}
	}
	set, err := r.build(slices.Collect(maps.Values(byID)))
	if err != nil {
		return err
	}
	r.snapshot.Store(set)
	return nil
}

// keyring holds the keys of the operator's namespace. Sealing keys are kept apart from signing keys, so that none of them can end up
// in the JWKS.
type keyring struct {
	namespace string
	log       *slog.Logger
	signing   *ring[signer.Key, signer.Set]
	sealing   *ring[sealing.Key, sealing.Set]
}

func newKeyring(namespace string, log *slog.Logger) (*keyring, error) {
	signingKeys, err := newRing(func(k *signer.Key) (string, bool) { return k.ID, k.Active }, signer.NewSet)
	if err != nil {
		return nil, err
	}
	sealingKeys, err := newRing(func(k *sealing.Key) (string, bool) { return k.ID, k.Active },
		func(keys []*sealing.Key) (*sealing.Set, error) { return sealing.NewSet(keys), nil })
	if err != nil {
		return nil, err
	}
	return &keyring{namespace: namespace, log: log, signing: signingKeys, sealing: sealingKeys}, nil
}

func (k *keyring) set(secret *corev1.Secret) {
	if secret.Namespace != k.namespace {
		return
	}
	signingKey, sealingKey, err := keyOf(secret)
	if err != nil {
		k.log.Warn("leave out a damaged signing key", "secret", secret.Namespace+"/"+secret.Name, "error", err)
	}
	k.replace(secret.Name, signingKey, sealingKey)
}

func (k *keyring) delete(name types.NamespacedName) {
	if name.Namespace == k.namespace {
		k.replace(name.Name, nil, nil)
	}
}

// replace records what a Secret holds now, nil for nothing.
func (k *keyring) replace(secret string, signingKey *signer.Key, sealingKey *sealing.Key) {
	if err := errors.Join(k.signing.replace(secret, signingKey), k.sealing.replace(secret, sealingKey)); err != nil {
		k.log.Error("keep the signing keys as they were", "error", err)
	}
}

// keyStates are the values of the key-state label.
var keyStates = []string{v1alpha1.KeyStateNext, v1alpha1.KeyStateActive, v1alpha1.KeyStateRetiring}

// keyOf returns the key in a Secret, which is either of the two; neither for a Secret that is not meant to be one, and an error, which
// holds nothing of the key, for one that is damaged.
func keyOf(secret *corev1.Secret) (*signer.Key, *sealing.Key, error) {
	algorithm, ok := secret.Labels[v1alpha1.LabelSigningKey]
	if !ok || secret.Type != v1alpha1.SecretTypeSigningKey {
		return nil, nil, nil
	}
	active, err := isActive(secret)
	// An active key is used even if nobody knows since when: it then counts as the oldest.
	activatedAt, parseErr := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.AnnotationKeyActivatedAt])
	if parseErr != nil {
		activatedAt = time.Time{}
	}
	pemBytes := secret.Data[v1alpha1.KeyPrivateKey]
	if algorithm == string(v1alpha1.KeyAlgorithmA256GCM) {
		key, keyErr := sealing.ParseKey(pemBytes)
		if err := errors.Join(keyErr, err); err != nil {
			return nil, nil, err
		}
		key.Active, key.ActivatedAt = active, activatedAt
		return nil, key, nil
	}
	key, keyErr := signer.ParseKey(pemBytes)
	if err := errors.Join(keyErr, err); err != nil {
		return nil, nil, err
	}
	if key.Algorithm != algorithm {
		return nil, nil, fmt.Errorf("label %s is %q, but the key is for %s", v1alpha1.LabelSigningKey, algorithm, key.Algorithm)
	}
	key.Active, key.ActivatedAt = active, activatedAt
	return key, nil, nil
}

// isActive tells from its label whether a key is in use, and returns an error for a state that there is not.
func isActive(secret *corev1.Secret) (bool, error) {
	state := secret.Labels[v1alpha1.LabelKeyState]
	if !slices.Contains(keyStates, state) {
		return false, fmt.Errorf("label %s is %q, want one of %q", v1alpha1.LabelKeyState, state, keyStates)
	}
	return state == v1alpha1.KeyStateActive, nil
}
