// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Anybody may write the label that brings a Secret into every replica's memory.
func TestWhatNobodyReadsIsNotKept(t *testing.T) {
	controlled := []metav1.OwnerReference{{Kind: "Integration", Name: "a", UID: "1", Controller: new(true)}}
	large := map[string][]byte{"client_secret": []byte("the secret"), "padding": bytes.Repeat([]byte("x"), maxCachedData)}
	annotations := map[string]string{v1alpha1.AnnotationClientSecretKey: "client_secret"}
	for _, tt := range []struct {
		name            string
		namespace       string
		owners          []metav1.OwnerReference
		data            map[string][]byte
		wantKeys        []string
		wantAnnotations bool
	}{
		{"a Secret of an Integration is kept whole", "shop", controlled, map[string][]byte{"client_secret": []byte("s"), "issuer": nil}, []string{"client_secret", "issuer"}, true},
		{"one that nobody controls is a name only", "shop", nil, large, nil, false},
		{"one of another controller is a name only", "shop", []metav1.OwnerReference{{Kind: "Certificate", Controller: new(true)}}, large, nil, false},
		{"of one that is too large the client secret is left", "shop", controlled, large, []string{"client_secret"}, true},
		{"the operator's own are kept whole", "operator", nil, large, []string{"client_secret", "padding"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: tt.namespace, Name: "a", Labels: map[string]string{v1alpha1.LabelIntegration: "a"}, OwnerReferences: tt.owners,
					Annotations: annotations, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
				},
				Data: tt.data,
			}
			trimmed, err := trimSecret("operator")(secret)
			got, ok := trimmed.(*corev1.Secret)
			if err != nil || !ok {
				t.Fatalf("got %T, %v", trimmed, err)
			}
			var keys []string
			for _, key := range []string{"client_secret", "issuer", "padding"} {
				if _, found := got.Data[key]; found {
					keys = append(keys, key)
				}
			}
			if diff := cmp.Diff(tt.wantKeys, keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if (got.Annotations != nil) != tt.wantAnnotations || got.ManagedFields != nil || got.Labels == nil {
				t.Errorf("metadata: %+v", got.ObjectMeta)
			}
		})
	}

	integration := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{"a": "b"}, Labels: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
	}}
	if _, err := trimIntegration(integration); err != nil || integration.Annotations != nil || integration.ManagedFields != nil || integration.Labels == nil {
		t.Errorf("Integration: %+v, %v", integration.ObjectMeta, err)
	}
}
