// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
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

// TemplateProblem returns what is wrong with the templates of spec, or nil: it names keys and lines and never a value. It looks at what they
// make of texts that stand in for the client secret and the access tokens, so that nobody can find out by it what these are; v needs neither.
func TemplateProblem(intg *v1alpha1.Integration, v Values) error {
	_, problem := soundTemplates(intg, v)
	return problem
}

// Stand-ins have the usual shape of what they stand in for. Nobody accepts them.
const (
	standInSecret = "Q7Jx-0pLrT_3zVbNw8Yk2AeHc9Gd5FuMsXo1ItRjBhE"
	standInToken  = "eyJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJzdGFuZC1pbiJ9.Q7Jx-0pLrT_3zVbNw8Yk2AeHc9Gd5FuMsXo1ItRjBhE"
	standInEnd    = "2026-01-01T00:00:00Z"
)

// soundTemplates returns the templates of spec that make something of the stand-ins, by key, and what is wrong with the others.
func soundTemplates(intg *v1alpha1.Integration, v Values) (map[string]*soundTemplate, error) {
	spec := &intg.Spec.Secret
	if spec.Template == nil {
		return nil, nil
	}
	values := valuesOf(v)
	values.ClientSecret = ""
	if UsesClientSecret(intg) {
		values.ClientSecret = standInSecret
	}
	values.AccessTokens = map[string]string{}
	for _, token := range spec.AccessTokens {
		values.AccessTokens[token.Key], values.AccessTokens[token.Key+v1alpha1.ExpiresAtSuffix] = standInToken, standInEnd
	}
	tokens, taken := accessTokenKeys(spec), reservedKeys(spec)
	sound := make(map[string]*soundTemplate, len(spec.Template.Data))
	var problems []string
	left := maxRenderedInAll
	for _, key := range slices.Sorted(maps.Keys(spec.Template.Data)) {
		if slices.Contains(taken, key) {
			problems = append(problems, key+" is the key of another value of this Secret: choose another")
			continue
		}
		read, err := readTemplate(string(spec.Template.Data[key]), tokens)
		var rendered []byte
		if err == nil {
			rendered, err = read.render(values, left)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s cannot be rendered: %v", key, err))
			continue
		}
		sound[key] = read
		left -= len(rendered)
	}
	return sound, templateProblem(problems)
}

// render returns what the templates of spec make of the values, by key, and the keys of those that cannot be rendered: they keep the values
// that they had before. A key whose template uses an access token is neither while that is not there. The error is that of TemplateProblem:
// where only the real values make the difference, nobody is told, as that would tell of them.
func render(intg *v1alpha1.Integration, v Values) (made map[string][]byte, failed []string, problem error) {
	sound, problem := soundTemplates(intg, v)
	spec := &intg.Spec.Secret
	if spec.Template == nil {
		return nil, nil, nil
	}
	values, taken, left := valuesOf(v), reservedKeys(spec), maxRenderedInAll
	made = make(map[string][]byte, len(sound))
	for _, key := range slices.Sorted(maps.Keys(spec.Template.Data)) {
		read, found := sound[key]
		if !found {
			if !slices.Contains(taken, key) {
				failed = append(failed, key)
			}
			continue
		}
		rendered, err := read.render(values, left)
		switch {
		case err == nil:
			made[key] = rendered
			left -= len(rendered)
		case !errors.Is(err, errNoTokenYet):
			failed = append(failed, key)
		}
	}
	return made, failed, problem
}

// valuesOf returns what templates may use.
func valuesOf(v Values) templateValues {
	audiences, scopes := accessOf(v.Granted)
	values := templateValues{
		ClientID: v.ClientID, ClientSecret: string(v.ClientSecret), TokenURL: v.Endpoints.Token, Issuer: v.Endpoints.Issuer,
		Scope: strings.Join(scopes, " "), Audience: strings.Join(audiences, " "), CACertificate: string(v.CABundle),
		AccessTokens: map[string]string{},
	}
	for key, value := range v.AccessTokens {
		values.AccessTokens[key] = string(value)
	}
	return values
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

// What ends the rendering of a template. Whatever else text/template says may quote a value, and is not told.
var (
	// errNoTokenYet says that a template uses an access token of spec that is not there: it is to come, or is not granted.
	errNoTokenYet = errors.New("the access token is not there yet")
	errEmpty      = errors.New("it comes out empty: write at least one value that is there, or take the key out")
	errNotTaken   = errors.New("a function is given what it does not take, such as a list or a number for a text")
	errOutTooLong = fmt.Errorf("it comes out too long: a value has at most %d bytes, and all templates of a Secret together make at most %d",
		maxRendered, maxRenderedInAll)
)

// A soundTemplate is a template that uses nothing but what it may. It is not changed by rendering.
type soundTemplate struct {
	tree *parse.Tree
	// tokens are the keys of the access tokens that it needs.
	tokens []string
}

// readTemplate reads a template and checks what it uses; tokens are the keys of access tokens that spec asks for. The error may quote the
// template.
func readTemplate(text string, tokens []string) (*soundTemplate, error) {
	tree, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	check := &templateCheck{tokens: tokens}
	if err := check.list(tree.Root, true); err != nil {
		return nil, fmt.Errorf("line %d: %w", check.line(text), err)
	}
	return &soundTemplate{tree: tree, tokens: check.used}, nil
}

// render returns what the template makes of the values, which is not empty and has at most left bytes. The error says at most which of the
// errors above it is, and in which line.
func (t *soundTemplate) render(values templateValues, left int) ([]byte, error) {
	for _, key := range t.tokens {
		if values.AccessTokens[key] == "" {
			return nil, errNoTokenYet
		}
	}
	out := &boundedBuffer{left: min(left, maxRendered)}
	work := &templateWork{tokens: values.AccessTokens, left: maxTemplateWork}
	runnable, err := template.New(templateName).Funcs(work.functions()).AddParseTree(templateName, t.tree)
	if err != nil {
		return nil, errNotTaken // Cannot happen: the tree is that of a new template.
	}
	if err := runnable.Execute(out, values); err != nil {
		return nil, publicError(err)
	}
	if len(bytes.TrimSpace(out.Bytes())) == 0 {
		return nil, errEmpty
	}
	return out.Bytes(), nil
}

// executionLine finds the line in an error of text/template.
var executionLine = regexp.MustCompile(`^template: ` + templateName + `:([0-9]+):`)

// publicError returns what may be told of an error of running a template: one of the operator's own, with the line. The text of text/template
// is never passed on, as it quotes the values that it stumbles over.
func publicError(err error) error {
	public := errNotTaken
	for _, own := range append([]error{errOutTooLong}, functionErrors...) {
		if errors.Is(err, own) {
			public = own
			break
		}
	}
	if found := executionLine.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Errorf("line %s: %w", found[1], public)
	}
	return public
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
		return nil, errors.New(parseCause(err))
	}
	if len(trees) > 1 || trees[templateName] != tree {
		return nil, errors.New("it defines further templates, which is not allowed: write it in one piece")
	}
	return tree, nil
}

// parseCause returns what text/template says is wrong with the text of a template, which it may quote: there are no values yet.
func parseCause(err error) string {
	cause, located := strings.CutPrefix(err.Error(), "template: "+templateName+":")
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
		return 0, errOutTooLong
	}
	return b.Buffer.Write(p)
}
