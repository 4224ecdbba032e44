// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"fmt"
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
			Labels: map[string]string{
				v1alpha1.LabelIntegration: "order-sync", v1alpha1.LabelAdopt: "order-sync", "team": "shop",
			},
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

// A name that the Integration had once, and that Retain kept: what is in it may have been rotated away since.
func TestAClientSecretThatWasRotatedAwayIsNotRevived(t *testing.T) {
	intg := integration()
	former := adopt(intg, migrated()).Secret
	former.Name, former.Data["client_secret"] = "later", []byte(strings.Repeat("Nb7", 12))
	got := credentials.Decide(credentials.Input{Integration: intg, Existing: migrated(), Former: former, Values: values()})
	if got.Action != credentials.Update || got.Reason != v1alpha1.ReasonSecretAdopted {
		t.Fatalf("want it taken over, got %+v", got)
	}
	if diff := cmp.Diff(string(former.Data["client_secret"]), string(got.Secret.Data["client_secret"])); diff != "" {
		t.Errorf("client secret (-the present one +got):\n%s", diff)
	}
}

func TestSecretsThatAreNotTakenOver(t *testing.T) {
	const (
		adoptLabel = "lacks the label integration-operator.io/adopt=order-sync"
		label      = "lacks the label integration-operator.io/integration=order-sync"
		needs      = "it needs the client ID shop.order-sync under its key client_id, and under its key client_secret a client secret of 22 to 1024"
		needsType  = "it needs a type that has no meaning to Kubernetes or the operator"
	)
	relabel := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Labels[key] = value }
	}
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	ofType := func(secretType corev1.SecretType) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Type = secretType }
	}
	tests := []struct {
		name string
		edit func(*corev1.Secret)
		intg func(*v1alpha1.Integration)
		want string
	}{
		{name: "Without label.", edit: func(s *corev1.Secret) { s.Labels = nil }, want: adoptLabel},
		{
			name: "With the label that lets it be used, and not the one that hands it over.",
			edit: func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelAdopt) }, want: adoptLabel,
		},
		{name: "With an empty label.", edit: relabel(v1alpha1.LabelAdopt, ""), want: adoptLabel},
		{name: "With the label of another Integration.", edit: relabel(v1alpha1.LabelAdopt, "another"), want: adoptLabel},
		{name: "With the other label empty.", edit: relabel(v1alpha1.LabelIntegration, ""), want: label},
		{name: "With another client ID.", edit: set("client_id", "shop.another"), want: needs},
		{name: "Without client ID.", edit: func(s *corev1.Secret) { delete(s.Data, "client_id") }, want: needs},
		{name: "Without client secret.", edit: func(s *corev1.Secret) { delete(s.Data, "client_secret") }, want: needs},
		{
			name: "With a client secret under another key than spec says, though an annotation names it.",
			edit: func(s *corev1.Secret) {
				delete(s.Data, "client_secret")
				s.Annotations[v1alpha1.AnnotationClientSecretKey] = "CLIENT_SECRET"
			},
			want: needs,
		},
		{name: "With a client secret that is too short.", edit: set("client_secret", "short"), want: needs},
		{name: "With a client secret that is too weak.", edit: set("client_secret", strings.Repeat("ab", 20)), want: needs},
		{
			name: "Without client secret, for a client that uses none.", edit: func(s *corev1.Secret) { delete(s.Data, "client_secret") },
			intg: byKey, want: needs,
		},
		{name: "With one that is too weak, for a client that uses none.", edit: set("client_secret", "password"), intg: byKey, want: needs},
		{
			name: "With another controller.",
			edit: func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Thing", Name: "secretive", UID: "x", Controller: new(true)}}
			}, want: "belongs to another object, of kind Thing: choose another spec.secret.name",
		},
		{name: "Immutable.", edit: func(s *corev1.Secret) { s.Immutable = new(true) }, want: "immutable"},
		{name: "A login.", edit: ofType(corev1.SecretTypeBasicAuth), want: needsType},
		{name: "An SSH key.", edit: ofType(corev1.SecretTypeSSHAuth), want: needsType},
		{name: "A certificate.", edit: ofType(corev1.SecretTypeTLS), want: needsType},
		{name: "A registry's login.", edit: ofType(corev1.SecretTypeDockerConfigJson), want: needsType},
		{name: "A registry's login in the old form.", edit: ofType(corev1.SecretTypeDockercfg), want: needsType},
		{name: "A service account's token.", edit: ofType(corev1.SecretTypeServiceAccountToken), want: needsType},
		{name: "A bootstrap token.", edit: ofType(corev1.SecretTypeBootstrapToken), want: needsType},
		{name: "A key of the operator.", edit: ofType(v1alpha1.SecretTypeSigningKey), want: needsType},
		{name: "Too large for the cache.", edit: func(s *corev1.Secret) { s.Data["more"] = make([]byte, 64<<10) }, want: "65536 bytes"},
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
			existing := migrated(tt.edit)
			got := adopt(intg, existing)
			if got.Action != credentials.Refuse || got.Reason != v1alpha1.ReasonSecretConflict || got.Secret != nil {
				t.Fatalf("want it refused, got %s with %s", got.Action, got.Reason)
			}
			if !strings.Contains(got.Message, tt.want) || !strings.Contains(got.Message, "shop/order-sync") {
				t.Errorf("message: %s", got.Message)
			}
			for _, told := range []string{clientSecret, "shop.another", "secretive", "kubernetes.io/", "signing-key", "CLIENT_SECRET"} {
				if strings.Contains(got.Message, told) {
					t.Errorf("the message tells what is there, %s: %s", told, got.Message)
				}
			}
		})
	}
}

func TestWhatASecretInTheWayHoldsIsNotTold(t *testing.T) {
	intg := integration()
	contents := map[string]func(*corev1.Secret){
		"the client ID and no client secret": func(s *corev1.Secret) { delete(s.Data, "client_secret") },
		"another client ID":                  func(s *corev1.Secret) { s.Data["client_id"] = []byte("x") },
		"a weak client secret":               func(s *corev1.Secret) { s.Data["client_secret"] = []byte("password") },
		"nothing":                            func(s *corev1.Secret) { s.Data = nil },
	}
	for _, labelled := range []bool{true, false} {
		told := map[string][]string{}
		for name, edit := range contents {
			message := adopt(intg, migrated(edit, func(s *corev1.Secret) {
				if !labelled {
					delete(s.Labels, v1alpha1.LabelAdopt)
					s.Type, s.Immutable = corev1.SecretTypeBasicAuth, new(true)
				}
			})).Message
			told[message] = append(told[message], name)
		}
		if len(told) != 1 {
			t.Errorf("labelled %t: the messages differ: %v", labelled, told)
		}
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
	if got := adopt(intg, retained); got.Action != credentials.Refuse {
		t.Errorf("without the label that Retain puts on, want it refused, got %s", got.Action)
	}
	retained.Labels[v1alpha1.LabelAdopt] = intg.Name
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
	got := adopt(intg, migrated())
	if got.Reason != v1alpha1.ReasonSecretAdopted || string(got.Secret.Data["client_secret"]) != clientSecret ||
		got.Secret.Annotations[v1alpha1.AnnotationClientSecretKey] != "" {
		t.Errorf("a Secret with a client secret, which stays and counts for nothing: got %s: %s", got.Reason, got.Message)
	}
	if again := adopt(intg, got.Secret); again.Action != credentials.None {
		t.Errorf("a second pass: want nothing to do, got %s", again.Action)
	}

	retained := keyless(intg, func(s *corev1.Secret) { s.OwnerReferences, s.Labels[v1alpha1.LabelAdopt] = nil, intg.Name })
	got = adopt(intg, retained)
	if got.Reason != v1alpha1.ReasonSecretAdopted || got.Secret.Data["client_secret"] != nil {
		t.Errorf("what an Integration retained: got %s: %s", got.Reason, got.Message)
	}
}

func TestARetainedSecretWithATemplateIsTakenOver(t *testing.T) {
	intg := templated(map[string]string{"app.env": "{{ .ClientSecret }}"})
	retained := build(intg, nil, filled())
	retained.OwnerReferences, retained.Labels[v1alpha1.LabelAdopt] = nil, intg.Name
	retained.Data["by-hand"] = []byte("x")
	intg.Spec.Secret.Template.Data["app.env"] = "another {{ .ClientSecret }}"
	v := filled()
	v.AccessTokens["access_token"] = []byte("a new token")
	got := credentials.Decide(credentials.Input{Integration: intg, Existing: retained, SpecChanged: true, Values: v})
	if got.Reason != v1alpha1.ReasonSecretAdopted || got.Problem != nil {
		t.Fatalf("got %s %s, %v", got.Reason, got.Message, got.Problem)
	}
	data := text(got.Secret.Data)
	if data["app.env"] != "another "+clientSecret || data["access_token"] != "a new token" || data["by-hand"] != "x" {
		t.Errorf("got %v", data)
	}
	if got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys] != `["by-hand"]` {
		t.Errorf("adopted keys: %s", got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys])
	}
}

func TestReleased(t *testing.T) {
	intg := integration()
	v := values()
	v.KeepUntil = &namespaceOwner
	for name, existing := range map[string]*corev1.Secret{
		"adopted":  adopt(intg, migrated()).Secret,
		"retained": credentials.Decide(credentials.Input{Integration: intg, Existing: secret(intg), Values: v}).Secret,
	} {
		t.Run(name, func(t *testing.T) {
			existing.Annotations[v1alpha1.AnnotationRotation] = `{"rotatedAt":"2026-11-22T10:00:00Z"}`
			before := existing.DeepCopy()
			got := credentials.Released(existing, intg)
			if credentials.Owned(got, intg) || got.ResourceVersion != existing.ResourceVersion {
				t.Errorf("owners %v, version %s", got.OwnerReferences, got.ResourceVersion)
			}
			if diff := cmp.Diff(text(existing.Data), text(got.Data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			for _, annotation := range []string{v1alpha1.AnnotationRotation, v1alpha1.AnnotationClientSecretKey} {
				if value, found := got.Annotations[annotation]; found {
					t.Errorf("annotation %s: %s", annotation, value)
				}
			}
			if diff := cmp.Diff(before, existing); diff != "" {
				t.Errorf("Released changed its input:\n%s", diff)
			}
			if again := adopt(intg, got); again.Reason != v1alpha1.ReasonSecretAdopted {
				t.Errorf("taken back: got %s %s", again.Reason, again.Message)
			}
		})
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
		wantKept    []string
		wantValue   string
		wantReason  string
		wantProblem string
	}{
		{"An edited one.", func(s *corev1.Secret) { s.Data["settings.json"] = []byte("[]") }, intg, unchanged, "[]", "", ""},
		{
			"One that is deleted by hand is gone.", func(s *corev1.Secret) { delete(s.Data, "settings.json") }, intg,
			[]string{"CLIENT_SECRET", "empty"},
			"", v1alpha1.ReasonSecretRestored, "",
		},
		{
			"A new one goes, as from every Secret.", func(s *corev1.Secret) { s.Data["new"] = []byte("x") }, intg, unchanged, "{}",
			v1alpha1.ReasonSecretRestored, "",
		},
		{
			"The annotations are taken off by hand.", func(s *corev1.Secret) { s.Annotations = nil }, intg, unchanged, "{}",
			v1alpha1.ReasonSecretRestored, "",
		},
		{
			"The annotation is damaged by hand.", func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationAdoptedKeys] = "{" }, intg, unchanged,
			"{}", v1alpha1.ReasonSecretRestored, "",
		},
		{
			"A template for its key does not take its place.", nil, spec(func(s *v1alpha1.SecretSpec) {
				s.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"settings.json": "templated"}}
			}), unchanged, "{}", "", "spec.secret.template.data: settings.json",
		},
		{
			"Nor does one that cannot be rendered.", nil, spec(func(s *v1alpha1.SecretSpec) {
				s.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"settings.json": "{{ .Nothing }}"}}
			}), unchanged, "{}", "", "spec.secret.template.data: settings.json",
		},
		{
			"Nor does one when the annotation is damaged by hand.",
			func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationAdoptedKeys] = "{" }, spec(func(s *v1alpha1.SecretSpec) {
				s.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"settings.json": "templated"}}
			}), unchanged, "{}", v1alpha1.ReasonSecretRestored, "spec.secret.template.data: settings.json",
		},
		{
			"A renamed standard key comes before it.", nil, spec(func(s *v1alpha1.SecretSpec) { s.Keys.Type = "settings.json" }),
			[]string{"CLIENT_SECRET", "empty"},
			"oauth2", v1alpha1.ReasonSecretRestored, "",
		},
		{
			"An access token does not take its place, nor does one that is not there.", nil, spec(func(s *v1alpha1.SecretSpec) {
				s.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "settings.json"}}
			}), unchanged, "{}", "", "spec.secret.accessTokens: settings.json",
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
			if told := fmt.Sprint(got.Problem); (got.Problem != nil) != (tt.wantProblem != "") || !strings.Contains(told, tt.wantProblem) {
				t.Errorf("want problem %q, got %s", tt.wantProblem, told)
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

func TestAnAccessTokenNeverTakesAnAdoptedKey(t *testing.T) {
	intg := templated(nil)
	intg.Spec.Secret.Template = nil
	for _, key := range []string{"access_token", "access_token_expires_at"} {
		existing := migrated(func(s *corev1.Secret) { s.Data[key] = []byte("mine") })
		in := credentials.Input{Integration: intg, Existing: existing, SpecChanged: true, Values: filled()}
		got := credentials.Decide(in)
		data := text(got.Secret.Data)
		other := map[string]string{"access_token": "access_token_expires_at", "access_token_expires_at": "access_token"}[key]
		if _, found := data[other]; found || data[key] != "mine" || data["stock.token"] != "stock" {
			t.Errorf("%s: got %v", key, data)
		}
		if got.Problem == nil || !strings.Contains(got.Problem.Error(), "spec.secret.accessTokens: access_token") {
			t.Errorf("%s: want it told, got %v", key, got.Problem)
		}
		in.Existing = got.Secret
		if again := credentials.Decide(in); again.Action != credentials.None || again.Problem == nil {
			t.Errorf("%s: a second pass: got %s, %v", key, again.Action, again.Problem)
		}
	}
}

func TestATemplateOfAnAdoptedSecretOutlivesItsAnnotations(t *testing.T) {
	intg := templated(map[string]string{"app.env": "{{ .ClientID }}"})
	in := credentials.Input{Integration: intg, Existing: migrated(), Established: true, Values: filled()}
	adopted := credentials.Decide(in)
	if adopted.Problem != nil || string(adopted.Secret.Data["app.env"]) != "shop.order-sync" {
		t.Fatalf("got %v", adopted.Problem)
	}
	want := adopted.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys]
	in.Existing = adopted.Secret.DeepCopy()
	in.Existing.Annotations = nil
	got := credentials.Decide(in)
	if got.Problem != nil || got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys] != want {
		t.Errorf("want adopted keys %s, got %s and %v", want, got.Secret.Annotations[v1alpha1.AnnotationAdoptedKeys], got.Problem)
	}
}

func TestPartial(t *testing.T) {
	intg := integration()
	mark := func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationTrimmed] = "true" }
	trimmed := secret(intg, mark)
	for _, tt := range []struct {
		name   string
		secret *corev1.Secret
		want   bool
	}{
		{"Nobody controls it.", migrated(), true},
		{"What the operator made.", secret(intg), false},
		{"What it made, trimmed by the cache.", trimmed, true},
		{"What it took over.", adopt(intg, migrated()).Secret, false},
	} {
		if got := credentials.Partial(tt.secret); got != tt.want {
			t.Errorf("%s want %t, got %t", tt.name, tt.want, got)
		}
	}
	v := values()
	v.ClientSecret = []byte(clientSecret)
	if credentials.Partial(build(intg, trimmed, v)) {
		t.Error("the mark of the cache goes to the API server")
	}
}
