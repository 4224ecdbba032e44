// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
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

// object is an Integration as a user writes it, so that a test can say what the Go type cannot.
type object = map[string]any

// list returns the items as YAML would give them.
func list[T any](items ...T) []any {
	all := make([]any, 0, len(items))
	for _, item := range items {
		all = append(all, item)
	}
	return all
}

// numbered returns n different strings.
func numbered(prefix string, n int) []any {
	all := make([]any, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

// numberedKeys returns a map with n different keys.
func numberedKeys(n int) object {
	all := object{}
	for i := range n {
		all[fmt.Sprintf("key%d", i)] = "value"
	}
	return all
}

// integration returns a valid Integration in the namespace default with the given spec.
func integration(name string, spec any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "Integration",
		"metadata":   object{"name": name, "namespace": metav1.NamespaceDefault},
		"spec":       spec,
	}}
}

// secret and token return a spec that says nothing else.
func secret(s object) object { return object{"secret": s} }
func token(s object) object  { return object{"token": s} }

const (
	wantAudience = "an audience is an absolute URI without fragment (RFC 8707), such as https://orders.shop.example or urn:example:orders"
	wantClientID = "a client ID starts with a letter or digit and goes on with letters, digits and any of . _ ~ / @ -"
	wantScope    = "a scope is one or more printable ASCII characters without space, quote and backslash: write several scopes as several list items"
	wantDefaults = "spec.defaultScopes must be among spec.scopes: add the missing one to spec.scopes, or take it out of spec.defaultScopes"
	wantLifetime = "a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	wantName     = "a Secret's name has lower case letters, digits, - and ., and starts and ends with a letter or digit"
	wantLabel    = "a label's value has at most 63 letters, digits, -, _ and ., and starts and ends with a letter or digit"
	wantLabelKey = "a label's key is a name of at most 63 letters, digits, -, _ and ., such as team, or a domain, a slash and a name, such as example.com/team"
	wantNoteKey  = "an annotation's key is a name of at most 63 letters, digits, -, _ and ., such as team, or a domain, a slash and a name, such as example.com/team"
	wantKey      = "a Secret's key is one or more letters, digits, -, _ and ., and neither . nor a name that starts with .."
	wantUnique   = "two values would share one key of the Secret: give each of spec.secret.keys a name of its own"
	wantOwnLabel = "labels with the prefix integration-operator.io/ are the operator's own: use another prefix"
	wantOwnNote  = "annotations with the prefix integration-operator.io/ are the operator's own: use another prefix"
)

func TestTheSchemaRefusesAndSaysWhatToWriteInstead(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
		want string
	}{
		{"an unknown profile", object{"profile": "SAML"}, `spec.profile: Unsupported value: "SAML": supported values: "OAuth2", "Shopware", "OroCommerce", "Magento"`},

		{"a client ID that starts with a dot", object{"clientID": ".x"}, wantClientID},
		{"a client ID with a colon, which Basic authentication cannot carry", object{"clientID": "a:b"}, wantClientID},
		{"a client ID with a space", object{"clientID": "a b"}, wantClientID},
		{"a client ID with a line break at its end", object{"clientID": "a\n"}, wantClientID},
		{"a client ID that is not ASCII", object{"clientID": "größe"}, wantClientID},
		{"a client ID of 254 characters", object{"clientID": strings.Repeat("a", 254)}, "spec.clientID: Too long: may not be more than 253"},

		{"no grant type", object{"grantTypes": list[string]()}, "spec.grantTypes: Invalid value: 0: spec.grantTypes in body should have at least 1 items"},
		{"an unknown grant type", object{"grantTypes": list("implicit")}, `spec.grantTypes[0]: Unsupported value: "implicit": supported values: "client_credentials"`},
		{"a grant type twice", object{"grantTypes": list("client_credentials", "client_credentials")}, `spec.grantTypes[1]: Duplicate value: "client_credentials"`},
		{"too many grant types", object{"grantTypes": numbered("g", 9)}, "spec.grantTypes: Too many: 9: must have at most 8 items"},

		{"an empty audience", object{"audiences": list("")}, wantAudience},
		{"a relative audience", object{"audiences": list("/orders")}, wantAudience},
		{"an audience without scheme", object{"audiences": list("orders.shop.example")}, wantAudience},
		{"an audience of a scheme alone", object{"audiences": list("https:")}, wantAudience},
		{"an audience with a fragment", object{"audiences": list("https://orders.shop.example/#a")}, wantAudience},
		{"an audience with a space", object{"audiences": list("https://orders.shop.example/a b")}, wantAudience},
		{"an audience that is not ASCII", object{"audiences": list("https://größe.example")}, wantAudience},
		{"an audience with a line break at its end", object{"audiences": list("https://orders.shop.example\n")}, wantAudience},
		{"an audience twice", object{"audiences": list("urn:a", "urn:a")}, `spec.audiences[1]: Duplicate value: "urn:a"`},
		{"too many audiences", object{"audiences": numbered("urn:a:", 17)}, "spec.audiences: Too many: 17: must have at most 16 items"},
		{"an audience of 513 characters", object{"audiences": list("urn:" + strings.Repeat("a", 509))}, "spec.audiences[0]: Too long: may not be more than 512"},

		{"an empty scope", object{"scopes": list("")}, wantScope},
		{"two scopes in one", object{"scopes": list("orders.read orders.write")}, wantScope},
		{"a scope with a quote", object{"scopes": list(`orders"`)}, wantScope},
		{"a scope with a backslash", object{"scopes": list(`orders\read`)}, wantScope},
		{"a scope with a line break at its end", object{"scopes": list("orders\n")}, wantScope},
		{"a scope that is not ASCII", object{"scopes": list("größe")}, wantScope},
		{"a scope twice", object{"scopes": list("a", "b", "a")}, `spec.scopes[2]: Duplicate value: "a"`},
		{"too many scopes", object{"scopes": numbered("s", 257)}, "spec.scopes: Too many: 257: must have at most 256 items"},
		{"a scope of 129 characters", object{"scopes": list(strings.Repeat("s", 129))}, "spec.scopes[0]: Too long: may not be more than 128"},

		{
			"too many audiences with too many scopes",
			object{"audiences": numbered("urn:a:", 16), "scopes": numbered("s", 33)},
			"spec.audiences times spec.scopes must be at most 512, as each audience has its own list of scopes: spread them over several Integrations",
		},
		{"a default scope that is not a scope", object{"scopes": list("a"), "defaultScopes": list("a", "b")}, wantDefaults},
		{"default scopes without scopes", object{"defaultScopes": list("a")}, wantDefaults},
		{"a default scope twice", object{"scopes": list("a"), "defaultScopes": list("a", "a")}, `spec.defaultScopes[1]: Duplicate value: "a"`},
		{"too many default scopes", object{"scopes": list("a"), "defaultScopes": numbered("s", 257)}, "spec.defaultScopes: Too many: 257: must have at most 256 items"},
		{"a default scope of 129 characters", object{"defaultScopes": list(strings.Repeat("s", 129))}, "spec.defaultScopes[0]: Too long: may not be more than 128"},

		{"an unknown token format", token(object{"format": "PASETO"}), `spec.token.format: Unsupported value: "PASETO": supported values: "JWT"`},
		{"an unknown signing algorithm", token(object{"signingAlgorithm": "HS256"}), `spec.token.signingAlgorithm: Unsupported value: "HS256": supported values: "ES256", "RS256", "EdDSA"`},
		{"a lifetime under a minute", token(object{"lifetime": "59s"}), wantLifetime},
		{"a lifetime over a day", token(object{"lifetime": "24h1s"}), wantLifetime},
		{"a negative lifetime", token(object{"lifetime": "-10m"}), wantLifetime},
		{"an empty lifetime", token(object{"lifetime": ""}), wantLifetime},
		{"a lifetime without unit", token(object{"lifetime": "600"}), wantLifetime},
		{"a lifetime in days", token(object{"lifetime": "1d"}), wantLifetime},
		{"a fractional lifetime", token(object{"lifetime": "1.5h"}), wantLifetime},
		{"a lifetime in words", token(object{"lifetime": "ten minutes"}), wantLifetime},
		{"a lifetime in the wrong order", token(object{"lifetime": "30m1h"}), wantLifetime},
		{"a lifetime of six digits", token(object{"lifetime": "100000s"}), wantLifetime},
		{"a lifetime that is a number", token(object{"lifetime": int64(600)}), `spec.token.lifetime: Invalid value: "integer": spec.token.lifetime in body must be of type string`},
		{"a lifetime of 33 characters", token(object{"lifetime": strings.Repeat("1", 33)}), "spec.token.lifetime: Too long: may not be more than 32"},

		{"a Secret's name in upper case", secret(object{"name": "Orders"}), wantName},
		{"a Secret's name with an underscore", secret(object{"name": "order_sync"}), wantName},
		{"a Secret's name that ends with a hyphen", secret(object{"name": "orders-"}), wantName},
		{"a Secret's name with two dots in a row", secret(object{"name": "a..b"}), wantName},
		{"a Secret's name with a slash", secret(object{"name": "other/orders"}), wantName},
		{"a Secret's name of 254 characters", secret(object{"name": strings.Repeat("a", 254)}), "spec.secret.name: Too long: may not be more than 253"},
		{"an unknown deletion policy", secret(object{"deletionPolicy": "Keep"}), `spec.secret.deletionPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain"`},

		{"a label of the operator's own", secret(object{"labels": object{v1alpha1.LabelIntegration: "x"}}), wantOwnLabel},
		{"a label's value with a space", secret(object{"labels": object{"team": "a b"}}), wantLabel},
		{"a label's value that ends with a dot", secret(object{"labels": object{"team": "a."}}), wantLabel},
		{"a label's value of 64 characters", secret(object{"labels": object{"team": strings.Repeat("a", 64)}}), "spec.secret.labels.team: Too long: may not be more than 63"},
		{"an empty label key", secret(object{"labels": object{"": "x"}}), wantLabelKey},
		{"a label key with a space", secret(object{"labels": object{"my team": "x"}}), wantLabelKey},
		{"a label key with two slashes", secret(object{"labels": object{"example.com/a/b": "x"}}), wantLabelKey},
		{"a label key with an upper case domain", secret(object{"labels": object{"Example.com/a": "x"}}), wantLabelKey},
		{"a label key of 64 characters", secret(object{"labels": object{strings.Repeat("a", 64): "x"}}), wantLabelKey},
		{"too many labels", secret(object{"labels": numberedKeys(33)}), "spec.secret.labels: Too many: 33: must have at most 32 items"},

		{"an annotation of the operator's own", secret(object{"annotations": object{v1alpha1.AnnotationClientSecretKey: "x"}}), wantOwnNote},
		{"an annotation key with a space", secret(object{"annotations": object{"my note": "x"}}), wantNoteKey},
		{"an annotation of 4097 characters", secret(object{"annotations": object{"note": strings.Repeat("a", 4097)}}), "spec.secret.annotations.note: Too long: may not be more than 4096"},
		{"too many annotations", secret(object{"annotations": numberedKeys(33)}), "spec.secret.annotations: Too many: 33: must have at most 32 items"},

		{"an empty key", secret(object{"keys": object{"clientID": ""}}), wantKey},
		{"a key with a slash", secret(object{"keys": object{"clientSecret": "a/b"}}), wantKey},
		{"a key with a space", secret(object{"keys": object{"tokenURL": "token url"}}), wantKey},
		{"a key of one dot", secret(object{"keys": object{"issuer": "."}}), wantKey},
		{"a key of two dots", secret(object{"keys": object{"scope": ".."}}), wantKey},
		{"a key that starts with two dots", secret(object{"keys": object{"audience": "..a"}}), wantKey},
		{"a key of 254 characters", secret(object{"keys": object{"caCertificate": strings.Repeat("a", 254)}}), "spec.secret.keys.caCertificate: Too long: may not be more than 253"},
		{"two keys renamed to one", secret(object{"keys": object{"type": "x", "provider": "x"}}), wantUnique},
		{"a key renamed to another's default", secret(object{"keys": object{"clientID": "client_secret"}}), wantUnique},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := k8sClient.Create(t.Context(), integration("refused", test.spec), client.DryRunAll)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("want the API server to call it invalid, got %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the message is\n  %v\nwant it to say\n  %s", err, test.want)
			}
		})
	}
}

func TestTheSchemaRefusesNamesThatAreNoLabelValues(t *testing.T) {
	err := k8sClient.Create(t.Context(), integration(strings.Repeat("a", 64), object{}), client.DryRunAll)
	const want = "metadata.name must have at most 63 characters, as it becomes the value of a label: choose a shorter name"
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("want it refused as %q, got %v", want, err)
	}
}

func TestTheSchemaRefusesFieldsThatDoNothing(t *testing.T) {
	spec := object{"rotation": object{"interval": "720h"}}
	err := k8sClient.Create(t.Context(), integration("unknown-field", spec), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	if want := `unknown field "spec.rotation"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want it refused as %q, as kubectl does, got %v", want, err)
	}
}

func TestTheSchemaTakes(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
	}{
		{"an empty spec", object{}},
		{"the smallest useful Integration", object{"audiences": list("https://orders.shop.example"), "scopes": list("orders.read", "orders.write")}},
		{"an empty client ID, which is the derived one", object{"clientID": ""}},
		{"a client ID of 253 characters", object{"clientID": strings.Repeat("a", 253)}},
		{"a client ID with every mark", object{"clientID": "0a.b_c~d/e@f-g"}},
		{"no audience and no scope", object{"audiences": list[string](), "scopes": list[string]()}},
		{"the most audiences", object{"audiences": numbered("urn:a:", 16)}},
		{"an audience of 512 characters", object{"audiences": list("urn:" + strings.Repeat("a", 508))}},
		{"audiences of several forms", object{"audiences": list("urn:example:orders", "https://[2001:db8::1]:8443/a?b=c&d=%20", "api://orders")}},
		{"the most scopes", object{"scopes": numbered("s", 256), "defaultScopes": numbered("s", 256)}},
		{"a scope of 128 characters", object{"scopes": list(strings.Repeat("s", 128))}},
		{"a scope of every kind of mark", object{"scopes": list("!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~")}},
		{"the most scopes for each of the most audiences", object{"audiences": numbered("urn:a:", 16), "scopes": numbered("s", 32)}},
		{"no default scope", object{"scopes": list("a"), "defaultScopes": list[string]()}},
		{"default scopes in another order", object{"scopes": list("a", "b"), "defaultScopes": list("b", "a")}},
		{"the shortest lifetime", token(object{"lifetime": "1m"})},
		{"the shortest lifetime in seconds", token(object{"lifetime": "60s"})},
		{"the longest lifetime", token(object{"lifetime": "24h"})},
		{"the longest lifetime in seconds", token(object{"lifetime": "86400s"})},
		{"a lifetime of three units", token(object{"lifetime": "1h30m15s"})},
		{"ES256", token(object{"signingAlgorithm": "ES256"})},
		{"RS256", token(object{"signingAlgorithm": "RS256"})},
		{"EdDSA", token(object{"signingAlgorithm": "EdDSA"})},
		{"an empty Secret name, which is the Integration's", secret(object{"name": ""})},
		{"a Secret's name with dots", secret(object{"name": "a.b-c.0"})},
		{"a Secret's name of 253 characters", secret(object{"name": strings.Repeat("a", 253)})},
		{"a Secret that stays", secret(object{"deletionPolicy": "Retain"})},
		{"labels as Kubernetes has them", secret(object{"labels": object{"team": "", "app.kubernetes.io/name": "a_B.c-0", strings.Repeat("a", 63): strings.Repeat("v", 63)}})},
		{"the most labels", secret(object{"labels": numberedKeys(32)})},
		{"a label that only looks like the operator's", secret(object{"labels": object{"my-integration-operator.io/team": "x"}})},
		{"annotations as Kubernetes has them", secret(object{"annotations": object{"example.com/note": "any text: \"ü\"\n", "note": strings.Repeat("a", 4096)}})},
		{"the most annotations", secret(object{"annotations": numberedKeys(32)})},
		{"a key renamed", secret(object{"keys": object{"clientID": "CLIENT_ID"}})},
		{"two keys that swap their names", secret(object{"keys": object{"clientID": "client_secret", "clientSecret": "client_id"}})},
		{"a key that starts with one dot", secret(object{"keys": object{"clientID": ".a"}})},
		{"a key of 253 characters", secret(object{"keys": object{"clientID": strings.Repeat("a", 253)}})},
		{"a suspended Integration", object{"suspend": true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := k8sClient.Create(t.Context(), integration("taken", test.spec), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
	if err := k8sClient.Create(t.Context(), integration(strings.Repeat("a", 63), object{}), client.DryRunAll); err != nil {
		t.Errorf("a name of 63 characters: %v", err)
	}
}

// create creates an Integration for real and deletes it when the test ends.
func create(t *testing.T, intg client.Object) {
	t.Helper()
	if err := k8sClient.Create(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := k8sClient.Delete(context.WithoutCancel(t.Context()), intg); err != nil {
			t.Error(err)
		}
	})
}

func TestTheSchemaFillsInDefaults(t *testing.T) {
	keys := v1alpha1.SecretKeys{
		ClientID: "client_id", ClientSecret: "client_secret", TokenURL: "token_url", Issuer: "issuer", Scope: "scope",
		Audience: "audience", CACertificate: "ca.crt", Type: "type", Provider: "provider",
	}
	want := v1alpha1.IntegrationSpec{
		Profile:    v1alpha1.ProfileOAuth2,
		GrantTypes: []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
		Token:      v1alpha1.TokenSpec{Format: v1alpha1.TokenFormatJWT},
		Credentials: v1alpha1.CredentialsSpec{
			Methods: []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret},
		},
		Secret: v1alpha1.SecretSpec{Keys: keys, DeletionPolicy: v1alpha1.DeletionPolicyDelete},
	}
	withoutSpec := integration("without-spec", nil)
	delete(withoutSpec.Object, "spec")
	withRenamedKey := integration("with-renamed-key", secret(object{"keys": object{"scope": "SCOPE"}}))
	wantRenamed := want
	wantRenamed.Secret.Keys.Scope = "SCOPE"
	for _, test := range []struct {
		name string
		intg *unstructured.Unstructured
		want v1alpha1.IntegrationSpec
	}{
		{"an empty spec", integration("with-empty-spec", object{}), want},
		{"no spec at all", withoutSpec, want},
		{"empty parts", integration("with-empty-parts", object{"token": object{}, "credentials": object{}, "secret": object{"keys": object{}}}), want},
		{"one key renamed", withRenamedKey, wantRenamed},
	} {
		t.Run(test.name, func(t *testing.T) {
			create(t, test.intg)
			var got v1alpha1.Integration
			if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(test.intg), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v1alpha1.IntegrationStatus{ObservedGeneration: -1}, got.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultScopesLeftOutAndEmptyDiffer(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
		want *[]string
	}{
		{"left-out", object{"scopes": list("a")}, nil},
		{"empty", object{"scopes": list("a"), "defaultScopes": list[string]()}, &[]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			create(t, integration("defaults-"+test.name, test.spec))
			var got v1alpha1.Integration
			key := client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "defaults-" + test.name}
			if err := k8sClient.Get(t.Context(), key, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Spec.DefaultScopes); diff != "" {
				t.Errorf("defaultScopes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdates(t *testing.T) {
	const wantImmutable = "spec.clientID is immutable, as running clients know it: make a new Integration for another client ID"
	for _, test := range []struct {
		name          string
		before, after object
		want          string // empty: taken
	}{
		{"a client ID changed", object{"clientID": "a"}, object{"clientID": "b"}, wantImmutable},
		{"a client ID added", object{}, object{"clientID": "b"}, wantImmutable},
		{"a client ID removed", object{"clientID": "a"}, object{}, wantImmutable},
		{"a client ID emptied", object{"clientID": "a"}, object{"clientID": ""}, wantImmutable},
		{"a client ID kept", object{"clientID": "a"}, object{"clientID": "a", "suspend": true}, ""},
		{"an empty client ID left out", object{"clientID": ""}, object{}, ""},
		{"everything else changed", object{"scopes": list("a")}, object{
			"scopes": list("b"), "audiences": list("urn:a"), "token": object{"signingAlgorithm": "EdDSA", "lifetime": "5m"},
			"secret": object{"name": "other", "deletionPolicy": "Retain", "keys": object{"clientID": "ID"}},
		}, ""},
		{"a change that the schema refuses", object{}, object{"scopes": list("a b")}, wantScope},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "update-" + strings.ToLower(strings.ReplaceAll(test.name, " ", "-"))
			intg := integration(name, test.before)
			create(t, intg)
			after := integration(name, test.after)
			after.SetResourceVersion(intg.GetResourceVersion())
			err := k8sClient.Update(t.Context(), after, client.DryRunAll)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("want it taken, got %v", err)
			case test.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("want it refused as %q, got %v", test.want, err)
			}
		})
	}
}

func TestStatusIsASubresource(t *testing.T) {
	intg := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Name: "status", Namespace: metav1.NamespaceDefault}}
	create(t, intg)
	want := v1alpha1.IntegrationStatus{
		ObservedGeneration: 1,
		ClientID:           "default.status",
		Endpoints:          v1alpha1.EndpointsOf("https://issuer.example"),
		Granted: &v1alpha1.Granted{
			GrantTypes:       []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials},
			Access:           []v1alpha1.Access{{Audience: "urn:a", Scopes: []string{"a"}}},
			DefaultScopes:    []string{"a"},
			SigningAlgorithm: v1alpha1.SigningAlgorithmES256,
			Lifetime:         metav1.Duration{Duration: 10 * time.Minute},
		},
		Credentials: &v1alpha1.CredentialsStatus{SecretName: "status"},
	}
	intg.Status = want
	if err := k8sClient.Update(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	if intg.Status.ClientID != "" {
		t.Error("an ordinary update wrote the status")
	}
	intg.Status = want
	if err := k8sClient.Status().Update(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, intg.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if intg.Generation != 1 {
		t.Errorf("generation is %d, want 1: the status is no part of it", intg.Generation)
	}
}
