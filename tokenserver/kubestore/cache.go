// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// CacheByObject returns what the manager's cache must hold for a Store: the Integrations of the given namespaces, their
// Secrets that carry the integration label, and every Secret of the operator's own namespace. No namespaces means all of
// them. The label bounds the informer, so that memory does not grow with other people's Secrets; managed fields, which nobody
// reads, are dropped.
func CacheByObject(operatorNamespace string, namespaces ...string) (map[client.Object]cache.ByObject, error) {
	labelled, err := labels.NewRequirement(v1alpha1.LabelIntegration, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("select Secrets by label %s: %w", v1alpha1.LabelIntegration, err)
	}
	if len(namespaces) == 0 {
		namespaces = []string{cache.AllNamespaces}
	}
	integrations, secrets := map[string]cache.Config{}, map[string]cache.Config{}
	for _, namespace := range namespaces {
		integrations[namespace] = cache.Config{}
		secrets[namespace] = cache.Config{LabelSelector: labels.NewSelector().Add(*labelled)}
	}
	secrets[operatorNamespace] = cache.Config{LabelSelector: labels.Everything()}
	strip := cache.TransformStripManagedFields()
	return map[client.Object]cache.ByObject{
		&v1alpha1.Integration{}: {Namespaces: integrations, Transform: strip},
		&corev1.Secret{}:        {Namespaces: secrets, Transform: strip},
	}, nil
}
