// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

const (
	accessToken = "header.payload.signature"
	expiresAt   = "2026-11-22T10:00:00Z"
)

// templated asks for templates, and for two access tokens.
func templated(data map[string]string) *v1alpha1.Integration {
	return integration(func(i *v1alpha1.Integration) {
		i.Spec.Secret.AccessTokens = []v1alpha1.AccessTokenSpec{{Key: "access_token"}, {Key: "stock.token"}}
		i.Spec.Secret.Template = &v1alpha1.SecretTemplate{Data: map[string]v1alpha1.TemplateText{}}
		for key, text := range data {
			i.Spec.Secret.Template.Data[key] = v1alpha1.TemplateText(text)
		}
	})
}

// filled returns values with a client secret and with both access tokens.
func filled() credentials.Values {
	v := values()
	v.ClientSecret = []byte(clientSecret)
	v.AccessTokens = map[string][]byte{
		"access_token": []byte(accessToken), "access_token_expires_at": []byte(expiresAt),
		"stock.token": []byte("stock"), "stock.token_expires_at": []byte(expiresAt),
	}
	return v
}

func TestTemplatesRender(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"Text is text.", "a: b\n", "a: b\n"},
		{"The client ID.", "{{ .ClientID }}", "shop.order-sync"},
		{"The client secret alone.", "{{ .ClientSecret }}", clientSecret},
		{"The token endpoint and the issuer.", "{{ .TokenURL }} {{ .Issuer }}", issuer + "/oauth2/token " + issuer},
		{"Scopes and audiences.", "{{ .Scope }}|{{ .Audience }}", "orders.read orders.write stock|https://orders.shop.example urn:stock"},
		{"The CA certificates, indented.", "{{ indent 2 .CACertificate }}", "  " + strings.ReplaceAll(strings.TrimSpace(bundle), "\n", "\n  ") + "\n"},
		{"An access token by field.", "Bearer {{ .AccessTokens.access_token }}", "Bearer " + accessToken},
		{"Its end.", "{{ .AccessTokens.access_token_expires_at }}", expiresAt},
		{"An access token whose key is no name.", `{{ accessToken "stock.token" | quote }}`, `"stock"`},
		{"A condition.", `{{ if eq .ClientID "x" }}x{{ else if and .Scope (not (ne .Issuer .Issuer)) }}y{{ end }}`, "y"},
		{"One of several.", `{{ if eq .ClientID "x" "shop.order-sync" }}y{{ end }}{{ if ne "a" "b" }}z{{ end }}`, "yz"},
		{"A with, in which the values are reached by the dollar sign.", `{{ with .Scope }}{{ upper . }} {{ $.ClientID }}{{ else }}{{ .ClientID }}{{ end }}`, "ORDERS.READ ORDERS.WRITE STOCK shop.order-sync"},
		{"A variable.", `{{ $a := .ClientID }}{{ $a = $a | replace "." "-" }}{{ $a }}`, "shop-order-sync"},
		{"A list.", `{{ .Scope | split " " | json }}`, `["orders.read","orders.write","stock"]`},
		{"A list, joined.", `{{ .Scope | split " " | join "," }}`, "orders.read,orders.write,stock"},
		{"An empty list.", `{{ "" | split " " | json }}`, "[]"},
		{"A default.", `{{ "" | default "fallback" }} {{ .ClientID | default "fallback" }}`, "fallback shop.order-sync"},
		{"Base64.", `{{ base64 "user:password" }}`, "dXNlcjpwYXNzd29yZA=="},
		{"A URL query.", `{{ urlquery .Audience }}`, "https%3A%2F%2Forders.shop.example+urn%3Astock"},
		{"Quotes for JSON and YAML.", `{{ quote "a \"b\" <c> \\ \n" }}`, `"a \"b\" <c> \\ \n"`},
		{"Quotes for a shell.", `{{ shellquote "it's $HOME" }}`, `'it'\''s $HOME'`},
		{"Lower case without blanks.", `{{ " ABC " | lower | trim }}`, "abc"},
		{"A comment and trimmed blanks.", "{{- /* note */ -}} x {{- \"y\" -}} z", "xyz"},
		{"Parentheses.", `{{ join "," (split " " .Scope) }}`, "orders.read,orders.write,stock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := credentials.Build(templated(map[string]string{"out": tt.text}), nil, filled())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got.Data["out"])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTemplatesThatCannotBeRendered(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"It does not parse.", "a\n{{ .ClientID", "line 2: unclosed action"},
		{"It comes out empty.", `{{ if eq .ClientID "x" }}x{{ end }}`, "empty"},
		{"It comes out blank.", " \n", "empty"},
		{"It is empty.", "", "empty"},
		{"An unknown value, in the second line.", "a\n{{ .Password }}", "line 2: there is no value .Password"},
		{"A method.", "{{ .ClientID.String }}", "has no fields"},
		{"A field of the dollar sign.", "{{ $.Password }}", "there is no value .Password"},
		{"All values.", "{{ . }}", "used by name"},
		{"All values by the dollar sign.", "{{ $ }}", "used by name"},
		{"All access tokens.", "{{ .AccessTokens }}", "one by one"},
		{"An access token that spec does not ask for.", "{{ .AccessTokens.other }}", "no access token other"},
		{"An access token that spec does not ask for, by function.", `{{ accessToken "other" }}`, "no access token other"},
		{"An access token by a value.", `{{ accessToken .ClientID }}`, "between quotes"},
		{"An access token by a pipeline.", `{{ "access_token" | accessToken }}`, "between quotes"},
		{"A value within with.", "{{ with .Scope }}{{ .ClientID }}{{ end }}", "write $.ClientID"},
		{"A field of a variable.", "{{ $a := .Scope }}{{ $a.b }}", "has no fields"},
		{"A loop.", "{{ range .Scope }}x{{ end }}", "no loops"},
		{"A definition.", `{{ define "x" }}y{{ end }}z`, "further templates"},
		{"A definition under the name of the whole.", `{{ define "template" }}y{{ end }}z`, "multiple definition"},
		{"A block.", `{{ block "x" . }}y{{ end }}`, "templates"},
		{"A call of another template.", `{{ template "x" }}`, "templates within templates"},
		{"A call of itself.", `{{ template "template" . }}`, "templates within templates"},
		{"A function of text/template.", `{{ printf "%s" .ClientID }}`, "there is no function printf"},
		{"Another one.", "{{ call .ClientID }}", "there is no function call"},
		{"And another.", "{{ index .AccessTokens \"x\" }}", "there is no function index"},
		{"A function that is nowhere.", `{{ env "HOME" }}`, "there is no function env: use one of accessToken, and, base64, default,"},
		{"Nothing.", "{{ nil }}", "line 1"},
		{"A field of a pipeline.", "{{ (trim .Scope).Length }}", "only values"},
		{"Arguments too few.", "{{ replace .Scope }}", "line 1: wrong number of values for replace: it takes 3, and here it gets 1"},
		{"Arguments too many.", `{{ .Scope | lower "x" }}`, "wrong number of values for lower: it takes 1, and here it gets 2"},
		{"A call without parentheses.", `{{ upper lower }}`, "put the call of lower between parentheses"},
		{"Nothing to compare with.", `{{ if eq .Scope }}x{{ end }}`, "wrong number of values for eq"},
		{"A comparison of what is no text.", `{{ if eq 1 .Scope }}x{{ end }}`, "line 1: a function is given what it does not take"},
		{"A comparison of lists.", "a\n{{ eq (split \"=\" \"x\") (split \"=\" (base64 .ClientSecret)) }}", "line 2: a function is given what it does not take"},
		{"An argument of another kind.", `{{ indent "x" .Scope }}`, "line 1"},
		{"An indent too wide.", `{{ indent 65 .Scope }}`, "from 0 to 64"},
		{"A negative indent.", `{{ indent -1 .Scope }}`, "from 0 to 64"},
		{"A replacement of nothing.", `{{ replace "" "x" .Scope }}`, "needs a text to look for"},
		{"A list cut by nothing.", `{{ split "" .Scope }}`, "needs a separator"},
		{"A number as JSON.", `{{ json 1 }}`, "json takes a text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			intg := templated(map[string]string{"app.env": tt.text, "good": "good {{ .ClientID }}"})
			got, err := credentials.Build(intg, nil, filled())
			if err == nil {
				t.Fatalf("want an error, got %q", got.Data["app.env"])
			}
			for _, want := range []string{"spec.secret.template.data", "app.env", tt.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message lacks %q: %v", want, err)
				}
			}
			for _, value := range []string{clientSecret, accessToken} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the message holds a value: %v", err)
				}
			}
			if _, found := got.Data["app.env"]; found {
				t.Error("there is a key for what could not be rendered")
			}
			if string(got.Data["good"]) != "good shop.order-sync" || string(got.Data["client_secret"]) != clientSecret {
				t.Error("the other keys are not as they should be")
			}

			before := map[string][]byte{"app.env": []byte("as before"), "gone": []byte("x")}
			kept := credentials.Decide(credentials.Input{
				Integration: intg, Values: filled(), Former: secret(integration(), func(s *corev1.Secret) { s.Data = before }),
			})
			if string(kept.Secret.Data["app.env"]) != "as before" || kept.Secret.Data["gone"] != nil {
				t.Errorf("the key is not as it was under the Secret's former name: %q", kept.Secret.Data["app.env"])
			}
			if kept.Problem == nil || kept.Problem.Error() != err.Error() || kept.Action != credentials.Create {
				t.Errorf("want the same problem told, got %v", kept.Problem)
			}
		})
	}
}

func TestTemplatesAreBounded(t *testing.T) {
	filler := strings.Repeat("x", 1<<10)
	// Each of its calls doubles what there is: 2 to the power of 200 bytes, if nothing ended it. The other one stays within that, and has each
	// of its calls go over as much as is allowed.
	bomb := `{{ $a := "x" }}` + strings.Repeat(`{{ $a = replace "x" "xx" $a }}`, 200) + `{{ $a }}`
	steady := `{{ $a := "` + filler + `" }}` + strings.Repeat(`{{ $a = replace "xx" "xxxx" $a }}`, 5) +
		strings.Repeat(`{{ $a = lower $a }}`, 100) + "{{ $a }}"
	long := `{{ $a := "` + filler + `" }}` + strings.Repeat(`{{ $a }}`, 70)
	half := `{{ $a := "` + filler + `" }}` + strings.Repeat(`{{ $a }}`, 50)
	tests := []struct {
		name string
		data map[string]string
		want string
	}{
		{"Doubling ends.", map[string]string{"a": bomb}, "a function gives out more than 65536 bytes"},
		{"Going over much again and again ends.", map[string]string{"a": steady}, "take in and give out more than 1048576 bytes"},
		{"A long value ends.", map[string]string{"a": long}, "at most 65536 bytes"},
		{"Values that are long together end.", map[string]string{"a": half, "b": half}, "b cannot be rendered: it comes out too long"},
		{"A long text is not read.", map[string]string{"a": strings.Repeat("y", 8<<10+1)}, "more than 8192 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := credentials.Build(templated(tt.data), nil, filled())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("want %q, got %v", tt.want, err)
			}
			if len(tt.data) == 1 && got.Data["a"] != nil {
				t.Errorf("got a value of %d bytes", len(got.Data["a"]))
			}
		})
	}
	t.Run("What is within the bounds is rendered.", func(t *testing.T) {
		got, err := credentials.Build(templated(map[string]string{"a": half}), nil, filled())
		if err != nil || len(got.Data["a"]) != 50<<10 {
			t.Errorf("got %d bytes and %v", len(got.Data["a"]), err)
		}
	})
}

func TestManyTemplateProblemsAreTold(t *testing.T) {
	data := map[string]string{}
	for i := range 16 {
		data[fmt.Sprintf("key-%02d", i)] = "{{ ." + strings.Repeat("x", 4096) + " }}"
	}
	_, err := credentials.Build(templated(data), nil, filled())
	if err == nil || !strings.Contains(err.Error(), "; and 12 more") || len(err.Error()) > 20<<10 {
		t.Errorf("got %v", err)
	}
}

func TestTemplatesTakeNoOtherKey(t *testing.T) {
	for _, key := range []string{
		"client_id", "client_secret", "token_url", "issuer", "scope", "audience", "ca.crt", "type", "provider",
		"access_token", "access_token_expires_at", "stock.token",
	} {
		t.Run(key, func(t *testing.T) {
			v := filled()
			got, err := credentials.Build(templated(map[string]string{key: "mine"}), nil, v)
			if err == nil || !strings.Contains(err.Error(), key+" is the key of another value") {
				t.Errorf("got %v", err)
			}
			want := build(templated(map[string]string{"other": "x"}), nil, v).Data[key]
			if diff := cmp.Diff(want, got.Data[key]); diff != "" {
				t.Errorf("the other value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATemplateWaitsForItsAccessToken(t *testing.T) {
	intg := templated(map[string]string{
		"header": "Bearer {{ .AccessTokens.access_token }}", "end": `{{ accessToken "access_token_expires_at" }}`, "id": "{{ .ClientID }}",
	})
	v := filled()
	existing := build(intg, nil, v)
	v.AccessTokens = nil
	got, err := credentials.Build(intg, existing, v)
	if err != nil {
		t.Errorf("a token that is to come is no mistake: %v", err)
	}
	if got.Data["header"] != nil || got.Data["end"] != nil || string(got.Data["id"]) != "shop.order-sync" {
		t.Errorf("want only the key without a token, got %v", text(got.Data))
	}
}

func TestAccessTokensInTheSecret(t *testing.T) {
	intg := templated(nil)
	intg.Spec.Secret.Template = nil
	existing := secret(intg)
	in := credentials.Input{Integration: intg, Existing: existing, Established: true, Values: filled()}
	got := credentials.Decide(in)
	if got.Action != credentials.Update || got.Reason != "" {
		t.Errorf("tokens that have come: want an update and nothing told, got %s %s", got.Action, got.Reason)
	}
	if string(got.Secret.Data["access_token"]) != accessToken || string(got.Secret.Data["stock.token_expires_at"]) != expiresAt {
		t.Errorf("got %v", text(got.Secret.Data))
	}
	if again := credentials.Decide(credentials.Input{Integration: intg, Existing: got.Secret, Values: filled()}); again.Action != credentials.None {
		t.Errorf("a second pass: want nothing to do, got %s", again.Action)
	}
	in.Existing, in.Values.AccessTokens = got.Secret, nil
	gone := credentials.Decide(in)
	if gone.Action != credentials.Update || gone.Reason != "" || gone.Secret.Data["access_token"] != nil {
		t.Errorf("tokens that are not granted any more: want an update and nothing told, got %s %s", gone.Action, gone.Reason)
	}

	v := filled()
	v.AccessTokens["client_secret"], v.AccessTokens["scope"] = []byte("token"), []byte("token")
	data := build(intg, nil, v).Data
	if string(data["client_secret"]) != clientSecret || string(data["scope"]) == "token" {
		t.Error("an access token took the place of a standard value")
	}
}

func TestATemplatedCopyOfTheClientSecretIsNoDamage(t *testing.T) {
	intg := templated(map[string]string{"password": "{{ .ClientSecret }}"})
	v := filled()
	existing := build(intg, nil, v)
	without := templated(nil)
	without.Spec.Secret.Template = nil
	for name, i := range map[string]*v1alpha1.Integration{"with the template": intg, "once the template is gone": without} {
		v.ClientSecret = nil
		got := credentials.Decide(credentials.Input{Integration: i, Existing: existing, Established: true, SpecChanged: true, Values: v})
		if got.Warn || string(got.Secret.Data["client_secret"]) != clientSecret {
			t.Errorf("%s: the client secret is another one", name)
		}
	}
}

// leaky are templates that fail, or come out empty, for some client secrets and access tokens and not for others, or that make text/template
// quote what it is given.
func leaky(guess string) []string {
	const secretOf = `{{ $s := .ClientSecret }}{{ $t := .AccessTokens.access_token }}`
	return []string{
		secretOf + `{{ eq (split "=" "x") (split "=" $s) }}`,
		secretOf + `{{ eq (split "=" $s) "x" }}`,
		secretOf + `{{ indent $s "x" }}`,
		secretOf + `{{ indent (split "" $t) "x" }}`,
		secretOf + `{{ join "," $t }}`,
		secretOf + `{{ if eq $s "` + guess + `" }}{{ indent 99 "" }}{{ end }}x`,
		secretOf + `{{ if eq $t "` + guess + `" }}{{ split "" "" }}{{ end }}x`,
		secretOf + `{{ if ne $s "` + guess + `" }}x{{ end }}`,
		secretOf + "\n" + `{{ if ne (replace "|` + guess[:1] + `" "" (replace "@" $s "|@")) "" }}{{ indent 99 "" }}{{ end }}`,
		secretOf + `{{ replace (replace "` + guess + `" "" $s) "x" "y" }}`,
		secretOf + `{{ join (indent 60 $t) (split "" $s) }}`,
		secretOf + strings.Repeat(`{{ $s = replace "`+guess[:1]+`" "`+strings.Repeat("b", 100)+`" $s }}`, 3) + `{{ $s }}`,
		secretOf + `{{ replace "a" "b" (accessToken $s) }}`,
		secretOf + `{{ $s.Length }}`,
		secretOf + `{{ (split "=" $s) }}`,
		secretOf + `{{ replace $s "" $s }}`,
	}
}

func TestWhatIsSaidOfATemplateDependsOnNoSecret(t *testing.T) {
	guess := string(credentials.GenerateClientSecret(v1alpha1.ProfileOAuth2))
	said := func(intg *v1alpha1.Integration, secret, token string) string {
		v := filled()
		v.ClientSecret, v.AccessTokens["access_token"] = []byte(secret), []byte(token)
		got, problem := credentials.Build(intg, nil, v)
		if kept, found := got.Data["out"]; problem != nil && found {
			t.Errorf("a value of %d bytes and an error", len(kept))
		}
		for _, value := range []string{secret, token} {
			if value != "" && strings.Contains(fmt.Sprint(problem), value) {
				t.Errorf("the message holds a value: %v", problem)
			}
		}
		return fmt.Sprint(problem)
	}
	for _, text := range leaky(guess) {
		intg := templated(map[string]string{"out": text})
		want := fmt.Sprint(credentials.TemplateProblem(intg, values()))
		secrets := []string{guess, "", strings.Repeat("a", 1024), strings.Repeat("=", 64)}
		for range 50 {
			secrets = append(secrets, string(credentials.GenerateClientSecret(v1alpha1.ProfileOAuth2)))
		}
		for i, secret := range secrets {
			if got := said(intg, secret, secrets[len(secrets)-1-i]); got != want {
				t.Errorf("%s: for one secret %s\nfor another %s", text, want, got)
			}
		}
	}
}

func TestATemplateThatOnlyTheSecretFailsKeepsItsValue(t *testing.T) {
	for name, text := range map[string]string{
		"it ends with an error": `{{ if eq .ClientSecret "` + clientSecret + `" }}{{ indent 99 "" }}{{ end }}x`,
		"it comes out empty":    `{{ if ne .ClientSecret "` + clientSecret + `" }}x{{ end }}`,
	} {
		t.Run(name, func(t *testing.T) {
			intg := templated(map[string]string{"out": text, "other": "{{ .ClientID }}"})
			in := credentials.Input{Integration: intg, Existing: secret(integration()), Established: true, SpecChanged: true, Values: filled()}
			got := credentials.Decide(in)
			if value, found := got.Secret.Data["out"]; got.Problem != nil || found || string(got.Secret.Data["other"]) != "shop.order-sync" {
				t.Errorf("without a value before: got %q and %v", value, got.Problem)
			}
			in.Existing.Data["out"] = []byte("as before")
			if got := credentials.Decide(in); got.Problem != nil || string(got.Secret.Data["out"]) != "as before" {
				t.Errorf("with one: got %q and %v", got.Secret.Data["out"], got.Problem)
			}
		})
	}
}

func TestATemplateProblemIsToldWhileItsAccessTokenIsMissing(t *testing.T) {
	intg := templated(map[string]string{"header": "{{ .AccessTokens.access_token }}{{ indent 99 .Scope }}"})
	if err := credentials.TemplateProblem(intg, values()); err == nil || !strings.Contains(err.Error(), "from 0 to 64") {
		t.Errorf("got %v", err)
	}
}

// FuzzTemplate feeds texts to templates: whatever they say, rendering ends, with an output within its bounds or an error that tells no value.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{{ .ClientID }}", `{{ with .Scope }}{{ . }}{{ end }}`, `{{ if eq .ClientID "x" }}{{ else }}{{ end }}`, "{{ break }}", "{{ nil }}",
		`{{ $a := "x" }}{{ $a = replace "x" "xx" $a }}`, `{{ accessToken "stock.token" | base64 | indent 3 }}`, `{{ define "x" }}{{ end }}`,
		"{{ range .Scope }}{{ end }}", `{{ split " " .Scope | json }}`, "{{ (1) }}", "{{ 1i }}{{ 'x' }}", "{{- -}}", "{{ .AccessTokens.access_token }}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		intg := templated(map[string]string{"out": text})
		got, err := credentials.Build(intg, nil, filled())
		if len(got.Data["out"]) > 64<<10 {
			t.Errorf("%d bytes came out", len(got.Data["out"]))
		}
		other := filled()
		other.ClientSecret, other.AccessTokens["access_token"] = []byte("x-Another_client.secret~of-43-characters-x-"), []byte("a.b.c")
		if _, said := credentials.Build(intg, nil, other); fmt.Sprint(said) != fmt.Sprint(err) {
			t.Errorf("with another client secret: want %v, got %v", err, said)
		}
		if err != nil && strings.Contains(err.Error(), clientSecret) {
			t.Errorf("the message holds the client secret: %v", err)
		}
		if err != nil && got.Data["out"] != nil {
			t.Error("a value and an error")
		}
		again, errAgain := credentials.Build(intg, nil, filled())
		if !cmp.Equal(got.Data["out"], again.Data["out"]) || (err == nil) != (errAgain == nil) {
			t.Error("a second run came to another end")
		}
	})
}

// FuzzQuote checks that what quote makes of a text is JSON that says the same.
func FuzzQuote(f *testing.F) {
	f.Add(`a "b" \ </script>`)
	f.Add("\x00\x7f\u2028é")
	f.Fuzz(func(t *testing.T, value string) {
		v := filled()
		v.ClientID = value
		got, err := credentials.Build(templated(map[string]string{"out": "{{ quote .ClientID }}"}), nil, v)
		if err != nil {
			return // Longer than what a template may take in.
		}
		var back string
		if err := json.Unmarshal(got.Data["out"], &back); err != nil {
			t.Fatalf("%s is no JSON: %v", got.Data["out"], err)
		}
		if utf8.ValidString(value) && back != value {
			t.Errorf("want %q, got %q", value, back)
		}
	})
}
