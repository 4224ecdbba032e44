// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"context"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/secondfactor"
)

// KeyChallenge is the grant of PathKeyChallenge.
func KeyChallenge(password grants.Password, factors *secondfactor.Checker) grants.Grant {
	return grants.Confirmation{
		Password: password,
		Act: func(_ context.Context, c *clients.Client, u *clients.User, _ oauth2.SecondFactor) (any, error) {
			options, err := factors.Challenge(c, u)
			if err != nil {
				return nil, unavailable(err)
			}
			return challengeOf(options)
		},
	}
}

// BeginRegistration is the grant of PathBeginRegistration.
func BeginRegistration(password grants.Password, factors *secondfactor.Checker) grants.Grant {
	return grants.Confirmation{
		Password: password,
		Act: func(_ context.Context, c *clients.Client, u *clients.User, _ oauth2.SecondFactor) (any, error) {
			options, err := factors.Registration(c, u)
			if err != nil {
				return nil, unavailable(err)
			}
			return optionsOf(options), nil
		},
	}
}

// Registration is the grant of PathRegistration. What it gives is worth nothing until the owner of the user's Secret adds it there.
func Registration(password grants.Password, factors *secondfactor.Checker) grants.Grant {
	return grants.Confirmation{
		Password: password,
		Act: func(ctx context.Context, c *clients.Client, u *clients.User, presented oauth2.SecondFactor) (any, error) {
			entry, err := factors.Register(ctx, c, u, []byte(presented.Value.Reveal()))
			if err != nil {
				return nil, unavailable(err)
			}
			return entryOf(entry)
		},
	}
}
