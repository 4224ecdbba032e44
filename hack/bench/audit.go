// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/integration-operator/integration-operator/internal/testplane"
)

// agentBench is what this program calls itself when it applies and cleans up. Whoever else writes is measured.
const agentBench = "integration-operator-bench"

// A timedEntry is an answered request, with when it came and when it was answered, by the API server's clock.
type timedEntry struct {
	testplane.AuditEntry
	Received time.Time `json:"requestReceivedTimestamp"`
	Answered time.Time `json:"stageTimestamp"`
}

// what says what was asked and how it ended.
func (e timedEntry) what() string {
	resource := e.Object.Resource
	if e.Object.Subresource != "" {
		resource += "/" + e.Object.Subresource
	}
	return fmt.Sprintf("%s %s %d", e.Verb, resource, e.Response.Code)
}

// An auditTail reads what is new in an audit log, each line once: the log of a whole run is long.
type auditTail struct {
	path   string
	offset int64
}

// read calls see for each request that was answered since the last call.
func (t *auditTail) read(see func(timedEntry)) error {
	file, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if _, err := file.Seek(t.offset, io.SeekStart); err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	lines := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // What there is of the line is read again once it is whole.
		}
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		t.offset += int64(len(line))
		var entry timedEntry
		if err := json.Unmarshal(line, &entry); err != nil {
			return fmt.Errorf("parse the audit log: %w", err)
		}
		see(entry)
	}
}

// A tally is what was written to one namespace: by this program, which made Integrations, and by the one that is measured.
type tally struct {
	namespace string
	// begun is when the first Integration was asked for, first when the first write that is measured came, last when the last one was
	// answered.
	begun, first, last time.Time
	// writes are those that are measured, by what they were.
	writes map[string]int
}

// newTally returns an empty tally.
func newTally(namespace string) *tally {
	return &tally{namespace: namespace, writes: map[string]int{}}
}

// The two writes that a new Integration costs.
const (
	writeSecret = "create secrets 201"
	writeStatus = "patch integrations/status 200"
)

// see counts a request.
func (t *tally) see(e timedEntry) {
	switch {
	case e.Object.Namespace != t.namespace || !e.IsWrite():
	case e.UserAgent == agentBench:
		created := e.Object.Resource == "integrations" && e.Response.Code == http.StatusCreated
		if created && (t.begun.IsZero() || e.Received.Before(t.begun)) {
			t.begun = e.Received
		}
	default:
		if t.first.IsZero() || e.Received.Before(t.first) {
			t.first = e.Received
		}
		if e.Answered.After(t.last) {
			t.last = e.Answered
		}
		t.writes[e.what()]++
	}
}

// total is the number of writes that are measured.
func (t *tally) total() int {
	sum := 0
	for _, count := range t.writes {
		sum += count
	}
	return sum
}

// told says what was written for n Integrations.
func (t *tally) told(n int) string {
	if len(t.writes) == 2 && t.writes[writeSecret] == n && t.writes[writeStatus] == n {
		return "exactly 2"
	}
	return fmt.Sprintf("%.3f: %s", float64(t.total())/float64(n), strings.TrimPrefix(fmt.Sprint(t.writes), "map"))
}
