// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config holds no code: it is the folder of the manifests. Its tests apply them to a real API server and look at what
// its users may then do.
package config
