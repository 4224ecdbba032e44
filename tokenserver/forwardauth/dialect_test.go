// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	world "github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
)

// newProfiles returns the endpoint of a world in which the clients Signed and Opaque are of the profiles OroCommerce and Magento, with tokens of
// theirs and one of a plain client. Magento's dialect knows resources, and refuses with a status of its own.
func newProfiles(t *testing.T) (h *forwardauth.Handler, oro, magento, plain string) {
	t.Helper()
	w := world.New(t)
	plain = w.AccessToken(t, world.Resource, nil).Token
	w.Change(world.Signed, func(c *clients.Client) { c.Profile, c.Application = clients.ProfileOroCommerce, "Storefront" })
	w.Change(world.Opaque, func(c *clients.Client) { c.Profile = clients.ProfileMagento })
	h = newHandler(w)
	h.Dialects = []forwardauth.Dialect{
		{Profile: clients.ProfileOroCommerce},
		{
			Profile: clients.ProfileMagento,
			Authenticate: func(ctx context.Context, r *http.Request) (*introspection.Token, error) {
				if r.Header.Get("Authorization") == "" {
					return nil, nil //nolint:nilnil // a guest
				}
				return w.Checker().Check(ctx, r.Header.Get("Authorization"))
			},
			Allows: func(token *introspection.Token, resource string) bool {
				return resource == "anonymous" || token != nil && strings.Contains(token.Claims.Scope, resource)
			},
			WriteRefusal: func(w http.ResponseWriter, _ *http.Request, refused *forwardauth.Refusal) {
				w.Header().Set("X-Resources", strings.Join(refused.Resources, " "))
				w.WriteHeader(http.StatusUnauthorized)
			},
		},
	}
	return h, w.AccessToken(t, world.Signed, nil).Token, w.AccessToken(t, world.Opaque, nil).Token, plain
}

func TestTheQueryChoosesTheProfile(t *testing.T) {
	h, oro, magento, plain := newProfiles(t)
	for _, tt := range []struct {
		name, query, authorization string
		want                       int
	}{
		{"a plain token by default", "", "Bearer " + plain, 204},
		{"a plain token by name", "&profile=oauth2", "Bearer " + plain, 204},
		{"a plain token in a profile", "&profile=OroCommerce", "Bearer " + plain, 401},
		{"a profile's token by default", "", "Bearer " + oro, 401},
		{"a profile's token by its name", "&profile=orocommerce", "Bearer " + oro, 204},
		{"another profile's token", "&profile=OroCommerce", "Bearer " + magento, 401},
		{"the application", "&application=storefront", "Bearer " + oro, 204},
		{"another application", "&application=backoffice", "Bearer " + oro, 401},
		{"one of two applications", "&application=backoffice&application=storefront", "Bearer " + oro, 204},
		{"the profile and its application", "&profile=OroCommerce&application=storefront", "Bearer " + oro, 204},
		{"a resource that the token has", "&resource=read", magento, 204},
		{"a resource that it lacks", "&resource=read&resource=admin", magento, 401},
		{"a guest where nobody needs a token", "&resource=anonymous", "", 204},
		{"a guest elsewhere", "&resource=anonymous&resource=read", "", 401},
		{"a guest where a scope is required", "&resource=anonymous&scope=read", "", 401},
		{"a guest where a kind is required", "&resource=anonymous&kind=Customer", "", 401},
		{"a guest without resources", "&profile=Magento", "", 401},
		{"another profile's token with a resource", "&resource=read", oro, 401},
		{"an unknown profile", "&profile=SAP", "Bearer " + plain, 400},
		{"a profile that is not served", "&profile=Shopware", "Bearer " + plain, 400},
		{"two profiles", "&profile=OAuth2&profile=Magento", "Bearer " + plain, 400},
		{"a profile with another one's parameter", "&profile=Magento&application=storefront", magento, 400},
		{"parameters of two profiles", "&application=storefront&resource=read", magento, 400},
		{"an unknown application", "&application=shop", "Bearer " + oro, 400},
		{"an empty resource", "&resource=", magento, 400},
		{"a resource with a space", "&resource=a+b", magento, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.authorization != "" {
				headers = []string{"Authorization", tt.authorization}
			}
			if got := ask(t, h, here+tt.query, headers...); got.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", got.StatusCode, got.Body, tt.want)
			}
		})
	}
}

func TestAGuestIsNobody(t *testing.T) {
	h, _, magento, _ := newProfiles(t)
	got := ask(t, h, here+"&resource=anonymous")
	for _, name := range []string{"X-Auth-Client-Id", "X-Auth-Subject", "X-Auth-Scope", "X-Auth-Integration"} {
		if values, found := got.Header[name]; !found || values[0] != "" {
			t.Errorf("%s is %q", name, values)
		}
	}
	got = ask(t, h, here+"&resource=admin&resource=read", "Authorization", magento)
	if got.StatusCode != http.StatusUnauthorized || got.Header.Get("X-Resources") != "admin" {
		t.Errorf("got %d for the resources %q", got.StatusCode, got.Header.Get("X-Resources"))
	}
}

// Below /verify/ the path and the headers may be a client's. What it says there must not choose the dialect: in one of them guests pass.
func TestHeadersChooseNoProfile(t *testing.T) {
	h, oro, _, plain := newProfiles(t)
	audience := []string{"X-Verify-Audience", world.Audience}
	for _, path := range []string{"/verify/orders", "/verify/profile=Magento/orders", "/verify/orders?profile=Magento&resource=anonymous"} {
		smuggled := append([]string{"X-Verify-Profile", "Magento", "X-Verify-Resource", "anonymous"}, audience...)
		if got := ask(t, h, path, smuggled...); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: got %d", path, got.StatusCode)
		}
		if got := ask(t, h, path, append(smuggled, "Authorization", "Bearer "+oro)...); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with a profile's token: got %d", path, got.StatusCode)
		}
		if got := ask(t, h, path, append(smuggled, "Authorization", "Bearer "+plain)...); got.StatusCode != http.StatusOK {
			t.Errorf("%s with a plain token: got %d", path, got.StatusCode)
		}
	}
}
