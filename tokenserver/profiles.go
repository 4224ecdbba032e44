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
	"github.com/integration-operator/integration-operator/tokenserver/profiles/magento"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/orocommerce"
	"github.com/integration-operator/integration-operator/tokenserver/profiles/shopware"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
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
	password      grants.Password
	factors       *secondfactor.Checker
	checker       *introspection.Checker
}

// tokenEndpoint returns the token endpoint of a profile, which metrics count under a route. It has all grants unless it is given some.
func (p *parts) tokenEndpoint(route string, dialect grants.Dialect, some ...grants.Grant) http.Handler {
	s := p.server
	if len(some) == 0 {
		some = p.grants
	}
	return &grants.Handler{
		Dialect: dialect, Authenticator: p.authenticator, Sources: s.Sources, Keys: s.Keys, Grants: some, Issuer: s.Issuer, Now: s.Now,
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
	return []forwardauth.Dialect{p.addShopware(add), p.addOroCommerce(add), p.addMagento(add)}
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

// addMagento adds the routes of Magento. Metrics count each of them once, whatever stands before it.
func (p *parts) addMagento(add func(route string, handler http.Handler)) forwardauth.Dialect {
	s := p.server
	at := func(path string, handler http.Handler) {
		for _, route := range magento.Paths(path) {
			add(route, handler)
		}
	}
	for path, dialect := range map[string]magento.Dialect{
		magento.PathAdminToken: magento.AdminToken, magento.PathCustomerToken: magento.CustomerToken,
		magento.PathCodeLogin: magento.CodeLogin, magento.PathKeyLogin: magento.KeyLogin,
	} {
		at(path, p.tokenEndpoint(path, dialect, p.password))
	}
	at(magento.PathKeyChallenge, p.tokenEndpoint(magento.PathKeyChallenge, magento.PasswordOnly, magento.KeyChallenge(p.password, p.factors)))
	at(magento.PathBeginRegistration,
		p.tokenEndpoint(magento.PathBeginRegistration, magento.PasswordOnly, magento.BeginRegistration(p.password, p.factors)))
	at(magento.PathRegistration, p.tokenEndpoint(magento.PathRegistration, magento.KeyLogin, magento.Registration(p.password, p.factors)))
	at(magento.PathRevokeCustomer, s.observed(magento.PathRevokeCustomer, &magento.CustomerRevocation{
		Checker: p.checker, Sessions: s.Sessions, Sources: s.Sources, Audit: p.recorder,
	}))
	verification := &magento.Verification{Checker: p.checker, Clients: s.Clients, Nonces: s.Sessions, Now: s.Now}
	return verification.Dialect()
}
