// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// A tokenReply is a success. Its members are in OroCommerce's order.
type tokenReply struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// WriteReply writes a success.
func (Dialect) WriteReply(w http.ResponseWriter, _ *http.Request, reply *grants.Reply) {
	// Marshalling strings and a number cannot fail.
	body, _ := json.Marshal(tokenReply{ //nolint:gosec // the tokens are the reply
		TokenType: "Bearer", ExpiresIn: int64(reply.Access.Lifetime / time.Second),
		AccessToken: reply.Access.Token, RefreshToken: reply.RefreshToken,
	})
	oauth2.WriteJSON(w, http.StatusOK, body)
}
