// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// A Confirmation stands in for the grant password where a user's name and password are enough: for what leads to a login and is none,
// such as the challenge of a security key. It gets no tokens.
//
// A password that is right does not end the count of failures, as a login does. Otherwise whoever knows the password of a user with one-time
// codes could guess at those for as long as it takes.
type Confirmation struct {
	// Password checks name and password. Its Factors are not asked.
	Password Password
	// Act does what was asked for, and returns the answer that the dialect writes, which is not nil. Presented is what the request has beside
	// the password, unchecked. Its errors are those of Grant.Begin.
	Act func(ctx context.Context, c *clients.Client, u *clients.User, presented oauth2.SecondFactor) (any, error)
}

// Type returns the grant_type value, that of the grant that it stands in for.
func (Confirmation) Type() string { return grantPassword }

// Blocked returns the error for a user or an address with too many failures, or nil.
func (g Confirmation) Blocked(ctx context.Context, r *Authenticated) error {
	return g.Password.Blocked(ctx, r)
}

// Begin checks the user's name and password.
func (g Confirmation) Begin(ctx context.Context, r *Authenticated) (Offer, error) {
	if err := complete(r.request); err != nil {
		return nil, err
	}
	found, err := g.Password.authenticate(ctx, r, func(*clients.User) error { return nil })
	if err != nil {
		return nil, err
	}
	return &confirmed{confirmation: g, client: r.Client(), user: found}, nil
}

// A confirmed user gets an answer.
type confirmed struct {
	confirmation Confirmation
	client       *clients.Client
	user         *clients.User
}

// User returns the user's name.
func (o *confirmed) User() string { return o.user.Name }

// Policy returns what the client was granted as far as it is the user's.
func (o *confirmed) Policy() clients.Policy { return o.client.PolicyFor(o.user) }

// Issue issues nothing but the answer.
func (o *confirmed) Issue(ctx context.Context, _ *tokens.Issuer, r *Authorized) (Issued, error) {
	answer, err := o.confirmation.Act(ctx, o.client, o.user, r.request.SecondFactor)
	return Issued{Answer: answer}, err
}
