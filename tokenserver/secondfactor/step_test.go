// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"testing"
	"time"
)

// TestOfTwoStepsWithOneCodeTheLaterIsMeant checks the one case in which a code would otherwise count twice: it is that of two steps, and is used
// in the earlier one.
func TestOfTwoStepsWithOneCodeTheLaterIsMeant(t *testing.T) {
	const (
		seed = "JBSWY3DPEHPK3PXP"
		// Both this step and the next one have the code.
		step = 78454500
		code = "022682"
	)
	for _, now := range []int64{step, step + 1, step + 2} {
		got, err := stepOf(code, seed, time.Unix(now*stepSeconds, 0))
		if err != nil || got != step+1 {
			t.Errorf("at step %d: got step %d (%v), want %d", now, got, err, step+1)
		}
	}
}
