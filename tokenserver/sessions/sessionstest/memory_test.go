// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessionstest_test

import (
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/sessions/sessionstest"
)

// What the tests of others rely on keeps its word as well.
func TestMemory(t *testing.T) {
	memory := sessionstest.NewMemory()
	memory.MostSpent = 24
	sessionstest.Run(t, func(*testing.T) []sessions.Store { return []sessions.Store{memory, memory} }, sessionstest.Options{
		Now: time.Now, MostSpent: memory.MostSpent, Break: func(*testing.T) func() { return memory.Break() },
	})
}
