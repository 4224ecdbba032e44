// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEachDoesEverythingOnce(t *testing.T) {
	var mu sync.Mutex
	got := map[int]int{}
	err := each(t.Context(), 3, 10, func(_ context.Context, i int) error {
		mu.Lock()
		defer mu.Unlock()
		got[i]++
		return nil
	})
	want := map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, calls (-want +got):\n%s", err, diff)
	}
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	wantErr := errors.New("the third fails")
	calls := 0
	err := each(t.Context(), 1, 10, func(_ context.Context, i int) error {
		calls++
		if i == 2 {
			return wantErr
		}
		return nil
	})
	if !errors.Is(err, wantErr) || calls != 3 {
		t.Errorf("error %v after %d calls, want %v after 3", err, calls, wantErr)
	}
}

func TestPollGivesUp(t *testing.T) {
	err := poll(t.Context(), 0, time.Millisecond, "what never comes", func() (bool, error) { return false, nil })
	if err == nil || !strings.Contains(err.Error(), "what never comes") {
		t.Errorf("error: %v", err)
	}
}

func TestAProcessIsStopped(t *testing.T) {
	p, err := startProcess(t.Context(), t.TempDir(), "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.running(); err != nil {
		t.Error(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.running(); err == nil {
		t.Error("a stopped process must not count as running")
	}
}

func TestQuantile(t *testing.T) {
	latencies := []time.Duration{5 * time.Millisecond, time.Millisecond, 3 * time.Millisecond}
	for q, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 3 * time.Millisecond, 1: 5 * time.Millisecond} {
		if got := quantile(latencies, q); got != want {
			t.Errorf("quantile %g: %s, want %s", q, got, want)
		}
	}
}
