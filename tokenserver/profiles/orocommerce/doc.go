// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package orocommerce is the dialect of OroCommerce's clients: how they ask for tokens at /oauth2-token, what the tokens say, how they are
// told that something went wrong, and what browsers need to ask from another origin.
//
// It decides nothing about who may have what: package grants authenticates, limits, and keeps sessions for every profile. What the names of
// the members, the codes and their precedence are is OroCommerce's, whose server is built on league/oauth2-server; the texts are this
// project's own. An application is for the back office or for the storefront, and package forwardauth keeps their tokens apart.
package orocommerce
