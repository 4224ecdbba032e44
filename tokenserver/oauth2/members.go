// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// What is wrong with a request before its members are looked at, as causes of the errors of ReadMembers: profiles tell them apart.
var (
	ErrCauseContentType = errors.New("the content type is none that this endpoint reads")
	ErrCauseMalformed   = errors.New("the body cannot be read in the form that its content type names")
)

// maxListed bounds the strings of all lists in a request.
const maxListed = MaxScopes

// Members are the members of a body whose names and forms a profile decides: of one JSON object, or of a form. A member that is null in
// JSON is not there.
type Members map[string]Member

// A Member is the value of one of them: a string, a list of strings, or something else, which profiles have no use for.
type Member struct {
	text string
	list []string
	kind memberKind
}

type memberKind int

const (
	kindOther memberKind = iota
	kindText
	kindList
)

// Text returns the value if it is a string; false if it is none, or if there is no such member.
func (m Members) Text(name string) (string, bool) {
	return m[name].text, m[name].kind == kindText
}

// List returns the value if it is a list of strings; false if it is none, or if there is no such member.
func (m Members) List(name string) ([]string, bool) {
	return m[name].list, m[name].kind == kindList
}

// Has reports whether there is a member of that name, whatever its value.
func (m Members) Has(name string) bool {
	_, found := m[name]
	return found
}

// ReadMembers reads the body of a POST as the members of a form or of one JSON object, by its content type. It is as strict as ParseRequest about
// the method, the URL, sizes, encodings, duplicates and control characters, and says nothing about names and types: that is the part of a
// profile. A form writes a list as name[] or name[0], as PHP does. An empty body has no members, whatever its content type. The cause of an error
// is ErrCauseContentType or ErrCauseMalformed where that is what is wrong.
func ReadMembers(w http.ResponseWriter, r *http.Request) (Members, *Error) {
	if r.Method != http.MethodPost {
		return nil, MethodNotAllowed(http.MethodPost)
	}
	if r.URL.RawQuery != "" {
		return nil, ErrInvalidRequest.WithDescription("send parameters in the body: the URL must have no query string")
	}
	body, err := readBody(w, r)
	if err != nil || body == "" {
		return Members{}, err
	}
	isJSON, err := jsonBody(r)
	if err != nil {
		return nil, err.WithCause(ErrCauseContentType)
	}
	if !utf8.ValidString(body) {
		return nil, ErrInvalidRequest.WithDescription("the body is not valid UTF-8").WithCause(ErrCauseMalformed)
	}
	read := &memberReader{members: Members{}}
	if isJSON {
		err = read.json(body)
	} else {
		err = read.form(body)
	}
	if err != nil {
		return nil, err
	}
	return read.members, nil
}

// A memberReader collects members, within the bounds of a request.
type memberReader struct {
	members Members
	// p counts what is seen, by the rules of all endpoints.
	p      parameters
	listed int
}

// json reads one JSON object.
func (m *memberReader) json(body string) *Error {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	opening, err := d.Token()
	if err != nil {
		return malformedJSON(d).WithCause(ErrCauseMalformed)
	}
	if opening != json.Delim('{') {
		return ErrInvalidRequest.WithDescription("the body must be a JSON object, not " + kindOf(opening)).WithCause(ErrCauseMalformed)
	}
	for d.More() {
		if err := m.jsonMember(d); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformedJSON(d).WithCause(ErrCauseMalformed)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrInvalidRequest.WithDescription("the body must be one JSON object with nothing after it").WithCause(ErrCauseMalformed)
	}
	return nil
}

func (m *memberReader) jsonMember(d *json.Decoder) *Error {
	token, err := d.Token()
	if err != nil {
		return malformedJSON(d).WithCause(ErrCauseMalformed)
	}
	name, _ := token.(string)
	if err := m.p.declare(name, false); err != nil {
		return err
	}
	value, err := d.Token()
	if err != nil {
		return malformedJSON(d).WithCause(ErrCauseMalformed)
	}
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return m.set(name, v)
	case json.Delim:
		if v == '[' {
			return m.jsonList(d, name)
		}
	}
	m.members[name] = Member{}
	if err := skip(d, &m.p, value); err != nil {
		return err.WithCause(ErrCauseMalformed)
	}
	return nil
}

// jsonList reads the rest of an array, which is a list if it holds nothing but strings.
func (m *memberReader) jsonList(d *json.Decoder, name string) *Error {
	member := Member{kind: kindList, list: []string{}}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return malformedJSON(d).WithCause(ErrCauseMalformed)
		}
		value, ok := token.(string)
		if !ok {
			member = Member{}
			if err := skip(d, &m.p, token); err != nil {
				return err.WithCause(ErrCauseMalformed)
			}
			continue
		}
		if err := m.count(name, value); err != nil {
			return err
		}
		if member.kind == kindList {
			member.list = append(member.list, value)
		}
	}
	if _, err := d.Token(); err != nil {
		return malformedJSON(d).WithCause(ErrCauseMalformed)
	}
	m.members[name] = member
	return nil
}

// form reads a form.
func (m *memberReader) form(body string) *Error {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := formDecode(rawName)
		value, valueErr := formDecode(rawValue)
		if nameErr != nil || valueErr != nil {
			return ErrInvalidRequest.WithCause(ErrCauseMalformed).
				WithDescription("the body is not form-encoded: a percent sign needs two hex digits and UTF-8")
		}
		name, listed := listName(name)
		if err := m.p.declare(name, listed && m.members[name].kind == kindList); err != nil {
			return err
		}
		if !listed {
			if err := m.set(name, value); err != nil {
				return err
			}
			continue
		}
		if err := m.count(name, value); err != nil {
			return err
		}
		m.members[name] = Member{kind: kindList, list: append(m.members[name].list, value)}
	}
	return nil
}

// listName returns the name of the list that a field such as scopes[] or scopes[0] is an entry of.
func listName(field string) (string, bool) {
	name, index, found := strings.Cut(field, "[")
	if !found || name == "" || !strings.HasSuffix(index, "]") {
		return field, false
	}
	index = strings.TrimSuffix(index, "]")
	if strings.Trim(index, "0123456789") != "" {
		return field, false
	}
	return name, true
}

// set takes a string, within the bounds that parameters of that name have everywhere.
func (m *memberReader) set(name, value string) *Error {
	if err := (&parameters{}).set(name, value); err != nil {
		return err.WithParameter(name)
	}
	m.members[name] = Member{kind: kindText, text: value}
	return nil
}

// count bounds the strings in lists.
func (m *memberReader) count(name, value string) *Error {
	m.listed++
	if m.listed > maxListed || len(value) > MaxScopeLength*2 || hasControl(value) {
		return ErrInvalidRequest.WithDescription("a list has too many entries, or one that is too long or holds control characters").WithParameter(name)
	}
	return nil
}

// jsonBody reports whether the content type is JSON rather than a form; an error if it is neither.
func jsonBody(r *http.Request) (bool, *Error) {
	mediaType, err := mediaTypeOf(r)
	return mediaType == mediaTypeJSON, err
}

// RawBasic returns the name and the password of HTTP Basic as they stand (RFC 7617), for profiles whose clients do not form-encode them (unlike RFC
// 6749 section 2.3.1). It returns false if there is no Authorization header, or one of another scheme, such as the expired bearer token
// that some clients send along. The error is for a header that is meant to be Basic and cannot be read, or is there twice.
func RawBasic(r *http.Request) (name string, password Secret, found bool, err *Error) {
	headers := slices.DeleteFunc(slices.Clone(r.Header["Authorization"]), func(h string) bool {
		scheme, _, _ := strings.Cut(h, " ")
		return !strings.EqualFold(scheme, "Basic")
	})
	if len(headers) == 0 {
		return "", "", false, nil
	}
	_, encoded, _ := strings.Cut(headers[0], " ")
	name, secret, ok := rawBasic(strings.Trim(encoded, " "))
	if !ok || len(headers) > 1 {
		return "", "", false, ErrInvalidClient.WithDescription("the Authorization header must hold base64 of client_id:client_secret once")
	}
	return name, Secret(secret), true, nil
}

// rawBasic undoes the base64 of HTTP Basic.
func rawBasic(encoded string) (name, password string, ok bool) {
	if len(encoded) > base64.StdEncoding.EncodedLen(maxClientIDLength+maxSecretLength+1) {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !utf8.Valid(decoded) || hasControl(string(decoded)) {
		return "", "", false
	}
	name, password, ok = strings.Cut(string(decoded), ":")
	return name, password, ok && len(name) <= maxClientIDLength && len(password) <= maxSecretLength
}
