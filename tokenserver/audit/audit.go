// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
)

// An Action is what somebody did or tried.
type Action string

// The actions.
const (
	Issue      Action = "issue"
	Refresh    Action = "refresh"
	Revoke     Action = "revoke"
	Introspect Action = "introspect"
	// Confirm is a user who has shown name and password, and got something that is no token yet.
	Confirm Action = "confirm"
	// Reuse is a refresh token that was redeemed before, and ended its login: somebody has stolen it.
	Reuse Action = "reuse"
	// Refuse is a request to the token endpoint that got nothing.
	Refuse Action = "refuse"
)

// ResultOK is the result of what succeeded; everything else has its error code.
const ResultOK = "ok"

// PreviousSecret is the credential of a client that got in by the secret from before its last rotation: it has not been told of the new
// one, or was told and goes on with the old one.
const PreviousSecret = "previous_secret"

// maxUnknownClientLength bounds what is logged of a client ID that does not exist: enough to recognise one, and of no use to anybody
// should it be a secret, as people mix up the two.
const maxUnknownClientLength = 8

// maxLength bounds every other member. What is logged is shorter by far; a wrapped error may not be.
const maxLength = 512

// An Event is one line of the audit log. Empty fields are left out. No field may hold a token, a secret or anything else of a request
// but what it is documented to.
type Event struct {
	Action Action
	// Result is ResultOK or an error code, and Status the HTTP status.
	Result string
	Status int
	// Grant is the grant_type, if there is such a grant.
	Grant string
	// Client and Integration, as namespace/name, are the authenticated client, or the one that was claimed and exists.
	Client, Integration string
	// UnknownClient is a claimed client ID that does not exist. It is cut and quoted.
	UnknownClient string
	// Credential is PreviousSecret, or empty for every other one.
	Credential string
	// User is the user of the session or token.
	User string
	// TokenID is the jti of the token that went out or was asked about, and SessionID the login that it belongs to.
	TokenID, SessionID string
	// Cause says why, in words of the code.
	Cause string
	// Source is the address that the request came from.
	Source string
}

// A Recorder writes the audit log. The zero value writes nothing.
type Recorder struct {
	// Log takes the lines; nil discards.
	Log *slog.Logger
	// Count, where it is set, is told the action and the result of each event.
	Count func(action, result string)
}

// Record writes one line: at level INFO, and at ERROR what the server is to blame for.
func (r *Recorder) Record(ctx context.Context, e Event) {
	if r == nil {
		return
	}
	if r.Count != nil {
		r.Count(string(e.Action), e.Result)
	}
	if r.Log == nil {
		return
	}
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if e.UnknownClient != "" {
		e.UnknownClient = strconv.QuoteToASCII(e.UnknownClient[:min(len(e.UnknownClient), maxUnknownClientLength)])
	}
	attrs := make([]slog.Attr, 0, 13)
	attrs = append(attrs, slog.String("action", cut(string(e.Action))), slog.String("result", cut(e.Result)), slog.Int("status", e.Status))
	for _, field := range [...]struct{ name, value string }{
		{"grant", e.Grant},
		{"client", e.Client},
		{"integration", e.Integration},
		{"unknown_client", e.UnknownClient},
		{"credential", e.Credential},
		{"user", e.User},
		{"token_id", e.TokenID},
		{"session", e.SessionID},
		{"cause", e.Cause},
		{"source", e.Source},
	} {
		if field.value != "" {
			attrs = append(attrs, slog.String(field.name, cut(field.value)))
		}
	}
	r.Log.LogAttrs(ctx, level, "audit", attrs...)
}

// cut returns what is logged of a member.
func cut(s string) string {
	return s[:min(len(s), maxLength)]
}
