// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

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

// newIssuingFloor returns the least that could issue such a token, written as anybody would.
func newIssuingFloor(key *signer.Key) http.Handler {
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

// floorIntrospection is the least of a reply of RFC 7662 section 2.2.
type floorIntrospection struct {
	Active   bool   `json:"active"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Subject  string `json:"sub"`
	Expires  int64  `json:"exp"`
}

// newIntrospectingFloor returns the least that could say whether such a token is valid, written as anybody would.
func newIntrospectingFloor(key *signer.Key) http.Handler {
	keys := map[string]crypto.PublicKey{key.ID: key.Private.Public()}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{key.Algorithm}), jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
	find := func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		if public, ok := keys[id]; ok {
			return public, nil
		}
		return nil, jwt.ErrTokenUnverifiable
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		claims := &floorClaims{}
		if _, err := parser.ParseWithClaims(r.PostForm.Get("token"), claims, find); err != nil {
			http.Error(w, "inactive", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(floorIntrospection{true, claims.ClientID, claims.Scope, claims.Subject, claims.ExpiresAt.Unix()})
	})
}
