// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// ErrMalformed says that the credentials of a request cannot be read, or are there twice.
var ErrMalformed = errors.New("the Authorization header is malformed or there twice")

// A Dialect is how the system of a profile authenticates requests to its API, and how it refuses them. The zero value is plain OAuth 2. Whether
// a token counts, for whom it is meant and which scopes it has is judged alike for all.
type Dialect struct {
	// Profile is the only profile whose tokens pass. Proxies choose the dialect by it.
	Profile clients.Profile
	// Authenticate returns the token that a request presents, or nil if it presents none. It returns ErrMalformed, introspection.ErrInactive
	// with the cause wrapped beside it, or sessions.ErrUnavailable. Nil stands for the bearer token of RFC 6750.
	Authenticate func(ctx context.Context, r *http.Request) (*introspection.Token, error)
	// Allows reports whether a token, nil for a guest, may use a resource of the API. A guest passes where resources are all that is required. Nil
	// is for systems that know no resources.
	Allows func(token *introspection.Token, resource string) bool
	// WriteRefusal writes a refusal. Nil stands for RFC 6750 section 3.
	WriteRefusal func(w http.ResponseWriter, r *http.Request, refusal *Refusal)
}

// A Refusal is why a request must not pass.
type Refusal struct {
	// Status is 401 or 403.
	Status int
	// Code is one of RFC 6750 section 3.1, and empty if there was no token at all.
	Code string
	// Description says why, in words that hold nothing of the request.
	Description string
	// Scope is what would be enough, where that is what is missing.
	Scope string
	// Resources are those that are missing, or all that are required where there is no token that counts.
	Resources []string
	// Cause is for the log.
	Cause error
}

// Bearer returns the bearer token of the Authorization header (RFC 6750 section 2.1), and of nowhere else; empty if there is none. It returns
// ErrMalformed.
func Bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) > 1 {
		return "", ErrMalformed
	}
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	if token = strings.Trim(token, " "); token == "" || strings.ContainsAny(token, " \t,") {
		return "", ErrMalformed
	}
	return token, nil
}

// dialect returns the dialect of a profile; false if the server has none.
func (h *Handler) dialect(profile clients.Profile) (*Dialect, bool) {
	if profile == clients.ProfileOAuth2 {
		return &Dialect{}, true
	}
	at := slices.IndexFunc(h.Dialects, func(d Dialect) bool { return d.Profile == profile })
	if at < 0 {
		return nil, false
	}
	return &h.Dialects[at], true
}

// authenticate returns the token that a request presents, or nil if it presents none.
func (h *Handler) authenticate(d *Dialect, r *http.Request) (*introspection.Token, error) {
	if d.Authenticate != nil {
		return d.Authenticate(r.Context(), r)
	}
	presented, err := Bearer(r.Header)
	if err != nil || presented == "" {
		return nil, err
	}
	return h.Checker.Check(r.Context(), presented)
}

// judge returns nil if a token, nil for none, has what is required.
func (h *Handler) judge(d *Dialect, q *requirements, token *introspection.Token) *Refusal {
	if token == nil {
		if q.onlyResources() && d.lacks(q, nil) == nil {
			return nil
		}
		return &Refusal{Status: http.StatusUnauthorized, Resources: q.resources, Cause: errNoToken}
	}
	if token.Client.Profile != d.Profile {
		return inactive("the token is not one of this API's profile", nil)
	}
	if refused := q.judge(token.Claims); refused != nil {
		return refused
	}
	if lacks := d.lacks(q, token); lacks != nil {
		return &Refusal{
			Status: http.StatusForbidden, Code: codeInsufficientScope, Resources: lacks,
			Description: "the token lacks a resource that the API requires",
		}
	}
	return nil
}

// lacks returns those of the required resources that a token may not use.
func (d *Dialect) lacks(q *requirements, token *introspection.Token) []string {
	var lacks []string
	for _, resource := range q.resources {
		if d.Allows == nil || !d.Allows(token, resource) {
			lacks = append(lacks, resource)
		}
	}
	return lacks
}

// profileOf returns the profile that a name stands for, in any letters.
func profileOf(name string) (clients.Profile, *oauth2.Error) {
	if strings.EqualFold(name, "OAuth2") {
		return clients.ProfileOAuth2, nil
	}
	for _, profile := range []clients.Profile{clients.ProfileShopware, clients.ProfileOroCommerce, clients.ProfileMagento} {
		if strings.EqualFold(name, string(profile)) {
			return profile, nil
		}
	}
	return "", invalid("there is no such profile: use OAuth2, Shopware, OroCommerce or Magento")
}
