// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"cmp"
	"net/http"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// PathToken is where clients get their tokens.
const PathToken = "/api/oauth/token"

// A Dialect is how Shopware's clients speak at the token endpoint. Its zero value is ready.
type Dialect struct{}

// Dialect is one for the pipeline.
var _ grants.Dialect = Dialect{}

// Profile returns clients.ProfileShopware.
func (Dialect) Profile() clients.Profile { return clients.ProfileShopware }

// Claims returns the claims of an access token as the vendor's clients read them.
func (Dialect) Claims(c *tokens.Claims) any {
	return claimsOf(c, cmp.Or(c.Login, c.ClientID))
}

// WriteReply writes a success.
func (Dialect) WriteReply(w http.ResponseWriter, _ *http.Request, reply *grants.Reply) {
	writeTokens(w, reply.Access, reply.RefreshToken)
}

// WriteError writes a refusal.
func (Dialect) WriteError(w http.ResponseWriter, r *http.Request, refusal *grants.Refusal) {
	writeError(w, r, refusal.Err, refusal.GrantType)
}
