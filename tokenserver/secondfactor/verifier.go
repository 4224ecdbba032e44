// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// Why a second factor is wrong, as causes of grants.ErrWrongFactor.
var (
	errNotTheirs = errors.New("the user has no second factor of that kind")
	errWrongCode = errors.New("the code is wrong, or its time is over")
	errUsed      = errors.New("it was used before")
)

// Spent records what is good for one use; sessions.Store is one.
type Spent interface {
	// Spend records an ID. It returns sessions.ErrUsed, sessions.ErrFull or sessions.ErrUnavailable.
	Spend(ctx context.Context, spent sessions.Spent) error
}

// Keys has the keys that challenges are authenticated with.
type Keys interface {
	// SealingKeys returns the current keys, never nil.
	SealingKeys() *sealing.Set
}

// A Verifier checks second factors. All its fields are needed.
type Verifier struct {
	// Spent remembers what was used.
	Spent Spent
	// Keys has the keys.
	Keys Keys
	// Now is the clock.
	Now func() time.Time
}

// Verifier is what the pipeline asks.
var _ grants.SecondFactors = (*Verifier)(nil)

// Check implements grants.SecondFactors.
func (v *Verifier) Check(ctx context.Context, c *clients.Client, u *clients.User, presented oauth2.SecondFactor) error {
	switch presented.Provider {
	case oauth2.FactorTOTP:
		return v.checkCode(ctx, c, u, presented.Value.Reveal())
	case oauth2.FactorSecurityKey:
		return v.checkAnswer(ctx, c, u, presented.Value.Reveal())
	default:
		return wrong(errNotTheirs)
	}
}

// wrong says why a second factor is.
func wrong(cause error) error {
	return fmt.Errorf("%w: %w", grants.ErrWrongFactor, cause)
}

// spend uses something up that names itself by an ID until it expires. A store that is full cannot tell either.
func (v *Verifier) spend(ctx context.Context, c *clients.Client, id string, expires time.Time) error {
	err := v.Spent.Spend(ctx, sessions.Spent{Owner: sessions.OwnerOf(c), Kind: sessions.KindOneTimeCode, TokenID: id, ExpiresAt: expires})
	switch {
	case errors.Is(err, sessions.ErrUsed):
		return wrong(errUsed)
	case errors.Is(err, sessions.ErrFull):
		return fmt.Errorf("%w: %w", sessions.ErrUnavailable, err)
	case err != nil:
		return fmt.Errorf("spend a second factor of Integration %s/%s: %w", c.Namespace, c.Name, err)
	default:
		return nil
	}
}
