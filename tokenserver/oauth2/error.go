// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"net/http"
	"time"
)

// An Error is an OAuth 2.0 error reply (RFC 6749 section 5.2). Its code and description are for the client; its cause is for the
// log and is never written to a client. Errors are immutable: the With methods return changed copies.
type Error struct {
	code        string
	description string
	status      int
	allow       string
	retryAfter  time.Duration
	parameter   string
	scope       string
	cause       error
}

// The errors of the token server. RFC 6749 section 5.2 defines the first six; invalid_target is RFC 8707 section 2; server_error
// and temporarily_unavailable are borrowed from RFC 6749 section 4.1.2.1, with the status codes that they stand for there.
var (
	ErrInvalidRequest = &Error{
		code: "invalid_request", status: http.StatusBadRequest, description: "the request is malformed",
	}
	ErrInvalidClient = &Error{
		code: "invalid_client", status: http.StatusUnauthorized, description: "client authentication failed",
	}
	ErrInvalidGrant = &Error{
		code: "invalid_grant", status: http.StatusBadRequest, description: "what the grant rests on is invalid, expired or revoked",
	}
	ErrUnauthorizedClient = &Error{
		code: "unauthorized_client", status: http.StatusBadRequest, description: "the client may not use this grant_type",
	}
	ErrUnsupportedGrantType = &Error{
		code: "unsupported_grant_type", status: http.StatusBadRequest, description: "the grant_type is not supported",
	}
	ErrInvalidScope = &Error{
		code: "invalid_scope", status: http.StatusBadRequest, description: "the scope is malformed or not granted",
	}
	ErrInvalidTarget = &Error{
		code: "invalid_target", status: http.StatusBadRequest, description: "the resource is not one of the client's audiences",
	}
	// ErrUnsupportedTokenType is RFC 7009 section 2.2.1.
	ErrUnsupportedTokenType = &Error{
		code: "unsupported_token_type", status: http.StatusBadRequest, description: "tokens of this kind cannot be revoked one by one",
	}
	ErrServerError = &Error{
		code: "server_error", status: http.StatusInternalServerError, description: "the server met an unexpected condition",
	}
	ErrTemporarilyUnavailable = &Error{
		code: "temporarily_unavailable", status: http.StatusServiceUnavailable,
		description: "the server cannot answer just now: try again later",
	}
	// ErrNotFound answers paths that the server does not have.
	ErrNotFound = &Error{
		code: "not_found", status: http.StatusNotFound, description: "there is nothing at this path",
	}
)

// MethodNotAllowed returns the error for a method that a path does not have; allow lists those that it has, as the header Allow
// does (RFC 9110 section 15.5.6).
func MethodNotAllowed(allow string) *Error {
	return &Error{
		code: ErrInvalidRequest.code, status: http.StatusMethodNotAllowed, allow: allow, description: "use the method " + allow,
	}
}

// Code returns the error code.
func (e *Error) Code() string { return e.code }

// Description returns what the client is told beside the code.
func (e *Error) Description() string { return e.description }

// Status returns the HTTP status.
func (e *Error) Status() int { return e.status }

// Error returns code and description. It leaves out the cause, so that an error that is printed to a client by mistake still
// gives nothing away.
func (e *Error) Error() string { return e.code + ": " + e.description }

// Unwrap returns the private cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an Error with the same code, so that errors.Is finds a sentinel in its copies.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.code == e.code
}

// WithDescription returns a copy that tells the client description.
func (e *Error) WithDescription(description string) *Error {
	c := *e
	c.description = description
	return &c
}

// WithStatus returns a copy with another HTTP status. After too many failures the error of the step that failed gets 429 (RFC 6585
// section 4), as OAuth has no code for that.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.status = status
	return &c
}

// WithCause returns a copy with a private cause. The cause must hold no secret, as it is logged.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithParameter returns a copy that names the parameter at fault, for profiles whose errors do.
func (e *Error) WithParameter(name string) *Error {
	c := *e
	c.parameter = name
	return &c
}

// WithScope returns a copy that names the scope at fault, for profiles whose errors do.
func (e *Error) WithScope(scope string) *Error {
	c := *e
	c.scope = scope
	return &c
}

// Parameter returns the name of the parameter that is missing or not of its form; empty where that is not what is wrong.
func (e *Error) Parameter() string { return e.parameter }

// Scope returns the scope that is malformed or not granted; empty where that is not what is wrong. It comes from the request.
func (e *Error) Scope() string { return e.scope }

// Allow lists the methods that the path has, where the error is about the method.
func (e *Error) Allow() string { return e.allow }

// RetryAfter returns how long the client is asked to wait; zero if it is not.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// WithRetryAfter returns a copy that asks the client to wait before it tries again (RFC 9110 section 10.2.3).
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.retryAfter = d
	return &c
}
