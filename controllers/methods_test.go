// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

const sealing = v1alpha1.KeyAlgorithmA256GCM

// withRefresh adds refresh tokens to what an Integration may have.
func withRefresh(i *v1alpha1.Integration) {
	i.Spec.GrantTypes = append(i.Spec.GrantTypes, v1alpha1.GrantTypeRefreshToken)
}

func opaque(i *v1alpha1.Integration) { i.Spec.Token.Format = v1alpha1.TokenFormatOpaque }

func withMethods(methods ...v1alpha1.CredentialMethod) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) {
		i.Spec.Credentials = v1alpha1.CredentialsSpec{Methods: methods}
		for _, method := range methods {
			if method == v1alpha1.CredentialMethodPrivateKeyJWT {
				i.Spec.Credentials.JWKSURI = "https://client.example/jwks.json"
			}
		}
	}
}

func TestTheClientSecretComesAndGoesWithItsMethod(t *testing.T) {
	w := newWorld(t)
	const secret, key = v1alpha1.CredentialMethodClientSecret, v1alpha1.CredentialMethodPrivateKeyJWT
	intg := w.readyIntegration(t, "moves", withMethods(key), shopScopes)
	without := w.secret(t, "moves")
	if _, found := without.Data["client_secret"]; found || len(without.Data["token_url"]) == 0 || len(without.Data["client_id"]) == 0 {
		t.Errorf("a client with a key of its own: got a Secret with keys %v", text(without.Data))
	}
	if name, found := without.Annotations[v1alpha1.AnnotationClientSecretKey]; found {
		t.Errorf("an annotation says that the client secret is at %q", name)
	}
	if message := readyMessage(intg); !strings.Contains(message, "with a key of its own") {
		t.Errorf("Ready says %q", message)
	}

	edit(t, intg, withMethods(key, secret))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	first := w.secret(t, "moves").Data["client_secret"]
	if len(first) < v1alpha1.MinClientSecretLength {
		t.Fatalf("the client secret has %d bytes", len(first))
	}
	edit(t, intg, withMethods(secret))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := w.secret(t, "moves").Data["client_secret"]; !bytes.Equal(got, first) {
		t.Error("taking away the other method changed the client secret")
	}

	edit(t, intg, withMethods(key))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if diff := cmp.Diff(text(without.Data), text(w.secret(t, "moves").Data)); diff != "" {
		t.Errorf("data without the method (-before +again):\n%s", diff)
	}
	edit(t, intg, withMethods(secret))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := w.secret(t, "moves").Data["client_secret"]; len(got) < v1alpha1.MinClientSecretLength || bytes.Equal(got, first) {
		t.Error("want a new client secret: the former one was taken away")
	}
	// None of this is drift, and nothing was lost.
	w.wantEvents(t, intg)
}

func TestTokensIssuedBeforeATimeToCome(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "stops")
	revokeBefore := func(at time.Time) func(*v1alpha1.Integration) {
		return func(i *v1alpha1.Integration) { i.Spec.RevokeTokensIssuedBefore = &metav1.Time{Time: at} }
	}
	edit(t, intg, revokeBefore(time.Now().Add(-time.Minute)))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	until := time.Now().Add(time.Hour).Truncate(time.Second)
	edit(t, intg, revokeBefore(until))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSuspended)
	if message := readyMessage(intg); !strings.Contains(message, "until "+until.UTC().Format(time.RFC3339)) {
		t.Errorf("Ready does not say until when: %q", message)
	}
	if result := w.reconcile(t, intg); result.RequeueAfter <= 0 || result.RequeueAfter > time.Hour {
		t.Errorf("looks again after %s, want to at %s", result.RequeueAfter, until)
	}
	// Soon, so that the time itself is what makes it ready again.
	edit(t, intg, revokeBefore(time.Now().Add(3*time.Second)))
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.wantEvents(t, intg, "Normal Suspended", "Normal Ready")
	if result := w.reconcile(t, intg); result.RequeueAfter != 0 {
		t.Errorf("looks again after %s, though nothing is to come", result.RequeueAfter)
	}
}

func TestTheSealingKeyIsMadeWhenTheFirstIntegrationNeedsIt(t *testing.T) {
	for name, edits := range map[string][]func(*v1alpha1.Integration){
		"opaque tokens": {opaque}, "refresh tokens": {withUsers(), withRefresh},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.readyIntegration(t, "signs")
			if states := w.keyStates(t, sealing); len(states) > 0 {
				t.Errorf("keys before anybody needs them: %v", states)
			}
			intg := w.readyIntegration(t, "seals", edits...)
			if diff := cmp.Diff(map[string]string{"signing-key-a256gcm-1": v1alpha1.KeyStateActive}, w.keyStates(t, sealing)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			secret := w.operatorSecret(t, "signing-key-a256gcm-1")
			if got, err := keyring.AlgorithmOf(secret.Data[v1alpha1.KeyPrivateKey]); err != nil || got != sealing || secret.Type != v1alpha1.SecretTypeSigningKey {
				t.Errorf("the Secret of type %s holds a key for %q: %v", secret.Type, got, err)
			}
			if diff := cmp.Diff([]string{"Normal SigningKeyCreated"}, w.recorder.of(secret)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			w.wantEvents(t, intg)
		})
	}
}

func TestOpaqueAndRefreshTokensAreGrantedOnceTheirKeyIsThere(t *testing.T) {
	w := newBareWorld(t, false)
	w.makeCertificates(t)
	w.makeKey(t, es256)
	clock := time.Now()
	w.keys.Now = func() time.Time { return clock }
	intg := w.readyIntegration(t, "seals", shopScopes)

	edit(t, intg, func(i *v1alpha1.Integration) {
		opaque(i)
		withUsers()(i)
		withRefresh(i)
		i.Spec.Scopes = []string{"orders.read"}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSigningKeyPending)
	got := intg.Status.Granted
	if got.TokenFormat != v1alpha1.TokenFormatJWT || got.RefreshLifetime != nil ||
		!cmp.Equal(got.GrantTypes, []v1alpha1.GrantType{v1alpha1.GrantTypePassword}) || !cmp.Equal(got.DefaultScopes, []string{"orders.read"}) {
		t.Errorf("granted meanwhile: want logins with JWTs, without refresh tokens, for the narrower scopes, got %+v", got)
	}
	if message := readyMessage(intg); message != "the key for A256GCM is being made" {
		t.Errorf("Ready says %q", message)
	}

	w.makeKey(t, sealing)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	got = intg.Status.Granted
	if got.TokenFormat != v1alpha1.TokenFormatOpaque || got.RefreshLifetime == nil || got.RefreshLifetime.Duration != 168*time.Hour ||
		!cmp.Equal(got.GrantTypes, []v1alpha1.GrantType{v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken}) {
		t.Errorf("granted with the key: %+v", got)
	}

	// The key stays as long as something that it protects may be valid, though nobody needs it for new tokens.
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Token.Format, i.Spec.GrantTypes = v1alpha1.TokenFormatJWT, []v1alpha1.GrantType{v1alpha1.GrantTypeClientCredentials}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	const one = "signing-key-a256gcm-1"
	for _, step := range []struct {
		name  string
		after time.Duration
		want  map[string]string
	}{
		{"It serves out its time.", 719 * time.Hour, map[string]string{one: v1alpha1.KeyStateActive}},
		{"It retires.", 2 * time.Hour, map[string]string{one: v1alpha1.KeyStateRetiring}},
		{"It stays for the last refresh token.", v1alpha1.MaxRefreshLifetime, map[string]string{one: v1alpha1.KeyStateRetiring}},
		{"It goes.", time.Hour, map[string]string{}},
	} {
		clock = clock.Add(step.after)
		w.makeKey(t, sealing)
		if diff := cmp.Diff(step.want, w.keyStates(t, sealing)); diff != "" {
			t.Errorf("%s Keys (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestALostSealingKeyIsRebuilt(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "seals", opaque)
	lost := w.operatorSecret(t, "signing-key-a256gcm-1")
	before := bytes.Clone(lost.Data[v1alpha1.KeyPrivateKey])
	if err := k8sClient.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	w.wantRebuilt(t, "signing-key-a256gcm-1", before)
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := intg.Status.Granted.TokenFormat; got != v1alpha1.TokenFormatOpaque {
		t.Errorf("token format: want opaque throughout, got %s", got)
	}
}
