// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy logs one line for every request once it is answered, with who, what and how it ended, but no bodies: Secrets
// pass here.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
- level: Metadata
`

// An AuditLog is what the API server says it was asked.
type AuditLog struct {
	path string
}

// An AuditEntry is one answered request.
type AuditEntry struct {
	// Verb is the API verb: get, list, watch, create, update, patch, delete or deletecollection.
	Verb string `json:"verb"`
	// UserAgent is the client's own name for itself: rest.Config.UserAgent.
	UserAgent string `json:"userAgent"`
	// User is who asked.
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	// Object is what was asked for.
	Object struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	// Response is how it ended.
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// IsWrite reports whether the request asked for a change, whether or not it was granted.
func (e AuditEntry) IsWrite() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	default:
		return false
	}
}

// EnableAudit makes the API server of env write every answered request to a log in dir, an existing folder of the caller's.
// Call it before env starts, and once.
func EnableAudit(env *envtest.Environment, dir string) (*AuditLog, error) {
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write the audit policy: %w", err)
	}
	log := &AuditLog{path: filepath.Join(dir, "audit.log")}
	env.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", log.path).
		// Batched, which is not the default for a file but may become it, a write would be counted late.
		Set("audit-log-mode", "blocking")
	return log, nil
}

// Entries returns the requests answered so far for which keep returns true; a nil keep returns all. A request is in the log
// before its client has the answer; a watch is in it once it has ended.
func (l *AuditLog) Entries(keep func(AuditEntry) bool) ([]AuditEntry, error) {
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	// The line after the last newline is still being written.
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	var entries []AuditEntry
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry AuditEntry
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			return nil, fmt.Errorf("parse line %d of the audit log: %w", len(entries)+1, err)
		}
		if keep == nil || keep(entry) {
			entries = append(entries, entry)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return entries, nil
}
