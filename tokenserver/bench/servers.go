// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/signer/signertest"
)

const (
	issuer   = "https://tokens.example"
	audience = "https://orders.shop.example"
	clientID = "shop.order-sync"
	scope    = "orders.read orders.write"
	lifetime = 10 * time.Minute
)

// A target is a running server and the request that it is asked.
type target struct {
	name    string
	address string
	request []byte
}

// start starts floor and server, in this order, with one key between them.
func start(algorithm string) ([]target, func(), error) {
	key, err := newKey(algorithm)
	if err != nil {
		return nil, nil, err
	}
	secret := rand.Text() + rand.Text()
	handler, err := newServer(key, secret)
	if err != nil {
		return nil, nil, err
	}
	var targets []target
	var servers []*http.Server
	stop := func() {
		for _, s := range servers {
			_ = s.Close()
		}
	}
	for _, s := range []struct {
		name    string
		handler http.Handler
	}{{"floor", newFloor(key)}, {"server", handler}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
		if err != nil {
			stop()
			return nil, nil, err
		}
		server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		go func() { _ = server.Serve(listener) }() // ends with stop
		address := listener.Addr().String()
		targets = append(targets, target{s.name, address, request(address, secret)})
	}
	return targets, stop, nil
}

// request returns the bytes of a token request.
func request(address, secret string) []byte {
	const body = "grant_type=client_credentials&scope=orders.read+orders.write"
	basic := base64.StdEncoding.EncodeToString([]byte(clientID + ":" + secret))
	return fmt.Appendf(nil, "POST /oauth2/token HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", address, basic, len(body), body)
}

// store has one client and one key.
type store struct {
	client *clients.Client
	set    *signer.Set
}

// Client returns the client.
func (s *store) Client(id string) (*clients.Client, bool) { return s.client, id == s.client.ID }

// Keys returns the key.
func (s *store) Keys() *signer.Set { return s.set }

// newServer returns the token server as the manager runs it, with the log formatted and thrown away.
func newServer(key *signer.Key, secret string) (http.Handler, error) {
	set, err := signer.NewSet([]*signer.Key{key})
	if err != nil {
		return nil, err
	}
	s := &store{set: set, client: &clients.Client{
		ID: clientID, Namespace: "shop", Name: "order-sync", UID: "0b9e4a3e-6b0e-4a57-9d3c-1f2f3a4b5c6d",
		SecretHashes:     [][sha256.Size]byte{sha256.Sum256([]byte(secret))},
		GrantTypes:       []string{"client_credentials"},
		Access:           []clients.Access{{Audience: audience, Scopes: []string{"orders.read", "orders.write"}}},
		DefaultScopes:    []string{"orders.read", "orders.write"},
		SigningAlgorithm: key.Algorithm,
		TokenLifetime:    lifetime,
	}}
	metrics := tokenserver.NewMetrics(func() int { return 1 }, s, time.Now)
	if err := prometheus.NewRegistry().Register(metrics); err != nil {
		return nil, err
	}
	server := &tokenserver.Server{
		Issuer: issuer, Clients: s, Keys: s, JWKSMaxAge: 5 * time.Minute, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Metrics: metrics,
	}
	return server.Handler(), nil
}

// floorClaims are the claims that the token server's tokens have.
type floorClaims struct {
	jwt.RegisteredClaims
	ClientID    string           `json:"client_id"`
	Scope       string           `json:"scope"`
	Integration floorIntegration `json:"integration-operator.io"`
}

type floorIntegration struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// floorReply is the reply of RFC 6749 section 5.1.
type floorReply struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

// newFloor returns the least that could issue such a token, written as anybody would.
func newFloor(key *signer.Key) http.Handler {
	method := jwt.GetSigningMethod(key.Algorithm)
	integration := floorIntegration{"shop", "order-sync", "0b9e4a3e-6b0e-4a57-9d3c-1f2f3a4b5c6d"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		now := time.Now()
		id := make([]byte, 16)
		_, _ = rand.Read(id)
		token := jwt.NewWithClaims(method, floorClaims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: issuer, Subject: clientID, Audience: jwt.ClaimStrings{audience},
				IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
				ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)), ID: base64.RawURLEncoding.EncodeToString(id),
			},
			ClientID: clientID, Scope: scope, Integration: integration,
		})
		token.Header["typ"], token.Header["kid"] = "at+jwt", key.ID
		signed, err := token.SignedString(key.Private)
		if err != nil {
			http.Error(w, "server error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(floorReply{signed, "Bearer", int(lifetime.Seconds()), scope}) //nolint:gosec // the token is the reply
	})
}

// newKey makes an active key of an algorithm.
func newKey(algorithm string) (*signer.Key, error) {
	pemBytes, err := signertest.NewKey(algorithm)
	if err != nil {
		return nil, err
	}
	key, err := signer.ParseKey(pemBytes)
	if err != nil {
		return nil, err
	}
	key.Active = true
	return key, nil
}
