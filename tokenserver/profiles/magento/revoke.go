// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/limits"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// errNoCustomer says that a request presents no customer's token, or one of another Integration than the URL names.
var errNoCustomer = errors.New("there is no token of a customer of the Integration")

// The results of a revocation beside audit.ResultOK.
const (
	resultInvalidToken = "invalid_token"
	resultUnavailable  = "temporarily_unavailable"
)

// A CustomerRevocation ends all tokens of the customer whose token is presented. All its fields are needed. Below a URL that names an
// Integration by the wildcards namespace and name, it serves the customers of that one only.
type CustomerRevocation struct {
	// Checker decides whether tokens count.
	Checker *introspection.Checker
	// Sessions keeps the customers' logins.
	Sessions sessions.Store
	// Sources tells where a request comes from.
	Sources limits.Sources
	// Audit gets one line a request.
	Audit *audit.Recorder
}

// ServeHTTP serves a revocation.
func (h *CustomerRevocation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		formatOf(r).write(w, http.StatusMethodNotAllowed, object{{"message", text("use the method POST")}})
		return
	}
	replies, ok := negotiate(r.Header["Accept"])
	if !ok {
		replies.write(w, http.StatusNotAcceptable, object{{"message", text("accept application/json or application/xml")}})
		return
	}
	event := audit.Event{Action: audit.Revoke, Result: audit.ResultOK, Status: http.StatusOK, Source: h.Sources.Of(r).String()}
	err := h.revoke(r, &event)
	switch {
	case err == nil:
		replies.write(w, http.StatusOK, truth(true))
	case errors.Is(err, errNoCustomer), errors.Is(err, introspection.ErrInactive):
		event.Result, event.Status, event.Cause = resultInvalidToken, http.StatusUnauthorized, err.Error()
		writeUnauthorized(w, r, unauthorized(resourceSelf))
	default:
		event.Result, event.Status, event.Cause = resultUnavailable, http.StatusServiceUnavailable, err.Error()
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(sessions.RetryAfter.Seconds()))))
		replies.write(w, http.StatusServiceUnavailable, object{{"message", text("the server cannot answer just now: try again later")}})
	}
	h.Audit.Record(r.Context(), event)
}

// revoke ends the tokens of the customer, and notes who that is.
func (h *CustomerRevocation) revoke(r *http.Request, event *audit.Event) error {
	presented, err := forwardauth.Bearer(r.Header)
	if err != nil || presented == "" {
		return errNoCustomer
	}
	token, err := h.Checker.Check(r.Context(), presented)
	if err != nil {
		return err
	}
	client, user := token.Client, token.Claims.Integration
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if client.Profile != clients.ProfileMagento || user.Kind != clients.KindCustomer ||
		namespace+name != "" && (namespace != client.Namespace || name != client.Name) {
		return errNoCustomer
	}
	event.Client, event.Integration, event.User = client.ID, client.Namespace+"/"+client.Name, user.Username
	event.TokenID, event.SessionID = token.Claims.ID, token.Claims.SessionID
	_, err = h.Sessions.EndUser(r.Context(), sessions.OwnerOf(client), user.Username, user.Kind)
	return err
}
