// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures bin/manager against a real control plane, over HTTPS on loopback:
//
//   - refreshes, with logins kept in Kubernetes and in Valkey or Redis: each connection has a login of its own and refreshes it, one
//     refresh after the other. Without valkey-server and redis-server on the PATH that row is left out.
//   - memory and start, with many Integrations and many logins: what the manager resides in once it has settled, both after everything was
//     made and after it was started anew, and how long the new one takes until it is ready.
//
// Each of the two starts a control plane of its own, and ends it. The table that it prints holds figures, and never a failure: it is for
// people to compare with the budgets in the design. What is slow here may be the control plane, which shares the machine.
//
// make bench calls it after tokenserver/bench; nothing imports it.
package main
