// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"errors"
	"net/http"
	"strings"

	"github.com/integration-operator/integration-operator/tokenserver/oauth1"
)

// The headers by which proxies tell of the request that they ask about: ingress-nginx has its whole URL, a configuration of nginx what it is
// written to have, and Traefik X-Forwarded-*.
const (
	headerOriginalMethod  = "X-Original-Method"
	headerOriginalURL     = "X-Original-Url"
	headerOriginalURI     = "X-Original-Uri"
	headerForwardedMethod = "X-Forwarded-Method"
	headerForwardedURI    = "X-Forwarded-Uri"
	headerForwardedProto  = "X-Forwarded-Proto"
	headerForwardedHost   = "X-Forwarded-Host"
)

var errNoOriginal = errors.New("the proxy does not say once and in one way which method and URL the request has that was signed")

// originalOf returns the request that a proxy asks about. What two headers say may be one of the proxy and one of its client, of which
// nobody knows which is which: that is refused.
func originalOf(h http.Header) (oauth1.Request, error) {
	method, hasMethod := one(h, headerOriginalMethod, headerForwardedMethod)
	uri, hasURI := one(h, headerOriginalURL, headerOriginalURI, headerForwardedURI)
	if !hasMethod || !hasURI {
		return oauth1.Request{}, errNoOriginal
	}
	r := oauth1.Request{Method: method}
	if len(h[headerOriginalURL]) > 0 {
		scheme, rest, found := strings.Cut(uri, "://")
		slash := strings.IndexAny(rest, "/?")
		if !found || slash <= 0 {
			return oauth1.Request{}, errNoOriginal
		}
		r.Scheme, r.Host, uri = scheme, rest[:slash], rest[slash:]
	} else {
		var hasScheme, hasHost bool
		r.Scheme, hasScheme = one(h, headerForwardedProto)
		r.Host, hasHost = one(h, headerForwardedHost)
		if !hasScheme || !hasHost || !strings.HasPrefix(uri, "/") {
			return oauth1.Request{}, errNoOriginal
		}
	}
	r.Path, r.Query, _ = strings.Cut(uri, "?")
	return r, nil
}

// one returns the only value that headers of these names have; false if there is none, more than one, or one that a proxy has joined.
func one(h http.Header, names ...string) (string, bool) {
	var values []string
	for _, name := range names {
		values = append(values, h[name]...)
	}
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
