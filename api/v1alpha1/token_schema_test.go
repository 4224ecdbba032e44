// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// session returns a valid TokenSession after a change; a nil value takes the field of that path away.
func session(name string, value any, path ...string) *unstructured.Unstructured {
	return changed(object{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "TokenSession",
		"metadata": object{"name": name, "namespace": metav1.NamespaceDefault},
		"spec": object{
			"integration": "shop-login", "clientID": "default.shop-login", "username": "anna", "userKind": "Customer",
			"audiences": list("urn:a"), "scopes": list("a"), "issuedAt": "2026-11-22T10:00:00Z",
		},
		"status": object{
			"expiresAt": "2026-11-29T10:00:00Z", "rotations": int64(1), "lastRotationTime": "2026-11-22T10:05:00.123456Z",
			"tokenHash": digest, "previousTokenHash": digest, "keyID": "key", "userFingerprint": digest,
		},
	}, value, path)
}

// revocation returns a valid TokenRevocation after a change.
func revocation(name string, value any, path ...string) *unstructured.Unstructured {
	return changed(object{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "TokenRevocation",
		"metadata": object{"name": name, "namespace": metav1.NamespaceDefault},
		"spec":     object{"integration": "shop-login", "tokenType": "AccessToken", "expiresAt": "2026-11-22T10:10:00Z"},
	}, value, path)
}

func changed(content object, value any, path []string) *unstructured.Unstructured {
	switch {
	case len(path) == 0:
	case value == nil:
		unstructured.RemoveNestedField(content, path...)
	default:
		if err := unstructured.SetNestedField(content, value, path...); err != nil {
			panic(err)
		}
	}
	return &unstructured.Unstructured{Object: content}
}

func TestTheSchemaRefusesSessionsAndRevocationsThatMakeNoSense(t *testing.T) {
	for _, test := range []struct {
		name string
		obj  *unstructured.Unstructured
		want string
	}{
		{"no spec", session("s", nil, "spec"), "spec: Required value"},
		{"no status", session("s", nil, "status"), "status: Required value"},
		{"no Integration", session("s", nil, "spec", "integration"), "spec.integration: Required value"},
		{"an empty Integration", session("s", "", "spec", "integration"), "spec.integration"},
		{"an Integration of 64 characters", session("s", strings.Repeat("a", 64), "spec", "integration"), "spec.integration: Too long: may not be more than 63"},
		{"no client", session("s", nil, "spec", "clientID"), "spec.clientID: Required value"},
		{"a client of 254 characters", session("s", strings.Repeat("a", 254), "spec", "clientID"), "spec.clientID: Too long: may not be more than 253"},
		{"no user", session("s", nil, "spec", "username"), "spec.username: Required value"},
		{"a user of 254 characters", session("s", strings.Repeat("a", 254), "spec", "username"), "spec.username: Too long: may not be more than 253"},
		{"an unknown kind of user", session("s", "Root", "spec", "userKind"), `spec.userKind: Unsupported value: "Root"`},
		{"too many audiences", session("s", numbered("urn:", 17), "spec", "audiences"), "spec.audiences: Too many: 17: must have at most 16 items"},
		{"too many scopes", session("s", numbered("s", 257), "spec", "scopes"), "spec.scopes: Too many: 257: must have at most 256 items"},
		{"no login time", session("s", nil, "spec", "issuedAt"), "spec.issuedAt: Required value"},
		{"no expiry", session("s", nil, "status", "expiresAt"), "status.expiresAt: Required value"},
		{"a negative count", session("s", int64(-1), "status", "rotations"), "status.rotations: Invalid value: -1: status.rotations in body should be greater than or equal to 0"},
		{"no token", session("s", nil, "status", "tokenHash"), "status.tokenHash: Required value"},
		{"a token in place of its hash", session("s", "eyJ0eXAiOiJydCtqd3QifQ", "status", "tokenHash"), "status.tokenHash in body should match"},
		{"half a hash", session("s", digest[:32], "status", "previousTokenHash"), "status.previousTokenHash in body should match"},
		{"a hash of 65 characters", session("s", digest+"0", "status", "tokenHash"), "status.tokenHash: Too long: may not be more than 64"},
		{"no key", session("s", nil, "status", "keyID"), "status.keyID: Required value"},
		{"a password in place of a fingerprint", session("s", "correct horse", "status", "userFingerprint"), "status.userFingerprint in body should match"},

		{"a revocation without spec", revocation("r", nil, "spec"), "spec: Required value"},
		{"a revocation without Integration", revocation("r", nil, "spec", "integration"), "spec.integration: Required value"},
		{"a revocation of an Integration of 64 characters", revocation("r", strings.Repeat("a", 64), "spec", "integration"), "spec.integration: Too long: may not be more than 63"},
		{"a revocation of an unknown type", revocation("r", "RefreshToken", "spec", "tokenType"), `spec.tokenType: Unsupported value: "RefreshToken": supported values: "AccessToken", "ClientAssertion", "OneTimeCode", "Nonce"`},
		{"a revocation without expiry", revocation("r", nil, "spec", "expiresAt"), "spec.expiresAt: Required value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := k8sClient.Create(t.Context(), test.obj, client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want it refused as %q, got %v", test.want, err)
			}
		})
	}
}

func TestASessionMovesOnAndItsLoginNeverChanges(t *testing.T) {
	wanted := &v1alpha1.TokenSession{
		ObjectMeta: metav1.ObjectMeta{Name: "moves-on", Namespace: metav1.NamespaceDefault},
		Spec: v1alpha1.TokenSessionSpec{
			Integration: "shop-login", ClientID: "default.shop-login", Username: "anna", UserKind: v1alpha1.SessionUserKind(v1alpha1.UserKindAdmin),
			Audiences: []string{"urn:a"}, Scopes: []string{"a"}, IssuedAt: metav1.NewTime(time.Unix(1_800_000_000, 0)),
		},
		Status: v1alpha1.TokenSessionStatus{
			ExpiresAt: metav1.NewTime(time.Unix(1_800_600_000, 0)), TokenHash: digest, KeyID: "key", UserFingerprint: digest,
		},
	}
	current := wanted.DeepCopy()
	create(t, current)
	// The status is written with the object itself, so that a login and a refresh are one write each.
	rotated := metav1.NewMicroTime(time.Unix(1_800_000_300, 123_456_000))
	current.Status.Rotations, current.Status.PreviousTokenHash, current.Status.LastRotationTime = 1, digest, &rotated
	late := current.DeepCopy()
	if err := k8sClient.Update(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	if err := k8sClient.Update(t.Context(), late); !apierrors.IsConflict(err) {
		t.Errorf("the second of two refreshes: want a conflict, got %v", err)
	}
	var got v1alpha1.TokenSession
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(current), &got); err != nil {
		t.Fatal(err)
	}
	wanted.Status.Rotations, wanted.Status.PreviousTokenHash, wanted.Status.LastRotationTime = 1, digest, &rotated
	if diff := cmp.Diff(wanted.Spec, got.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wanted.Status, got.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	current.Spec.Scopes = append(current.Spec.Scopes, "b")
	const want = "a session's spec never changes: delete the TokenSession to end the login"
	if err := k8sClient.Update(t.Context(), current); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("more scopes for a session: want it refused as %q, got %v", want, err)
	}
}

func TestARevocationIsMadeOnceAndNeverChanges(t *testing.T) {
	made := &v1alpha1.TokenRevocation{
		ObjectMeta: metav1.ObjectMeta{Name: "once", Namespace: metav1.NamespaceDefault},
		Spec: v1alpha1.TokenRevocationSpec{
			Integration: "shop-login", TokenType: v1alpha1.RevokedClientAssertion, ExpiresAt: metav1.NewTime(time.Unix(1_800_000_000, 0)),
		},
	}
	again := made.DeepCopy()
	create(t, made)
	if err := k8sClient.Create(t.Context(), again); !apierrors.IsAlreadyExists(err) {
		t.Errorf("the same revocation again: want it to be there already, got %v", err)
	}
	made.Spec.ExpiresAt = metav1.NewTime(time.Unix(1_700_000_000, 0))
	const want = "a revocation never changes"
	if err := k8sClient.Update(t.Context(), made); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("a sooner expiry: want it refused as %q, got %v", want, err)
	}
}
