// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the token endpoint against a floor: a bare net/http handler that parses the same form, signs the same
// claims with golang-jwt and writes JSON.
//
// Both servers run in this process on loopback and are asked by the same load generator over 16 connections that stay open, in
// short rounds that take turns, so that whatever else the machine does hits both alike. The generator is deliberately lean, as
// the time that it takes is added to both and would flatter the ratio. Logs are formatted and thrown away, metrics are counted.
// The result is a table of figures, and never a failure: it is for people to compare with the budgets in the design.
//
// make bench calls it; nothing imports it.
package main
