// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/internal/testplane"
)

func templateOf(data map[string]v1alpha1.TemplateText) func(*v1alpha1.Integration) {
	return func(i *v1alpha1.Integration) { i.Spec.Secret.Template = &v1alpha1.SecretTemplate{Data: data} }
}

func TestATemplateFollowsSpec(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "templated", shopScopes, templateOf(map[string]v1alpha1.TemplateText{
		"app.env": "ID={{ .ClientID }}\nSECRET={{ .ClientSecret }}\n", "password": "{{ .ClientSecret }}",
	}))
	if diff := cmp.Diff([]string{"create secrets/", "patch integrations/status"}, w.writes(t)); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	secret := w.secret(t, "templated")
	value := string(secret.Data["client_secret"])
	if want := "ID=" + w.namespace + ".templated\nSECRET=" + value + "\n"; string(secret.Data["app.env"]) != want || string(secret.Data["password"]) != value {
		t.Errorf("got keys %d and %d bytes long", len(secret.Data["app.env"]), len(secret.Data["password"]))
	}

	secret = w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Template.Data["app.env"] = "{{ .Scope }}" })
	if string(secret.Data["app.env"]) != "orders.read orders.write" && string(secret.Data["app.env"]) != string(secret.Data["scope"]) {
		t.Errorf("another template: got %q", secret.Data["app.env"])
	}
	edit(t, secret, func(s *corev1.Secret) { s.Data["app.env"] = []byte("by hand") })
	NewWithT(t).Eventually(func() string { return string(w.secret(t, "templated").Data["app.env"]) }, deadline, poll).ShouldNot(Equal("by hand"))

	secret = w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Template = nil })
	if secret.Data["app.env"] != nil || string(secret.Data["client_secret"]) != value {
		t.Error("want the key gone and the client secret the same")
	}
	w.wantEvents(t, intg)
}

func TestATemplateThatCannotBeRenderedStopsNothingElse(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "broken", shopScopes, templateOf(map[string]v1alpha1.TemplateText{"app.env": "good {{ .ClientID }}"}))
	before := text(w.secret(t, "broken").Data)
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Secret.Template.Data["app.env"] = "{{ .Nothing }}"
		i.Spec.Secret.Template.Data["other"] = "{{ .Issuer }}"
		i.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": "shop"}
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTemplateInvalid)
	for _, conditionType := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionCredentialsReady} {
		got := meta.FindStatusCondition(intg.Status.Conditions, conditionType)
		if got.Reason != v1alpha1.ReasonTemplateInvalid || !strings.Contains(got.Message, "spec.secret.template.data: app.env") {
			t.Errorf("%s: got %s: %s", conditionType, got.Reason, got.Message)
		}
	}
	secret := w.secret(t, "broken")
	want := before
	want["other"] = issuer
	if diff := cmp.Diff(want, text(secret.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if secret.Labels["team"] != "shop" || intg.Status.Granted == nil || intg.Status.ClientID == "" {
		t.Error("the rest waits for the template")
	}
	w.change(t, intg, func(s *v1alpha1.SecretSpec) { s.Template.Data["app.env"] = "{{ .Issuer }}" })
	w.wantEvents(t, intg, "Warning TemplateInvalid", "Normal Ready")
}

func TestAConditionTellsNothingOfTheClientSecret(t *testing.T) {
	w := newWorld(t)
	w.bring(t, "theirs", "", broughtFirst)
	intg := w.integration(t, "quiet", brings("theirs"), templateOf(map[string]v1alpha1.TemplateText{
		"compared": `{{ eq (split "=" "x") (split "=" (base64 .ClientSecret)) }}`,
		"indented": `{{ indent (base64 .ClientSecret) "x" }}`,
	}))
	w.waitFor(t, intg, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonTemplateInvalid)
	encoded := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(broughtFirst)), "=")
	if told := fmt.Sprint(intg.Status, w.recorder.all(), w.logs.String()); strings.Contains(told, encoded) || strings.Contains(told, broughtFirst) {
		t.Error("the client secret is in a status, an event or a log")
	}
}

func TestWhetherATemplateFailsTellsNothingOfTheClientSecret(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "oracle")
	initial := clientSecretIn(w.secret(t, "oracle"))[:1]
	for _, guess := range []string{initial, "~"} {
		secret := w.change(t, intg, func(s *v1alpha1.SecretSpec) {
			s.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{
				"out": v1alpha1.TemplateText(`{{ $s := replace "@" .ClientSecret "|@" }}{{ if ne (replace "|` + guess + `" "" $s) $s }}{{ indent 99 "" }}{{ end }}x`),
			}}
		})
		if _, found := secret.Data["out"]; found != (guess == "~") {
			t.Errorf("guess %q: the key is there: %t", guess, found)
		}
	}
	w.wantEvents(t, intg)
}

func TestATemplateBecomesNoClientSecret(t *testing.T) {
	w := newWorld(t)
	const chosen = "Chosen-by-the-editor_0123456789-Chosen-by"
	intg := w.readyIntegration(t, "chosen", func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodPrivateKeyJWT}
		i.Spec.Credentials.JWKS = &v1alpha1.JSONWebKeySet{Keys: []v1alpha1.JSONWebKey{
			{KeyType: "OKP", Curve: "Ed25519", X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		}}
	}, templateOf(map[string]v1alpha1.TemplateText{"foo": chosen}))
	edit(t, intg, func(i *v1alpha1.Integration) {
		i.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodClientSecret}
		i.Spec.Credentials.JWKS, i.Spec.Secret.Template, i.Spec.Secret.Keys.ClientSecret = nil, nil, "foo"
	})
	w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	if got := clientSecretIn(w.secret(t, "chosen")); got == chosen || len(got) != 43 {
		t.Errorf("the client secret is what the editor wrote into a template: %t, of %d characters", got == chosen, len(got))
	}
}

func TestTheSecretIsABinding(t *testing.T) {
	w := newWorld(t)
	intg := w.readyIntegration(t, "bound", func(i *v1alpha1.Integration) { i.Spec.Secret.Name = "binding" })
	if intg.Status.Binding == nil || intg.Status.Binding.Name != "binding" {
		t.Errorf("status.binding: %+v", intg.Status.Binding)
	}
	data := w.secret(t, "binding").Data
	if string(data["type"]) != "oauth2" || string(data["provider"]) != "integration-operator" {
		t.Errorf("type %q and provider %q", data["type"], data["provider"])
	}
}

// example applies the Integrations of an example to the world's namespace and returns their Secrets by name.
func (w *world) example(t *testing.T, file string) map[string]*corev1.Secret {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(testplane.RepositoryRoot(), "docs", "examples", file))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*corev1.Secret{}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		intg := &v1alpha1.Integration{}
		if err := yaml.UnmarshalStrict(document, intg); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		intg.Namespace, intg.Spec.Restart = w.namespace, nil // What rolls workloads has its own tests.
		if err := k8sClient.Create(t.Context(), intg); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		w.waitFor(t, intg, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		found[intg.Name] = w.secret(t, intg.SecretName())
	}
}

func TestTheSpringBootExample(t *testing.T) {
	w := newWorld(t)
	secret := w.example(t, "spring-boot.yaml")["order-sync-spring"]
	var got struct {
		Spring struct {
			Security struct {
				OAuth2 struct {
					Client struct {
						Registration map[string]map[string]any `json:"registration"`
						Provider     map[string]map[string]any `json:"provider"`
					} `json:"client"`
				} `json:"oauth2"`
			} `json:"security"`
			SSL struct {
				Bundle struct {
					PEM map[string]map[string]map[string]string `json:"pem"`
				} `json:"bundle"`
			} `json:"ssl"`
		} `json:"spring"`
	}
	if err := yaml.UnmarshalStrict(secret.Data["application-oauth2.yaml"], &got); err != nil {
		t.Fatalf("application-oauth2.yaml: %v", err)
	}
	wantRegistration := map[string]any{
		"provider": "integration-operator", "authorization-grant-type": "client_credentials", "client-authentication-method": "client_secret_basic",
		"client-id": w.namespace + ".order-sync-spring", "client-secret": string(secret.Data["client-secret"]),
		"scope": []any{"orders.read", "orders.write"},
	}
	client := got.Spring.Security.OAuth2.Client
	if diff := cmp.Diff(wantRegistration, client.Registration["orders"]); diff != "" {
		t.Errorf("registration (-want +got):\n%s", diff)
	}
	if client.Provider["integration-operator"]["token-uri"] != issuer+"/oauth2/token" {
		t.Errorf("provider: got %v", client.Provider)
	}
	certificate := got.Spring.SSL.Bundle.PEM["token-server"]["truststore"]["certificate"]
	if strings.TrimSpace(certificate) != strings.TrimSpace(string(secret.Data["ca.crt"])) || certificate == "" {
		t.Errorf("certificate: got %q", certificate)
	}
}

func TestTheFluxExample(t *testing.T) {
	w := newWorld(t)
	secrets := w.example(t, "flux.yaml")
	variable := regexp.MustCompile(`^[_A-Za-z][_A-Za-z0-9]*$`)
	for key := range secrets["order-sync-flux"].Data {
		if !variable.MatchString(key) {
			t.Errorf("%s is no name of a variable", key)
		}
	}
	if token := string(secrets["order-sync-flux"].Data["bearerToken"]); strings.Count(token, ".") != 2 {
		t.Errorf("there is no bearer token but %d bytes", len(token))
	}
	values := map[string]map[string]any{}
	secret := secrets["order-sync-flux-values"]
	if err := yaml.UnmarshalStrict(secret.Data["values.yaml"], &values); err != nil {
		t.Fatalf("values.yaml: %v", err)
	}
	want := map[string]any{
		"tokenURL": issuer + "/oauth2/token", "clientID": w.namespace + ".order-sync-flux-values",
		"clientSecret": string(secret.Data["client_secret"]), "scopes": []any{"orders.read", "orders.write"},
	}
	if diff := cmp.Diff(want, values["oauth"]); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestTheDotenvExample(t *testing.T) {
	w := newWorld(t)
	secret := w.example(t, "dotenv.yaml")["order-sync-dotenv"]
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, secret.Data[".env"], 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.CommandContext(t.Context(), "sh", "-c",
		`. "$0"; printf '%s\n' "$OAUTH_TOKEN_URL" "$OAUTH_CLIENT_ID" "$OAUTH_CLIENT_SECRET" "$OAUTH_SCOPE"`, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		issuer + "/oauth2/token", w.namespace + ".order-sync-dotenv", string(secret.Data["client_secret"]), "orders.read orders.write", "",
	}
	if diff := cmp.Diff(want, strings.Split(string(printed), "\n")); diff != "" {
		t.Errorf("what a shell reads (-want +got):\n%s", diff)
	}
	line := regexp.MustCompile(`^[A-Z_]+='[^']*'$`)
	for l := range strings.SplitSeq(strings.TrimSpace(string(secret.Data[".env"])), "\n") {
		if !line.MatchString(l) {
			t.Errorf("a dotenv file has no such line: %s", l)
		}
	}
}
