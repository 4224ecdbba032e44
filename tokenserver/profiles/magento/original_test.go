// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/integration-operator/integration-operator/tokenserver/oauth1"
)

func TestOriginalOf(t *testing.T) {
	want := oauth1.Request{Method: "GET", Scheme: "https", Host: "shop.example:8443", Path: "/rest/V1/products", Query: "a=1&b=?"}
	nginx := []string{
		"X-Original-Method", "GET", "X-Original-URI", "/rest/V1/products?a=1&b=?", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example:8443",
	}
	ingress := []string{"X-Original-Method", "GET", "X-Original-URL", "https://shop.example:8443/rest/V1/products?a=1&b=?"}
	traefik := []string{
		"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/rest/V1/products?a=1&b=?", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example:8443",
	}
	tests := []struct {
		name    string
		headers []string
		bad     bool
	}{
		{name: "nginx", headers: nginx},
		{name: "ingress-nginx", headers: ingress},
		{name: "Traefik", headers: traefik},
		{name: "ingress-nginx with what its own proxy says", headers: append(ingress, "X-Forwarded-Proto", "http", "X-Forwarded-Host", "other")},
		{name: "nothing", bad: true},
		{name: "no method", headers: nginx[2:], bad: true},
		{name: "no host", headers: nginx[:6], bad: true},
		{name: "no scheme", headers: append(nginx[:4:4], "X-Forwarded-Host", "shop.example"), bad: true},
		{name: "two methods", headers: append(nginx, "X-Original-Method", "POST"), bad: true},
		{name: "the method of another proxy", headers: append(nginx, "X-Forwarded-Method", "POST"), bad: true},
		{name: "the URI of another proxy", headers: append(nginx, "X-Forwarded-Uri", "/"), bad: true},
		{name: "the URL of another proxy", headers: append(traefik, "X-Original-URL", "https://shop.example/"), bad: true},
		{name: "two hosts", headers: append(traefik, "X-Forwarded-Host", "other"), bad: true},
		{name: "an empty host", headers: append(nginx[:6:6], "X-Forwarded-Host", ""), bad: true},
		{name: "a URI that is no path", headers: append([]string{"X-Original-URI", "https://a/"}, append(nginx[:2:2], nginx[4:]...)...), bad: true},
		{name: "a URL without a path", headers: []string{"X-Original-Method", "GET", "X-Original-URL", "https://shop.example"}, bad: true},
		{name: "a URL without a host", headers: []string{"X-Original-Method", "GET", "X-Original-URL", "https:///a"}, bad: true},
		{name: "a URL without a scheme", headers: []string{"X-Original-Method", "GET", "X-Original-URL", "shop.example/a"}, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i < len(tt.headers); i += 2 {
				h.Add(tt.headers[i], tt.headers[i+1])
			}
			got, err := originalOf(h)
			if (err != nil) != tt.bad {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(want, got); !tt.bad && diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}
