// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

var errUnknownProvider = errors.New("there is no such provider of second factors")

// Keys has the keys that challenges are made with.
type Keys interface {
	// SealingKeys returns the current symmetric keys, never nil.
	SealingKeys() *sealing.Set
}

// Spender remembers what is good for one use.
type Spender interface {
	// Spend is that of sessions.Store.
	Spend(ctx context.Context, spent sessions.Spent) error
}

// A Checker checks second factors, and registers security keys. All of its fields are needed. Its methods may be called concurrently.
type Checker struct {
	// Spent remembers codes and challenges that were used, for all replicas.
	Spent Spender
	// Keys are what challenges are made with and checked by.
	Keys Keys
	// Now tells the time.
	Now func() time.Time
}

var _ grants.SecondFactors = (*Checker)(nil)

// Check returns nil if what was presented proves that it is the user, and that for the first time. Otherwise it returns grants.ErrWrongFactor, or
// sessions.ErrUnavailable if there is no telling, also because the Integration has used up as many codes as are remembered; that one wraps
// sessions.ErrFull too.
func (c *Checker) Check(ctx context.Context, client *clients.Client, user *clients.User, presented oauth2.SecondFactor) error {
	switch presented.Provider {
	case oauth2.FactorTOTP:
		return c.checkCode(ctx, client, user, presented.Value.Reveal())
	case oauth2.FactorSecurityKey:
		return c.checkAssertion(ctx, client, user, presented.Value.Reveal())
	default:
		return wrong(errUnknownProvider)
	}
}

// wrong returns grants.ErrWrongFactor with its cause, which holds nothing of what was presented.
func wrong(cause error) error { return fmt.Errorf("%w: %w", grants.ErrWrongFactor, cause) }

// spend uses up what has the given digest and is good until a time. The error is one of Check's.
func (c *Checker) spend(ctx context.Context, client *clients.Client, id [sha256.Size]byte, until time.Time) error {
	err := c.Spent.Spend(ctx, sessions.Spent{
		Owner: sessions.OwnerOf(client), Kind: sessions.KindOneTimeCode, TokenID: hex.EncodeToString(id[:]),
		ExpiresAt: until.Add(tokens.ClockDrift),
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sessions.ErrUsed):
		return wrong(err)
	case errors.Is(err, sessions.ErrFull):
		err = fmt.Errorf("%w: %w", sessions.ErrUnavailable, err)
	}
	return fmt.Errorf("spend a second factor of Integration %s/%s: %w", client.Namespace, client.Name, err)
}

// digestOf returns a digest of parts for one purpose. Each part is told from the next by its length, so parts that join to the same text differ.
func digestOf(purpose string, parts ...string) [sha256.Size]byte {
	digest := sha256.New()
	var length [8]byte
	for _, part := range append([]string{purpose}, parts...) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		digest.Write(length[:])
		digest.Write([]byte(part))
	}
	return [sha256.Size]byte(digest.Sum(nil))
}
