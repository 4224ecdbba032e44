// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record returns the lines that events leave.
func record(t *testing.T, events ...Event) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	r := Recorder{Log: slog.New(slog.NewJSONHandler(&out, nil))}
	for _, e := range events {
		r.Record(t.Context(), e)
	}
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatalf("the line %q is not JSON: %v", line, err)
		}
		if _, ok := members["time"]; !ok {
			t.Errorf("the line %q has no time", line)
		}
		delete(members, "time")
		lines = append(lines, members)
	}
	if len(lines) != len(events) {
		t.Fatalf("%d events left %d lines", len(events), len(lines))
	}
	return lines
}

func TestRecordWritesOneLine(t *testing.T) {
	tests := []struct {
		name  string
		event Event
		want  map[string]any
	}{
		{
			"every member",
			Event{
				Action: Refresh, Result: ResultOK, Status: 200, Grant: "refresh_token", Client: "shop.sync", Integration: "shop/sync",
				UnknownClient: "x", Credential: PreviousSecret, User: "bob", TokenID: "t1", SessionID: "s1", Cause: "because", Source: "192.0.2.1",
			},
			map[string]any{
				"level": "INFO", "msg": "audit", "action": "refresh", "result": "ok", "status": 200.0, "grant": "refresh_token",
				"client": "shop.sync", "integration": "shop/sync", "unknown_client": `"x"`, "credential": "previous_secret", "user": "bob",
				"token_id": "t1", "session": "s1", "cause": "because", "source": "192.0.2.1",
			},
		},
		{
			"empty members, which are left out",
			Event{Action: Issue, Result: ResultOK, Status: 200},
			map[string]any{"level": "INFO", "msg": "audit", "action": "issue", "result": "ok", "status": 200.0},
		},
		{
			"what the client is to blame for",
			Event{Action: Refuse, Result: "invalid_client", Status: 401, Cause: "the client is unknown"},
			map[string]any{
				"level": "INFO", "msg": "audit", "action": "refuse", "result": "invalid_client", "status": 401.0,
				"cause": "the client is unknown",
			},
		},
		{
			"what the server is to blame for",
			Event{Action: Introspect, Result: "temporarily_unavailable", Status: 503},
			map[string]any{"level": "ERROR", "msg": "audit", "action": "introspect", "result": "temporarily_unavailable", "status": 503.0},
		},
		{
			"an unknown client, cut and quoted",
			Event{Action: Revoke, Result: "invalid_client", Status: 401, UnknownClient: "a\"\nb\u00e9\u202ec0ffee-s3cret"},
			map[string]any{
				"level": "INFO", "msg": "audit", "action": "revoke", "result": "invalid_client", "status": 401.0,
				"unknown_client": `"a\"\nb\u00e9\xe2\x80"`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff([]map[string]any{tt.want}, record(t, tt.event)); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a member holds, it neither ends the line nor grows without bound.
func TestRecordIsBounded(t *testing.T) {
	hostile := strings.Repeat("a\n\"\x00\u2028{}\xff", 10_000)
	line := record(t, Event{
		Action: Action(hostile), Result: hostile, Grant: hostile, Client: hostile, Integration: hostile, UnknownClient: hostile, User: hostile,
		TokenID: hostile, SessionID: hostile, Cause: hostile, Source: hostile,
	})[0]
	if got := line["unknown_client"].(string); !strings.HasPrefix(got, `"a\n\"`) || len(got) > 4*maxUnknownClientLength+2 {
		t.Errorf("the unknown client is logged as %q", got)
	}
	for name, value := range line {
		if s, ok := value.(string); ok && len(s) > 4*maxLength {
			t.Errorf("%s has %d bytes", name, len(s))
		}
	}
}

func TestRecordCounts(t *testing.T) {
	var got []string
	r := Recorder{Count: func(action, result string) { got = append(got, action+" "+result) }}
	r.Record(t.Context(), Event{Action: Issue, Result: ResultOK})
	r.Record(t.Context(), Event{Action: Refuse, Result: "invalid_grant"})
	if diff := cmp.Diff([]string{"issue ok", "refuse invalid_grant"}, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestNoRecorderRecordsNothing(t *testing.T) {
	var none *Recorder
	none.Record(t.Context(), Event{Action: Issue})
	(&Recorder{}).Record(t.Context(), Event{Action: Issue})
}

// BenchmarkRecord is part of what every token costs.
func BenchmarkRecord(b *testing.B) {
	r := Recorder{Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Count: func(string, string) {}}
	e := Event{
		Action: Issue, Result: ResultOK, Status: 200, Grant: "client_credentials", Client: "shop.sync", Integration: "shop/sync",
		TokenID: "t1", Source: "192.0.2.1",
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Record(b.Context(), e)
	}
}

// BenchmarkLogAttrs is the least that such a line costs.
func BenchmarkLogAttrs(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "audit", slog.String("action", "issue"), slog.String("result", "ok"),
			slog.Int("status", 200), slog.String("grant", "client_credentials"), slog.String("client", "shop.sync"),
			slog.String("integration", "shop/sync"), slog.String("token_id", "t1"), slog.String("source", "192.0.2.1"))
	}
}
