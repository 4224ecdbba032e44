// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package valkeytest starts a real valkey-server or redis-server for a test, on a loopback port of its own. It owns how the server is
// found, started, paused and ended, and its certificates. The tests of the packages valkey, limits and cmd/manager use it.
package valkeytest
