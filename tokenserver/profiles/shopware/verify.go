// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"errors"
	"net/http"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

var errMalformed = errors.New("the Authorization header is malformed or there twice")

// The dots of a signed token; tokens.IsOpaque knows those of the others.
const signedDots = 2

// presented returns the token of the Authorization header; empty if there is none. One of the vendor's clients sends the token alone, without
// the scheme before it.
func presented(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", errMalformed
	}
	scheme, token, found := strings.Cut(strings.Trim(values[0], " "), " ")
	switch {
	case !found && (strings.Count(scheme, ".") == signedDots || tokens.IsOpaque(scheme)):
		token = scheme
	case !strings.EqualFold(scheme, "Bearer"):
		return "", nil
	}
	if token = strings.Trim(token, " "); token == "" || strings.ContainsAny(token, " \t,") {
		return "", errMalformed
	}
	return token, nil
}
