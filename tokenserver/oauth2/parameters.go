// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"net/url"
	"slices"
	"strings"
)

// parameters collects the parameters of a body, and refuses duplicates and what is out of bounds.
type parameters struct {
	grantType, scope, clientID, clientSecret string
	assertion, assertionType                 string
	username, password, refreshToken         string
	token, tokenTypeHint                     string
	resources                                []string
	// seen holds the names so far, unknown ones too. It is short, so that searching it beats a map.
	seen []string
	// ignored counts the JSON tokens in members that are ignored.
	ignored int
}

// declare notes a name. Every name may come once (RFC 6749 section 3.2), but resource may come again (RFC 8707 section 2).
func (p *parameters) declare(name string, repeatable bool) *Error {
	if len(name) > maxNameLength || hasControl(name) {
		return ErrInvalidRequest.WithDescription("a parameter's name is too long or holds control characters")
	}
	if slices.Contains(p.seen, name) {
		if repeatable {
			return nil
		}
		return ErrInvalidRequest.WithDescription(describe(name) + " is there twice")
	}
	if len(p.seen) == maxParameters {
		return ErrInvalidRequest.WithDescription("there are too many parameters")
	}
	if p.seen == nil {
		p.seen = make([]string, 0, 8)
	}
	p.seen = append(p.seen, name)
	return nil
}

// set takes the value of a declared parameter, and ignores unknown ones (RFC 6749 section 3.2).
func (p *parameters) set(name, value string) *Error {
	if hasControl(value) {
		return ErrInvalidRequest.WithDescription(describe(name) + " holds control characters")
	}
	field, limit := p.field(name)
	switch {
	case field != nil:
		*field = value
	case name == "resource":
		limit = maxResourceLength
		if value != "" {
			p.resources = append(p.resources, value)
		}
		if len(p.resources) > maxResources {
			return ErrInvalidRequest.WithDescription("there are too many resource parameters")
		}
	}
	if len(value) > limit {
		return ErrInvalidRequest.WithDescription(describe(name) + " is too long")
	}
	return nil
}

// field returns where the value of a parameter belongs and how long it may be; nil for resource and for those that the server does
// not read. All endpoints share the list: what one of them does not use is bounded there all the same.
func (p *parameters) field(name string) (value *string, limit int) {
	switch name {
	case "grant_type":
		return &p.grantType, maxGrantTypeLength
	case "scope":
		return &p.scope, MaxScopes * (MaxScopeLength + 1)
	case "client_id":
		return &p.clientID, maxClientIDLength
	case "client_secret":
		return &p.clientSecret, maxSecretLength
	case "client_assertion":
		return &p.assertion, MaxAssertionLength
	case "client_assertion_type":
		return &p.assertionType, maxTypeLength
	case "username":
		return &p.username, MaxUsernameLength
	case "password":
		return &p.password, maxSecretLength
	case "refresh_token":
		return &p.refreshToken, maxRefreshTokenLength
	case "token":
		return &p.token, MaxTokenLength
	case "token_type_hint":
		return &p.tokenTypeHint, maxTypeLength
	default:
		return nil, MaxBodyBytes
	}
}

// known reports whether the server reads a parameter of that name.
func known(name string) bool {
	var p parameters
	field, _ := p.field(name)
	return field != nil || name == "resource"
}

// describe names a parameter if the server knows it. It does not repeat other names, as descriptions are logged and any part of
// a mangled request may be a secret.
func describe(name string) string {
	if known(name) {
		return "the parameter " + name
	}
	return "a parameter that this server does not read"
}

// parseForm reads an application/x-www-form-urlencoded body. Unlike net/url it refuses a duplicate at once.
func parseForm(body string, p *parameters) *Error {
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := formDecode(rawName)
		value, valueErr := formDecode(rawValue)
		// The errors of net/url quote what they could not decode, which may be part of a secret: they stop here.
		if nameErr != nil || valueErr != nil {
			return ErrInvalidRequest.WithDescription("the body is not form-encoded: a percent sign needs two hex digits and UTF-8")
		}
		if err := p.declare(name, name == "resource"); err != nil {
			return err
		}
		if err := p.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// formDecode undoes application/x-www-form-urlencoded, and takes only UTF-8 (RFC 6749 appendix B).
func formDecode(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	decoded, err := url.QueryUnescape(s)
	if err != nil {
		return "", err
	}
	return decoded, checkUTF8(decoded)
}

// hasControl reports whether s holds a control character, NUL among them.
func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}
