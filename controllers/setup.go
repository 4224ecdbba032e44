// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Fields by which the shared cache indexes Integrations and Secrets.
const (
	// indexClientID finds every Integration that wants a client ID.
	indexClientID = "wantedClientID"
	// indexAlgorithm finds the Integrations whose tokens an algorithm signs.
	indexAlgorithm = "signingAlgorithm"
	// indexGrantedAlgorithm finds the Integrations that were told that they can get tokens signed by an algorithm.
	indexGrantedAlgorithm = "grantedSigningAlgorithm"
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
		indexField(ctx, indexer, indexClientID, (*v1alpha1.Integration).WantedClientID),
		indexField(ctx, indexer, indexAlgorithm, func(i *v1alpha1.Integration) string { return string(i.SigningAlgorithm()) }),
		indexField(ctx, indexer, indexGrantedAlgorithm, grantedAlgorithm),
		indexField(ctx, indexer, indexIntegration, func(s *corev1.Secret) string { return s.Labels[v1alpha1.LabelIntegration] }),
	)
}

// indexField indexes the objects of one kind by a value; an empty one is left out.
func indexField[T any, P interface {
	*T
	client.Object
}](ctx context.Context, indexer client.FieldIndexer, name string, value func(P) string,
) error {
	extract := func(obj client.Object) []string {
		typed, ok := obj.(P)
		if !ok || value(typed) == "" {
			return nil
		}
		return []string{value(typed)}
	}
	return wrap(indexer.IndexField(ctx, P(new(T)), name, extract), "index %T by %s", P(nil), name)
}

// grantedAlgorithm returns the algorithm that signs the Integration's tokens so far; empty before it can get any.
func grantedAlgorithm(intg *v1alpha1.Integration) string {
	if intg.Status.Granted == nil {
		return ""
	}
	return string(intg.Status.Granted.SigningAlgorithm)
}
