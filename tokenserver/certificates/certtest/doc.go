// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package certtest makes serving certificates for the tests of the packages that load them. Only tests import it.
package certtest
