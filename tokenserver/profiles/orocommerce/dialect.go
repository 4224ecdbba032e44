// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
)

// PathToken is the path of the token endpoint below that of the issuer.
const PathToken = "/oauth2-token"

// A Dialect is how OroCommerce's clients speak at the token endpoint.
type Dialect struct{}

// Profile returns clients.ProfileOroCommerce.
func (Dialect) Profile() clients.Profile { return clients.ProfileOroCommerce }

// Verify returns how OroCommerce's API authenticates requests: by bearer tokens, and it refuses them as RFC 6750 says. That a token for the
// storefront is none for the back office is a requirement that the proxy names.
func Verify() forwardauth.Dialect {
	return forwardauth.Dialect{Profile: clients.ProfileOroCommerce}
}
