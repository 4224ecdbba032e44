// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import "slices"

// A Policy is the most that a token may carry, as data. A grant names it, and the handler applies it.
type Policy struct {
	// Access lists the audiences with the scopes granted for each.
	Access []Access
	// DefaultScopes are what a request without scope gets, as far as granted.
	DefaultScopes []string
}

// Policy returns what the client may get when it acts for itself.
func (c *Client) Policy() Policy {
	return Policy{Access: c.Access, DefaultScopes: c.DefaultScopes}
}

// MayUse reports whether the client may use a grant_type.
func (c *Client) MayUse(grantType string) bool {
	return slices.Contains(c.GrantTypes, grantType)
}

// ChooseAccess picks the audiences that a request asks for by its resource parameters (RFC 8707 section 2), in the order of
// the policy; none asked for picks all of them. It returns the first resource that is not in the policy, and false.
func (p Policy) ChooseAccess(resources []string) (chosen []Access, refused string, ok bool) {
	if len(resources) == 0 {
		return p.Access, "", true
	}
	for _, r := range resources {
		if !slices.ContainsFunc(p.Access, func(a Access) bool { return a.Audience == r }) {
			return nil, r, false
		}
	}
	chosen = make([]Access, 0, len(resources))
	for _, a := range p.Access {
		if slices.Contains(resources, a.Audience) {
			chosen = append(chosen, a)
		}
	}
	return chosen, "", true
}

// ChooseScopes decides the scopes of a token for the chosen audiences. A requested scope must be granted for each of them,
// otherwise ChooseScopes returns it and false. With none requested it returns the default scopes that are granted for each.
func (p Policy) ChooseScopes(chosen []Access, requested []string) (scopes []string, refused string, ok bool) {
	if len(requested) > 0 {
		for _, s := range requested {
			if !grantedForEach(chosen, s) {
				return nil, s, false
			}
		}
		return requested, "", true
	}
	scopes = make([]string, 0, len(p.DefaultScopes))
	for _, s := range p.DefaultScopes {
		if grantedForEach(chosen, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes, "", true
}

// grantedForEach reports whether a scope is granted for each audience. No audience grants nothing.
func grantedForEach(access []Access, scope string) bool {
	for i := range access {
		if !slices.Contains(access[i].Scopes, scope) {
			return false
		}
	}
	return len(access) > 0
}
