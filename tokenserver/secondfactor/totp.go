// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

// The codes (RFC 6238): those that authenticator apps make unless they are told otherwise.
const (
	codeDigits  = 6
	stepSeconds = 30
	// stepLeeway is how many steps a code may be early or late (RFC 6238 section 5.2).
	stepLeeway = 1
)

var (
	errNoTOTP    = errors.New("the user has no one-time codes")
	errNoCode    = errors.New("it is not a code of 6 digits")
	errWrongCode = errors.New("it is not the code of any step that counts now")
	errSeed      = errors.New("the seed of the user's one-time codes cannot be used")
)

// checkCode checks a one-time code, and uses it up. The errors are those of Check.
func (c *Checker) checkCode(ctx context.Context, client *clients.Client, user *clients.User, code string) error {
	if user.TOTP == nil {
		return wrong(errNoTOTP)
	}
	if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" {
		return wrong(errNoCode)
	}
	step, err := stepOf(code, user.TOTP(), c.Now())
	if err != nil {
		return wrong(err)
	}
	// RFC 6238 section 5.2: a code must not be accepted again.
	id := digestOf("one-time code", user.Kind, user.Name, strconv.FormatInt(step, 10))
	return c.spend(ctx, client, id, time.Unix((step+stepLeeway+1)*stepSeconds, 0))
}

// stepOf returns the time step that a code is for, of those that count now. It always computes all of them. Of two with the same code it is the
// later one, which counts for as long as the code does: the earlier one would free the code for another use when it ends.
func stepOf(code, seed string, now time.Time) (int64, error) {
	presented := sha256.Sum256([]byte(code))
	current := now.Unix() / stepSeconds
	found := int64(-1)
	for step := current - stepLeeway; step <= current+stepLeeway; step++ {
		right, err := totp.GenerateCodeCustom(seed, time.Unix(step*stepSeconds, 0), totp.ValidateOpts{
			Period: stepSeconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err != nil {
			// kubestore takes no seed that is not base32.
			return 0, errSeed
		}
		want := sha256.Sum256([]byte(right))
		if subtle.ConstantTimeCompare(presented[:], want[:]) == 1 {
			found = step
		}
	}
	if found < 0 {
		return 0, errWrongCode
	}
	return found, nil
}
