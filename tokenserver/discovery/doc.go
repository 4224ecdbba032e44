// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package discovery publishes what clients and APIs have to know of the token server: its signing keys (RFC 7517) and its
// metadata (RFC 8414, and OpenID Connect Discovery for libraries that look only there).
//
// The metadata lists what works and nothing else. The package reads the keys and changes nothing; the tokenserver package mounts
// its handlers.
package discovery
