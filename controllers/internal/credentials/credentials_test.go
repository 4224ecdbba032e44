// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

const (
	issuer = "https://tokens.example.com"
	bundle = "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"
	// clientSecret is what the Secrets of these tests hold.
	clientSecret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
)

var namespaceOwner = metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: "shop", UID: "uid-of-shop"}

// integration returns an Integration as the API server would store it, with its defaults.
func integration(edits ...func(*v1alpha1.Integration)) *v1alpha1.Integration {
	intg := &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "order-sync", UID: "uid-of-order-sync"},
		Spec: v1alpha1.IntegrationSpec{Secret: v1alpha1.SecretSpec{
			Keys: v1alpha1.SecretKeys{
				ClientID: "client_id", ClientSecret: "client_secret", TokenURL: "token_url", Issuer: "issuer", Scope: "scope",
				Audience: "audience", CACertificate: "ca.crt", Type: "type", Provider: "provider",
			},
			DeletionPolicy: v1alpha1.DeletionPolicyDelete,
		}},
	}
	for _, edit := range edits {
		edit(intg)
	}
	return intg
}

// values returns what belongs into the Secret; Decide fills in the client secret.
func values() credentials.Values {
	return credentials.Values{
		ClientID: "shop.order-sync", Endpoints: v1alpha1.EndpointsOf(issuer), CABundle: []byte(bundle),
		Granted: &v1alpha1.Granted{Access: []v1alpha1.Access{
			{Audience: "https://orders.shop.example", Scopes: []string{"orders.read", "orders.write"}},
			{Audience: "urn:stock", Scopes: []string{"orders.write", "stock"}},
		}},
	}
}

// secret returns the Secret that the Integration should have, after edits by hand.
func secret(intg *v1alpha1.Integration, edits ...func(*corev1.Secret)) *corev1.Secret {
	v := values()
	v.ClientSecret = []byte(clientSecret)
	s := build(intg, nil, v)
	s.UID, s.ResourceVersion = "uid-of-secret", "1"
	for _, edit := range edits {
		edit(s)
	}
	return s
}

// build returns the Secret that Build wants, where there is no template that could fail.
func build(intg *v1alpha1.Integration, existing *corev1.Secret, v credentials.Values) *corev1.Secret {
	s, err := credentials.Build(intg, existing, v)
	if err != nil {
		panic(err)
	}
	return s
}

func text(data map[string][]byte) map[string]string {
	found := map[string]string{}
	for key, value := range data {
		found[key] = string(value)
	}
	return found
}

func TestNewSecretHoldsTheStandardKeys(t *testing.T) {
	intg := integration()
	got := secret(intg)
	wantData := map[string]string{
		"client_id": "shop.order-sync", "client_secret": clientSecret, "token_url": issuer + "/oauth2/token", "issuer": issuer,
		"scope": "orders.read orders.write stock", "audience": "https://orders.shop.example urn:stock", "ca.crt": bundle,
		"type": "oauth2", "provider": "integration-operator",
	}
	if diff := cmp.Diff(wantData, text(got.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if got.Type != v1alpha1.SecretTypeCredentials || got.Namespace != "shop" || got.Name != "order-sync" {
		t.Errorf("got %s/%s of type %s", got.Namespace, got.Name, got.Type)
	}
	wantLabels := map[string]string{
		v1alpha1.LabelIntegration: "order-sync", "app.kubernetes.io/managed-by": "integration-operator",
	}
	if diff := cmp.Diff(wantLabels, got.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.AnnotationClientSecretKey: "client_secret"}, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if !credentials.Owned(got, intg) || len(got.OwnerReferences) != 1 {
		t.Errorf("want the Integration as the only owner, got %v", got.OwnerReferences)
	}
}

func TestSecretOfAPubliclyTrustedServerHasNoCertificate(t *testing.T) {
	v := values()
	v.CABundle = nil
	if _, found := build(integration(), nil, v).Data["ca.crt"]; found {
		t.Error("want no ca.crt")
	}
}

func TestOwned(t *testing.T) {
	intg := integration()
	isController := false
	tests := []struct {
		name string
		edit func(*corev1.Secret)
		want bool
	}{
		{"The Integration's own Secret is owned.", func(*corev1.Secret) {}, true},
		{"A label without an owner proves nothing.", func(s *corev1.Secret) { s.OwnerReferences = nil }, false},
		{"An owner of the same name and another UID is another.", func(s *corev1.Secret) { s.OwnerReferences[0].UID = "other" }, false},
		{"An owner that does not control is none.", func(s *corev1.Secret) { s.OwnerReferences[0].Controller = &isController }, false},
		{"A Secret of another namespace is another's.", func(s *corev1.Secret) { s.Namespace = "elsewhere" }, false},
		{"An owner without a label owns.", func(s *corev1.Secret) { s.Labels = nil }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := credentials.Owned(secret(intg, tt.edit), intg); got != tt.want {
				t.Errorf("want %t, got %t", tt.want, got)
			}
		})
	}
}

func TestMetadataOfOthersStays(t *testing.T) {
	before := integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "shop", "tier": "gold", "app.kubernetes.io/managed-by": "shop"}
		i.Spec.Secret.Annotations = map[string]v1alpha1.AnnotationValue{"note": "ours"}
	})
	existing := secret(before, func(s *corev1.Secret) {
		s.Labels["foreign"], s.Annotations["foreign"] = "label", "annotation"
		s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x"})
	})
	after := integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "stock"}
	})
	got := credentials.Decide(credentials.Input{Integration: after, Existing: existing, SpecChanged: true, Values: values()})
	if got.Action != credentials.Update || got.Reason != "" {
		t.Errorf("want an update without an event, got %s %s", got.Action, got.Reason)
	}
	wantLabels := map[string]string{
		"team": "stock", "foreign": "label", v1alpha1.LabelIntegration: "order-sync", "app.kubernetes.io/managed-by": "integration-operator",
	}
	if diff := cmp.Diff(wantLabels, got.Secret.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	wantAnnotations := map[string]string{
		"foreign": "annotation", v1alpha1.AnnotationClientSecretKey: "client_secret",
		v1alpha1.AnnotationAppliedMetadata: `{"labels":["team"]}`,
	}
	if diff := cmp.Diff(wantAnnotations, got.Secret.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(existing.OwnerReferences, got.Secret.OwnerReferences); diff != "" {
		t.Errorf("owner references (-want +got):\n%s", diff)
	}
	if existing.Labels["team"] != "shop" {
		t.Error("Decide changed its input")
	}
}

func TestReservedMetadataCannotBeOverridden(t *testing.T) {
	intg := integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{v1alpha1.LabelIntegration: "another", v1alpha1.LabelAdopt: "order-sync"}
		i.Spec.Secret.Annotations = map[string]v1alpha1.AnnotationValue{v1alpha1.AnnotationClientSecretKey: "scope"}
	})
	got := secret(intg)
	if got.Labels[v1alpha1.LabelIntegration] != "order-sync" || got.Labels[v1alpha1.LabelAdopt] != "" || got.Annotations[v1alpha1.AnnotationClientSecretKey] != "client_secret" {
		t.Errorf("got labels %v and annotations %v", got.Labels, got.Annotations)
	}
}

func TestRetainOwnsTheSecretBesideTheIntegration(t *testing.T) {
	intg := integration()
	retained := values()
	retained.KeepUntil = &namespaceOwner
	on := credentials.Decide(credentials.Input{Integration: intg, Existing: secret(intg), SpecChanged: true, Values: retained})
	if diff := cmp.Diff([]metav1.OwnerReference{credentials.OwnerReference(intg), namespaceOwner}, on.Secret.OwnerReferences); diff != "" {
		t.Errorf("owner references with Retain (-want +got):\n%s", diff)
	}
	if on.Action != credentials.Update || on.Secret.Labels[v1alpha1.LabelAdopt] != intg.Name {
		t.Errorf("want Update, and the label that hands the Secret over: got %s and %v", on.Action, on.Secret.Labels)
	}
	again := credentials.Decide(credentials.Input{Integration: intg, Existing: on.Secret, Values: retained})
	if again.Action != credentials.None {
		t.Errorf("want nothing to do the second time, got %s", again.Action)
	}
	off := credentials.Decide(credentials.Input{Integration: intg, Existing: on.Secret, SpecChanged: true, Values: values()})
	if diff := cmp.Diff([]metav1.OwnerReference{credentials.OwnerReference(intg)}, off.Secret.OwnerReferences); diff != "" || off.Action != credentials.Update {
		t.Errorf("owner references without Retain, by %s (-want +got):\n%s", off.Action, diff)
	}
	if label, found := off.Secret.Labels[v1alpha1.LabelAdopt]; found {
		t.Errorf("without Retain, the Secret is handed over to %q", label)
	}
	if diff := cmp.Diff([]metav1.OwnerReference{namespaceOwner}, credentials.WithoutOwner(on.Secret.OwnerReferences, intg)); diff != "" {
		t.Errorf("owner references of a released Secret (-want +got):\n%s", diff)
	}
	if len(on.Secret.OwnerReferences) != 2 {
		t.Error("WithoutOwner changed its input")
	}
}

func TestClientSecretOf(t *testing.T) {
	longURL := []byte(v1alpha1.EndpointsOf(issuer).Token)
	const weak = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	unannotated := func(value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Annotations, s.Data["client_secret"] = nil, []byte(value) }
	}
	foreign := func(value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.OwnerReferences, s.Data["client_secret"] = nil, []byte(value) }
	}
	tests := []struct {
		name string
		edit func(*corev1.Secret)
		// fresh says that the status speaks of no client secret before.
		fresh bool
		want  string
	}{
		{name: "It is found.", edit: func(*corev1.Secret) {}, want: clientSecret},
		{name: "It is found where the status could not be written.", edit: func(*corev1.Secret) {}, fresh: true, want: clientSecret},
		{name: "It is found without the annotation.", edit: unannotated(clientSecret), want: clientSecret},
		{name: "Without the annotation, and where there was none before, there is none.", edit: unannotated(clientSecret), fresh: true},
		{name: "Without the annotation, a weak one is none.", edit: unannotated(weak)},
		{name: "It is lost when the annotation names a key that is not there.", edit: func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "gone"
		}},
		{name: "It is found when the annotation names the key of another value.", edit: func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "token_url"
		}, want: clientSecret},
		{name: "It is found under the key that the annotation names.", edit: func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "password"
			s.Data["password"] = s.Data["client_secret"]
			delete(s.Data, "client_secret")
		}, want: clientSecret},
		{name: "It is lost when what the annotation names is, whatever a template writes under the key of spec.", edit: func(s *corev1.Secret) {
			s.Annotations[v1alpha1.AnnotationClientSecretKey] = "password"
			s.Data["password"] = nil
		}},
		{name: "A well-formed one that was set by hand is kept.", edit: set("client_secret", strings.Repeat("x", 32)), want: strings.Repeat("x", 32)},
		{name: "A missing one is lost.", edit: func(s *corev1.Secret) { delete(s.Data, "client_secret") }},
		{name: "An empty one is lost.", edit: set("client_secret", "")},
		{name: "A short one is lost.", edit: set("client_secret", strings.Repeat("x", 21))},
		{name: "One that is not ASCII is lost.", edit: set("client_secret", strings.Repeat("ü", 43))},
		{name: "One with a newline is lost.", edit: set("client_secret", clientSecret+"\n")},
		{name: "One that is the value of another key is lost.", edit: set("client_secret", string(longURL))},
		{name: "One that is the value of another key, which is missing, is lost.", edit: func(s *corev1.Secret) {
			s.Data["client_secret"] = longURL
			delete(s.Data, "token_url")
		}},
		{name: "One of which a template has made a copy is found.", edit: set("copy", clientSecret), want: clientSecret},
		{name: "No data at all.", edit: func(s *corev1.Secret) { s.Data = nil }},
		{name: "It is found in a Secret that may be taken over.", edit: foreign(clientSecret), fresh: true, want: clientSecret},
		{name: "A weak one in such a Secret is none.", edit: foreign(weak)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := integration()
			if got := credentials.ClientSecretOf(secret(intg, tt.edit), intg, values(), !tt.fresh); string(got) != tt.want {
				t.Errorf("want %d bytes, got %d others", len(tt.want), len(got))
			}
		})
	}
}

func TestWhatATemplateWroteBecomesNoClientSecret(t *testing.T) {
	const chosen = "Chosen-by-the-editor_0123456789-Chosen-by"
	before := integration(byKey, func(i *v1alpha1.Integration) {
		i.Spec.Secret.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"foo": chosen}}
	})
	existing := keyless(before)
	after := integration(func(i *v1alpha1.Integration) { i.Spec.Secret.Keys.ClientSecret = "foo" })
	got := credentials.Decide(credentials.Input{Integration: after, Existing: existing, SpecChanged: true, Values: values()})
	if value := string(got.Secret.Data["foo"]); value == chosen || len(value) < v1alpha1.MinClientSecretLength {
		t.Errorf("the client secret is what the editor wrote: %t, of %d bytes", value == chosen, len(value))
	}
}

func TestRenamedKeysCarryTheClientSecretAlong(t *testing.T) {
	tests := map[string]func(*v1alpha1.SecretKeys){
		"a new name": func(k *v1alpha1.SecretKeys) { k.ClientSecret = "CLIENT_SECRET" },
		"all new names": func(k *v1alpha1.SecretKeys) {
			*k = v1alpha1.SecretKeys{
				ClientID: "A", ClientSecret: "B", TokenURL: "C", Issuer: "D", Scope: "E", Audience: "F", CACertificate: "G", Type: "H", Provider: "I",
			}
		},
		"a swap with the client ID":      func(k *v1alpha1.SecretKeys) { k.ClientID, k.ClientSecret = k.ClientSecret, k.ClientID },
		"a swap with the token endpoint": func(k *v1alpha1.SecretKeys) { k.TokenURL, k.ClientSecret = k.ClientSecret, k.TokenURL },
	}
	for name, rename := range tests {
		t.Run(name, func(t *testing.T) {
			after := integration(func(i *v1alpha1.Integration) { rename(&i.Spec.Secret.Keys) })
			got := credentials.Decide(credentials.Input{
				Integration: after, Existing: secret(integration()), Established: true, SpecChanged: true, Values: values(),
			})
			if got.Action != credentials.Update || got.Reason != "" {
				t.Errorf("want an update without an event, got %s %s", got.Action, got.Reason)
			}
			if diff := cmp.Diff(text(secret(after).Data), text(got.Secret.Data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if got.Secret.Annotations[v1alpha1.AnnotationClientSecretKey] != string(after.Spec.Secret.Keys.ClientSecret) {
				t.Errorf("the annotation names %s", got.Secret.Annotations[v1alpha1.AnnotationClientSecretKey])
			}
		})
	}
	t.Run("a swap after which the token endpoint would pass for a lost client secret", func(t *testing.T) {
		after := integration(func(i *v1alpha1.Integration) {
			i.Spec.Secret.Keys.TokenURL, i.Spec.Secret.Keys.ClientSecret = "client_secret", "token_url"
		})
		existing := secret(integration(), func(s *corev1.Secret) { delete(s.Data, "client_secret") })
		got := credentials.Decide(credentials.Input{Integration: after, Existing: existing, Established: true, SpecChanged: true, Values: values()})
		if got.Reason != v1alpha1.ReasonClientSecretRegenerated {
			t.Errorf("want %s, got %q", v1alpha1.ReasonClientSecretRegenerated, got.Reason)
		}
		if bytes.Equal(got.Secret.Data["token_url"], existing.Data["token_url"]) {
			t.Error("the token endpoint's URL became the client secret")
		}
	})
}

func TestBuildIsIdempotent(t *testing.T) {
	intg := integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"b": "1", "a": "2"}
		i.Spec.Secret.Annotations = map[string]v1alpha1.AnnotationValue{"d": "1", "c": "2"}
	})
	once := secret(intg)
	v := values()
	v.ClientSecret = []byte(clientSecret)
	if diff := cmp.Diff(once, build(intg, once, v)); diff != "" {
		t.Errorf("built twice (-once +twice):\n%s", diff)
	}
	damaged := once.DeepCopy()
	damaged.Annotations[v1alpha1.AnnotationAppliedMetadata] = "{"
	if diff := cmp.Diff(once, build(intg, damaged, v)); diff != "" {
		t.Errorf("built with a damaged record (-once +twice):\n%s", diff)
	}
	if !maps.Equal(once.Labels, map[string]string{
		"a": "2", "b": "1", v1alpha1.LabelIntegration: "order-sync", "app.kubernetes.io/managed-by": "integration-operator",
	}) {
		t.Errorf("labels: got %v", once.Labels)
	}
}
