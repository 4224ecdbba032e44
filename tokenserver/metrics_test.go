// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	s := start(t, "")
	s.token(t, "grant_type=client_credentials&"+credentials)
	s.token(t, "grant_type=client_credentials&"+credentials)
	s.token(t, "grant_type=client_credentials&client_id=es256&client_secret=x")
	s.token(t, "grant_type=user-input")
	s.token(t, "grant_type=client_credentials&client_secret=x&client_id="+panicID)
	etag := s.do(t, http.MethodGet, "/oauth2/jwks", "").header.Get("ETag")
	s.do(t, http.MethodGet, "/oauth2/jwks", "", "If-None-Match", etag)
	s.do(t, http.MethodPut, "/oauth2/jwks", "")
	s.do(t, http.MethodGet, "/user/input", "")

	want := `
# HELP integration_operator_token_server_clients Clients that this replica knows.
# TYPE integration_operator_token_server_clients gauge
integration_operator_token_server_clients 6
# HELP integration_operator_token_server_requests_total Requests by route, grant and result; the result is ok or an error code.
# TYPE integration_operator_token_server_requests_total counter
integration_operator_token_server_requests_total{grant="",result="invalid_request",route="/oauth2/jwks"} 1
integration_operator_token_server_requests_total{grant="",result="not_found",route="other"} 1
integration_operator_token_server_requests_total{grant="",result="not_modified",route="/oauth2/jwks"} 1
integration_operator_token_server_requests_total{grant="",result="ok",route="/oauth2/jwks"} 1
integration_operator_token_server_requests_total{grant="",result="server_error",route="/oauth2/token"} 1
integration_operator_token_server_requests_total{grant="client_credentials",result="invalid_client",route="/oauth2/token"} 1
integration_operator_token_server_requests_total{grant="client_credentials",result="ok",route="/oauth2/token"} 2
integration_operator_token_server_requests_total{grant="unknown",result="unsupported_grant_type",route="/oauth2/token"} 1
# HELP integration_operator_token_server_signing_key_age_seconds How long the key that signs has been active, by algorithm.
# TYPE integration_operator_token_server_signing_key_age_seconds gauge
integration_operator_token_server_signing_key_age_seconds{algorithm="A256GCM"} 3600
integration_operator_token_server_signing_key_age_seconds{algorithm="ES256"} 3600
integration_operator_token_server_signing_key_age_seconds{algorithm="EdDSA"} 3600
integration_operator_token_server_signing_key_age_seconds{algorithm="RS256"} 3600
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want),
		"integration_operator_token_server_clients", "integration_operator_token_server_requests_total",
		"integration_operator_token_server_signing_key_age_seconds"); err != nil {
		t.Error(err)
	}
	if got, err := testutil.GatherAndCount(s.registry, "integration_operator_token_server_request_duration_seconds"); err != nil || got != 3 {
		t.Errorf("got durations of %d routes (%v), want those of the two routes and of the rest", got, err)
	}
	if problems, err := testutil.GatherAndLint(s.registry); err != nil || len(problems) > 0 {
		t.Errorf("got the problems %v (%v)", problems, err)
	}
}
