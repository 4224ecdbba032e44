// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth1

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of a header.
const (
	maxHeader     = 8 << 10
	maxParameters = 32
	maxValue      = 1 << 10
)

// A parameter is one of the header or the query, decoded.
type parameter struct{ name, value string }

// IsOAuth reports whether an Authorization header is of the scheme that Parse reads.
func IsOAuth(header string) bool {
	scheme, _, found := strings.Cut(header, " ")
	return found && strings.EqualFold(scheme, "OAuth")
}

// parseHeader returns the parameters of a header, realm among them.
func parseHeader(header string) ([]parameter, error) {
	if len(header) > maxHeader {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, maxHeader)
	}
	if !IsOAuth(header) {
		return nil, fmt.Errorf("%w: its scheme is not OAuth", ErrMalformed)
	}
	_, rest, _ := strings.Cut(header, " ")
	var parameters []parameter
	for rest = trimSpace(rest); rest != ""; {
		var p parameter
		var err error
		if p, rest, err = parseParameter(rest); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(parameters, func(other parameter) bool { return other.name == p.name }) {
			return nil, fmt.Errorf("%w: a parameter is there twice", ErrMalformed)
		}
		if len(parameters) == maxParameters {
			return nil, fmt.Errorf("%w: it has more than %d parameters", ErrMalformed, maxParameters)
		}
		parameters = append(parameters, p)
	}
	return parameters, nil
}

// parseParameter reads name="value" and the comma behind it, unless it is the last one.
func parseParameter(s string) (p parameter, rest string, err error) {
	name, rest, found := strings.Cut(s, "=")
	if !found || !strings.HasPrefix(rest, `"`) {
		return parameter{}, "", fmt.Errorf(`%w: write each parameter as name="value"`, ErrMalformed)
	}
	value, rest, ok := unquote(rest[1:])
	rest = trimSpace(rest)
	if !ok || rest != "" && rest[0] != ',' {
		return parameter{}, "", fmt.Errorf("%w: put quotes around each value, and commas between parameters", ErrMalformed)
	}
	if rest != "" {
		if rest = trimSpace(rest[1:]); rest == "" {
			return parameter{}, "", fmt.Errorf("%w: it ends with a comma", ErrMalformed)
		}
	}
	if p.name, ok = decode(name); !ok || p.name == "" {
		return parameter{}, "", fmt.Errorf("%w: a parameter's name is empty or wrongly encoded", ErrMalformed)
	}
	if p.name == "realm" {
		// It is a quoted-string like any other scheme's, and takes no part in anything (section 3.4.1.3.1).
		return p, rest, nil
	}
	if p.value, ok = decode(value); !ok || len(p.value) > maxValue {
		return parameter{}, "", fmt.Errorf("%w: a parameter's value is wrongly encoded or too long", ErrMalformed)
	}
	return p, rest, nil
}

// unquote returns what stands before the closing quote, and what behind it. A backslash hides the next character, which matters to
// realm only: the other values are encoded.
func unquote(s string) (value, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

func trimSpace(s string) string { return strings.Trim(s, " \t") }

// decode undoes the encoding of section 3.6. What comes out is printable ASCII: the values that the protocol defines are, and nothing else
// is needed. Whatever is not encoded that should be stands for itself.
func decode(s string) (string, bool) {
	decoded, ok := unescape(s)
	return decoded, ok && !strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r > '~' })
}

// unescape replaces each percent sign and the two hex digits behind it.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			decoded = append(decoded, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		decoded = append(decoded, byte(high<<4|low)) //nolint:gosec // two hex digits are one byte
		i += 2
	}
	return string(decoded), true
}

// hexDigit returns the value of a hex digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// encode is the encoding of section 3.6: everything but the unreserved characters, in upper case.
func encode(s string) string {
	const hex = "0123456789ABCDEF"
	encoded := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			encoded = append(encoded, c)
		default:
			encoded = append(encoded, '%', hex[c>>4], hex[c&0xf])
		}
	}
	return string(encoded)
}
