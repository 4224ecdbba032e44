// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	lineApplied = `{"verb":"create","userAgent":"integration-operator-bench","objectRef":{"resource":"integrations","namespace":"round","name":"a"},` +
		`"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-11-22T10:00:01.000000Z","stageTimestamp":"2026-11-22T10:00:02.000000Z"}` + "\n"
	lineSecret = `{"verb":"create","userAgent":"manager","objectRef":{"resource":"secrets","namespace":"round","name":"a"},` +
		`"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-11-22T10:00:03.000000Z","stageTimestamp":"2026-11-22T10:00:04.000000Z"}` + "\n"
	lineStatus = `{"verb":"patch","userAgent":"manager","objectRef":{"resource":"integrations","subresource":"status","namespace":"round","name":"a"},` +
		`"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-11-22T10:00:05.000000Z","stageTimestamp":"2026-11-22T10:00:05.500000Z"}` + "\n"
	lineRead = `{"verb":"get","userAgent":"manager","objectRef":{"resource":"secrets","namespace":"round","name":"a"},` +
		`"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-11-22T10:00:09.000000Z","stageTimestamp":"2026-11-22T10:00:09.500000Z"}` + "\n"
)

func TestAnAuditLogIsReadOnceAndByWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	tail := &auditTail{path: path}
	read := func() []string {
		t.Helper()
		var got []string
		if err := tail.read(func(e timedEntry) { got = append(got, e.what()) }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read(); got != nil {
		t.Errorf("entries of a log that is not there yet: %q", got)
	}
	half := len(lineStatus) / 2
	write(t, path, lineSecret+lineStatus[:half])
	if diff := cmp.Diff([]string{writeSecret}, read()); diff != "" {
		t.Errorf("entries while the second is being written (-want +got):\n%s", diff)
	}
	write(t, path, lineStatus[half:])
	if diff := cmp.Diff([]string{writeStatus}, read()); diff != "" {
		t.Errorf("entries once it is written (-want +got):\n%s", diff)
	}
	write(t, path, "no JSON\n")
	if err := tail.read(func(timedEntry) {}); err == nil {
		t.Error("a line that cannot be parsed must be an error")
	}
}

func TestATallyCountsTheWritesOfOneNamespace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, lineStatus+lineSecret+lineApplied+lineRead+strings.ReplaceAll(lineSecret, `"round"`, `"other"`))
	got := newTally("round")
	if err := (&auditTail{path: path}).read(got.see); err != nil {
		t.Fatal(err)
	}
	at := func(fraction string) time.Time {
		moment, err := time.Parse(time.RFC3339, "2026-11-22T10:00:"+fraction+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	want := &tally{
		namespace: "round", begun: at("01"), first: at("03"), last: at("05.5"),
		writes: map[string]int{writeSecret: 1, writeStatus: 1},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
}

func TestATallySaysWhatIsMoreOrLessThanTheTwoWrites(t *testing.T) {
	for name, test := range map[string]struct {
		writes map[string]int
		want   string
	}{
		"the two of each":           {map[string]int{writeSecret: 2, writeStatus: 2}, "exactly 2"},
		"a status is written twice": {map[string]int{writeSecret: 2, writeStatus: 3}, "2.500: [create secrets 201:2 patch integrations/status 200:3]"},
		"an event is told": {
			map[string]int{writeSecret: 2, writeStatus: 2, "create events 201": 1},
			"2.500: [create events 201:1 create secrets 201:2 patch integrations/status 200:2]",
		},
		"a write is refused, and another made up for it": {
			map[string]int{writeSecret: 2, writeStatus: 1, "patch integrations/status 409": 1},
			"2.000: [create secrets 201:2 patch integrations/status 200:1 patch integrations/status 409:1]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&tally{writes: test.writes}).told(2); got != test.want {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
}

func TestAComparisonDividesRoundsThatWereNeighbours(t *testing.T) {
	// The machine is half as fast in the second round: the ratio of the medians would be 200 / 100.
	c := comparison{floor: []float64{400, 100, 100}, operator: []float64{280, 50, 90}, writes: []string{"exactly 2"}}
	var r report
	c.add(&r, "1000 Integrations", 1000)
	want := []string{
		"1000 Integrations: floor\t100/s, 10.00 s\t-",
		"1000 Integrations: operator\t90/s, 11.11 s\t-",
		"1000 Integrations: ratio\t0.70 (0.50 to 0.90 in 3 rounds)\t>= 0.60",
		"1000 Integrations: writes each\texactly 2\texactly 2",
	}
	if diff := cmp.Diff(want, r.lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{3: {3}, 2: {3, 1}, 5: {9, 1, 5}, 4: {9, 1, 5, 3}} {
		if got := median(values); got != want {
			t.Errorf("median of %v: %v, want %v", values, got, want)
		}
	}
}

func TestMeasurementsAreChosenByName(t *testing.T) {
	for only, want := range map[string][]string{"": {"refresh", "rate", "memory"}, "memory": {"memory"}, "rate,memory": {"rate", "memory"}} {
		chosen, err := choose(only)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range chosen {
			got = append(got, m.name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-only %q (-want +got):\n%s", only, diff)
		}
	}
	if _, err := choose("rate,speed"); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("an unknown name: error %v, want one that quotes it", err)
	}
}

func TestMetricsAreAddedUpByLabel(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="integration",result="success"} 1001
controller_runtime_reconcile_total{controller="integration",result="error"} 2
controller_runtime_reconcile_total{controller="signing-key",result="success"} 7
process_resident_memory_bytes 1.048576e+08
`))
	}))
	defer server.Close()
	m := &manager{plane: &plane{metrics: server.Listener.Addr().String()}}
	if got, err := m.passes(t.Context()); got != 1003 || err != nil {
		t.Errorf("passes: %v, %v, want 1003", got, err)
	}
	if got, err := m.metric(t.Context(), metricResident); got != 100<<20 || err != nil {
		t.Errorf("resident memory: %v, %v, want %d", got, err, 100<<20)
	}
	if got, err := m.metric(t.Context(), metricClients); err == nil {
		t.Errorf("a metric that is not there: %v, want an error", got)
	}
}

// write appends to a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Join([][]byte{before, []byte(text)}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}
