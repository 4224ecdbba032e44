// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

func TestReplies(t *testing.T) {
	access := tokens.AccessToken{Token: "a.b.c", Lifetime: time.Hour}
	for name, issued := range map[string]grants.Issued{
		"login":              {Access: access, RefreshToken: "d.e.f", SessionID: "s"},
		"client-credentials": {Access: access},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Dialect{}.WriteReply(w, newRequest(t, js, "", "{}"), &grants.Reply{Issued: issued, Scope: []string{"read"}})
			wantGolden(t, "replies/"+name+".http", wire(t, w))
		})
	}
}
