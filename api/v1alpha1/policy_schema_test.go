// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// policy returns a policy for all namespaces that allows what is said.
func policy(allow object) *unstructured.Unstructured {
	return policyFor(object{}, allow)
}

// policyFor returns a policy for selected namespaces.
func policyFor(selector any, allow object) *unstructured.Unstructured {
	spec := object{"allow": allow}
	if selector != nil {
		spec["namespaceSelector"] = selector
	}
	return &unstructured.Unstructured{Object: object{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "IntegrationPolicy", "metadata": object{"name": "policy"}, "spec": spec,
	}}
}

// expression returns a selector with one expression.
func expression(key, operator string, values ...string) object {
	e := object{"key": key, "operator": operator}
	if values != nil {
		e["values"] = list(values...)
	}
	return object{"matchExpressions": list(e)}
}

const (
	wantPattern  = "a pattern is printable ASCII without spaces, such as orders.*: write several patterns as several list items"
	wantOperator = "the operator of a selector's expression is In, NotIn, Exists or DoesNotExist"
	wantValues   = "the operators In and NotIn need values, and Exists and DoesNotExist have none"
	wantBounded  = "an expression has a key of 1 to 317 characters and at most 256 values"
)

func TestTheSchemaRefusesPoliciesThatMakeNoSense(t *testing.T) {
	long := strings.Repeat("a", 513)
	type refusal struct {
		name   string
		policy *unstructured.Unstructured
		want   string
	}
	tests := []refusal{
		{"no selector, which must be said to mean all", policyFor(nil, object{}), "spec.namespaceSelector: Required value"},
		{"an unknown operator", policyFor(expression("team", "Resembles", "shop"), object{}), wantOperator},
		{"an operator in lower case", policyFor(expression("team", "exists"), object{}), wantOperator},
		{"In without values", policyFor(expression("team", "In"), object{}), wantValues},
		{"In with empty values", policyFor(expression("team", "In", []string{}...), object{}), wantValues},
		{"Exists with a value", policyFor(expression("team", "Exists", "shop"), object{}), wantValues},
		{"an empty key in an expression", policyFor(expression("", "Exists"), object{}), wantBounded},
		{"a key of 318 characters in an expression", policyFor(expression(strings.Repeat("a", 318), "Exists"), object{}), wantBounded},
		{"too many values", policyFor(object{"matchExpressions": list(object{"key": "team", "operator": "In", "values": numbered("v", 257)})}, object{}), wantBounded},
		{"a label key with a space", policyFor(object{"matchLabels": object{"my team": "shop"}}, object{}), wantLabelKey},
		{"an empty label key", policyFor(object{"matchLabels": object{"": "shop"}}, object{}), wantLabelKey},

		{"an unknown profile", policy(object{"profiles": list("SAML")}), `spec.allow.profiles[0]: Unsupported value: "SAML"`},
		{"an unknown grant type", policy(object{"grantTypes": list("implicit")}), `spec.allow.grantTypes[0]: Unsupported value: "implicit"`},
		{"an unknown method", policy(object{"credentialMethods": list("TLS")}), `spec.allow.credentialMethods[0]: Unsupported value: "TLS"`},
		{"too many profiles", policy(object{"profiles": numbered("p", 9)}), "spec.allow.profiles: Too many: 9: must have at most 8 items"},
		{"too many grant types", policy(object{"grantTypes": numbered("g", 9)}), "spec.allow.grantTypes: Too many: 9: must have at most 8 items"},
		{"too many methods", policy(object{"credentialMethods": numbered("m", 9)}), "spec.allow.credentialMethods: Too many: 9: must have at most 8 items"},
		{"a token lifetime over a day", policy(object{"maxTokenLifetime": "25h"}), wantLifetime},
		{"a token lifetime under a minute", policy(object{"maxTokenLifetime": "59s"}), wantLifetime},
		{"a token lifetime of 33 characters", policy(object{"maxTokenLifetime": strings.Repeat("1", 33)}), "spec.allow.maxTokenLifetime: Too long: may not be more than 32"},
		{"a refresh lifetime over 90 days", policy(object{"maxRefreshLifetime": "2161h"}), wantRefresh},
		{"a refresh lifetime in days", policy(object{"maxRefreshLifetime": "7d"}), wantRefresh},
		{"a refresh lifetime of 33 characters", policy(object{"maxRefreshLifetime": strings.Repeat("1", 33)}), "spec.allow.maxRefreshLifetime: Too long: may not be more than 32"},
	}
	for _, field := range []string{"scopes", "audiences", "resourceServerAudiences", "clientIDs"} {
		tests = append(tests,
			refusal{"an empty pattern of " + field, policy(object{field: list("")}), "spec.allow." + field + "[0]"},
			refusal{"two patterns in one of " + field, policy(object{field: list("a b")}), wantPattern},
			refusal{"a pattern with a line break of " + field, policy(object{field: list("a\n")}), wantPattern},
			refusal{"a pattern that is not ASCII of " + field, policy(object{field: list("größe")}), wantPattern},
			refusal{"a pattern twice of " + field, policy(object{field: list("a", "a")}), "spec.allow." + field + `[1]: Duplicate value: "a"`},
			refusal{"too many patterns of " + field, policy(object{field: numbered("a", 257)}), "spec.allow." + field + ": Too many: 257: must have at most 256 items"},
			refusal{"a pattern of 513 characters of " + field, policy(object{field: list(long)}), "spec.allow." + field + "[0]: Too long: may not be more than 512"},
		)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := k8sClient.Create(t.Context(), test.policy, client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want it refused as %q, got %v", test.want, err)
			}
		})
	}
}

func TestTheSchemaTakesPolicies(t *testing.T) {
	for name, taken := range map[string]*unstructured.Unstructured{
		"one that allows nothing": policy(object{}),
		"the longest lifetimes":   policy(object{"maxTokenLifetime": "24h", "maxRefreshLifetime": "2160h"}),
		"the most patterns": policy(object{
			"scopes": numbered("a*", 256), "audiences": numbered("a*", 256), "resourceServerAudiences": numbered("a*", 256),
			"clientIDs": numbered("a*", 256),
		}),
		"a pattern of 512 characters": policy(object{"scopes": list(strings.Repeat("*", 512))}),
		"a pattern of every mark":     policy(object{"scopes": list(`!"#$%&'()*+,-./09:;<=>?@AZ[\]^_az{|}~` + "`")}),
		"labels":                      policyFor(object{"matchLabels": object{"team": "shop", "example.com/stage": ""}}, object{}),
		"every operator": policyFor(object{"matchExpressions": list(
			object{"key": "a", "operator": "In", "values": list("x", "y")}, object{"key": "b", "operator": "NotIn", "values": list("x")},
			object{"key": "c", "operator": "Exists"}, object{"key": "d", "operator": "DoesNotExist", "values": list[string]()},
		)}, object{}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := k8sClient.Create(t.Context(), taken, client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}
