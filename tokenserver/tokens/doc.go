// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tokens makes access tokens: JSON Web Tokens in the profile of RFC 9068.
//
// It owns the claims, the header and the signing, and says nothing about who may have what: the grants package has decided
// that before it calls here. Which key signs is the signer package's to say.
package tokens
