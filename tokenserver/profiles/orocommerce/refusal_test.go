// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// Each golden file is the reply to one case of the contract's table of errors, and to what the pipeline refuses beside those.
func TestErrorsAreOroCommerces(t *testing.T) {
	tried := []string{basic("app:hush")}
	locked := oauth2.ErrInvalidGrant.WithStatus(http.StatusTooManyRequests).WithRetryAfter(1500 * time.Millisecond).
		WithDescription("there were too many failed attempts: try again later")
	expired := fmt.Errorf("read refresh token: %w", tokens.ErrExpiredToken)
	reused := fmt.Errorf("refresh session: %w", sessions.ErrReused)
	for _, tt := range []struct {
		name          string
		err           *oauth2.Error
		grantType     string
		authorization []string
	}{
		{"unsupported grant type", oauth2.ErrUnsupportedGrantType, "", tried},
		{"missing member", missing("client_id"), "", nil},
		{"malformed request", oauth2.ErrInvalidRequest, "", tried},
		{"wrong secret in the body", oauth2.ErrInvalidClient, grantPassword, nil},
		{"wrong secret in the header", oauth2.ErrInvalidClient, grantPassword, tried},
		{"wrong secret in the body beside a bearer token", oauth2.ErrInvalidClient, grantPassword, []string{"Bearer a.b.c"}},
		{"too many wrong secrets", oauth2.ErrInvalidClient.WithStatus(429).WithRetryAfter(time.Second), grantPassword, tried},
		{"grant not allowed", oauth2.ErrUnauthorizedClient, grantPassword, tried},
		{"wrong password", oauth2.ErrInvalidGrant.WithDescription("the username or the password is wrong"), grantPassword, tried},
		{"locked user", locked, grantPassword, tried},
		{
			"user with a second factor", oauth2.ErrInvalidRequest.WithCause(&grants.SecondFactorRequiredError{}).
				WithDescription("the user has a second factor, and has to log in with it"), grantPassword, tried,
		},
		{"undecipherable refresh token", oauth2.ErrInvalidGrant, grantRefreshToken, tried},
		{"expired refresh token", oauth2.ErrInvalidGrant.WithCause(expired), grantRefreshToken, tried},
		{"refresh token of an expired session", oauth2.ErrInvalidGrant.WithCause(sessions.ErrExpired), grantRefreshToken, tried},
		{"used refresh token", oauth2.ErrInvalidGrant.WithCause(reused), grantRefreshToken, tried},
		{"wider scope", oauth2.ErrInvalidScope.WithScope("orders.write"), grantRefreshToken, tried},
		{"malformed scope", oauth2.ErrInvalidScope, grantRefreshToken, tried},
		{"another method", oauth2.MethodNotAllowed(http.MethodPost), "", nil},
		{"too large", oauth2.ErrInvalidRequest.WithStatus(http.StatusRequestEntityTooLarge), "", nil},
		{"server error", oauth2.ErrServerError, grantPassword, tried},
		{"unavailable", oauth2.ErrTemporarilyUnavailable.WithRetryAfter(5 * time.Second), grantPassword, tried},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken, http.NoBody)
			r.Header["Authorization"] = tt.authorization
			w := httptest.NewRecorder()
			Dialect{}.WriteError(w, r, &grants.Refusal{Err: tt.err, GrantType: tt.grantType})
			wantGolden(t, "errors/"+strings.ReplaceAll(tt.name, " ", "-")+".http", wire(t, w))
		})
	}
}
