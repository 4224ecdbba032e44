// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// LabelOwnPolicies marks a test's namespace as one that ApplyDefaultPolicy's policy is not for.
const LabelOwnPolicies = "testplane/own-policies"

// ApplyDefaultPolicy creates the policy that an installation begins with, for all namespaces without LabelOwnPolicies. The client's scheme
// knows the operator's API.
func ApplyDefaultPolicy(ctx context.Context, c client.Client) error {
	manifest, err := os.ReadFile(filepath.Join(RepositoryRoot(), "config", "policy", "default_policy.yaml"))
	if err != nil {
		return fmt.Errorf("read the default policy: %w", err)
	}
	policy := &v1alpha1.IntegrationPolicy{}
	if err := yaml.UnmarshalStrict(manifest, policy); err != nil {
		return fmt.Errorf("decode the default policy: %w", err)
	}
	policy.Spec.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: LabelOwnPolicies, Operator: metav1.LabelSelectorOpDoesNotExist},
	}}
	if err := c.Create(ctx, policy); err != nil {
		return fmt.Errorf("create the default policy: %w", err)
	}
	return nil
}
