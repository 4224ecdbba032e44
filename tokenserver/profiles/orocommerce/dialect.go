// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

// PathToken is the path of the token endpoint below that of the issuer.
const PathToken = "/oauth2-token"

// A Dialect is how OroCommerce's clients speak at the token endpoint.
type Dialect struct{}
