// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"context"
	"net/http"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
)

// signedDots are the dots of a signed token, and all tokens of this profile are signed.
const signedDots = 2

// Verify returns the dialect in which APIs behind /verify are asked.
func Verify(checker *introspection.Checker) forwardauth.Dialect {
	return forwardauth.Dialect{
		Profile: clients.ProfileShopware,
		Authenticate: func(ctx context.Context, r *http.Request) (*introspection.Token, error) {
			token, err := presented(r.Header)
			if err != nil || token == "" {
				return nil, err
			}
			return checker.Check(ctx, token)
		},
		WriteRefusal: writeRefusal,
	}
}

// writeRefusal writes why a request must not pass. That a token may not do something has no number.
func writeRefusal(w http.ResponseWriter, _ *http.Request, refusal *forwardauth.Refusal) {
	e := apiError{Code: codeToken}
	if refusal.Status == http.StatusForbidden {
		e.Code = codePrivilege
	}
	if refusal.Description != "" {
		e.Detail = new(refusal.Description)
	}
	if refusal.Scope != "" {
		// It is what the proxy asked for, not what its client did.
		e.Detail = new("the token must have the scope " + printable(refusal.Scope))
	}
	write(w, refusal.Status, e)
}

// presented returns the token of the Authorization header; empty if there is none. One of the vendor's clients sends the token alone, without
// the scheme before it.
func presented(h http.Header) (string, error) {
	if values := h["Authorization"]; len(values) == 1 {
		alone := strings.Trim(values[0], " ")
		if strings.Count(alone, ".") == signedDots && !strings.ContainsAny(alone, " \t,") {
			return alone, nil
		}
	}
	return forwardauth.Bearer(h)
}
