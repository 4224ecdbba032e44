// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// The grants of this profile.
const (
	grantClientCredentials = "client_credentials"
	grantPassword          = "password"
	grantRefreshToken      = "refresh_token"
)

// loginClient is the client_id that all users log in by. It belongs to no Integration of its own, and has no secret.
const loginClient = "administration"

// The members of a request.
const (
	memberGrantType    = "grant_type"
	memberClientID     = "client_id"
	memberClientSecret = "client_secret"
	memberUsername     = "username"
	memberPassword     = "password"
	memberRefreshToken = "refresh_token"
	memberScope        = "scope"
	memberScopes       = "scopes"
)

// Why requests are refused, for the log. None of them holds anything from the request.
var (
	errNoGrant       = errors.New("there is no such grant_type, or none was named")
	errNotThisClient = errors.New("users log in by the client administration, and all other clients for themselves")
	errTwoClients    = errors.New("the Authorization header and the body hold different credentials")
)

// Parse reads a request. What it checks, it checks in the order in which the vendor's server does: the grant, the client's name, what goes
// with them. Names and tokens of users that are missing or not strings are left out, as the pipeline refuses those where it is their turn.
func (Dialect) Parse(w http.ResponseWriter, r *http.Request) (*oauth2.Request, *oauth2.Error) {
	members, err := oauth2.ReadMembers(w, r)
	if err != nil {
		return nil, err
	}
	request := &oauth2.Request{}
	request.GrantType, _ = members.Text(memberGrantType)
	if !slices.Contains([]string{grantClientCredentials, grantPassword, grantRefreshToken}, request.GrantType) {
		return loginOf(members), oauth2.ErrUnsupportedGrantType.WithCause(errNoGrant)
	}
	if request.Credentials, err = credentialsOf(r, members, request.GrantType); err != nil {
		return loginOf(members), err
	}
	if request.Scope, err = scopeOf(members); err != nil {
		return loginOf(members), err
	}
	switch request.GrantType {
	case grantPassword:
		request.Username, _ = members.Text(memberUsername)
		password, _ := members.Text(memberPassword)
		request.Password = oauth2.Secret(password)
	case grantRefreshToken:
		token, _ := members.Text(memberRefreshToken)
		request.RefreshToken = oauth2.Secret(token)
	}
	return request, nil
}

// loginOf returns whose login a request would be that cannot be served, or nil: the vendor's server counts the attempts of a user before it
// looks at anything else.
func loginOf(members oauth2.Members) *oauth2.Request {
	username, ok := members.Text(memberUsername)
	if !ok {
		return nil
	}
	return &oauth2.Request{Username: username, Credentials: oauth2.Credentials{Method: oauth2.MethodVirtual, ClientID: loginClient}}
}

// credentialsOf returns the credentials in the header, in the body, or in both if they are the same. An access key without a secret is one
// with an empty secret, which fails as a wrong one does.
func credentialsOf(r *http.Request, members oauth2.Members, grantType string) (oauth2.Credentials, *oauth2.Error) {
	name, password, basic, err := oauth2.RawBasic(r)
	if err != nil {
		return oauth2.Credentials{}, err
	}
	id, err := text(members, memberClientID)
	if err != nil {
		return oauth2.Credentials{}, err
	}
	id, sameID := either(id, name)
	switch {
	case !sameID:
		return oauth2.Credentials{}, oauth2.ErrInvalidClient.WithCause(errTwoClients)
	case id == "":
		return oauth2.Credentials{}, missing(memberClientID)
	case (id == loginClient) != (grantType != grantClientCredentials):
		return oauth2.Credentials{}, oauth2.ErrUnauthorizedClient.WithCause(errNotThisClient)
	case id == loginClient:
		// A secret that is there all the same, as form-based libraries send one, is nobody's.
		return oauth2.Credentials{Method: oauth2.MethodVirtual, ClientID: id}, nil
	}
	secret, err := text(members, memberClientSecret)
	if err != nil {
		return oauth2.Credentials{}, err
	}
	secret, sameSecret := either(secret, password.Reveal())
	if !sameSecret {
		return oauth2.Credentials{}, oauth2.ErrInvalidClient.WithCause(errTwoClients)
	}
	method := oauth2.MethodPost
	if basic {
		method = oauth2.MethodBasic
	}
	return oauth2.Credentials{Method: method, ClientID: id, Secret: oauth2.Secret(secret)}, nil
}

// either returns the one of two values that is there; false if both are and differ.
func either(a, b string) (string, bool) {
	if a == "" {
		return b, true
	}
	return a, b == "" || a == b
}

// text returns a string, empty if it is missing, or an error if it is something else.
func text(members oauth2.Members, name string) (string, *oauth2.Error) {
	value, ok := members.Text(name)
	if !ok && members.Has(name) {
		return "", missing(name)
	}
	return value, nil
}

// missing returns the error for a member that has to be there, and be a string.
func missing(name string) *oauth2.Error {
	return oauth2.ErrInvalidRequest.WithParameter(name).WithDescription("the member " + name + " is missing or not a string")
}

// scopeOf returns the scopes that are asked for, in their order. The documentation has them in scopes and clients send scope, each in both
// forms, so all of them count. Whether they are well-formed and not too many is for the pipeline, which knows when.
func scopeOf(members oauth2.Members) (string, *oauth2.Error) {
	var scopes []string
	for _, name := range []string{memberScope, memberScopes} {
		values, ok := members.List(name)
		if !ok {
			value, err := text(members, name)
			if err != nil {
				return "", err.WithDescription("the member " + name + " must be a string or an array of strings")
			}
			values = []string{value}
		}
		for _, value := range values {
			for scope := range strings.SplitSeq(value, " ") {
				if scope != "" {
					scopes = append(scopes, scope)
				}
			}
		}
	}
	return strings.Join(scopes, " "), nil
}
