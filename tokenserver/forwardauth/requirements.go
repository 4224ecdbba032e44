// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
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

var kinds = []string{kindClient, clients.KindAdmin, clients.KindCustomer, clients.KindVisitor}

// applicationNames are the applications of clients.ProfileOroCommerce.
var applicationNames = []string{"BackOffice", "Storefront"}

const (
	// maxRequirement bounds the query and each header.
	maxRequirement = 8 << 10
	// maxLines bounds how often a header may be there.
	maxLines = 8
)

// requirements are what a token must have. Every list of audiences and of kinds stands for itself: the token must match
// one entry of each.
type requirements struct {
	// profile is whose tokens pass, and chosen says that something has chosen it.
	profile   clients.Profile
	chosen    bool
	scopes    []string
	audiences [][]string
	kinds     [][]string
	// applications are those of clients.ProfileOroCommerce, and resources those of clients.ProfileMagento.
	applications [][]string
	resources    []string
}

// choose notes the profile that something is about. Two cannot be meant.
func (q *requirements) choose(profile clients.Profile) *oauth2.Error {
	if q.chosen && q.profile != profile {
		return invalid("the query asks for two profiles: application goes with OroCommerce, and resource with Magento")
	}
	q.profile, q.chosen = profile, true
	return nil
}

// onlyResources reports whether resources are all that is required, beside the audience, so that a guest may pass.
func (q *requirements) onlyResources() bool {
	return len(q.resources) > 0 && len(q.scopes)+len(q.kinds)+len(q.applications) == 0
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
		case "profile", "application", "resource":
			problem = q.addOfProfile(name, list)
		default:
			problem = invalid("the query has an unknown parameter: use scope, audience, kind, profile, application and resource")
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

// addOfProfile adds what only some profiles have. None of it can be said by headers: a client that got one past its proxy would choose the profile, and
// with it whether a token is needed.
func (q *requirements) addOfProfile(name string, list []string) *oauth2.Error {
	switch name {
	case "application":
		applications := make([]string, 0, len(list))
		for _, value := range list {
			at := slices.IndexFunc(applicationNames, func(known string) bool { return strings.EqualFold(known, value) })
			if at < 0 {
				return invalid("there is no such application: use " + strings.Join(applicationNames, ", "))
			}
			applications = append(applications, applicationNames[at])
		}
		q.applications = append(q.applications, applications)
		return q.choose(clients.ProfileOroCommerce)
	case "resource":
		if len(list) > oauth2.MaxScopes || !slices.ContainsFunc(list, isScope) || slices.ContainsFunc(list, func(s string) bool { return !isScope(s) }) {
			return invalid("write each resource requirement as one resource, such as Magento_Catalog::products")
		}
		q.resources = append(q.resources, list...)
		return q.choose(clients.ProfileMagento)
	default:
		if len(list) != 1 {
			return invalid("name one profile")
		}
		profile, err := profileOf(list[0])
		if err != nil {
			return err
		}
		return q.choose(profile)
	}
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
func (q *requirements) judge(claims *tokens.Claims) *Refusal {
	for _, list := range q.audiences {
		if !intersect(list, claims.Audience) {
			// RFC 9068 section 4: a token that is not meant for the API is no token there, whatever it may elsewhere.
			return inactive("the token is not meant for this API", nil)
		}
	}
	for _, list := range q.applications {
		if !slices.Contains(list, claims.Integration.Application) {
			return inactive("the token is for another application", nil)
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
			return &Refusal{
				Status: http.StatusForbidden, Code: codeInsufficientScope,
				Description: "the API is for tokens of another kind: " + strings.Join(list, ", "),
			}
		}
	}
	granted := strings.Split(claims.Scope, " ")
	for _, scope := range q.scopes {
		if !slices.Contains(granted, scope) {
			return &Refusal{
				Status: http.StatusForbidden, Code: codeInsufficientScope, Scope: strings.Join(q.scopes, " "),
				Description: "the token lacks a scope that the API requires",
			}
		}
	}
	return nil
}

// intersect reports whether two lists have an entry in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
