// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Bounds of templates, in bytes. The text itself is bounded by the schema. Without loops a template makes no more calls than its text has
// room for; work bounds what all of them together take in and give out, so that doubling a value over and over ends soon too.
const (
	maxTemplateText   = 8 << 10
	maxRendered       = 64 << 10
	maxRenderedInAll  = 96 << 10
	maxTemplateWork   = 1 << 20
	maxTemplateErrors = 4
	maxTemplateCause  = 200
)

// templateValues are what a template may use.
type templateValues struct {
	ClientID, ClientSecret, TokenURL, Issuer, Scope, Audience, CACertificate string
	// AccessTokens are the values under the keys of access tokens.
	AccessTokens map[string]string
}

// render adds to data what the templates of spec make of the values. A key whose template cannot be rendered keeps the value that it had
// before, and the error says why, naming keys and never a value. A key whose template uses an access token is left out while that is
// not there.
func render(intg *v1alpha1.Integration, v Values, data map[string][]byte) error {
	spec := &intg.Spec.Secret
	if spec.Template == nil {
		return nil
	}
	audiences, scopes := accessOf(v.Granted)
	values := templateValues{
		ClientID: v.ClientID, ClientSecret: string(v.ClientSecret), TokenURL: v.Endpoints.Token, Issuer: v.Endpoints.Issuer,
		Scope: strings.Join(scopes, " "), Audience: strings.Join(audiences, " "), CACertificate: string(v.CABundle),
		AccessTokens: map[string]string{},
	}
	for key, value := range v.AccessTokens {
		values.AccessTokens[key] = string(value)
	}
	taken := reservedKeys(spec)
	var problems []string
	left := maxRenderedInAll
	for _, key := range slices.Sorted(maps.Keys(spec.Template.Data)) {
		if slices.Contains(taken, key) {
			problems = append(problems, key+" is the key of another value of this Secret: choose another")
			continue
		}
		rendered, err := renderOne(string(spec.Template.Data[key]), values, accessTokenKeys(spec), left)
		switch {
		case errors.Is(err, errNoTokenYet):
			continue
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s cannot be rendered: %v", key, err))
			if before, found := v.Before[key]; found {
				data[key] = before
			}
		default:
			data[key] = rendered
			left -= len(rendered)
		}
	}
	return templateProblem(problems)
}

// reservedKeys returns the keys that hold other values than those of templates.
func reservedKeys(spec *v1alpha1.SecretSpec) []string {
	keys := accessTokenKeys(spec)
	for _, key := range []v1alpha1.SecretKey{
		spec.Keys.ClientID, spec.Keys.ClientSecret, spec.Keys.TokenURL, spec.Keys.Issuer, spec.Keys.Scope, spec.Keys.Audience,
		spec.Keys.CACertificate, spec.Keys.Type, spec.Keys.Provider,
	} {
		keys = append(keys, string(key))
	}
	return keys
}

// templateProblem joins what is wrong with templates to one error of bounded length; nil if nothing is.
func templateProblem(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	more := ""
	if rest := len(problems) - maxTemplateErrors; rest > 0 {
		problems, more = problems[:maxTemplateErrors], fmt.Sprintf("; and %d more", rest)
	}
	return fmt.Errorf("correct spec.secret.template.data: %s%s", strings.Join(problems, "; "), more)
}

// errNoTokenYet says that a template uses an access token of spec that is not there: it is to come, or is not granted.
var errNoTokenYet = errors.New("the access token is not there yet")

// renderOne returns what a template makes of the values, which is not empty and has at most left bytes. tokens are the keys of access
// tokens that spec asks for.
func renderOne(text string, values templateValues, tokens []string, left int) ([]byte, error) {
	tree, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	check := &templateCheck{tokens: tokens}
	if err := check.list(tree.Root, true); err != nil {
		return nil, fmt.Errorf("line %d: %w", check.line(text), err)
	}
	for _, key := range check.used {
		if values.AccessTokens[key] == "" {
			return nil, errNoTokenYet
		}
	}
	out := &boundedBuffer{left: min(left, maxRendered)}
	work := &templateWork{tokens: values.AccessTokens, left: maxTemplateWork}
	parsed, err := template.New(templateName).Funcs(work.functions()).AddParseTree(templateName, tree)
	if err != nil {
		return nil, errors.New("it cannot be read") // Cannot happen: the tree is that of a new template.
	}
	if err := parsed.Execute(out, values); err != nil {
		return nil, errors.New(causeOf(err, values))
	}
	if len(bytes.TrimSpace(out.Bytes())) == 0 {
		return nil, errors.New("it comes out empty: write at least one value that is there, or take the key out")
	}
	return out.Bytes(), nil
}

// templateName is what errors of text/template begin with.
const templateName = "template"

// parseTemplate reads a template, in which no further ones may be defined. Which functions there are is for the check that follows.
func parseTemplate(text string) (*parse.Tree, error) {
	if len(text) > maxTemplateText {
		return nil, fmt.Errorf("it has more than %d bytes: make it shorter", maxTemplateText)
	}
	trees := map[string]*parse.Tree{}
	tree := parse.New(templateName)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "{{", "}}", trees); err != nil {
		return nil, errors.New(causeOf(err, templateValues{}))
	}
	if len(trees) > 1 || trees[templateName] != tree {
		return nil, errors.New("it defines further templates, which is not allowed: write it in one piece")
	}
	return tree, nil
}

// causeOf returns what text/template says is wrong, which quotes the template. It says nothing of a message that holds a value after all.
func causeOf(err error, values templateValues) string {
	cause, located := strings.CutPrefix(err.Error(), "template: "+templateName+":")
	secrets := append(slices.Collect(maps.Values(values.AccessTokens)), values.ClientSecret)
	for _, secret := range secrets {
		if secret != "" && strings.Contains(cause, secret) {
			return "a function is given what it does not take"
		}
	}
	if len(cause) > maxTemplateCause {
		cause = strings.ToValidUTF8(cause[:maxTemplateCause], "") + "..."
	}
	if located {
		return "line " + cause
	}
	return cause
}

// A boundedBuffer takes no more than left bytes.
type boundedBuffer struct {
	bytes.Buffer
	left int
}

// Write appends p, or returns an error if there is no room for it.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("it comes out too long: a value has at most %d bytes, and all templates of a Secret together make at most %d",
			maxRendered, maxRenderedInAll)
	}
	return b.Buffer.Write(p)
}
