// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command quickstart shows the whole way from an Integration to a verified token on a machine without a cluster:
// `make quickstart` runs "quickstart up", `make quickstart-down` runs "quickstart down".
//
// "up" starts a control plane and the manager in the background, applies config/ and the samples, and then does only what any
// user could do: kubectl for the Integration and its Secret, curl for the token, an independent OpenID Connect library for its
// verification. "control-plane" is the background process that owns kube-apiserver and etcd.
//
// Everything that it leaves lies in one folder (layout.go). Processes are stopped only if they are provably those that it
// started (process.go). It knows no code of the operator.
package main
