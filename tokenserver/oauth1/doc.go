// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oauth1 verifies requests that are signed by OAuth 1.0a (RFC 5849), on the side of the server. There is no maintained library
// for that side: those that there are sign requests, and leave verifying them to the systems that they are for.
//
// It owns the Authorization header with the scheme OAuth, the signature base string, and HMAC-SHA256, which the profile Magento uses. It
// knows neither PLAINTEXT, which protects nothing, nor HMAC-SHA1 and RSA-SHA1, nor the dance of temporary credentials. It has no state:
// whose keys a request is signed with, and that a nonce counts once, is the caller's to see to.
//
// Parse reads the header. The caller looks up the secrets of Authorization.ConsumerKey and Authorization.Token, calls
// Authorization.Verify with the request that was made, and then remembers Authorization.Nonce until Authorization.Forgettable.
//
// # What is not seen
//
// The parameters of a form-encoded body belong into the signature (section 3.4.1.3.1). Whoever verifies for a proxy never sees a body,
// so a request with such a body does not verify unless the body is empty. Bodies of other types, JSON and XML among them, are not
// signed by anybody.
package oauth1
