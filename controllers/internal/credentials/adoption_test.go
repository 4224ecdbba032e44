// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// migrated returns a Secret as it was before there was an operator: with the client's credentials, and keys of its own.
func migrated(edits ...func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "order-sync", UID: "uid-of-secret", ResourceVersion: "7",
			Labels:      map[string]string{v1alpha1.LabelIntegration: "order-sync", "team": "shop"},
			Annotations: map[string]string{"note": "by hand"},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			"client_id": []byte("shop.order-sync"), "client_secret": []byte(clientSecret),
			"CLIENT_SECRET": []byte(clientSecret), "settings.json": []byte("{}"), "empty": {},
		},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func adopt(intg *v1alpha1.Integration, existing *corev1.Secret) credentials.Decision {
	return credentials.Decide(credentials.Input{Integration: intg, Existing: existing, SpecChanged: true, Values: values()})
}

func TestASecretIsTakenOverAsItIs(t *testing.T) {
	intg := integration()
	existing := migrated()
	got := adopt(intg, existing)
	if got.Action != credentials.Update || got.Reason != v1alpha1.ReasonSecretAdopted || got.Warn || got.Problem != nil {
		t.Fatalf("want it taken over, got %+v", got)
	}
	if strings.Contains(got.Message, clientSecret) || !strings.Contains(got.Message, "shop/order-sync") {
		t.Errorf("message: %s", got.Message)
	}
	for key, value := range existing.Data {
		if diff := cmp.Diff(value, got.Secret.Data[key]); diff != "" {
			t.Errorf("key %s (-want +got):\n%s", key, diff)
		}
	}
	if got.Secret.Type != corev1.SecretTypeOpaque || got.Secret.UID != "uid-of-secret" || got.Secret.ResourceVersion != "7" {
		t.Errorf("it is another Secret: %s, %s, %s", got.Secret.Type, got.Secret.UID, got.Secret.ResourceVersion)
	}
	if !credentials.Owned(got.Secret, intg) || !credentials.Generated(got.Secret, intg) || string(got.Secret.Data["scope"]) == "" {
		t.Error("it is not the Integration's, or not complete")
	}
	wantAnnotations := map[string]string{
		"note": "by hand", v1alpha1.AnnotationClientSecretKey: "client_secret",
		v1alpha1.AnnotationAdoptedKeys: `["CLIENT_SECRET","empty","settings.json"]`,
	}
	if diff := cmp.Diff(wantAnnotations, got.Secret.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if existing.OwnerReferences != nil || existing.Annotations[v1alpha1.AnnotationAdoptedKeys] != "" {
		t.Error("Decide changed its input")
	}
	if again := adopt(intg, got.Secret); again.Action != credentials.None {
		t.Errorf("a second pass: want nothing to do, got %s %s", again.Action, again.Reason)
	}
}

func TestSecretsThatAreNotTakenOver(t *testing.T) {
	immutable := true
	yes := true
	tests := []struct {
		name       string
		edit       func(*corev1.Secret)
		intg       func(*v1alpha1.Integration)
		wantReason string
		want       string
	}{
		{name: "Without label.", edit: func(s *corev1.Secret) { s.Labels = nil }, want: "lacks the label integration-operator.io/integration=order-sync"},
		{
			name: "With an empty label, which consents to be read and not to be taken over.",
			edit: func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "" }, want: "does not say order-sync",
		},
		{
			name: "With the label of another Integration.",
			edit: func(s *corev1.Secret) { s.Labels[v1alpha1.LabelIntegration] = "another" }, want: "does not say order-sync",
		},
		{
			name: "With another client ID.",
			edit: func(s *corev1.Secret) { s.Data["client_id"] = []byte("shop.another") }, want: "does not hold the client ID shop.order-sync",
		},
		{name: "Without client ID.", edit: func(s *corev1.Secret) { delete(s.Data, "client_id") }, want: "does not hold the client ID shop.order-sync"},
		{name: "Without client secret.", edit: func(s *corev1.Secret) { delete(s.Data, "client_secret") }, want: "does not hold a client secret"},
		{
			name: "With a client secret under another key than spec says, though an annotation names it.",
			edit: func(s *corev1.Secret) {
				delete(s.Data, "client_secret")
				s.Annotations[v1alpha1.AnnotationClientSecretKey] = "CLIENT_SECRET"
			},
			want: "does not hold a client secret",
		},
		{
			name: "With a client secret that is too short.",
			edit: func(s *corev1.Secret) { s.Data["client_secret"] = []byte("short") }, want: "does not hold a client secret",
		},
		{
			name: "With a client secret that is too weak.",
			edit: func(s *corev1.Secret) { s.Data["client_secret"] = []byte(strings.Repeat("ab", 20)) }, wantReason: v1alpha1.ReasonClientSecretTooWeak,
			want: "too weak",
		},
		{
			name: "With a client secret that the client may not use.",
			edit: func(*corev1.Secret) {}, intg: byKey, want: "spec.credentials.methods lacks ClientSecret",
		},
		{
			name: "With another controller.",
			edit: func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Thing", Name: "x", UID: "x", Controller: &yes}}
			}, want: "belongs to Thing x",
		},
		{name: "Immutable.", edit: func(s *corev1.Secret) { s.Immutable = &immutable }, want: "immutable"},
		{
			name: "Of a type that Kubernetes fills.", edit: func(s *corev1.Secret) { s.Type = corev1.SecretTypeServiceAccountToken },
			want: "its type is kubernetes.io/service-account-token",
		},
		{
			name: "Of a type that is the operator's own.", edit: func(s *corev1.Secret) { s.Type = v1alpha1.SecretTypeSigningKey },
			want: "its type is integration-operator.io/signing-key",
		},
		{
			name: "Too large for the cache.", edit: func(s *corev1.Secret) { s.Data["more"] = make([]byte, 64<<10) }, want: "65536 bytes",
		},
		{
			name: "With too many keys.", edit: func(s *corev1.Secret) {
				for i := range 128 {
					s.Data[fmt.Sprint(i)] = nil
				}
			}, want: "128 keys",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := integration()
			if tt.intg != nil {
				tt.intg(intg)
			}
			wantReason := v1alpha1.ReasonSecretConflict
			if tt.wantReason != "" {
				wantReason = tt.wantReason
			}
			got := adopt(intg, migrated(tt.edit))
			if got.Action != credentials.Refuse || got.Reason != wantReason || got.Secret != nil {
				t.Fatalf("want it refused with %s, got %s with %s", wantReason, got.Action, got.Reason)
			}
			if !strings.Contains(got.Message, tt.want) || !strings.Contains(got.Message, "shop/order-sync") || strings.Contains(got.Message, clientSecret) {
				t.Errorf("message: %s", got.Message)
			}
		})
	}
}

func TestAnotherControllerIsWaitedForOnlyIfItIsAFormerIntegration(t *testing.T) {
	intg := integration()
	retained := secret(intg, func(s *corev1.Secret) {
		s.OwnerReferences[0].UID = "uid-of-a-former-life"
		s.OwnerReferences = append(s.OwnerReferences, namespaceOwner)
	})
	if got := adopt(intg, retained); got.Action != credentials.Wait || got.Reason != v1alpha1.ReasonSecretPending {
		t.Errorf("want to wait for the garbage collector, got %s %s", got.Action, got.Reason)
	}
	retained.OwnerReferences = []metav1.OwnerReference{namespaceOwner}
	retained.Annotations[v1alpha1.AnnotationRotation] = `{"rotatedAt":"2026-11-22T10:00:00Z"}`
	got := adopt(intg, retained)
	if got.Action != credentials.Update || got.Reason != v1alpha1.ReasonSecretAdopted || string(got.Secret.Data["client_secret"]) != clientSecret {
		t.Fatalf("want it taken over, got %s %s", got.Action, got.Reason)
	}
	if diff := cmp.Diff([]metav1.OwnerReference{credentials.OwnerReference(intg)}, got.Secret.OwnerReferences); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if got.Secret.Annotations[v1alpha1.AnnotationRotation] != "" || got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys] != "[]" {
		t.Errorf("annotations: %v", got.Secret.Annotations)
	}
	if again := adopt(intg, got.Secret); again.Action != credentials.None {
		t.Errorf("a second pass: want nothing to do, got %s", again.Action)
	}
}

func TestAClientWithoutSecretTakesOverItsSecret(t *testing.T) {
	intg := integration(byKey)
	got := adopt(intg, migrated(func(s *corev1.Secret) { delete(s.Data, "client_secret") }))
	if got.Reason != v1alpha1.ReasonSecretAdopted || got.Secret.Data["client_secret"] != nil {
		t.Errorf("got %s: %s", got.Reason, got.Message)
	}
}

func TestAdoptedKeysStay(t *testing.T) {
	intg := integration()
	adopted := adopt(intg, migrated()).Secret
	spec := func(change func(*v1alpha1.SecretSpec)) *v1alpha1.Integration {
		return integration(func(i *v1alpha1.Integration) { change(&i.Spec.Secret) })
	}
	unchanged := []string{"CLIENT_SECRET", "empty", "settings.json"}
	tests := []struct {
		name string
		hand func(*corev1.Secret)
		intg *v1alpha1.Integration
		// wantKept are the adopted keys, and wantValue what is under settings.json.
		wantKept   []string
		wantValue  string
		wantReason string
	}{
		{"An edited one.", func(s *corev1.Secret) { s.Data["settings.json"] = []byte("[]") }, intg, unchanged, "[]", ""},
		{
			"One that is deleted by hand is gone.", func(s *corev1.Secret) { delete(s.Data, "settings.json") }, intg,
			[]string{"CLIENT_SECRET", "empty"},
			"", v1alpha1.ReasonSecretRestored,
		},
		{
			"A new one goes, as from every Secret.", func(s *corev1.Secret) { s.Data["new"] = []byte("x") }, intg, unchanged, "{}",
			v1alpha1.ReasonSecretRestored,
		},
		{
			"The annotations are taken off by hand.", func(s *corev1.Secret) { s.Annotations = nil }, intg, unchanged, "{}",
			v1alpha1.ReasonSecretRestored,
		},
		{
			"The annotation is damaged by hand.", func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationAdoptedKeys] = "{" }, intg, unchanged,
			"{}", v1alpha1.ReasonSecretRestored,
		},
		{
			"A template for its key comes before it.", nil, spec(func(s *v1alpha1.SecretSpec) {
				s.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"settings.json": "templated"}}
			}), []string{"CLIENT_SECRET", "empty"}, "templated", v1alpha1.ReasonSecretRestored,
		},
		{
			"A renamed standard key comes before it.", nil, spec(func(s *v1alpha1.SecretSpec) { s.Keys.Type = "settings.json" }),
			[]string{"CLIENT_SECRET", "empty"},
			"oauth2", v1alpha1.ReasonSecretRestored,
		},
		{
			"An access token comes before it, also one that is not there.", nil, spec(func(s *v1alpha1.SecretSpec) {
				s.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "settings.json"}}
			}), []string{"CLIENT_SECRET", "empty"}, "", v1alpha1.ReasonSecretRestored,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			existing := adopted.DeepCopy()
			if tt.hand != nil {
				tt.hand(existing)
			}
			in := credentials.Input{Integration: tt.intg, Existing: existing, Established: true, Values: values()}
			got := credentials.Decide(in)
			if got.Reason != tt.wantReason || got.Action == credentials.Replace || got.Secret.Type != corev1.SecretTypeOpaque {
				t.Errorf("got %s with reason %q and type %s", got.Action, got.Reason, got.Secret.Type)
			}
			want := map[string]string{"settings.json": tt.wantValue}
			for _, key := range tt.wantKept {
				want[key] = string(existing.Data[key])
			}
			found := map[string]string{"settings.json": string(got.Secret.Data["settings.json"])}
			standard := text(secret(intg).Data)
			for key, value := range text(got.Secret.Data) {
				if _, ours := standard[key]; !ours {
					found[key] = value
				}
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("keys beside the standard ones (-want +got):\n%s", diff)
			}
			record := `["` + strings.Join(tt.wantKept, `","`) + `"]`
			if got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys] != record {
				t.Errorf("record: want %s, got %s", record, got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys])
			}
			in.Existing = got.Secret
			if again := credentials.Decide(in); again.Action != credentials.None {
				t.Errorf("a second pass: want nothing to do, got %s", again.Action)
			}
		})
	}
}

func TestGenerated(t *testing.T) {
	intg := integration()
	for _, tt := range []struct {
		name   string
		secret *corev1.Secret
		want   bool
	}{
		{"What the operator made.", secret(intg), true},
		{"What it took over.", adopt(intg, migrated()).Secret, true},
		{"A user's Secret that the Integration owns.", secret(intg, func(s *corev1.Secret) { s.Type = corev1.SecretTypeBasicAuth }), false},
		{"What only says so.", secret(intg, func(s *corev1.Secret) { s.OwnerReferences = nil }), false},
	} {
		if got := credentials.Generated(tt.secret, intg); got != tt.want {
			t.Errorf("%s want %t, got %t", tt.name, tt.want, got)
		}
	}
}

func TestPartial(t *testing.T) {
	intg := integration()
	adopted := adopt(intg, migrated()).Secret
	trimmed := adopted.DeepCopy()
	maps.DeleteFunc(trimmed.Data, func(key string, _ []byte) bool { return key != "client_secret" })
	for _, tt := range []struct {
		name   string
		secret *corev1.Secret
		want   bool
	}{
		{"Nobody controls it.", migrated(), true},
		{"What the operator made.", secret(intg), false},
		{"What it took over.", adopted, false},
		{"What it took over, trimmed by the cache.", trimmed, true},
	} {
		if got := credentials.Partial(tt.secret); got != tt.want {
			t.Errorf("%s want %t, got %t", tt.name, tt.want, got)
		}
	}
}
