// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// A Dialect is how the clients of one profile speak at a token endpoint: how a request is read, and how claims, replies and errors are
// written. It decides nothing: who may have what is the pipeline's to say, for every profile alike.
type Dialect interface {
	// Profile is the profile whose clients alone the endpoint serves.
	Profile() clients.Profile
	// Parse reads a request. Nothing in what it returns is proven. A request beside an error is what of it tells whose login it would be, for
	// systems that refuse a blocked user before anything else; nil otherwise.
	Parse(w http.ResponseWriter, r *http.Request) (*oauth2.Request, *oauth2.Error)
	// Claims returns the claims of an access token as the profile's clients read them; it is the Shape of a tokens.Issuer.
	Claims(c *tokens.Claims) any
	// WriteReply writes a success.
	WriteReply(w http.ResponseWriter, r *http.Request, reply *Reply)
	// WriteError writes a refusal.
	WriteError(w http.ResponseWriter, r *http.Request, refusal *Refusal)
}

// A Reply is what a request gets.
type Reply struct {
	Issued
	// Scope are the scopes that were decided; there may be none.
	Scope []string
	// Client is whose tokens they are.
	Client *clients.Client
}

// A Refusal is why a request gets nothing.
type Refusal struct {
	Err *oauth2.Error
	// GrantType is that of the request as far as it was read, and may be anything or nothing.
	GrantType string
}

// OAuth2 is the dialect of plain OAuth 2 (RFC 6749).
type OAuth2 struct{}

// Profile returns clients.ProfileOAuth2.
func (OAuth2) Profile() clients.Profile { return clients.ProfileOAuth2 }

// Parse reads a request.
func (OAuth2) Parse(w http.ResponseWriter, r *http.Request) (*oauth2.Request, *oauth2.Error) {
	return oauth2.ParseRequest(w, r)
}

// Claims returns nil: they are those of RFC 9068 already.
func (OAuth2) Claims(*tokens.Claims) any { return nil }

// WriteReply writes a success (RFC 6749 section 5.1).
func (OAuth2) WriteReply(w http.ResponseWriter, _ *http.Request, reply *Reply) {
	body, err := json.Marshal(struct { //nolint:gosec // the tokens are the reply
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int64  `json:"expires_in"`
		RefreshToken string `json:"refresh_token,omitempty"`
		Scope        string `json:"scope,omitempty"`
	}{reply.Access.Token, "Bearer", int64(reply.Access.Lifetime / time.Second), reply.RefreshToken, strings.Join(reply.Scope, " ")})
	if err != nil { // Cannot happen: strings and a number always encode.
		oauth2.WriteError(w, oauth2.ErrServerError.WithCause(err))
		return
	}
	oauth2.WriteJSON(w, http.StatusOK, body)
}

// WriteError writes a refusal (RFC 6749 section 5.2).
func (OAuth2) WriteError(w http.ResponseWriter, _ *http.Request, refusal *Refusal) {
	oauth2.WriteError(w, refusal.Err)
}
