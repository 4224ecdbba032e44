// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package orocommerce

import (
	"net/http"
	"slices"
	"time"
)

// What a preflight is told (CORS protocol of the Fetch standard).
const (
	allowedMethods  = "OPTIONS, POST"
	allowedHeaders  = "Authorization,Content-Type"
	preflightMaxAge = "600"
)

// CORS lets the scripts of some origins use the token endpoint, which is Next, and answers the method OPTIONS. All its fields are needed but
// Origins and Observe.
type CORS struct {
	// Origins are the origins that may, such as https://shop.example. There are no wildcards.
	Origins []string
	// Next serves everything but OPTIONS.
	Next http.Handler
	// Now is the clock.
	Now func() time.Time
	// Observe is told the result and the duration of each request with OPTIONS; Next reports its own.
	Observe func(result string, took time.Duration)
}

// ServeHTTP says in the reply, be it an error, whether the script that asks may read it.
func (c *CORS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, h := c.Now(), w.Header()
	h.Add("Vary", "Origin")
	allowed := false
	if origins := r.Header["Origin"]; len(origins) == 1 && slices.Contains(c.Origins, origins[0]) {
		allowed = true
		h.Set("Access-Control-Allow-Origin", origins[0])
	}
	if r.Method != http.MethodOptions {
		c.Next.ServeHTTP(w, r)
		return
	}
	if allowed && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", preflightMaxAge)
	} else {
		h.Set("Allow", allowedMethods)
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	if c.Observe != nil {
		c.Observe("ok", c.Now().Sub(start))
	}
}
