// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/introspection/introspectiontest"
)

// A gallery shows the Integration of the client Signed, which is one of this profile.
type gallery struct {
	*introspectiontest.World
	handler http.Handler
	// token is a good one of Signed.
	token string
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{World: introspectiontest.New(t)}
	g.Change(introspectiontest.Signed, func(c *clients.Client) {
		c.Profile = clients.ProfileShopware
		c.Access = []clients.Access{{Audience: "a", Scopes: []string{"write"}}, {Audience: "b", Scopes: []string{"write", "user-verified"}}}
	})
	g.token = g.AccessToken(t, introspectiontest.Signed, nil).Token
	resources := &Resources{Checker: g.Checker(), Issuer: introspectiontest.Issuer}
	mux := http.NewServeMux()
	for _, prefix := range []string{"", "/integrations/{namespace}/{name}"} {
		mux.Handle(prefix+PathIntegrations, resources)
		mux.Handle(prefix+PathIntegrations+"/{id}", resources)
	}
	g.handler = mux
	return g
}

// show asks for a path; headers come in pairs of name and value.
func (g *gallery) show(t *testing.T, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

func TestResources(t *testing.T) {
	g := newGallery(t)
	client, _ := g.Client(introspectiontest.Signed)
	id := idOf(client)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Fatalf("the id is %q", id)
	}
	virtual := "/integrations/" + client.Namespace + "/" + client.Name + PathIntegrations
	for _, tt := range []struct{ name, method, path, accept string }{
		{"list-by-default", "GET", PathIntegrations, ""},
		{"list-json-api", "GET", PathIntegrations + "?page=1&limit=500", mediaTypeJSONAPI},
		{"list-json", "GET", PathIntegrations, mediaTypeJSON},
		{"list-second-page", "GET", PathIntegrations + "?page=2", ""},
		{"list-second-page-json", "GET", PathIntegrations + "?page=2", mediaTypeJSON},
		{"list-virtual", "GET", virtual, ""},
		{"one-by-default", "GET", PathIntegrations + "/" + id, "*/*"},
		{"one-json", "GET", PathIntegrations + "/" + id, mediaTypeJSON},
		{"one-virtual", "GET", virtual + "/" + id, ""},
		{"not-acceptable", "GET", PathIntegrations, "text/html"},
		{"another-id", "GET", PathIntegrations + "/0123456789abcdef0123456789abcdef", ""},
		{"another-id-json", "GET", PathIntegrations + "/hush", mediaTypeJSON},
		{"post", "POST", PathIntegrations, ""},
		{"patch", "PATCH", PathIntegrations + "/" + id, mediaTypeJSON},
		{"delete", "DELETE", PathIntegrations + "/" + id, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := []string{"Authorization", "Bearer " + g.token}
			if tt.accept != "" {
				headers = append(headers, "Accept", tt.accept)
			}
			golden(t, "resources/"+tt.name, wireOf(t, g.show(t, tt.method, tt.path, headers...)))
		})
	}
}

// Whoever has no good token learns nothing, and always in the same words.
func TestResourcesNeedAToken(t *testing.T) {
	g := newGallery(t)
	foreign := g.AccessToken(t, introspectiontest.Stranger, nil).Token
	login := func(change func(*clients.Client)) string {
		token := g.AccessToken(t, introspectiontest.Signed, nil).Token
		g.Change(introspectiontest.Signed, change)
		return token
	}
	for _, tt := range []struct {
		name, path string
		headers    []string
	}{
		{"no token", PathIntegrations, nil},
		{"another scheme", PathIntegrations, []string{"Authorization", "Basic aHVzaA=="}},
		{"nonsense", PathIntegrations, []string{"Authorization", "Bearer hush"}},
		{"two tokens", PathIntegrations, []string{"Authorization", "Bearer " + g.token, "Authorization", "Bearer " + g.token}},
		{"a token of another profile", PathIntegrations, []string{"Authorization", "Bearer " + foreign}},
		{"the URL of another Integration", "/integrations/bank/stranger" + PathIntegrations, []string{"Authorization", "Bearer " + g.token}},
		{"the URL of an Integration that is not there", "/integrations/shop/nobody/api/integration/hush", []string{"Authorization", "Bearer " + g.token}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, "resources/no-token", wireOf(t, g.show(t, http.MethodGet, tt.path, tt.headers...)))
		})
	}
	t.Run("an expired token", func(t *testing.T) {
		g.Move(10 * time.Minute)
		golden(t, "resources/no-token", wireOf(t, g.show(t, http.MethodGet, PathIntegrations, "Authorization", "Bearer "+g.token)))
	})
	t.Run("a suspended client", func(t *testing.T) {
		token := login(func(c *clients.Client) { c.Suspended = true })
		golden(t, "resources/no-token", wireOf(t, g.show(t, http.MethodGet, PathIntegrations, "Authorization", "Bearer "+token)))
	})
}

func TestResourcesWithoutTheSessionStore(t *testing.T) {
	g := newGallery(t)
	defer g.Store.Break()()
	golden(t, "resources/unavailable", wireOf(t, g.show(t, http.MethodGet, PathIntegrations, "Authorization", g.token)))
}

func TestAnIntegrationMadeAnewIsAnotherOne(t *testing.T) {
	g := newGallery(t)
	before, _ := g.Client(introspectiontest.Signed)
	g.Change(introspectiontest.Signed, func(c *clients.Client) { c.UID = "uid-anew" })
	token := g.AccessToken(t, introspectiontest.Signed, nil).Token
	if got := g.show(t, http.MethodGet, PathIntegrations+"/"+idOf(before), "Authorization", token); got.Code != http.StatusNotFound {
		t.Errorf("the old id gets %d", got.Code)
	}
	var document struct{ Data []struct{ ID string } }
	body := g.show(t, http.MethodGet, PathIntegrations, "Authorization", token).Body.Bytes()
	if err := json.Unmarshal(body, &document); err != nil || len(document.Data) != 1 || document.Data[0].ID == idOf(before) {
		t.Errorf("got %s (%v)", body, err)
	}
}
