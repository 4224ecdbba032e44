// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package introspection

import (
	"errors"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// lastingLength is the length of a lasting token, which has digits and lower case letters only.
const lastingLength = 32

// Why lasting tokens do not count.
var (
	errNobodys   = errors.New("it is nobody's lasting token")
	errNotBearer = errors.New("its client signs requests with it, and may not use it as a bearer token")
)

// isLasting reports whether a token has the form of a lasting one. No other token has it: those hold dots.
func isLasting(token string) bool {
	return len(token) == lastingLength && strings.Trim(token, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// bearer returns what a lasting token stands for, if it counts as a bearer token.
func (c *Checker) bearer(token string) (*Token, error) {
	if c.Lasting == nil {
		return nil, inactive(errNobodys)
	}
	client, ok := c.Lasting.LastingClient(token)
	switch {
	case !ok || client.Lasting == nil:
		return nil, inactive(errNobodys)
	case !client.Lasting.Bearer:
		return nil, inactive(errNotBearer)
	default:
		return c.LastingToken(client)
	}
}

// LastingToken returns what the lasting token of a client stands for, if it counts now. Whoever calls it has checked that it was presented, or
// that a request is signed with it. It returns ErrInactive with the cause wrapped beside it.
func (c *Checker) LastingToken(client *clients.Client) (*Token, error) {
	switch {
	case client.Lasting == nil:
		return nil, inactive(errNobodys)
	case client.Stopped(c.Now()):
		return nil, inactive(errClientStops)
	case client.Revoked(client.Lasting.IssuedAt):
		return nil, inactive(errTokenRevoked)
	}
	policy := client.Policy()
	claims := &tokens.Claims{
		Issuer: c.Issuer, Subject: client.ID, ClientID: client.ID, IssuedAt: client.Lasting.IssuedAt.Unix(),
		Integration: tokens.Integration{
			Namespace: client.Namespace, Name: client.Name, UID: client.UID, Profile: client.Profile, Application: client.Application,
		},
	}
	for _, access := range policy.Access {
		claims.Audience = append(claims.Audience, access.Audience)
	}
	// As for any token for several audiences, only what is granted for each of them counts.
	scopes, _, _ := policy.ChooseScopes(policy.Access, nil)
	claims.Scope = strings.Join(scopes, " ")
	return &Token{Claims: claims, Client: client}, nil
}
