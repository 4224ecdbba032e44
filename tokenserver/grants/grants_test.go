// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

func TestParseScope(t *testing.T) {
	longest := strings.Repeat("s", 128)
	var most, tooMany []string
	for i := range 257 {
		tooMany = append(tooMany, fmt.Sprint("s", i))
	}
	most = tooMany[:256]
	tests := []struct {
		name, scope string
		want        []string
		wantOK      bool
	}{
		{"none", "", nil, true},
		{"one", "orders.read", []string{"orders.read"}, true},
		{"several, in their order", "b a", []string{"b", "a"}, true},
		{"duplicates, folded", "a b a a", []string{"a", "b"}, true},
		{"every character that there may be at the edges", "! # [ ] ~", []string{"!", "#", "[", "]", "~"}, true},
		{"the longest", longest, []string{longest}, true},
		{"as many as there may be", strings.Join(most, " "), most, true},
		{"one too long", longest + "s", nil, false},
		{"too many", strings.Join(tooMany, " "), nil, false},
		{"a quote", `a"b`, nil, false},
		{"a backslash", `a\b`, nil, false},
		{"a letter beyond ASCII", "é", nil, false},
		{"a space in front", " a", nil, false},
		{"a space behind", "a ", nil, false},
		{"two spaces", "a  b", nil, false},
		{"a tab", "a\tb", nil, false},
		{"DEL", "\x7f", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseScope(tt.scope)
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.wantOK {
				t.Errorf("got %t, want %t; scopes (-want +got):\n%s", ok, tt.wantOK, diff)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	policy := clients.Policy{
		Access: []clients.Access{
			{Audience: "https://orders", Scopes: []string{"read", "write"}},
			{Audience: "https://stock", Scopes: []string{"read"}},
		},
		DefaultScopes: []string{"read", "write"},
	}
	tests := []struct {
		name         string
		policy       clients.Policy
		scope        string
		resources    []string
		wantAudience []string
		wantScope    []string
		wantError    *oauth2.Error
	}{
		{name: "nothing asked for", policy: policy, wantAudience: []string{"https://orders", "https://stock"}, wantScope: []string{"read"}},
		{
			name: "one audience", policy: policy, resources: []string{"https://orders"},
			wantAudience: []string{"https://orders"}, wantScope: []string{"read", "write"},
		},
		{
			name: "one audience and one scope", policy: policy, resources: []string{"https://orders"}, scope: "write write",
			wantAudience: []string{"https://orders"}, wantScope: []string{"write"},
		},
		{name: "a scope that one audience lacks", policy: policy, scope: "write", wantError: oauth2.ErrInvalidScope},
		{name: "a malformed scope", policy: policy, scope: "read  write", wantError: oauth2.ErrInvalidScope},
		{name: "another audience", policy: policy, resources: []string{"https://bank"}, wantError: oauth2.ErrInvalidTarget},
		{name: "no audience at all", wantError: oauth2.ErrServerError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := &oauth2.Request{GrantType: "client_credentials", Scope: tt.scope, Resources: tt.resources}
			got, err := authorize(tt.policy, &Authenticated{request: request})
			if tt.wantError != nil {
				if err == nil || !errors.Is(err, tt.wantError) || got != nil {
					t.Errorf("got %v, want %v", err, tt.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.wantAudience, got.Audience()); diff != "" {
				t.Errorf("audience (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantScope, got.Scope()); diff != "" {
				t.Errorf("scope (-want +got):\n%s", diff)
			}
		})
	}
}

// What a refresh may get is what the login got, as far as it is granted now.
func TestPolicyOfASession(t *testing.T) {
	session := &sessions.Session{Audiences: []string{"https://orders", "https://gone"}, Scopes: []string{"read", "write"}}
	now := clients.Policy{
		Access: []clients.Access{
			{Audience: "https://orders", Scopes: []string{"read", "admin"}},
			{Audience: "https://stock", Scopes: []string{"read", "write"}},
		},
		DefaultScopes: []string{"admin"},
	}
	want := clients.Policy{
		Access: []clients.Access{{Audience: "https://orders", Scopes: []string{"read"}}}, DefaultScopes: []string{"read", "write"},
	}
	if diff := cmp.Diff(want, policyOf(session, now)); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if got := policyOf(session, clients.Policy{}); len(got.Access) != 0 {
		t.Errorf("a session without remaining audience: %+v", got)
	}
}

func TestAsError(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want *oauth2.Error
	}{
		{"an error for the client stays what it is", fmt.Errorf("wrapped: %w", oauth2.ErrInvalidScope), oauth2.ErrInvalidScope},
		{"a key that is not there yet", fmt.Errorf("sign: %w", tokens.ErrNoActiveKey), oauth2.ErrTemporarilyUnavailable},
		{"a token for too much", fmt.Errorf("sign: %w", tokens.ErrTooLarge), oauth2.ErrInvalidScope},
		{"a store that is away", fmt.Errorf("get: %w", sessions.ErrUnavailable), oauth2.ErrTemporarilyUnavailable},
		{"anything else", context.Canceled, oauth2.ErrServerError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := asError(tt.err); got.Code() != tt.want.Code() || got.Status() != tt.want.Status() {
				t.Errorf("got %d %v, want %v", got.Status(), got, tt.want)
			}
		})
	}
}

func TestWriteReply(t *testing.T) {
	access := tokens.AccessToken{Token: "aa.bb.cc", Lifetime: 90 * time.Second}
	for _, tt := range []struct {
		name, refresh, scope, want string
	}{
		{"a token without scope", "", "", `{"access_token":"aa.bb.cc","token_type":"Bearer","expires_in":90}`},
		{"a token with scopes", "", "a b", `{"access_token":"aa.bb.cc","token_type":"Bearer","expires_in":90,"scope":"a b"}`},
		{
			"a token with a refresh token", "rr", "a",
			`{"access_token":"aa.bb.cc","token_type":"Bearer","expires_in":90,"refresh_token":"rr","scope":"a"}`,
		},
	} {
		w := httptest.NewRecorder()
		OAuth2{}.WriteReply(w, nil, &Reply{Issued: Issued{Access: access, RefreshToken: tt.refresh}, Scope: strings.Fields(tt.scope)})
		if got := w.Body.String(); w.Code != http.StatusOK || got != tt.want {
			t.Errorf("%s: got %d %s, want %s", tt.name, w.Code, got, tt.want)
		}
	}
}
