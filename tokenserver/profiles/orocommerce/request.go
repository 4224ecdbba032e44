// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"errors"
	"net/http"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// The grants that OroCommerce's clients ask for.
const (
	grantPassword          = "password"
	grantClientCredentials = "client_credentials"
	grantRefreshToken      = "refresh_token"
)

// The members that decide whether the rest of a request is looked at. Those of one grant alone are the grant's to miss, after the client
// has proven who it is: a wrong secret beats a missing password.
const (
	memberGrantType    = "grant_type"
	memberClientID     = "client_id"
	memberClientSecret = "client_secret"
	memberScope        = "scope"
)

// errNoGrantType is for the log.
var errNoGrantType = errors.New("the request names none of the grants that there are")

// Parse reads a request: a form or a JSON object, with the client's credentials in the body or by HTTP Basic. Members that are not
// known are ignored.
func (Dialect) Parse(w http.ResponseWriter, r *http.Request) (*oauth2.Request, *oauth2.Error) {
	members, err := oauth2.ReadMembers(w, r)
	if err != nil {
		return nil, unread(err)
	}
	grantType, _ := members.Text(memberGrantType)
	switch grantType {
	case grantPassword, grantClientCredentials, grantRefreshToken:
	default:
		return nil, oauth2.ErrUnsupportedGrantType.WithCause(errNoGrantType)
	}
	credentials, err := credentialsOf(r, members)
	if err != nil {
		return nil, err
	}
	scope, err := optional(members, memberScope)
	if err != nil {
		return nil, err
	}
	// What is no string counts as left out, and the grant misses it.
	username, _ := members.Text("username")
	password, _ := members.Text("password")
	refreshToken, _ := members.Text("refresh_token")
	return &oauth2.Request{
		GrantType: grantType, Scope: singleSpaced(scope), Username: username, Password: oauth2.Secret(password),
		RefreshToken: oauth2.Secret(refreshToken), Credentials: credentials,
	}, nil
}

// unread returns what a body gets that has no members to look at: it has no grant_type, and OroCommerce says just that. Where the body was
// read and refused, the reason stays.
func unread(err *oauth2.Error) *oauth2.Error {
	for _, cause := range []error{oauth2.ErrCauseContentType, oauth2.ErrCauseMalformed} {
		if errors.Is(err, cause) {
			return oauth2.ErrUnsupportedGrantType.WithDescription(err.Description()).WithCause(cause)
		}
	}
	return err
}

// credentialsOf returns the client's credentials. Each of the two is taken from the body if it is there, and otherwise from the
// Authorization header, whose parts are not form-encoded. A header that cannot be read has neither.
func credentialsOf(r *http.Request, members oauth2.Members) (oauth2.Credentials, *oauth2.Error) {
	id, err := optional(members, memberClientID)
	if err != nil {
		return oauth2.Credentials{}, err
	}
	secret, err := optional(members, memberClientSecret)
	if err != nil {
		return oauth2.Credentials{}, err
	}
	credentials := oauth2.Credentials{Method: oauth2.MethodPost, ClientID: id, Secret: oauth2.Secret(secret)}
	if id == "" || secret == "" {
		name, password, _, _ := oauth2.RawBasic(r)
		if id == "" {
			credentials.ClientID = name
		}
		if secret == "" {
			credentials.Method, credentials.Secret = oauth2.MethodBasic, password
		}
	}
	if credentials.ClientID == "" {
		return oauth2.Credentials{}, missing(memberClientID)
	}
	if credentials.Secret == "" {
		credentials.Method = oauth2.MethodNone
	}
	return credentials, nil
}

// optional returns a member that may be left out, which an empty one counts as (RFC 6749 section 3.2), but must be a string.
func optional(members oauth2.Members, name string) (string, *oauth2.Error) {
	text, ok := members.Text(name)
	if !ok && members.Has(name) {
		return "", missing(name)
	}
	return text, nil
}

// missing is what a request gets that lacks a member, or has one that is no string.
func missing(name string) *oauth2.Error {
	return oauth2.ErrInvalidRequest.WithParameter(name).WithDescription("the member " + name + " is missing or not a string")
}

// singleSpaced leaves one space between scopes and none around them: OroCommerce takes any number.
func singleSpaced(scope string) string {
	return strings.Join(strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' }), " ")
}
