// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package tokenserver

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/orocommerce"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/shopware"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// virtualBase is the path of an Integration's virtual base URL: below it are the routes of its profile, for that Integration only. Clients whose
// logins name no client are given it as their system's base URL.
const virtualBase = "/integrations/{namespace}/{name}"

// parts is what the endpoints of all profiles share.
type parts struct {
	server        *Server
	log           *slog.Logger
	recorder      *audit.Recorder
	authenticator *clientauth.Authenticator
	logins        *sessions.Logins
	grants        []grants.Grant
	checker       *introspection.Checker
}

// tokenEndpoint returns the token endpoint of a profile, which metrics count under a route.
func (p *parts) tokenEndpoint(route string, dialect grants.Dialect) http.Handler {
	s := p.server
	return &grants.Handler{
		Dialect: dialect, Authenticator: p.authenticator, Sources: s.Sources, Keys: s.Keys, Grants: p.grants, Issuer: s.Issuer, Now: s.Now,
		Audit: p.recorder,
		Observe: func(grant, result string, took time.Duration) {
			s.Metrics.observe(route, grant, result, took)
		},
	}
}

// Shape returns the Shape of a tokens.Issuer for access tokens that are made elsewhere than at a token endpoint of the profile.
func Shape(profile clients.Profile) func(*tokens.Claims) any {
	switch profile {
	case clients.ProfileShopware:
		return shopware.Dialect{}.Claims
	case clients.ProfileOroCommerce:
		return orocommerce.Dialect{}.Claims
	case clients.ProfileOAuth2, clients.ProfileMagento:
		// A client of Magento gets none for itself: its own token is the one that lasts.
	}
	return nil
}

// addProfiles adds the routes of the profiles beside plain OAuth 2, each also below the virtual base URL, and returns their dialects for /verify.
func (p *parts) addProfiles(routes map[string]http.Handler) []forwardauth.Dialect {
	add := func(route string, handler http.Handler) {
		routes[route], routes[virtualBase+route] = handler, handler
	}
	return []forwardauth.Dialect{p.addShopware(add), p.addOroCommerce(add)}
}

// addShopware adds the routes of Shopware.
func (p *parts) addShopware(add func(route string, handler http.Handler)) forwardauth.Dialect {
	add(shopware.PathToken, p.tokenEndpoint(shopware.PathToken, shopware.Dialect{}))
	integrations := p.server.observed(shopware.PathIntegrations, &shopware.Resources{Checker: p.checker, Issuer: p.server.Issuer})
	add(shopware.PathIntegrations, integrations)
	add(shopware.PathIntegrations+"/{id}", integrations)
	return shopware.Verify(p.checker)
}

// addOroCommerce adds the route of OroCommerce, which browsers use as well.
func (p *parts) addOroCommerce(add func(route string, handler http.Handler)) forwardauth.Dialect {
	s := p.server
	add(orocommerce.PathToken, &orocommerce.CORS{
		Origins: s.CORSOrigins, Next: p.tokenEndpoint(orocommerce.PathToken, orocommerce.Dialect{}), Now: s.Now,
		Observe: s.observer(orocommerce.PathToken),
	})
	return orocommerce.Verify()
}
