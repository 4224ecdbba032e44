// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
)

// challenge goes with every 401 (RFC 9110 section 15.5.2).
const challenge = `Bearer realm="integration-operator"`

// The messages that have places for parameters. Clients put in the values, or show them.
const (
	messageMissing      = `"%fieldName" is required: send it.`
	messageSeveral      = "Some of the fields are missing."
	messageCredentials  = "The sign-in is wrong, or the account is disabled or locked for a while."
	messageFactor       = "Log in at the endpoint of one of the user's second factors: %active_providers."
	messageUnauthorized = "The caller is not authorized to access %resources."
)

// providers are the vendor's names of second factors.
var providers = map[oauth2.FactorProvider]string{oauth2.FactorTOTP: "google", oauth2.FactorSecurityKey: "u2fkey"}

// formatOf returns the format of a reply. A client that takes none gets its error as JSON.
func formatOf(r *http.Request) format {
	f, _ := negotiate(r.Header["Accept"])
	return f
}

// WriteReply writes a token, or what was asked for in its place.
func (Dialect) WriteReply(w http.ResponseWriter, r *http.Request, reply *grants.Reply) {
	var v value = text(reply.Access.Token)
	if answer, ok := reply.Answer.(value); ok {
		v = answer
	}
	formatOf(r).write(w, http.StatusOK, v)
}

// WriteError writes a refusal. Whatever is wrong with a login looks alike, be it that the user is locked out.
func (Dialect) WriteError(w http.ResponseWriter, r *http.Request, refusal *grants.Refusal) {
	err := refusal.Err
	switch err.Code() {
	case oauth2.ErrInvalidGrant.Code(), oauth2.ErrInvalidClient.Code(), oauth2.ErrUnauthorizedClient.Code():
		writeUnauthorized(w, r, object{{"message", text(messageCredentials)}})
		return
	}
	if err.Allow() != "" {
		w.Header().Set("Allow", err.Allow())
	}
	if wait := err.RetryAfter(); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	formatOf(r).write(w, err.Status(), problemOf(err))
}

// problemOf returns the body of an error that is not about who the caller is.
func problemOf(err *oauth2.Error) value {
	if missing, ok := errors.AsType[missingFieldsError](err); ok {
		return missing.problem()
	}
	if required, ok := errors.AsType[*grants.SecondFactorRequiredError](err); ok {
		var active list
		for _, provider := range required.Providers {
			active = append(active, text(providers[provider]))
		}
		return object{{"message", text(messageFactor)}, {"parameters", object{{"active_providers", active}}}}
	}
	return object{{"message", text(err.Description())}}
}

// problem returns the body for fields that are missing: of one it is about that, of several it lists them.
func (m missingFieldsError) problem() value {
	about := func(field string) object {
		return object{{"message", text(messageMissing)}, {"parameters", object{{"fieldName", text(field)}}}}
	}
	if len(m) == 1 {
		return about(m[0])
	}
	var each list
	for _, field := range m {
		each = append(each, about(field))
	}
	return object{{"message", text(messageSeveral)}, {"errors", each}}
}

// writeUnauthorized writes a 401 with its challenge.
func writeUnauthorized(w http.ResponseWriter, r *http.Request, v value) {
	w.Header().Set("WWW-Authenticate", challenge)
	formatOf(r).write(w, http.StatusUnauthorized, v)
}

// writeRefusal writes why a request must not pass. To the vendor it is all the same whether a token is missing, does not count or is not enough.
func writeRefusal(w http.ResponseWriter, r *http.Request, refusal *forwardauth.Refusal) {
	resources := strings.Join(refusal.Resources, ", ")
	if resources == "" {
		resources = refusal.Scope
	}
	writeUnauthorized(w, r, unauthorized(resources))
}

// unauthorized returns the body for a caller who may not use resources.
func unauthorized(resources string) value {
	return object{{"message", text(messageUnauthorized)}, {"parameters", object{{"resources", text(resources)}}}}
}

// unavailable says what a user must be told whose request for a challenge cannot be met.
func unavailable(err error) error {
	switch {
	case errors.Is(err, secondfactor.ErrNoSecurityKeys):
		return oauth2.ErrInvalidRequest.WithCause(err).WithDescription("the user has no security key")
	case errors.Is(err, secondfactor.ErrNoRelyingParty):
		return oauth2.ErrInvalidRequest.WithCause(err).WithDescription("there are no security keys here")
	case errors.Is(err, grants.ErrWrongFactor):
		return oauth2.ErrInvalidRequest.WithCause(err).WithDescription("the security key's answer is wrong, was used before, or came too late")
	default:
		return err
	}
}
