// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// The codes of the errors of this profile, which its clients branch on.
const (
	codeOther        = "0"
	codeGrantType    = "2"
	codeRequest      = "3"
	codeClient       = "4"
	codeScope        = "5"
	codePassword     = "6"
	codeRefreshToken = "8"
	codeToken        = "9"
	codeThrottled    = "FRAMEWORK__AUTH_THROTTLED"
	codePrivilege    = "FRAMEWORK__MISSING_PRIVILEGE_ERROR"
	codeNotFound     = "FRAMEWORK__RESOURCE_NOT_FOUND"
)

// challenge goes with codeClient.
const challenge = `Basic realm="integration-operator"`

// titles say what a code means.
var titles = map[string]string{
	codeGrantType:    "This grant is not available.",
	codeRequest:      "The request is incomplete or malformed.",
	codeClient:       "The client could not be authenticated.",
	codeScope:        "The scope was not granted.",
	codePassword:     "The login failed.",
	codeRefreshToken: "The refresh token is not valid.",
	codeToken:        "The access token is missing or not valid.",
	codeThrottled:    "There were too many failed attempts.",
	codePrivilege:    "The access token does not allow this.",
	codeNotFound:     "There is no such resource.",
}

// An apiError is one of the errors of a reply (JSON:API 1.0, "Error Objects"). All that it says is in strings but the time to wait.
type apiError struct {
	Code   string  `json:"code"`
	Status string  `json:"status"`
	Title  string  `json:"title"`
	Detail *string `json:"detail"`
	Meta   *meta   `json:"meta,omitempty"`
}

// meta is where the vendor's administration looks for how long to wait.
type meta struct {
	Parameters parameters `json:"parameters"`
}

type parameters struct {
	Seconds int `json:"seconds"`
}

// write writes one error.
func write(w http.ResponseWriter, status int, e apiError) {
	e.Status = strconv.Itoa(status)
	if e.Title = titles[e.Code]; e.Title == "" {
		e.Title = http.StatusText(status)
	}
	// Marshalling strings and a number cannot fail.
	body, _ := json.Marshal(struct {
		Errors []apiError `json:"errors"`
	}{[]apiError{e}})
	oauth2.WriteJSON(w, status, body)
}

// writeError writes an error of a token request, or of one for a resource, with the headers that it calls for.
func writeError(w http.ResponseWriter, r *http.Request, err *oauth2.Error, grantType string) {
	status, code := codeOf(err, grantType)
	e := apiError{Code: code, Detail: detailOf(err, code)}
	if code == codeClient && len(r.Header["Authorization"]) > 0 {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if err.Allow() != "" {
		w.Header().Set("Allow", err.Allow())
	}
	wait := secondsOf(err.RetryAfter())
	if code == codeThrottled {
		// Clients count down from it, so it is at least something to count.
		wait = max(wait, 1)
		e.Meta = &meta{parameters{Seconds: wait}}
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
	}
	write(w, status, e)
}

// codeOf returns the status and the code of an error.
func codeOf(err *oauth2.Error, grantType string) (status int, code string) {
	switch status := err.Status(); {
	case status == http.StatusTooManyRequests:
		return status, codeThrottled
	case status >= http.StatusInternalServerError, status == http.StatusMethodNotAllowed, status == http.StatusRequestEntityTooLarge:
		return status, codeOther
	}
	switch err.Code() {
	case oauth2.ErrUnsupportedGrantType.Code(), oauth2.ErrUnauthorizedClient.Code():
		return http.StatusBadRequest, codeGrantType
	case oauth2.ErrInvalidClient.Code():
		return http.StatusUnauthorized, codeClient
	case oauth2.ErrInvalidScope.Code():
		return http.StatusBadRequest, codeScope
	case oauth2.ErrInvalidGrant.Code():
		if grantType == grantRefreshToken {
			return http.StatusUnauthorized, codeRefreshToken
		}
		return http.StatusBadRequest, codePassword
	}
	_, secondFactor := errors.AsType[*grants.SecondFactorRequiredError](err)
	switch {
	case secondFactor:
		// The vendor's clients know no second factors, so to them it is a login that failed. It is none that counts, by which somebody who guesses
		// on can tell that the password was right: of no use without the factor, which no endpoint of this profile takes.
		return http.StatusBadRequest, codePassword
	case errors.Is(err, oauth2.ErrCauseContentType):
		return http.StatusBadRequest, codeGrantType
	case errors.Is(err, oauth2.ErrCauseMalformed):
		return http.StatusBadRequest, codeOther
	default:
		return http.StatusBadRequest, codeRequest
	}
}

// detailOf says more than the title does, or nothing where there is nothing to say. Of the request it repeats the scope at fault alone.
func detailOf(err *oauth2.Error, code string) *string {
	known := []string{memberGrantType, memberClientID, memberClientSecret, memberUsername, memberPassword, memberRefreshToken, memberScope, memberScopes}
	switch {
	case code == codeScope && err.Scope() != "":
		return new("the scope " + printable(err.Scope()) + " is unknown or not granted")
	case code == codeRequest && slices.Contains(known, err.Parameter()):
		return new("the member " + err.Parameter() + " is missing, or not of the form that it must have")
	case code == codeRequest, code == codeOther, errors.Is(err, oauth2.ErrCauseContentType):
		return new(err.Description())
	case code == codeGrantType:
		return new("use client_credentials with an access key and its secret, or password and refresh_token with the client_id " + loginClient)
	default:
		return nil
	}
}

// printable returns the first characters of what came in a request, without any that are not printable ASCII.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s[:min(len(s), oauth2.MaxScopeLength)])
}

// secondsOf rounds up, so that nobody comes too early.
func secondsOf(d time.Duration) int {
	return int(math.Ceil(d.Seconds()))
}
