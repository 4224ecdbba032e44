// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// kept says what becomes of the client secret.
type kept string

const (
	same      kept = "the same client secret"
	another   kept = "a new client secret"
	untouched kept = "nothing to write"
)

func TestDecide(t *testing.T) {
	intg := integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "shop"}
	})
	immutable := true
	otherCA := func(in *credentials.Input) { in.Values.CABundle = []byte("another") }
	noCA := func(in *credentials.Input) { in.Values.CABundle = nil }
	established := func(in *credentials.Input) { in.Established = true }
	specChanged := func(in *credentials.Input) { in.SpecChanged = true }
	former := func(edits ...func(*corev1.Secret)) func(*credentials.Input) {
		return func(in *credentials.Input) {
			in.Former = secret(intg, edits...)
			in.Former.Name = "former"
		}
	}
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	drop := func(key string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { delete(s.Data, key) }
	}
	const none, create, update, replace = credentials.None, credentials.Create, credentials.Update, credentials.Replace
	const restored, regenerated = v1alpha1.ReasonSecretRestored, v1alpha1.ReasonClientSecretRegenerated

	tests := []struct {
		name       string
		missing    bool
		hand       func(*corev1.Secret)
		input      func(*credentials.Input)
		wantAction credentials.Action
		wantReason string
		want       kept
	}{
		{name: "The Secret of a new Integration is created.", missing: true, wantAction: create, want: another},
		{
			name: "A Secret that was there is created anew, and clients are warned.", missing: true, input: established,
			wantAction: create, wantReason: regenerated, want: another,
		},
		{
			name:    "A Secret under a new name takes the client secret along.",
			missing: true, input: former(), wantAction: create, want: same,
		},
		{
			name:    "A Secret under a new name cannot take along what is lost, and clients are warned.",
			missing: true, input: func(in *credentials.Input) { former(drop("client_secret"))(in); established(in) },
			wantAction: create, wantReason: regenerated, want: another,
		},
		{
			name: "Under the new name, a client secret that is there comes before the former one.",
			hand: set("client_secret", clientSecret), input: former(set("client_secret", strings.Repeat("f", 43))), wantAction: none, want: untouched,
		},
		{
			name: "A lost client secret comes back from the Secret of the former name.", hand: drop("client_secret"), input: former(),
			wantAction: update, wantReason: restored, want: same,
		},
		{name: "A Secret that is as it should be is left alone.", wantAction: none, want: untouched},
		{name: "It is, whoever else labels it.", hand: func(s *corev1.Secret) { s.Labels["x"] = "y" }, wantAction: none, want: untouched},
		{name: "A lost value is put back.", hand: drop("scope"), wantAction: update, wantReason: restored, want: same},
		{name: "A lost URL is put back.", hand: drop("token_url"), wantAction: update, wantReason: restored, want: same},
		{name: "An edited value is put back.", hand: set("client_id", "me"), wantAction: update, wantReason: restored, want: same},
		{name: "A key too many goes.", hand: set("more", "x"), wantAction: update, wantReason: restored, want: same},
		{
			name: "A stripped label is put back.", hand: func(s *corev1.Secret) { delete(s.Labels, v1alpha1.LabelIntegration) },
			wantAction: update, wantReason: restored, want: same,
		},
		{
			name: "An edited label of spec is put back.", hand: func(s *corev1.Secret) { s.Labels["team"] = "stock" },
			wantAction: update, wantReason: restored, want: same,
		},
		{
			name: "Stripped annotations are put back.", hand: func(s *corev1.Secret) { s.Annotations = nil },
			wantAction: update, wantReason: restored, want: same,
		},
		{
			name: "An annotation that names the key of a public value is put back.",
			hand: func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationClientSecretKey] = "token_url" }, wantAction: update,
			wantReason: restored, want: same,
		},
		{name: "A lost client secret is made anew.", hand: drop("client_secret"), wantAction: update, wantReason: regenerated, want: another},
		{
			name: "It is, although spec changed at the same time.", hand: drop("client_secret"), input: specChanged,
			wantAction: update, wantReason: regenerated, want: another,
		},
		{
			name: "A difference after a change of spec is no drift.", hand: set("scope", "old"), input: specChanged,
			wantAction: update, want: same,
		},
		{name: "Another CA is no drift.", input: otherCA, wantAction: update, want: same},
		{name: "A CA that is needed from now on is no drift.", hand: drop("ca.crt"), wantAction: update, want: same},
		{name: "A CA that is needed no more is no drift.", input: noCA, wantAction: update, want: same},
		{name: "Another issuer is no drift.", hand: set("issuer", "https://old.example.com"), wantAction: update, want: same},
		{
			name: "An immutable Secret that is as it should be is left alone.", hand: func(s *corev1.Secret) { s.Immutable = &immutable },
			wantAction: none, want: untouched,
		},
		{
			name: "An immutable Secret is replaced when its data differ.",
			hand: func(s *corev1.Secret) { s.Immutable, s.Data["scope"] = &immutable, []byte("x") }, wantAction: replace,
			wantReason: restored, want: same,
		},
		{
			name: "An immutable Secret is updated when only its metadata differ.",
			hand: func(s *corev1.Secret) { s.Immutable, s.Labels["team"] = &immutable, "stock" }, wantAction: update,
			wantReason: restored, want: same,
		},
		{
			name: "A Secret of another type keeps it, as it was taken over.", hand: func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque },
			wantAction: update, wantReason: restored, want: same,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := credentials.Input{Integration: intg, Values: values()}
			if !tt.missing {
				in.Established = true
				in.Existing = secret(intg)
				if tt.hand != nil {
					tt.hand(in.Existing)
				}
			}
			if tt.input != nil {
				tt.input(&in)
			}
			got := credentials.Decide(in)
			if got.Action != tt.wantAction || got.Reason != tt.wantReason {
				t.Errorf("want %s with reason %q, got %s with reason %q", tt.wantAction, tt.wantReason, got.Action, got.Reason)
			}
			if wantWarn := tt.wantReason == regenerated; got.Warn != wantWarn {
				t.Errorf("warn: want %t, got %t", wantWarn, got.Warn)
			}
			if got.Action == replace && (got.Secret.ResourceVersion != "" || got.Secret.UID != "" || got.Secret.Immutable != nil) {
				t.Error("the Secret that replaces another one carries its identity")
			}
			checkSecret(t, in, got, tt.want)
		})
	}
}

// checkSecret asserts what holds of every Secret that Decide wants: it is complete, nothing is to be done to it, and no message holds
// any of its values.
func checkSecret(t *testing.T, in credentials.Input, got credentials.Decision, want kept) {
	t.Helper()
	value := got.Secret.Data["client_secret"]
	if isSame := bytes.Equal(value, []byte(clientSecret)); isSame != (want != another) || len(value) < v1alpha1.MinClientSecretLength {
		t.Errorf("want %s, got %d bytes (the same: %t)", want, len(value), isSame)
	}
	for key, value := range got.Secret.Data {
		if len(value) > len("oauth2") && key != "provider" && strings.Contains(got.Message, string(value)) {
			t.Errorf("the message holds the value of %s: %s", key, got.Message)
		}
	}
	if (got.Reason == "") != (got.Message == "") {
		t.Errorf("reason %q with message %q", got.Reason, got.Message)
	}
	again := credentials.Decide(credentials.Input{Integration: in.Integration, Existing: got.Secret, Values: in.Values})
	if again.Action != credentials.None || again.Reason != "" {
		t.Errorf("a second pass: want nothing to do, got %s %s", again.Action, again.Reason)
	}
}

func TestDecideRefusesWhatIsNotTheIntegrationsOwn(t *testing.T) {
	intg := integration()
	otherIntegration := integration(func(i *v1alpha1.Integration) { i.Name, i.UID = "another", "uid-of-another" })
	for name, edit := range map[string]func(*corev1.Secret){
		"a Secret with our label and no owner": func(s *corev1.Secret) {
			s.OwnerReferences, s.Data["client_id"] = nil, []byte("another")
		},
		"a Secret without label and owner":      func(s *corev1.Secret) { s.Labels, s.OwnerReferences = nil, nil },
		"a Secret of another Integration":       func(s *corev1.Secret) { s.OwnerReferences[0] = credentials.OwnerReference(otherIntegration) },
		"a Secret of another, without the keys": func(s *corev1.Secret) { s.OwnerReferences, s.Data = nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			existing := secret(intg, edit)
			got := credentials.Decide(credentials.Input{Integration: intg, Existing: existing, Established: true, Values: values()})
			if got.Action != credentials.Refuse || got.Reason != v1alpha1.ReasonSecretConflict || got.Secret != nil {
				t.Errorf("want to refuse, got %s with reason %s", got.Action, got.Reason)
			}
			if !strings.Contains(got.Message, "shop/order-sync") || !strings.Contains(got.Message, "spec.secret.name") {
				t.Errorf("the message does not say what to do: %s", got.Message)
			}
		})
	}
}

func TestDecideWaitsForTheGarbageCollector(t *testing.T) {
	intg := integration()
	existing := secret(intg, func(s *corev1.Secret) { s.OwnerReferences[0].UID = "uid-of-a-former-life" })
	got := credentials.Decide(credentials.Input{Integration: intg, Existing: existing, Values: values()})
	if got.Action != credentials.Wait || got.Reason != v1alpha1.ReasonSecretPending || !strings.Contains(got.Message, "shop/order-sync") {
		t.Errorf("want to wait, got %+v", got)
	}
}

func TestReplacementKeepsWhatOthersPutOnTheSecret(t *testing.T) {
	intg := integration()
	immutable := true
	existing := secret(intg, func(s *corev1.Secret) {
		s.UID, s.ResourceVersion, s.Immutable = "uid-of-the-secret", "42", &immutable
		s.Labels["team"] = "shop"
		delete(s.Data, "scope")
	})
	got := credentials.Decide(credentials.Input{Integration: intg, Existing: existing, Established: true, Values: values()})
	if got.Action != credentials.Replace {
		t.Fatalf("want to replace, got %s", got.Action)
	}
	if s := got.Secret; s.Labels["team"] != "shop" || s.UID != "" || s.ResourceVersion != "" || s.Immutable != nil {
		t.Errorf("the replacement is %+v", s.ObjectMeta)
	}
}

func TestNobodyIsSentToDeleteASecretInUse(t *testing.T) {
	intg := integration()
	other := integration(func(i *v1alpha1.Integration) { i.Name, i.UID = "another", "uid-of-another" })
	for name, tt := range map[string]struct {
		owners []metav1.OwnerReference
		want   string
		delete bool
	}{
		"nobody's":              {nil, "if nobody needs it", true},
		"another Integration's": {[]metav1.OwnerReference{credentials.OwnerReference(other)}, "it belongs to another object, of kind Integration: choose another spec.secret.name", false},
	} {
		t.Run(name, func(t *testing.T) {
			existing := secret(intg, func(s *corev1.Secret) { s.OwnerReferences, s.Data["client_id"] = tt.owners, nil })
			got := credentials.Decide(credentials.Input{Integration: intg, Existing: existing, Values: values()})
			if got.Action != credentials.Refuse || !strings.Contains(got.Message, tt.want) || strings.Contains(got.Message, "delete") != tt.delete {
				t.Errorf("got %s: %s", got.Action, got.Message)
			}
		})
	}
}
