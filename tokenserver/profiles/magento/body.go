// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// The fields of requests.
const (
	fieldUsername = "username"
	fieldPassword = "password"
	fieldCode     = "otp"
	fieldAnswer   = "publicKeyCredentialJson"
)

// maxLengths are how many bytes each field may have.
var maxLengths = map[string]int{
	fieldUsername: oauth2.MaxUsernameLength, fieldPassword: 1 << 10, fieldCode: 64, fieldAnswer: 16 << 10,
}

// fields are those of a request, by their names; what is missing or empty is not there.
type fields map[string]string

// has reports whether a field was there, be it empty.
func (f fields) has(name string) bool {
	_, found := f[name]
	return found
}

// set takes the value of a field, and ignores what is none.
func (f fields) set(name, value string) *oauth2.Error {
	limit, known := maxLengths[name]
	if !known {
		return nil
	}
	if len(value) > limit || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return malformed(name + " is too long or holds control characters")
	}
	f[name] = value
	return nil
}

// malformed is what a request gets that cannot be read. The description holds nothing of it.
func malformed(description string) *oauth2.Error {
	return oauth2.ErrInvalidRequest.WithDescription(description)
}

// readFields reads the body of a POST, as its content type says. An empty body has no fields.
func readFields(w http.ResponseWriter, r *http.Request) (fields, *oauth2.Error) {
	if r.Method != http.MethodPost {
		return nil, oauth2.MethodNotAllowed(http.MethodPost)
	}
	if r.URL.RawQuery != "" {
		return nil, malformed("send fields in the body: the URL must have no query string")
	}
	isXML, err := xmlBody(r)
	if err != nil {
		return nil, err
	}
	if !isXML {
		return readJSON(w, r)
	}
	var body bytes.Buffer
	if _, failed := body.ReadFrom(http.MaxBytesReader(w, r.Body, oauth2.MaxBodyBytes)); failed != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](failed); tooLarge {
			return nil, malformed("the body is larger than 64 KiB").WithStatus(http.StatusRequestEntityTooLarge)
		}
		return nil, malformed("the body could not be read").WithCause(failed)
	}
	if body.Len() == 0 {
		return fields{}, nil
	}
	if !utf8.Valid(body.Bytes()) {
		return nil, malformed("the body is not valid UTF-8")
	}
	return parseXML(body.String())
}

// xmlBody reports whether the content type is XML rather than JSON; an error if it is neither, or not in UTF-8.
func xmlBody(r *http.Request) (bool, *oauth2.Error) {
	unreadable := malformed("send Content-Type application/json or application/xml, in UTF-8")
	values := r.Header["Content-Type"]
	if len(values) != 1 {
		return false, unreadable
	}
	mediaType, parameters, err := mime.ParseMediaType(values[0])
	if err != nil {
		return false, unreadable
	}
	if charset, given := parameters["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return false, unreadable
	}
	switch mediaType {
	case "application/json":
		return false, nil
	case "application/xml", "text/xml":
		return true, nil
	default:
		return false, unreadable
	}
}

// readJSON reads one JSON object.
func readJSON(w http.ResponseWriter, r *http.Request) (fields, *oauth2.Error) {
	members, err := oauth2.ReadMembers(w, r)
	if err != nil {
		return nil, err
	}
	read := fields{}
	for name := range maxLengths {
		value, isText := members.Text(name)
		if members.Has(name) && !isText {
			return nil, malformed(name + " must be a string")
		}
		if err := read.set(name, value); err != nil {
			return nil, err
		}
	}
	return read, nil
}
