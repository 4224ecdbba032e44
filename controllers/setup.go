// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Fields by which the shared cache indexes Integrations and Secrets.
const (
	// indexClientID finds every Integration that wants a client ID.
	indexClientID = "wantedClientID"
	// indexAlgorithm finds the Integrations whose tokens need a key for an algorithm.
	indexAlgorithm = "keyAlgorithm"
	// indexGrantedAlgorithm finds the Integrations that were told that they can get tokens which need a key for an algorithm.
	indexGrantedAlgorithm = "grantedKeyAlgorithm"
	// indexUserSecret finds the Integrations that name a Secret which users bring, a login or a client secret, by namespace and name.
	indexUserSecret = "userSecret"
	// indexNamespace finds the Integrations of a namespace, also where the cache knows nothing of that namespace.
	indexNamespace = "namespace"
	// indexIntegration finds the Secrets whose label names an Integration, where a label selector would look at every Secret of
	// the namespace.
	indexIntegration = "integration"
)

// reconcileTimeout bounds one pass: a hung API call must not hold a worker for ever.
const reconcileTimeout = time.Minute

// IndexFields teaches a cache the indexes of this package. It is called once for a cache, before that starts; the error names the
// index that could not be added.
func IndexFields(ctx context.Context, indexer client.FieldIndexer) error {
	return errors.Join(
		indexField(ctx, indexer, indexClientID, func(i *v1alpha1.Integration) []string { return []string{i.WantedClientID()} }),
		indexField(ctx, indexer, indexAlgorithm, func(i *v1alpha1.Integration) []string { return algorithmNames(i.KeyAlgorithms()) }),
		indexField(ctx, indexer, indexGrantedAlgorithm, grantedAlgorithms),
		indexField(ctx, indexer, indexUserSecret, userSecrets),
		indexField(ctx, indexer, indexNamespace, func(i *v1alpha1.Integration) []string { return []string{i.Namespace} }),
		indexField(ctx, indexer, indexIntegration, func(s *corev1.Secret) []string { return nonEmpty(s.Labels[v1alpha1.LabelIntegration]) }),
	)
}

// CacheByObject returns what the controllers need of the cache beside Integrations and Secrets: the policies, and of each Namespace its
// name, UID and labels.
func CacheByObject() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{
		&v1alpha1.IntegrationPolicy{}: {Transform: cache.TransformStripManagedFields()},
		namespaceMetadata():           {Transform: trimNamespace},
	}
}

// trimNamespace drops what nobody reads of a Namespace, which others fill with annotations.
func trimNamespace(object any) (any, error) {
	if namespace, ok := object.(*metav1.PartialObjectMetadata); ok {
		namespace.ManagedFields, namespace.Annotations, namespace.OwnerReferences, namespace.Finalizers = nil, nil, nil, nil
	}
	return object, nil
}

// indexField indexes the objects of one kind by values, each once.
func indexField[T any, P interface {
	*T
	client.Object
}](ctx context.Context, indexer client.FieldIndexer, name string, values func(P) []string,
) error {
	extract := func(obj client.Object) []string {
		typed, ok := obj.(P)
		if !ok {
			return nil
		}
		return values(typed)
	}
	return wrap(indexer.IndexField(ctx, P(new(T)), name, extract), "index %T by %s", P(nil), name)
}

// grantedAlgorithms returns the algorithms that need a key for the Integration's tokens so far; none before it can get any.
func grantedAlgorithms(intg *v1alpha1.Integration) []string {
	return algorithmNames(intg.Status.Granted.KeyAlgorithms())
}

func algorithmNames(algorithms []v1alpha1.SigningAlgorithm) []string {
	var names []string
	for _, algorithm := range algorithms {
		names = append(names, string(algorithm))
	}
	return names
}

// userSecrets returns the keys of the Secrets that spec.users and spec.credentials.clientSecretRef name.
func userSecrets(intg *v1alpha1.Integration) []string {
	var keys []string
	for _, user := range intg.Spec.Users {
		keys = append(keys, userSecretKey(intg.Namespace, user.SecretRef.Name))
	}
	if ref := intg.Spec.Credentials.ClientSecretRef; ref != nil {
		keys = append(keys, userSecretKey(intg.Namespace, ref.Name))
	}
	return keys
}

func userSecretKey(namespace, name string) string { return namespace + "/" + name }

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
