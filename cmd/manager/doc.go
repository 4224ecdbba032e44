// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Manager is the operator's one binary: the controllers, which run on the leader, and the token server, which runs on every replica.
//
// main.go ends the process, options.go knows the flags, run.go wires the two halves together, and leader.go runs the controllers
// for as long as this replica leads. Losing the lease stops the controllers and nothing else: with the Kubernetes API down no
// replica can lead, and that is when the token server must go on.
package main
