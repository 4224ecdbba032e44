// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/template"
)

// templateFunctions are the functions of templates, sorted: those of templateWork, and what text/template has for conditions.
var templateFunctions = func() []string {
	return slices.Sorted(maps.Keys(templateArguments))
}()

// templateArguments are how many values each of these functions takes.
var templateArguments = func() map[string]arguments {
	found := map[string]arguments{"and": {least: 1, more: true}, "or": {least: 1, more: true}, "not": {least: 1}}
	for name, function := range (&templateWork{}).functions() {
		takes := reflect.TypeOf(function)
		found[name] = arguments{least: takes.NumIn(), more: takes.IsVariadic()}
		if takes.IsVariadic() {
			found[name] = arguments{least: takes.NumIn() - 1, more: true}
		}
	}
	return found
}()

// arguments are how many values a function takes: least, or that and more.
type arguments struct {
	least int
	more  bool
}

// maxIndent is the most blanks that indent puts before a line.
const maxIndent = 64

// What functions end a template with. None of these errors holds a value.
var (
	errTooMuchWork = fmt.Errorf("its functions take in and give out more than %d bytes: make it simpler", maxTemplateWork)
	errTooLong     = fmt.Errorf("a function gives out more than %d bytes: make it simpler", maxRendered)
	errIndent      = fmt.Errorf("indent takes from 0 to %d blanks", maxIndent)
	errReplace     = errors.New("replace needs a text to look for")
	errSplit       = errors.New("split needs a separator")
	errJSON        = errors.New("json takes a text or a list that split has made")

	functionErrors = []error{errTooMuchWork, errTooLong, errIndent, errReplace, errSplit, errJSON}
)

// templateWork is one run of a template: its functions, and how many bytes they may still take in and give out.
type templateWork struct {
	tokens map[string]string
	left   int
}

// functions returns the functions that a template may call beside and, or and not. Its eq and ne take texts only: those of text/template tell
// the values that they cannot compare.
func (w *templateWork) functions() template.FuncMap {
	return template.FuncMap{
		functionAccessToken: func(key string) (string, error) { return w.tokens[key], w.spend(len(w.tokens[key])) },
		"base64":            w.text(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		"default":           w.fallback,
		"eq":                w.equal,
		"indent":            w.indent,
		"join":              w.join,
		"json":              w.json,
		"lower":             w.text(strings.ToLower),
		"ne":                func(a, b string) (bool, error) { same, err := w.equal(a, b); return !same, err },
		"quote":             func(s string) (string, error) { return w.json(s) },
		"replace":           w.replace,
		"shellquote":        w.text(func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }),
		"split":             w.split,
		"trim":              w.text(strings.TrimSpace),
		"upper":             w.text(strings.ToUpper),
		"urlquery":          w.text(url.QueryEscape),
	}
}

// spend counts bytes that a function takes in or gives out. It returns an error when that is too much.
func (w *templateWork) spend(bytes int) error {
	if bytes > maxRendered {
		return errTooLong
	}
	if w.left -= bytes; w.left < 0 {
		return errTooMuchWork
	}
	return nil
}

// text makes a function of one that changes a text to one of at most six times its length.
func (w *templateWork) text(change func(string) string) func(string) (string, error) {
	return func(s string) (string, error) {
		if err := w.spend(len(s)); err != nil {
			return "", err
		}
		changed := change(s)
		return changed, w.spend(len(changed))
	}
}

// fallback returns s, or instead where s is empty.
func (w *templateWork) fallback(instead, s string) (string, error) {
	if s == "" {
		s = instead
	}
	return s, w.spend(len(s))
}

// equal reports whether a text is the same as another, or one of several others.
func (w *templateWork) equal(a, b string, more ...string) (bool, error) {
	if err := w.spend(len(a) + len(b)); err != nil {
		return false, err
	}
	for _, other := range more {
		if err := w.spend(len(other)); err != nil {
			return false, err
		}
	}
	return a == b || slices.Contains(more, a), nil
}

// indent puts blanks before each line but empty ones.
func (w *templateWork) indent(blanks int, s string) (string, error) {
	if blanks < 0 || blanks > maxIndent {
		return "", errIndent
	}
	if err := w.spend(len(s) + blanks*(1+strings.Count(s, "\n"))); err != nil {
		return "", err
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", blanks) + line
		}
	}
	return strings.Join(lines, "\n"), nil
}

// replace puts one text in the place of another wherever that occurs. Its length is known before it is made.
func (w *templateWork) replace(old, replacement, s string) (string, error) {
	if old == "" {
		return "", errReplace
	}
	found := strings.Count(s, old)
	if err := errors.Join(w.spend(len(s)), w.spend(len(s)+found*(len(replacement)-len(old)))); err != nil {
		return "", err
	}
	return strings.ReplaceAll(s, old, replacement), nil
}

// split cuts a text into a list at each separator; of an empty text it makes an empty list.
func (w *templateWork) split(separator, s string) ([]string, error) {
	if separator == "" {
		return nil, errSplit
	}
	if s == "" {
		return []string{}, nil
	}
	// Each part costs more than its text.
	if err := w.spend(len(s) + 16*strings.Count(s, separator)); err != nil {
		return nil, err
	}
	return strings.Split(s, separator), nil
}

// join makes one text of a list.
func (w *templateWork) join(separator string, list []string) (string, error) {
	length := len(separator) * len(list)
	for _, part := range list {
		length += len(part)
	}
	if err := w.spend(length); err != nil {
		return "", err
	}
	return strings.Join(list, separator), nil
}

// json returns a text or a list as JSON, which is YAML too.
func (w *templateWork) json(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if err := w.spend(len(v)); err != nil {
			return "", err
		}
	case []string:
		if _, err := w.join(",", v); err != nil {
			return "", err
		}
	default:
		return "", errJSON
	}
	encoded := &bytes.Buffer{}
	encoder := json.NewEncoder(encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", errJSON // Cannot happen: texts always encode.
	}
	return strings.TrimSuffix(encoded.String(), "\n"), w.spend(encoded.Len())
}
