// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Fields by which the shared cache indexes Integrations.
const (
	// indexClientID finds every Integration that wants a client ID.
	indexClientID = "wantedClientID"
	// indexAlgorithm finds the Integrations whose tokens an algorithm signs.
	indexAlgorithm = "signingAlgorithm"
	// indexGrantedAlgorithm finds the Integrations that were told that they can get tokens signed by an algorithm.
	indexGrantedAlgorithm = "grantedSigningAlgorithm"
)

// reconcileTimeout bounds one pass: a hung API call must not hold a worker for ever.
const reconcileTimeout = time.Minute

// IndexFields teaches a cache the indexes of this package. It is called once for a cache, before that starts; the error names the
// index that could not be added.
func IndexFields(ctx context.Context, indexer client.FieldIndexer) error {
	indexes := map[string]func(*v1alpha1.Integration) string{
		indexClientID:  (*v1alpha1.Integration).WantedClientID,
		indexAlgorithm: func(i *v1alpha1.Integration) string { return string(i.SigningAlgorithm()) },
		indexGrantedAlgorithm: func(i *v1alpha1.Integration) string {
			if i.Status.Granted == nil {
				return ""
			}
			return string(i.Status.Granted.SigningAlgorithm)
		},
	}
	for name, value := range indexes {
		extract := func(obj client.Object) []string {
			intg, ok := obj.(*v1alpha1.Integration)
			if !ok {
				return nil
			}
			if v := value(intg); v != "" {
				return []string{v}
			}
			return nil
		}
		if err := indexer.IndexField(ctx, &v1alpha1.Integration{}, name, extract); err != nil {
			return fmt.Errorf("index Integrations by %s: %w", name, err)
		}
	}
	return nil
}
