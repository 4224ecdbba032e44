// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// The types of users, as the vendor numbers them.
const (
	typeAdmin    = 2
	typeCustomer = 3
)

// claims are those of an access token.
type claims struct {
	UserID      int64              `json:"uid"`
	UserType    int                `json:"utypid"`
	IssuedAt    int64              `json:"iat"`
	NotBefore   int64              `json:"nbf"`
	ExpiresAt   int64              `json:"exp"`
	Issuer      string             `json:"iss"`
	Subject     string             `json:"sub"`
	ID          string             `json:"jti"`
	Audience    []string           `json:"aud"`
	SessionID   string             `json:"sid,omitempty"`
	Integration tokens.Integration `json:"integration-operator.io"`
}

// Claims returns the claims of an access token as Magento's clients read them.
func (Dialect) Claims(c *tokens.Claims) any {
	shaped := claims{
		UserID: userID(c.Integration.UID, c.Integration.Username), UserType: typeCustomer, IssuedAt: c.IssuedAt, NotBefore: c.NotBefore,
		ExpiresAt: c.ExpiresAt, Issuer: c.Issuer, Subject: c.Subject, ID: c.ID, Audience: c.Audience, SessionID: c.SessionID,
		Integration: c.Integration,
	}
	if c.Integration.Kind == clients.KindAdmin {
		shaped.UserType = typeAdmin
	}
	return shaped
}

// userID returns the number of a user, from 1 to 2^31-1 as the vendor's columns have it. It is the same for as long as the Integration
// lives, and two of its users share one too rarely to be noticed; the subject tells them apart for certain.
func userID(uid, username string) int64 {
	sum := sha256.Sum256([]byte(uid + "\x00" + username))
	return int64(binary.BigEndian.Uint64(sum[:])%(1<<31-1)) + 1
}
