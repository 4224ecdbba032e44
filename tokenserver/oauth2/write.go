// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// challenge goes with every 401 (RFC 9110 section 15.5.2), whether or not the client tried Basic.
const challenge = `Basic realm="integration-operator"`

// WriteJSON writes body, which is JSON, as a reply that nobody may store (RFC 6749 section 5.1).
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A failed write means that the client has gone, and then there is nobody left to tell.
	_, _ = w.Write(body)
}

// WriteError writes err as RFC 6749 section 5.2 asks, with the headers that its status calls for. It writes the code and the
// description, never the cause.
func WriteError(w http.ResponseWriter, err *Error) {
	// Marshalling two strings cannot fail.
	body, _ := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{err.code, printable(err.description)})
	if err.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if err.allow != "" {
		w.Header().Set("Allow", err.allow)
	}
	if err.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(err.retryAfter.Seconds()))))
	}
	WriteJSON(w, err.status, body)
}

// printable replaces what error_description may not hold: anything but printable ASCII without quote and backslash (RFC 6749
// section 5.2).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
