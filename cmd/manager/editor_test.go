// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// What the Secrets hold that the editor may not read.
const (
	databaseSecret   = "kT7vQp2xNf9sLw4ZbR8mHc3JyD6gVaE1"
	databasePassword = "a-password-of-somebody-else"
)

// A fenced namespace has an editor of Integrations, who may do nothing else, Secrets that are none of their business, and a policy.
type fenced struct {
	t         *testing.T
	namespace string
	editor    client.Client
	at        *endpoint
	// victim and claimant are of another namespace; the latter claims the client ID that it has.
	victim, claimant *v1alpha1.Integration
}

// newFenced starts a manager and prepares the namespace, and victims in another one.
func newFenced(t *testing.T) *fenced {
	t.Helper()
	r := startOnly(t)
	r.mayFail = true // A client ID that belongs to another is logged as an error.
	f := &fenced{t: t}
	f.victim = orderSync(newNamespace(t))
	apply(t, f.victim)
	f.claimant = orderSync(f.victim.Namespace)
	f.claimant.Name, f.claimant.Spec.ClientID = "legacy", "legacy-"+f.victim.Namespace
	apply(t, f.claimant)
	allow, own := everything(), []v1alpha1.Pattern{"https://own.example"}
	allow.GrantTypes = append(allow.GrantTypes, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken)
	allow.CredentialMethods = append(allow.CredentialMethods, v1alpha1.CredentialMethodNone, v1alpha1.CredentialMethodPrivateKeyJWT)
	allow.Scopes, allow.Audiences, allow.ResourceServerAudiences = []v1alpha1.Pattern{"own.*"}, own, own
	allow.ClientIDs = []v1alpha1.Pattern{"legacy-*"}
	allow.MaxTokenLifetime, allow.MaxRefreshLifetime = &metav1.Duration{Duration: time.Hour}, &metav1.Duration{Duration: 336 * time.Hour}
	f.namespace, _ = newOwnNamespace(t, allow)

	user, err := plane.AddUser(envtest.User{Name: "editor-" + f.namespace, Groups: []string{"system:authenticated"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.editor, err = client.New(user.Config(), client.Options{Scheme: admin.Scheme()}); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "editor"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "integration-editor"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "editor-" + f.namespace}},
		},
		f.secret("database", corev1.SecretTypeOpaque, "", "client_id", "x", "client_secret", databaseSecret),
		f.secret("database-login", corev1.SecretTypeBasicAuth, "", "username", "root", "password", databasePassword),
		f.secret("my-login", corev1.SecretTypeBasicAuth, "attempt", "username", "anna", "password", databasePassword),
		f.secret("mine", corev1.SecretTypeOpaque, "attempt", "client_id", "x", "client_secret", databaseSecret),
		f.secret("for-another", corev1.SecretTypeOpaque, "another", "client_id", f.namespace+".attempt", "client_secret", databaseSecret),
	} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	neighbour := orderSync(f.namespace)
	neighbour.Name, neighbour.Spec.Audiences, neighbour.Spec.Scopes = "neighbour", []string{"https://own.example"}, []string{"own.read"}
	apply(t, neighbour)
	f.at = endpointAt(t, f.victim, r.issuer, "")
	return f
}

// secret returns a Secret that consents to one Integration, or to none.
func (f *fenced) secret(name string, kind corev1.SecretType, integration string, data ...string) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name}, Type: kind, StringData: map[string]string{},
	}
	if integration != "" {
		secret.Labels = map[string]string{v1alpha1.LabelIntegration: integration}
	}
	for i := 0; i+1 < len(data); i += 2 {
		secret.StringData[data[i]] = data[i+1]
	}
	return secret
}

// attempt applies, as the editor, an Integration that asks for something, and waits until the operator has said what it makes of it.
func (f *fenced) attempt(t *testing.T, edit func(*v1alpha1.IntegrationSpec)) *v1alpha1.Integration {
	t.Helper()
	intg := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "attempt"}, Spec: v1alpha1.IntegrationSpec{
		Audiences: []string{"https://own.example"}, Scopes: []string{"own.read"},
	}}
	edit(&intg.Spec)
	if err := f.editor.Create(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(f.editor.Get(t.Context(), client.ObjectKeyFromObject(intg), intg)).To(Succeed())
		ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		pending := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReconciling)
		g.Expect(ready.Status == metav1.ConditionTrue || meta.IsStatusConditionTrue(intg.Status.Conditions, v1alpha1.ConditionStalled) ||
			pending.Reason == v1alpha1.ReasonSecretNotFound).To(BeTrue(), "%+v", intg.Status.Conditions)
	}, patience, poll).Should(Succeed())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := client.IgnoreNotFound(f.editor.Delete(ctx, intg)); err != nil {
			t.Error(err)
		}
		f.collect(ctx, intg)
	})
	return intg
}

// collect takes the Secret of an Integration that is gone, as there is no garbage collector here.
func (f *fenced) collect(ctx context.Context, intg *v1alpha1.Integration) {
	f.t.Helper()
	secret := &corev1.Secret{}
	err := admin.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: intg.SecretName()}, secret)
	if err == nil && metav1.IsControlledBy(secret, intg) {
		err = admin.Delete(ctx, secret)
	}
	if client.IgnoreNotFound(err) != nil {
		f.t.Error(err)
	}
}

// as returns the token endpoint for somebody who presents an ID and a secret.
func (f *fenced) as(id, secret string) *endpoint {
	return &endpoint{hc: f.at.hc, issuer: f.at.issuer, data: map[string][]byte{"client_id": []byte(id), "client_secret": []byte(secret)}}
}

// refused checks that a request gets nothing.
func (f *fenced) refused(t *testing.T, at *endpoint, wantError string, form ...string) {
	t.Helper()
	r, err := at.post(t.Context(), v1alpha1.PathToken, form...)
	if err != nil || r.status == http.StatusOK || r.Error != wantError {
		t.Errorf("want %s, got %d %s, %v", wantError, r.status, r.Error, err)
	}
}

// own returns what the Secret of the editor's Integration holds, as a Pod would read it.
func (f *fenced) own(t *testing.T, intg *v1alpha1.Integration) map[string]string {
	t.Helper()
	secret := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: intg.SecretName()}, secret); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for key, value := range secret.Data {
		held[key] = string(value)
	}
	return held
}

// untouched checks that a Secret is as it was.
func (f *fenced) untouched(t *testing.T, name string, before *corev1.Secret) {
	t.Helper()
	now := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, now); err != nil {
		t.Fatal(err)
	}
	if before.ResourceVersion != now.ResourceVersion {
		t.Errorf("Secret %s was written", name)
	}
}

// secretOf reads a Secret as admin.
func (f *fenced) secretOf(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestAnEditorOfIntegrationsGetsNoFurther(t *testing.T) {
	f := newFenced(t)
	ownID := f.namespace + ".attempt"
	t.Run("by the API alone", f.testAPI)
	t.Run("a Secret without consent as the client secret", func(t *testing.T) {
		intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "database"}
			s.Secret.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"copy": "x{{ .ClientSecret }}"}}
		})
		for key, value := range f.own(t, intg) {
			if strings.Contains(value, databaseSecret) {
				t.Errorf("the generated Secret holds it under %s", key)
			}
		}
		f.refused(t, f.as(ownID, databaseSecret), "invalid_client", "grant_type", "client_credentials")
	})
	t.Run("the consent to another Integration", func(t *testing.T) {
		intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "for-another"}
		})
		for key, value := range f.own(t, intg) {
			if strings.Contains(value, databaseSecret) {
				t.Errorf("the generated Secret holds it under %s", key)
			}
		}
	})
	t.Run("a neighbour's generated Secret as the client secret", func(t *testing.T) {
		theirs := string(f.secretOf(t, "neighbour").Data["client_secret"])
		intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "neighbour"}
		})
		for key, value := range f.own(t, intg) {
			if strings.Contains(value, theirs) {
				t.Errorf("the generated Secret holds it under %s", key)
			}
		}
		f.refused(t, f.as(ownID, theirs), "invalid_client", "grant_type", "client_credentials")
	})
	t.Run("a login without consent", func(t *testing.T) {
		intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.GrantTypes = []v1alpha1.GrantType{v1alpha1.GrantTypePassword}
			s.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}
			s.Users = []v1alpha1.User{{SecretRef: v1alpha1.SecretReference{Name: "database-login"}}}
		})
		if intg.Status.ClientID != ownID {
			t.Fatalf("client ID %q", intg.Status.ClientID)
		}
		public := f.as(ownID, "")
		if !within(patience, func() bool { // Until the replica knows the client.
			r, err := public.post(t.Context(), v1alpha1.PathToken, "grant_type", "password", "username", "nobody", "password", "x")
			return err == nil && r.Error == "invalid_grant"
		}) {
			t.Error("the public client never comes")
		}
		f.refused(t, public, "invalid_grant", "grant_type", "password", "username", "root", "password", databasePassword)
	})
	t.Run("a login that may be used, as a Secret to take over", func(t *testing.T) {
		before := f.secretOf(t, "my-login")
		f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.Secret.Name, s.Secret.Keys = "my-login", v1alpha1.SecretKeys{ClientID: "username", ClientSecret: "password"}
			s.Credentials.Methods, s.GrantTypes = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}, []v1alpha1.GrantType{v1alpha1.GrantTypePassword}
			s.Secret.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"passwordHash": "x"}}
		})
		f.untouched(t, "my-login", before)
	})
	t.Run("a template that fails on what it is given", f.testTemplates)
	t.Run("every field at once", f.testEveryField)
	for _, name := range []string{"database", "for-another", "neighbour"} {
		t.Run("taking over Secret "+name, func(t *testing.T) {
			before := f.secretOf(t, name)
			intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) { s.Secret.Name = name })
			if ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != v1alpha1.ReasonSecretConflict {
				t.Errorf("reason %s, want %s", ready.Reason, v1alpha1.ReasonSecretConflict)
			}
			f.untouched(t, name, before)
		})
	}
	t.Run("another namespace's client", f.testClientIDs)
	t.Run("what no policy allows", f.testPolicy)
	f.testNothingIsTold(t)
}

// testAPI tries what needs no Integration.
func (f *fenced) testAPI(t *testing.T) {
	ctx := t.Context()
	intg := f.attempt(t, func(*v1alpha1.IntegrationSpec) {})
	status := intg.DeepCopy()
	status.Status.Granted.Access = []v1alpha1.Access{{Audience: "https://other.example", Scopes: []string{"admin"}}}
	labelled := intg.DeepCopy()
	labelled.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{v1alpha1.LabelIntegration: "neighbour"}
	policy := &v1alpha1.IntegrationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "mine-" + f.namespace}}
	for name, err := range map[string]error{
		"read a Secret":          f.editor.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: "database"}, &corev1.Secret{}),
		"list Secrets":           f.editor.List(ctx, &corev1.SecretList{}, client.InNamespace(f.namespace)),
		"write the status":       f.editor.Status().Update(ctx, status),
		"make a policy":          f.editor.Create(ctx, policy),
		"act in another":         f.editor.Get(ctx, client.ObjectKeyFromObject(f.victim), &v1alpha1.Integration{}),
		"start a session":        f.editor.Create(ctx, &v1alpha1.TokenSession{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "mine"}}),
		"edit a generated one's": f.editor.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "neighbour"}}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: want Forbidden, got %v", name, err)
		}
	}
	if err := f.editor.Update(ctx, labelled); !apierrors.IsInvalid(err) {
		t.Errorf("a label of the operator's own: want Invalid, got %v", err)
	}
}

// testTemplates tries to have a client secret told that may be used and not be read: by what a template fails on, and by whether it fails.
func (f *fenced) testTemplates(t *testing.T) {
	said := map[string]string{}
	for _, text := range []string{
		`{{ eq (split "=" "x") (split "=" (base64 .ClientSecret)) }}`,
		`{{ .ClientSecret.Nothing }}`,
		`{{ index .ClientSecret 1000 }}`,
		`{{ indent (len .ClientSecret) "x" }}`,
		`{{ accessToken .ClientSecret }}`,
		`{{ if eq (replace "k" "" .ClientSecret) .ClientSecret }}{{ indent 99 "" }}{{ end }}`,
		`{{ if eq (replace "0" "" .ClientSecret) .ClientSecret }}{{ indent 99 "" }}{{ end }}`,
	} {
		intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
			s.Credentials.ClientSecretRef = &v1alpha1.SecretReference{Name: "mine"}
			s.Secret.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{"copy": v1alpha1.TemplateText(text)}}
		})
		ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady)
		said[text] = ready.Message
		f.notTold(t, intg)
		if err := f.editor.Delete(t.Context(), intg); err != nil {
			t.Fatal(err)
		}
		f.collect(t.Context(), intg)
	}
	if with, without := said[`{{ if eq (replace "k" "" .ClientSecret) .ClientSecret }}{{ indent 99 "" }}{{ end }}`],
		said[`{{ if eq (replace "0" "" .ClientSecret) .ClientSecret }}{{ indent 99 "" }}{{ end }}`]; with != without {
		t.Errorf("whether a template fails tells what the client secret holds:\n%s\n%s", with, without)
	}
}

// testClientIDs tries to be a victim: by the ID that one derives, and by the ID that one has because it claimed it first.
func (f *fenced) testClientIDs(t *testing.T) {
	for _, tt := range []struct{ name, id, wantReason string }{
		{"the derived one", f.victim.Status.ClientID, v1alpha1.ReasonClientIDConflict},
		{"a claimed one", f.claimant.Status.ClientID, v1alpha1.ReasonClientIDConflict},
		{"one that no policy allows", "free-" + f.namespace, v1alpha1.ReasonNotPermitted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) { s.ClientID = tt.id })
			if ready := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != tt.wantReason {
				t.Errorf("reason %s, want %s: %s", ready.Reason, tt.wantReason, ready.Message)
			}
			if intg.Status.ClientID != "" {
				t.Errorf("the Integration owns client ID %s", intg.Status.ClientID)
			}
			if secret := f.own(t, intg)["client_secret"]; secret != "" {
				f.refused(t, f.as(tt.id, secret), "invalid_client", "grant_type", "client_credentials")
			}
		})
	}
	for _, victim := range []*v1alpha1.Integration{f.victim, f.claimant} {
		at := endpointAt(t, victim, f.at.issuer, "")
		if r, err := at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials"); err != nil || r.status != http.StatusOK {
			t.Errorf("the victim %s: %d %s, %v", victim.Name, r.status, r.body, err)
		}
	}
}

// testPolicy asks for more than the policy allows, by every field that gives something.
func (f *fenced) testPolicy(t *testing.T) {
	const audience, scope = "https://orders.shop.example", "orders.write"
	intg := f.attempt(t, func(s *v1alpha1.IntegrationSpec) {
		s.Audiences, s.Scopes = append(s.Audiences, audience), append(s.Scopes, scope)
		s.DefaultScopes = &[]string{scope}
		s.Token.Lifetime, s.Token.RefreshLifetime = &metav1.Duration{Duration: 24 * time.Hour}, &metav1.Duration{Duration: 2160 * time.Hour}
		s.GrantTypes = []v1alpha1.GrantType{
			v1alpha1.GrantTypeClientCredentials, v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken,
		}
		s.ResourceServer = &v1alpha1.ResourceServer{Audiences: []string{audience}}
		s.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "wide", Scopes: &[]string{scope}}, {Key: "far", Audience: audience}}
	})
	permitted := meta.FindStatusCondition(intg.Status.Conditions, v1alpha1.ConditionPermitted)
	if permitted == nil || permitted.Status != metav1.ConditionFalse {
		t.Fatalf("Permitted is %+v", permitted)
	}
	for _, want := range []string{audience, scope, "24h", "2160h"} {
		if !strings.Contains(permitted.Message, want) {
			t.Errorf("the condition does not tell of %s: %s", want, permitted.Message)
		}
	}
	held := f.own(t, intg)
	if held["wide"] != "" || held["far"] != "" {
		t.Error("a token was delivered that no policy allows")
	}
	at := f.as(intg.Status.ClientID, held["client_secret"])
	var got reply
	if !within(patience, func() bool {
		var err error
		got, err = at.post(t.Context(), v1alpha1.PathToken, "grant_type", "client_credentials", "scope", "own.read")
		return err == nil && got.status == http.StatusOK
	}) {
		t.Fatalf("what is allowed does not work: %d %s", got.status, got.body)
	}
	f.refused(t, at, "invalid_scope", "grant_type", "client_credentials", "scope", scope)
	f.refused(t, at, "invalid_target", "grant_type", "client_credentials", "resource", audience)
	claims := verifiedClaims(t, f.at.hc, f.at.issuer, "https://own.example", got.AccessToken)
	if lifetime, _ := claims["exp"].(float64); time.Duration(lifetime-claims["iat"].(float64))*time.Second != time.Hour {
		t.Errorf("the token lives from %v to %v, want an hour", claims["iat"], claims["exp"])
	}
	// Nor does the API of that name learn about the victim's tokens.
	theirs := f.at.mustPost(t, http.StatusOK, v1alpha1.PathToken, "grant_type", "client_credentials").AccessToken
	if active, err := at.active(t.Context(), theirs); err != nil || active {
		t.Errorf("introspection of the victim's token: %t, %v", active, err)
	}
}

// testNothingIsTold checks all that is there at the end.
func (f *fenced) testNothingIsTold(t *testing.T) {
	t.Helper()
	integrations := &v1alpha1.IntegrationList{}
	if err := f.editor.List(t.Context(), integrations, client.InNamespace(f.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range integrations.Items {
		f.notTold(t, &integrations.Items[i])
	}
}

// notTold checks that nothing that the editor may read of an Integration says what they may not know, plain or in base64.
func (f *fenced) notTold(t *testing.T, intg *v1alpha1.Integration) {
	t.Helper()
	secrets := &corev1.SecretList{}
	if err := admin.List(t.Context(), secrets, client.InNamespace(f.namespace)); err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(intg)
	if err != nil {
		t.Fatal(err)
	}
	text := string(told)
	for _, e := range eventsAbout(t, intg) {
		text += e.Note
	}
	public := []string{
		"client_id", "token_url", "issuer", "scope", "audience", "type", "provider", "username", "ca.crt", "ca_certificate", "stock_token_expires_at",
	}
	for i := range secrets.Items {
		for key, value := range secrets.Items[i].Data {
			encoded := strings.TrimRight(base64.StdEncoding.EncodeToString(value), "=")
			if !slices.Contains(public, strings.ToLower(key)) && (strings.Contains(text, string(value)) || strings.Contains(text, encoded)) {
				t.Errorf("what is under %s in Secret %s was told", key, secrets.Items[i].Name)
			}
		}
	}
}
