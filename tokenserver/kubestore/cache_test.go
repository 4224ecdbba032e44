// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"maps"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/logins"
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
		wantTrimmed     bool
	}{
		{"a Secret of an Integration is kept whole", "shop", controlled, map[string][]byte{"client_secret": []byte("s"), "issuer": nil}, []string{"client_secret", "issuer"}, true, false},
		{"the largest there may be is kept whole", "shop", controlled, map[string][]byte{"padding": bytes.Repeat([]byte("x"), maxCachedData-len("padding"))}, []string{"padding"}, true, false},
		{"one byte more is too large", "shop", controlled, map[string][]byte{"padding": bytes.Repeat([]byte("x"), maxCachedData-len("padding")+1)}, nil, true, true},
		{"of one that nobody controls the client secret is left", "shop", nil, large, []string{"client_secret"}, false, false},
		{"of one of another controller the client secret is left", "shop", []metav1.OwnerReference{{Kind: "Certificate", Controller: new(true)}}, large, []string{"client_secret"}, false, false},
		{"one that nobody controls without a client secret is a name only", "shop", nil, map[string][]byte{"padding": nil, "issuer": nil}, nil, false, false},
		{"of one that is too large the client secret is left", "shop", controlled, large, []string{"client_secret"}, true, true},
		{"the operator's own are kept whole", "operator", nil, large, []string{"client_secret", "padding"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: tt.namespace, Name: "a", Labels: map[string]string{v1alpha1.LabelIntegration: "a"}, OwnerReferences: tt.owners,
					Annotations: maps.Clone(annotations), ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
				},
				Data: tt.data,
			}
			trimmed, err := trimSecret("operator", newShared())(secret)
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
			// An informer may hand in an object that it has trimmed before.
			for _, round := range []string{"once", "twice"} {
				if _, marked := got.Annotations[v1alpha1.AnnotationTrimmed]; marked != tt.wantTrimmed {
					t.Errorf("trimmed %s, it says that it is: %t, want %t", round, marked, tt.wantTrimmed)
				}
				if _, err := trimSecret("operator", newShared())(got); err != nil {
					t.Fatal(err)
				}
			}
		})
	}

	for _, o := range []client.Object{&v1alpha1.TokenSession{}, &v1alpha1.TokenRevocation{}} {
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{}})
		o.SetAnnotations(map[string]string{"a": "b"})
		if _, err := trimMetadata(o); err != nil || o.GetManagedFields() != nil || o.GetAnnotations() != nil {
			t.Errorf("%T: %+v, %v", o, o, err)
		}
	}
	integration := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{"a": "b"}, Labels: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
	}}
	if _, err := trimMetadata(integration); err != nil || integration.Annotations != nil || integration.ManagedFields != nil || integration.Labels == nil {
		t.Errorf("Integration: %+v, %v", integration.ObjectMeta, err)
	}
}

func TestOfASecretThatIsBroughtTheLoginAndTheClientSecretAreKept(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for _, tt := range []struct {
		name    string
		owners  []metav1.OwnerReference
		kind    corev1.SecretType
		data    map[string][]byte
		want    map[string]int // the lengths of what is kept
		wantErr string         // what logins.Read says of it then
	}{
		{
			"what is no part of a login goes", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": []byte("ada"), "password": []byte("s"), "padding": long(1 << 19)},
			map[string]int{"username": 3, "password": 1},
			"",
		},
		{
			"a hash is kept", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": []byte("ada"), "passwordHash": []byte("$2y$")},
			map[string]int{"username": 3, "passwordHash": 4},
			"bcrypt",
		},
		{
			"the longest there may be is kept whole", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": long(253), "password": long(1024)},
			map[string]int{"username": 253, "password": 1024},
			"",
		},
		{
			"a name that is too long is reported as that", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": long(100_000), "password": long(1)},
			map[string]int{"username": 254, "password": 1},
			"more than 253 bytes",
		},
		{
			"a password that is too long is reported as that", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": long(1), "password": long(100_000)},
			map[string]int{"username": 1, "password": 1025},
			"more than 1024 bytes",
		},
		{
			"a hash that is too long is reported as that", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": long(1), "passwordHash": long(100_000)},
			map[string]int{"username": 1, "passwordHash": 1025},
			"more than 1024 bytes",
		},
		{
			"of another type nothing is kept", nil, corev1.SecretTypeOpaque,
			map[string][]byte{"username": []byte("ada"), "password": []byte("s")},
			map[string]int{},
			"type must be",
		},
		{
			"the longest client secret there may be is kept whole", nil, corev1.SecretTypeOpaque,
			map[string][]byte{"client_secret": long(1024), "padding": long(9)},
			map[string]int{"client_secret": 1024},
			"type must be",
		},
		{
			"a client secret that is too long can be told from one that is not", nil, "example.com/anything",
			map[string][]byte{"client_secret": long(1 << 19)},
			map[string]int{"client_secret": 1025},
			"type must be",
		},
		{
			"a login may have a client secret beside it", nil, corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": []byte("ada"), "password": []byte("s"), "client_secret": long(30), "passwordhash": long(9)},
			map[string]int{"username": 3, "password": 1, "client_secret": 30},
			"",
		},
		{
			"another controller's is a user's too",
			[]metav1.OwnerReference{{Kind: "ExternalSecret", Controller: new(true)}},
			corev1.SecretTypeBasicAuth,
			map[string][]byte{"username": []byte("ada"), "password": []byte("s"), "padding": long(9)},
			map[string]int{"username": 3, "password": 1},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: "a", OwnerReferences: tt.owners, Annotations: map[string]string{"a": "b"},
				},
				Type: tt.kind, Data: tt.data,
			}
			if _, err := trimSecret("operator", newShared())(secret); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for key, value := range secret.Data {
				got[key] = len(value)
				if cap(value) > 2*len(value)+64 {
					t.Errorf("%s: %d bytes are kept, and %d held", key, len(value), cap(value))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || secret.Annotations != nil {
				t.Errorf("annotations %v, kept (-want +got):\n%s", secret.Annotations, diff)
			}
			_, err := logins.Read(secret)
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("reading it gives %v, want %q", err, tt.wantErr)
			}
		})
	}
}

// What is in every Secret and every status is in memory once.
func TestWhatIsAlikeIsShared(t *testing.T) {
	alike := newShared()
	read := func(name, ca string) *corev1.Secret {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: name, OwnerReferences: []metav1.OwnerReference{{Kind: "Integration", Controller: new(true)}},
				Annotations: map[string]string{v1alpha1.AnnotationClientSecretKey: "client_secret", v1alpha1.AnnotationRotation: "of " + name},
			},
			Data: map[string][]byte{"ca.crt": []byte(ca), "client_secret": []byte("the same by accident"), "client_id": []byte(name)},
		}
		if _, err := trimSecret("operator", alike)(secret); err != nil {
			t.Fatal(err)
		}
		return secret
	}
	first, second, third, fourth := read("a", "old"), read("b", "old"), read("c", "new"), read("d", "new")
	same := func(a, b *corev1.Secret, key string) bool { return &a.Data[key][0] == &b.Data[key][0] }
	if !same(first, second, "ca.crt") || !same(third, fourth, "ca.crt") || same(second, third, "ca.crt") || same(first, second, "client_secret") {
		t.Error("equal values must be one, but for client secrets, and others must not")
	}
	if got := second.Annotations[v1alpha1.AnnotationRotation]; got != "of b" {
		t.Errorf("the record of a rotation is now %q", got)
	}
	if string(second.Data["ca.crt"]) != "old" || string(third.Data["ca.crt"]) != "new" || string(second.Data["client_id"]) != "b" {
		t.Errorf("values have changed: %v", second.Data)
	}
	for i := range 10 * maxSharedKeys {
		alike.secret(&corev1.Secret{Data: map[string][]byte{strconv.Itoa(i): {1}}})
	}
	if len(alike.values) > maxSharedKeys {
		t.Errorf("%d keys are remembered", len(alike.values))
	}

	status := func(issuer string) *v1alpha1.Integration {
		integration := &v1alpha1.Integration{Status: v1alpha1.IntegrationStatus{Endpoints: v1alpha1.EndpointsOf(issuer)}}
		alike.integration(integration)
		return integration
	}
	one, two, other := status("https://a"), status("https://a"), status("https://b")
	if one.Status.Endpoints != two.Status.Endpoints || other.Status.Endpoints.Issuer != "https://b" || one.Status.Endpoints.Issuer != "https://a" {
		t.Error("equal endpoints must be one, and others must not")
	}
	plain, based := status("https://b"), &v1alpha1.Integration{Status: v1alpha1.IntegrationStatus{Endpoints: v1alpha1.EndpointsOf("https://b")}}
	based.Status.Endpoints.Base = "https://b/integrations/shop/app"
	alike.integration(based)
	if plain.Status.Endpoints == based.Status.Endpoints ||
		!sameMemory(plain.Status.Endpoints.JWKS, based.Status.Endpoints.JWKS) {
		t.Error("endpoints that differ must be two, with one string for each that is alike")
	}
	alike.integration(&v1alpha1.Integration{})
}

// sameMemory reports whether two strings are one in memory.
func sameMemory(a, b string) bool {
	return unsafe.StringData(a) == unsafe.StringData(b) //nolint:gosec // It looks at addresses only.
}

func TestWhatGrantsAndConditionsSayIsShared(t *testing.T) {
	granted := func(g v1alpha1.Granted) *v1alpha1.Integration {
		return &v1alpha1.Integration{Status: v1alpha1.IntegrationStatus{Granted: &g}}
	}
	for _, tt := range []struct {
		name string
		with func(word string) *v1alpha1.Integration
		word func(*v1alpha1.Integration) string
	}{
		{
			"a grant type",
			func(w string) *v1alpha1.Integration {
				return granted(v1alpha1.Granted{GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantType(w)}})
			},
			func(i *v1alpha1.Integration) string { return string(i.Status.Granted.GrantTypes[0]) },
		},
		{
			"a method",
			func(w string) *v1alpha1.Integration {
				return granted(v1alpha1.Granted{CredentialMethods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethod(w)}})
			},
			func(i *v1alpha1.Integration) string { return string(i.Status.Granted.CredentialMethods[0]) },
		},
		{
			"an audience",
			func(w string) *v1alpha1.Integration {
				return granted(v1alpha1.Granted{Access: []v1alpha1.Access{{Audience: w}}})
			},
			func(i *v1alpha1.Integration) string { return i.Status.Granted.Access[0].Audience },
		},
		{
			"a scope",
			func(w string) *v1alpha1.Integration {
				return granted(v1alpha1.Granted{Access: []v1alpha1.Access{{Scopes: []string{w}}}})
			},
			func(i *v1alpha1.Integration) string { return i.Status.Granted.Access[0].Scopes[0] },
		},
		{
			"a condition's message",
			func(w string) *v1alpha1.Integration {
				return &v1alpha1.Integration{Status: v1alpha1.IntegrationStatus{Conditions: []metav1.Condition{{Message: w}}}}
			},
			func(i *v1alpha1.Integration) string { return i.Status.Conditions[0].Message },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alike := newShared()
			read := func(word string) *v1alpha1.Integration {
				i := tt.with(strings.Clone(word))
				before := i.DeepCopy()
				alike.integration(i)
				if diff := cmp.Diff(before, i); diff != "" {
					t.Errorf("the Integration has changed (-before +after):\n%s", diff)
				}
				return i
			}
			if !sameMemory(tt.word(read("the same")), tt.word(read("the same"))) {
				t.Error("equal words must be one")
			}
			long := strings.Repeat("x", maxSharedWord+1)
			if sameMemory(tt.word(read(long)), tt.word(read(long))) {
				t.Error("a long word is remembered")
			}
		})
	}
}
