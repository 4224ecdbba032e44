// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWriteError(t *testing.T) {
	cause := errors.New("hidden cause")
	tests := []struct {
		name        string
		err         *Error
		wantStatus  int
		wantHeaders map[string]string
		wantBody    string
	}{
		{
			name: "a 401 carries a challenge", err: ErrInvalidClient.WithCause(cause), wantStatus: 401,
			wantHeaders: map[string]string{"WWW-Authenticate": `Basic realm="integration-operator"`},
			wantBody:    `{"error":"invalid_client","error_description":"client authentication failed"}`,
		},
		{
			name: "a 405 carries the methods that there are", err: MethodNotAllowed("GET, HEAD"), wantStatus: 405,
			wantHeaders: map[string]string{"Allow": "GET, HEAD"},
			wantBody:    `{"error":"invalid_request","error_description":"use the method GET, HEAD"}`,
		},
		{
			name:       "a delay is rounded up to seconds",
			err:        ErrTemporarilyUnavailable.WithRetryAfter(1500 * time.Millisecond).WithDescription("later"),
			wantStatus: 503, wantHeaders: map[string]string{"Retry-After": "2"},
			wantBody: `{"error":"temporarily_unavailable","error_description":"later"}`,
		},
		{
			name: "a 429 keeps the code of what failed, and carries a delay but no challenge",
			err:  ErrInvalidClient.WithStatus(429).WithRetryAfter(time.Minute).WithDescription("later"), wantStatus: 429,
			wantHeaders: map[string]string{"Retry-After": "60"},
			wantBody:    `{"error":"invalid_client","error_description":"later"}`,
		},
		{
			name: "a description holds only what RFC 6749 section 5.2 allows",
			err:  ErrInvalidScope.WithDescription("a\"b\\c\nd\x00é~"), wantStatus: 400,
			wantBody: `{"error":"invalid_scope","error_description":"a?b?c?d??~"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteError(w, tt.err)
			want := http.Header{
				"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
				"Content-Length": {fmt.Sprint(len(tt.wantBody))},
			}
			for name, value := range tt.wantHeaders {
				want.Set(name, value)
			}
			if diff := cmp.Diff(want, w.Header()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if w.Code != tt.wantStatus || w.Body.String() != tt.wantBody {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
		})
	}
}

func TestErrorsAreImmutable(t *testing.T) {
	cause := errors.New("hidden cause")
	changed := ErrInvalidRequest.WithCause(cause).WithDescription("other").WithStatus(413).WithRetryAfter(time.Second)
	if ErrInvalidRequest.Unwrap() != nil || ErrInvalidRequest.Description() == "other" || ErrInvalidRequest.Status() != 400 ||
		ErrInvalidRequest.retryAfter != 0 {
		t.Errorf("the sentinel has changed: %+v", ErrInvalidRequest)
	}
	if !errors.Is(changed, ErrInvalidRequest) || !errors.Is(changed, cause) || errors.Is(changed, ErrInvalidClient) {
		t.Error("a copy must be its sentinel and its cause, and no other sentinel")
	}
	if strings.Contains(changed.Error(), "hidden") {
		t.Errorf("Error gives the cause away: %q", changed.Error())
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := Credentials{Method: MethodPost, ClientID: "a", Secret: "hush", Assertion: "hush"}
	asJSON, err := json.Marshal(c) //nolint:gosec // that is what the test is about
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, c, c, c), string(asJSON), c.Secret.LogValue().String()} {
		if strings.Contains(got, "hush") {
			t.Errorf("the secret shows in %s", got)
		}
	}
	if c.Secret.Reveal() != "hush" {
		t.Error("Reveal must return the secret")
	}
}
