// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"context"
	"errors"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// ErrWrongFactor says that what a user presented beside the password does not prove anything: a wrong code, one that was used before, or one
// from a provider that the user does not have. Its cause is wrapped beside it, and holds nothing of what was presented. It counts as a
// failed attempt.
var ErrWrongFactor = errors.New("the second factor is wrong")

// SecondFactors checks what users present beside their passwords.
type SecondFactors interface {
	// Check returns nil if what was presented proves that it is the user, and that for the first time. It returns ErrWrongFactor, or
	// sessions.ErrUnavailable if there is no telling.
	Check(ctx context.Context, client *clients.Client, user *clients.User, presented oauth2.SecondFactor) error
}

// SecondFactorRequiredError is the cause of an invalid_request: name and password are right, and the user needs one of the providers beside them.
type SecondFactorRequiredError struct {
	Providers []oauth2.FactorProvider
}

// Error says what is missing.
func (*SecondFactorRequiredError) Error() string { return "the user needs a second factor" }

// checkFactor checks the second factor of a user whose password is right.
func (g Password) checkFactor(ctx context.Context, r *Authenticated, u *clients.User) error {
	presented := r.request.SecondFactor
	switch {
	case !u.NeedsSecondFactor() && presented.Provider == "":
		return nil
	case presented.Provider == "":
		required := &SecondFactorRequiredError{}
		if u.TOTP != nil {
			required.Providers = append(required.Providers, oauth2.FactorTOTP)
		}
		if len(u.SecurityKeys) > 0 {
			required.Providers = append(required.Providers, oauth2.FactorSecurityKey)
		}
		return oauth2.ErrInvalidRequest.WithCause(required).WithDescription("the user has a second factor, and has to log in with it")
	case g.Factors == nil:
		return ErrWrongFactor
	default:
		return g.Factors.Check(ctx, r.Client(), u, presented)
	}
}
