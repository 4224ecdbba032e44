// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// A row is something that the server does, measured beside a floor.
type row struct {
	name string
	// algorithm is that of the signing key.
	algorithm string
	// floor returns the least that could do the same.
	floor func(*signer.Key) http.Handler
	ask   func(*subject) question
	// ratio and tail are what DESIGN 8 asks for: at least ratio of the floor's rate, at most tail times its p99. Zero asks for nothing.
	ratio, tail float64
}

var rows = []row{
	{"client_credentials, ES256", "ES256", newIssuingFloor, askToken, 0.80, 1.5},
	{"client_credentials, RS256", "RS256", newIssuingFloor, askToken, 0.90, 1.5},
	{"client_credentials, EdDSA", "EdDSA", newIssuingFloor, askToken, 0, 0},
	{"introspection of a JWT", "ES256", newIntrospectingFloor, askIntrospection, 0.80, 0},
}

// A refusal is a pair of requests for a token that are both refused.
type refusal struct {
	name          string
	first, second func(*subject) question
}

var refusals = []refusal{
	{"unknown client, then wrong secret", askAsUnknown, askWithWrongSecret},
	{"wrong secret twice (noise)", askWithWrongSecret, askWithWrongSecret},
}

// A question is a request, with the status of the reply that it gets and something that the reply holds.
type question struct {
	path, clientID, secret string
	form                   url.Values
	status                 int
	holds                  string
}

var tokenForm = url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}

func askToken(s *subject) question {
	return question{tokenPath, clientID, s.secret, tokenForm, http.StatusOK, `"access_token"`}
}

func askIntrospection(s *subject) question {
	return question{introspectionPath, clientID, s.secret, url.Values{"token": {s.token}}, http.StatusOK, `"active":true`}
}

func askAsUnknown(s *subject) question {
	return question{tokenPath, unknownID, s.wrongSecret, tokenForm, http.StatusUnauthorized, `"invalid_client"`}
}

func askWithWrongSecret(s *subject) question {
	return question{tokenPath, clientID, s.wrongSecret, tokenForm, http.StatusUnauthorized, `"invalid_client"`}
}

// bytes returns the request as it goes over the wire.
func (q question) bytes(address string) []byte {
	body := q.form.Encode()
	basic := base64.StdEncoding.EncodeToString([]byte(q.clientID + ":" + q.secret))
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", q.path, address, basic, len(body), body)
}

// measureRow asks floor and server.
func measureRow(r row, p plan) ([]result, error) {
	s, err := newSubject(r.algorithm)
	if err != nil {
		return nil, err
	}
	q := r.ask(s)
	return measureHandlers(p, []asked{{"floor", r.floor(s.key), q}, {"server", s.handler, q}})
}

// measureRefusal asks the server both questions.
func measureRefusal(r refusal, p plan) ([]result, error) {
	s, err := newSubject("ES256")
	if err != nil {
		return nil, err
	}
	return measureHandlers(p, []asked{{"first", s.handler, r.first(s)}, {"second", s.handler, r.second(s)}})
}
