// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"testing"
	"time"
)

// fastClock is the environment variable that gives a replica a clock which runs fastFactor times as fast as the real one since the time
// that it holds, in nanoseconds since 1970. All replicas of a test share it.
const fastClock = "INTEGRATION_OPERATOR_TEST_FAST_CLOCK_SINCE"

// fastFactor turns the overlap of 5m into 5 s, and a kubelet's delay of 90 s into 1.5 s. The 15 s for which a client secret is announced become
// 0.25 s, which is what a replica has on a busy machine to hear of it.
const fastFactor = 60

// clockOf returns the clock that a value of fastClock describes: the real one for none.
func clockOf(since string) func() time.Time {
	nanoseconds, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return time.Now
	}
	start := time.Unix(0, nanoseconds)
	return func() time.Time { return start.Add(time.Since(start) * fastFactor).UTC() }
}

// withFastClock gives the test, and the replicas that it starts, one fast clock.
func withFastClock(t *testing.T) func() time.Time {
	t.Helper()
	since := strconv.FormatInt(time.Now().UnixNano(), 10)
	t.Setenv(fastClock, since)
	return clockOf(since)
}
