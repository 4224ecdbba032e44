// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCORS(t *testing.T) {
	const allowed = "https://shop.example"
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	bare := http.Header{"Vary": {"Origin"}, "Content-Length": {"0"}, "Allow": {"OPTIONS, POST"}}
	for _, tt := range []struct {
		name, method string
		origins      []string
		asked        string
		wantStatus   int
		want         http.Header
	}{
		{
			"a preflight from an allowed origin", http.MethodOptions, []string{allowed}, http.MethodPost, 200, http.Header{
				"Vary": {"Origin"}, "Content-Length": {"0"}, "Access-Control-Allow-Origin": {allowed}, "Access-Control-Allow-Methods": {"OPTIONS, POST"},
				"Access-Control-Allow-Headers": {"Authorization,Content-Type"}, "Access-Control-Max-Age": {"600"},
			},
		},
		{"a preflight from another origin", http.MethodOptions, []string{"https://evil.example"}, http.MethodPost, 200, bare},
		{"a preflight from nowhere", http.MethodOptions, []string{"null"}, http.MethodPost, 200, bare},
		{"a preflight without an origin", http.MethodOptions, nil, http.MethodPost, 200, bare},
		{"OPTIONS that is no preflight", http.MethodOptions, []string{allowed}, "", 200, http.Header{
			"Vary": {"Origin"}, "Content-Length": {"0"}, "Allow": {"OPTIONS, POST"}, "Access-Control-Allow-Origin": {allowed},
		}},
		{"a request from an allowed origin", http.MethodPost, []string{allowed}, "", 418, http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {allowed},
		}},
		{"a request from another origin", http.MethodPost, []string{"https://evil.example"}, "", 418, http.Header{"Vary": {"Origin"}}},
		{"an origin in other letters", http.MethodPost, []string{"https://SHOP.example"}, "", 418, http.Header{"Vary": {"Origin"}}},
		{"an origin that begins with an allowed one", http.MethodPost, []string{allowed + ".evil.example"}, "", 418, http.Header{"Vary": {"Origin"}}},
		{"two origins", http.MethodPost, []string{allowed, "https://evil.example"}, "", 418, http.Header{"Vary": {"Origin"}}},
		{"a request without an origin", http.MethodPost, nil, "", 418, http.Header{"Vary": {"Origin"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, PathToken, http.NoBody)
			if tt.origins != nil {
				r.Header["Origin"] = tt.origins
			}
			if tt.asked != "" {
				r.Header.Set("Access-Control-Request-Method", tt.asked)
			}
			w := httptest.NewRecorder()
			observed := 0
			cors := &CORS{
				Origins: []string{"https://other.example", allowed}, Next: next, Now: time.Now,
				Observe: func(string, time.Duration) { observed++ },
			}
			cors.ServeHTTP(w, r)
			if (observed == 1) != (tt.method == http.MethodOptions) {
				t.Errorf("observed %d requests", observed)
			}
			if diff := cmp.Diff(tt.want, w.Header()); w.Code != tt.wantStatus || diff != "" {
				t.Errorf("got %d (-want +got):\n%s", w.Code, diff)
			}
		})
	}
	t.Run("no origins", func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, PathToken, http.NoBody)
		r.Header.Set("Origin", "*")
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		w := httptest.NewRecorder()
		(&CORS{Next: next, Now: time.Now}).ServeHTTP(w, r)
		if diff := cmp.Diff(bare, w.Header()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
