// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secondfactor

import (
	"context"
	"crypto/subtle"
	"strconv"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

const (
	// step is how long a code is that of its time (RFC 6238 section 4.1).
	step = 30 * time.Second
	// leeway is how many steps the user's clock may be off, either way (section 5.2).
	leeway = 1
)

// checkCode checks a one-time code, and uses it up.
func (v *Verifier) checkCode(ctx context.Context, c *clients.Client, u *clients.User, code string) error {
	if u.TOTP == nil {
		return wrong(errNotTheirs)
	}
	at, ok := matches(u.TOTP(), code, v.Now())
	if !ok {
		return wrong(errWrongCode)
	}
	// It is the step that is used up, as two steps may have one code.
	expires := time.Unix((at+leeway+1)*int64(step/time.Second), 0)
	return v.spend(ctx, c, "code "+strconv.FormatInt(at, 10)+" "+u.Name, expires)
}

// matches returns the step whose code this is; false if it is none of those around now. It looks at all of them, so that the time does
// not tell which.
func matches(seed, code string, now time.Time) (at int64, ok bool) {
	current := now.Unix() / int64(step/time.Second)
	for candidate := current - leeway; candidate <= current+leeway; candidate++ {
		want, err := hotp.GenerateCodeCustom(seed, uint64(candidate), hotp.ValidateOpts{ //nolint:gosec // the time is after 1970
			Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			at, ok = candidate, true
		}
	}
	return at, ok
}
