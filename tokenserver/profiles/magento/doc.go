// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package magento is the dialect of Magento 2 and Adobe Commerce: requests and replies as JSON and as XML, users' tokens, second factors, requests
// that are signed by OAuth 1.0a, and resources in place of scopes.
//
// It owns forms. Who may have what, limits, sessions and the audit log are the pipeline's, in the package grants; what makes a one-time code
// or a security key's answer right is the package secondfactor's, and a signature that of oauth1.
//
// # Routes
//
// Each of the paths below is served after /rest and /rest/{store}, and after /index.php before these (Paths):
//
//	POST /V1/integration/admin/token                          a user of kind Admin by name and password
//	POST /V1/integration/customer/token                       a user of kind Customer, by e-mail and password
//	POST /V1/integration/customer/revoke-customer-token       end all tokens of the customer whose token is sent
//	POST /V1/tfa/provider/google/authenticate                 a user with a one-time code
//	POST /V1/tfa/provider/u2fkey/authentication-challenge     what a user's security keys have to answer
//	POST /V1/tfa/provider/u2fkey/verify                       a user with that answer
//	POST /V1/tfa/provider/u2fkey/configure                    what a new security key has to answer
//	POST /V1/tfa/provider/u2fkey/activate                     the entry of the key for the user's Secret
//
// The logins name no client: the URL or --default-integration says which Integration is meant.
//
// # What comes in as XML
//
// encoding/xml neither fetches nor expands anything. Beyond that, a document type, processing instructions but the declaration, entities
// but the predefined ones, and any encoding but UTF-8 are refused, and depth, elements, attributes and bytes are bounded.
package magento
