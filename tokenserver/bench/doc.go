// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the token server against floors: bare net/http handlers that do the least anybody could.
//
//   - client_credentials: the floor parses the same form, signs the same claims with golang-jwt and writes JSON.
//   - introspection of a JWT: the floor parses the same form, verifies the signature with golang-jwt and writes a small JSON.
//     The token server authenticates the caller besides.
//
// A second table shows how long the server takes to refuse an unknown client and one with a wrong secret, which nobody should be able to
// tell apart. The last row refuses one and the same request twice and so shows how much of the difference is noise.
//
// Floor and server run in this process on loopback and are asked by the same load generator over connections that stay open, in
// short rounds that take turns, so that whatever else the machine does hits both alike. The generator is deliberately lean, as
// the time that it takes is added to both and would flatter the ratio. Logs are formatted and thrown away, metrics are counted.
//
// Two parts of the server are not what the manager runs. Sessions are looked up in memory, as the Kubernetes store does from its informer;
// no row reads a login. Failed attempts are counted as ever, but nobody is ever blocked: after a few failures the real limiter answers 429,
// which is another path than the one that is measured.
//
// The result is figures, and never a failure: it is for people to compare with the budgets in the design. make bench calls it; nothing
// imports it.
package main
