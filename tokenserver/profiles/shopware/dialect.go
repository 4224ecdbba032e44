// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

// PathToken is where clients get their tokens.
const PathToken = "/api/oauth/token"

// A Dialect is how Shopware's clients speak at the token endpoint. Its zero value is ready.
type Dialect struct{}
