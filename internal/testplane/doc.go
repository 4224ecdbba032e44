// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testplane starts the real kube-apiserver and etcd for a package's tests, with the operator's CRDs installed.
//
// It owns where the binaries are found, how a suite starts and stops a control plane (New, Run), how a test takes the API
// server away and brings it back (KeepCertificates, StopAPIServer, StartAPIServer), how a test runs the controllers of a real
// cluster beside it (StartControllerManager), and how a test counts what reached the API server (EnableAudit). It holds no assertions and knows nothing of what the operator does.
//
// The suites of api, config, controllers, tokenserver and cmd call it from TestMain. The quickstart takes from it only where
// things are; no code of the operator imports it.
package testplane
