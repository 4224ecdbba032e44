// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// What the pipeline refuses, as its clients read it. The descriptions are those of the pipeline at their worst: they repeat the request.
func TestRefusals(t *testing.T) {
	throttled := func(err *oauth2.Error, wait time.Duration) *oauth2.Error {
		return err.WithStatus(http.StatusTooManyRequests).WithRetryAfter(wait)
	}
	for _, tt := range []struct {
		name, grantType, authorization string
		err                            *oauth2.Error
	}{
		{name: "grant-unsupported", err: oauth2.ErrUnsupportedGrantType},
		{name: "grant-not-for-the-client", grantType: grantClientCredentials, err: oauth2.ErrUnauthorizedClient},
		{name: "client", grantType: grantClientCredentials, err: oauth2.ErrInvalidClient.WithCause(errors.New("hush"))},
		{name: "client-with-authorization", grantType: grantClientCredentials, authorization: "Basic eDp5", err: oauth2.ErrInvalidClient},
		{name: "client-with-stray-bearer", grantType: grantPassword, authorization: "Bearer hush", err: oauth2.ErrInvalidClient},
		{
			name: "scope", grantType: grantClientCredentials, authorization: "Basic eDp5",
			err: oauth2.ErrInvalidScope.WithScope("product:write").WithDescription("the scope hush"),
		},
		{name: "scope-malformed", grantType: grantPassword, err: oauth2.ErrInvalidScope.WithDescription("hush")},
		{name: "scope-not-printable", grantType: grantPassword, err: oauth2.ErrInvalidScope.WithScope("<b>é\"\x00</b>")},
		{name: "scope-long", grantType: grantPassword, err: oauth2.ErrInvalidScope.WithScope(string(make([]byte, 1000)))},
		{name: "username-missing", grantType: grantPassword, err: oauth2.ErrInvalidRequest.WithParameter("username")},
		{name: "password-missing", grantType: grantPassword, err: oauth2.ErrInvalidRequest.WithParameter("password")},
		{name: "refresh-token-missing", grantType: grantRefreshToken, err: oauth2.ErrInvalidRequest.WithParameter("refresh_token")},
		{name: "some-member", grantType: grantPassword, err: oauth2.ErrInvalidRequest.WithParameter("hush").WithDescription("a parameter is too long")},
		{name: "password", grantType: grantPassword, authorization: "Basic eDp5", err: oauth2.ErrInvalidGrant.WithDescription("hush")},
		{
			name: "password-without-second-factor", grantType: grantPassword,
			err: oauth2.ErrInvalidRequest.WithCause(&grants.SecondFactorRequiredError{}).WithDescription("hush"),
		},
		{name: "refresh-token", grantType: grantRefreshToken, authorization: "Basic eDp5", err: oauth2.ErrInvalidGrant},
		{name: "throttled-user", grantType: grantPassword, err: throttled(oauth2.ErrInvalidGrant, 4*time.Second)},
		{
			name: "throttled-client", grantType: grantClientCredentials, authorization: "Basic eDp5",
			err: throttled(oauth2.ErrInvalidClient, 1500*time.Millisecond),
		},
		{name: "throttled-for-no-time", grantType: grantPassword, err: throttled(oauth2.ErrInvalidGrant, 0)},
		{name: "too-large", err: oauth2.ErrInvalidRequest.WithStatus(http.StatusRequestEntityTooLarge).WithDescription("the body is larger than 64 KiB")},
		{name: "method", err: oauth2.MethodNotAllowed(http.MethodPost)},
		{name: "server", grantType: grantPassword, err: oauth2.ErrServerError.WithCause(errors.New("hush"))},
		{name: "unavailable", grantType: grantRefreshToken, err: oauth2.ErrTemporarilyUnavailable.WithRetryAfter(5 * time.Second)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathToken, http.NoBody)
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			Dialect{}.WriteError(w, r, &grants.Refusal{Err: tt.err, GrantType: tt.grantType})
			golden(t, "refusals/"+tt.name, wireOf(t, w))
		})
	}
}

func TestEveryCodeHasATitle(t *testing.T) {
	for _, code := range []string{
		codeGrantType, codeRequest, codeClient, codeScope, codePassword, codeRefreshToken, codeToken, codeThrottled, codePrivilege, codeNotFound,
	} {
		if titles[code] == "" {
			t.Errorf("the code %s has no title", code)
		}
	}
}
