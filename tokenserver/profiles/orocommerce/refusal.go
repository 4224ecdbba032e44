// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// challenge goes with invalid_client.
const challenge = `Basic realm="integration-operator"`

// The hints. They tell a developer what to look at, and a client's user interface that trying again later may help.
const (
	hintGrantType = "send grant_type as password, client_credentials or refresh_token, in a form or in one JSON object"
	hintThrottled = "too many attempts have failed: wait for the seconds of the header Retry-After"
	hintLocked    = "the user is locked for a while: wait for the seconds of the header Retry-After"
	hintFactor    = "the user has to log in with a second factor, which this endpoint does not take"
	hintExpired   = "the refresh token has expired"
	hintUsed      = "the refresh token was used before: the login has ended"
	hintUnusable  = "the refresh token cannot be read, is another client's, or was revoked"
)

// A problem is an error as OroCommerce's clients read it. Its members are in OroCommerce's order.
type problem struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Hint        string `json:"hint,omitempty"`
	// Message repeats the description, for clients of an older draft.
	Message string `json:"message"`
	status  int
}

// WriteError writes a refusal. The challenge goes only with clients that have tried a header: others may be scripts, and browsers would ask
// their users for a password.
func (Dialect) WriteError(w http.ResponseWriter, r *http.Request, refusal *grants.Refusal) {
	err := refusal.Err
	p := problemOf(err, refusal.GrantType)
	h := w.Header()
	if p.status == http.StatusUnauthorized && p.Code == oauth2.ErrInvalidClient.Code() && len(r.Header["Authorization"]) > 0 {
		h.Set("WWW-Authenticate", challenge)
	}
	if err.Allow() != "" {
		h.Set("Allow", allowedMethods)
	}
	if wait := err.RetryAfter(); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	// Marshalling strings cannot fail.
	body, _ := json.Marshal(p)
	oauth2.WriteJSON(w, p.status, body)
}

// problemOf returns an error of the pipeline as OroCommerce has it. What OroCommerce knows nothing of, such as a server that is short of
// something, keeps its code and its status.
func problemOf(err *oauth2.Error, grantType string) problem {
	p := problem{Code: err.Code(), Description: err.Description(), Message: err.Description(), status: err.Status()}
	throttled := err.Status() == http.StatusTooManyRequests
	switch err.Code() {
	case oauth2.ErrUnsupportedGrantType.Code():
		p.Hint = hintGrantType
	case oauth2.ErrInvalidClient.Code(), oauth2.ErrUnauthorizedClient.Code():
		p.Code, p.status = oauth2.ErrInvalidClient.Code(), http.StatusUnauthorized
		if throttled {
			p.Hint = hintThrottled
		}
	case oauth2.ErrInvalidGrant.Code():
		switch {
		case throttled:
			p.status, p.Hint = http.StatusBadRequest, hintLocked
		case grantType == grantRefreshToken:
			p.Code, p.status, p.Hint = oauth2.ErrInvalidRequest.Code(), http.StatusUnauthorized, hintOf(err)
		}
	case oauth2.ErrInvalidScope.Code():
		if err.Scope() != "" {
			p.Hint = "leave out the scope " + err.Scope()
		}
	case oauth2.ErrInvalidRequest.Code():
		p.hintAtRequest(err)
	}
	return p
}

// hintAtRequest says which member of a request is at fault. A user who needs a second factor is as good as disabled here: there is no
// member for it.
func (p *problem) hintAtRequest(err *oauth2.Error) {
	if _, ok := errors.AsType[*grants.SecondFactorRequiredError](err); ok {
		p.Code, p.Hint = oauth2.ErrInvalidGrant.Code(), hintFactor
		return
	}
	if err.Parameter() != "" {
		p.Hint = "check the member " + err.Parameter()
	}
}

// hintOf says what is wrong with a refresh token.
func hintOf(err *oauth2.Error) string {
	switch {
	case errors.Is(err, tokens.ErrExpiredToken), errors.Is(err, sessions.ErrExpired):
		return hintExpired
	case errors.Is(err, sessions.ErrReused):
		return hintUsed
	default:
		return hintUnusable
	}
}
