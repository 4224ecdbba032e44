// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// The headers with requirements.
const (
	headerScope    = "X-Verify-Scope"
	headerAudience = "X-Verify-Audience"
	headerKind     = "X-Verify-Kind"
)

// kindClient is the kind of a token that speaks for no user; the others are those of users.
const kindClient = "Client"

var kinds = []string{kindClient, "Admin", "Customer"}

const (
	// maxRequirement bounds the query and each header.
	maxRequirement = 8 << 10
	// maxLines bounds how often a header may be there.
	maxLines = 8
)

// requirements are what a token must have. Every list of audiences and of kinds stands for itself: the token must match
// one entry of each.
type requirements struct {
	scopes    []string
	audiences [][]string
	kinds     [][]string
}

// invalid returns the error for a proxy that asks something that makes no sense.
func invalid(description string) *oauth2.Error {
	return oauth2.ErrInvalidRequest.WithDescription(description)
}

// fromQuery adds what the query requires. Whoever leaves out the audience means the issuer.
func (q *requirements) fromQuery(rawQuery, issuer string) *oauth2.Error {
	if len(rawQuery) > maxRequirement {
		return invalid("the query is longer than 8 KiB")
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return invalid("the query is not form-encoded")
	}
	for name, list := range values {
		var problem *oauth2.Error
		switch name {
		case "scope":
			for _, value := range list {
				problem = firstError(problem, q.addScopes(value))
			}
		case "audience":
			problem = q.addAudiences(list)
		case "kind":
			problem = q.addKinds(list)
		default:
			problem = invalid("the query has an unknown parameter: use scope, audience and kind")
		}
		if problem != nil {
			return problem
		}
	}
	if len(values["audience"]) == 0 {
		q.audiences = append(q.audiences, []string{issuer})
	}
	return nil
}

// firstError returns the first of two errors that is one.
func firstError(a, b *oauth2.Error) *oauth2.Error {
	if a != nil {
		return a
	}
	return b
}

// fromHeaders adds what the headers require.
func (q *requirements) fromHeaders(h http.Header) *oauth2.Error {
	for _, header := range []struct {
		name string
		add  func(value string) *oauth2.Error
	}{
		{headerScope, q.addScopes},
		{headerAudience, func(value string) *oauth2.Error { return q.addAudiences(strings.Split(value, " ")) }},
		{headerKind, func(value string) *oauth2.Error { return q.addKinds(strings.Split(value, " ")) }},
	} {
		lines := h[header.name]
		if len(lines) > maxLines {
			return invalid("the header " + header.name + " is there too often")
		}
		for _, line := range lines {
			// A proxy that joins two headers of one name puts a comma between them, and then it is not clear what was
			// meant.
			if len(line) > maxRequirement || strings.Contains(line, ",") {
				return invalid("the header " + header.name + " is too long or holds a comma: write a list with one space between entries")
			}
			if problem := header.add(line); problem != nil {
				return problem
			}
		}
	}
	return nil
}

// addScopes adds a list of scopes, all of which the token must have.
func (q *requirements) addScopes(value string) *oauth2.Error {
	for scope := range strings.SplitSeq(value, " ") {
		if !isScope(scope) || len(q.scopes) == oauth2.MaxScopes {
			return invalid("write each scope requirement as scopes with one space between them, or leave it out")
		}
		q.scopes = append(q.scopes, scope)
	}
	return nil
}

// addAudiences adds a list of audiences, one of which the token must be meant for.
func (q *requirements) addAudiences(list []string) *oauth2.Error {
	for _, audience := range list {
		if audience == "" || strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return invalid("an audience requirement is empty or holds spaces: name at least one audience, or leave it out")
		}
	}
	q.audiences = append(q.audiences, list)
	return nil
}

// addKinds adds a list of kinds, one of which the token's must be.
func (q *requirements) addKinds(list []string) *oauth2.Error {
	for _, kind := range list {
		if !slices.Contains(kinds, kind) {
			return invalid("there is no such kind: use " + strings.Join(kinds, ", "))
		}
	}
	q.kinds = append(q.kinds, list)
	return nil
}

// isScope reports whether s is a scope-token (RFC 6749 section 3.3). None has what would end a quoted string.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= oauth2.MaxScopeLength
}

// judge returns nil if a token has what is required.
func (q *requirements) judge(claims *tokens.Claims) *refusal {
	for _, list := range q.audiences {
		if !intersect(list, claims.Audience) {
			// RFC 9068 section 4: a token that is not meant for the API is no token there, whatever it may elsewhere.
			return &refusal{status: http.StatusUnauthorized, code: codeInvalidToken, description: "the token is not meant for this API"}
		}
	}
	kind := kindClient
	if claims.Integration.Username != "" {
		kind = claims.Integration.Kind
	}
	for _, list := range q.kinds {
		if !slices.Contains(list, kind) {
			// RFC 6750 section 3.1 has this code for a token whose privileges are not enough, and what a kind may do is a
			// privilege.
			return &refusal{
				status: http.StatusForbidden, code: codeInsufficientScope,
				description: "the API is for tokens of another kind: " + strings.Join(list, ", "),
			}
		}
	}
	granted := strings.Split(claims.Scope, " ")
	for _, scope := range q.scopes {
		if !slices.Contains(granted, scope) {
			return &refusal{
				status: http.StatusForbidden, code: codeInsufficientScope, scope: strings.Join(q.scopes, " "),
				description: "the token lacks a scope that the API requires",
			}
		}
	}
	return nil
}

// intersect reports whether two lists have an entry in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
