// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures bin/manager against a real control plane, over HTTPS on loopback:
//
//   - refresh: refreshes, with logins kept in Kubernetes and in Valkey or Redis: each connection has a login of its own and refreshes it,
//     one refresh after the other. Without valkey-server and redis-server on the PATH that row is left out.
//   - rate: how fast many Integrations become Ready, beside a floor, and what the manager writes for that, at first and when it is started
//     again.
//   - memory: what the manager resides in once it has settled, with many Integrations, then with many logins too, then started anew with all
//     of that; and how long the new one takes until it is ready.
//
// Each of the three starts a control plane of its own, and ends it. The table that it prints holds figures, and never a failure: it is for
// people to compare with the budgets in the design. What is slow here may be the control plane, which shares the machine.
//
// # The floor of rate
//
// The floor does the same two writes for each Integration, create its Secret and patch its status, with as many at once as the manager has
// workers, and nothing else. It copies both from what the manager wrote for a first Integration, is the same user, and speaks the same
// encodings. It keeps the answer to the creation of an Integration for the resource version and UID, so it reads nothing.
//
// Floor and manager work in turns and never at once, each in a namespace of its own that is emptied afterwards, and each round of the manager
// is divided by the floor's just before it. Time and writes come from the API server's audit log, for both sides alike: everything that
// anybody but this program writes in the namespace counts. The API server notes when a request came and when it was answered.
//
// What the Integrations themselves cost is handled in two ways, each alike on both sides:
//
//   - made beforehand: all Integrations are there before the first write. The manager runs with its caches full and waits for the lease, which
//     this program holds until then. The time runs from when the first write came until the last one was answered.
//   - applied meanwhile: this program creates the Integrations, as many at once as there are workers, while the manager leads, or while the
//     floor takes each as soon as it is created. The time runs from when the first creation came.
//
// make bench calls it for refresh after tokenserver/bench, make bench-operator for rate and memory; nothing imports it.
package main
