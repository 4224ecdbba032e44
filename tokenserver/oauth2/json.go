// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Bounds of what is ignored: the nesting, and the tokens in all, as each of them costs far more than its bytes.
const (
	maxJSONDepth     = 16
	maxIgnoredTokens = 1024
)

// parseJSON reads a body of one JSON object with the same members as the form. It goes by tokens, as unmarshalling takes
// duplicate members, foreign capitalisation and trailing data in its stride.
func parseJSON(body string, p *parameters) *Error {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	opening, err := d.Token()
	if err != nil {
		return malformedJSON(d)
	}
	if opening != json.Delim('{') {
		return ErrInvalidRequest.WithDescription("the body must be a JSON object, not " + kindOf(opening))
	}
	for d.More() {
		if err := parseMember(d, p); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformedJSON(d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrInvalidRequest.WithDescription("the body must be one JSON object with nothing after it")
	}
	return nil
}

// parseMember reads one member of the object.
func parseMember(d *json.Decoder, p *parameters) *Error {
	token, err := d.Token()
	if err != nil {
		return malformedJSON(d)
	}
	// The decoder gives nothing but a string where a name belongs.
	name, _ := token.(string)
	if err := p.declare(name, false); err != nil {
		return err
	}
	value, err := d.Token()
	if err != nil {
		return malformedJSON(d)
	}
	switch v := value.(type) {
	case string:
		return p.set(name, v)
	case json.Delim:
		if name == "resource" && v == '[' {
			return parseResources(d, p)
		}
	}
	if known(name) {
		want := " must be a string, not "
		if name == "resource" {
			want = " must be a string or an array of strings, not "
		}
		return ErrInvalidRequest.WithDescription("the member " + name + want + kindOf(value))
	}
	return skip(d, p, value)
}

// parseResources reads the rest of an array of strings.
func parseResources(d *json.Decoder, p *parameters) *Error {
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return malformedJSON(d)
		}
		value, ok := token.(string)
		if !ok {
			return ErrInvalidRequest.WithDescription("the member resource must hold strings only, not " + kindOf(token))
		}
		if err := p.set("resource", value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformedJSON(d)
	}
	return nil
}

// skip reads over the rest of a value that began with token.
func skip(d *json.Decoder, p *parameters, token json.Token) *Error {
	depth := 0
	for {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		if depth > maxJSONDepth {
			return ErrInvalidRequest.WithDescription("the body is nested too deeply")
		}
		if p.ignored++; p.ignored > maxIgnoredTokens {
			return ErrInvalidRequest.WithDescription("there is too much in members that this server does not read")
		}
		var err error
		if token, err = d.Token(); err != nil {
			return malformedJSON(d)
		}
	}
}

// malformedJSON says where the JSON ends to be valid. The decoder's own message is left out, as it quotes the body.
func malformedJSON(d *json.Decoder) *Error {
	at := strconv.FormatInt(d.InputOffset(), 10)
	return ErrInvalidRequest.WithDescription("the body is not valid JSON: see what follows byte " + at)
}

// kindOf names the type of a JSON value by its first token.
func kindOf(token json.Token) string {
	switch t := token.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case json.Delim:
		if t == '[' {
			return "an array"
		}
	}
	return "an object"
}
