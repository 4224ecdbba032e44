// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// FuzzAssertion feeds any assertion in, and checks that nothing gets in but what the client's key signed.
func FuzzAssertion(f *testing.F) {
	k := signingKeys()
	good := sign(f, jwt.SigningMethodES256, k["ec"], goodClaims()).Reveal()
	f.Add(good, "")
	f.Add(good, "jwt")
	f.Add(sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, goodClaims()).Reveal(), "")
	f.Add(sign(f, jwt.SigningMethodEdDSA, k["ed"], goodClaims(), "kid", "k1", "crit", []string{"b64"}).Reveal(), "")
	f.Add(sign(f, jwt.SigningMethodRS256, k["rsa"], goodClaims(), "jwk", jwkOf(f, "ec")).Reveal(), "x")
	f.Add("..", "")
	f.Add(encode(`{"alg":"ES256","typ":["JWT"]}`)+"."+encode(`{"aud":[[]],"exp":-1e308}`)+".", "")
	signedPart := good[:strings.LastIndex(good, ".")]
	f.Fuzz(func(t *testing.T, assertion, clientID string) {
		a := withKeys(public("ec", "", "", ""))
		c := presented(oauth2.Secret(assertion))
		c.ClientID = clientID
		caller, err := a.Authenticate(t.Context(), source, c)
		if (caller == nil) == (err == nil) {
			t.Fatalf("got both or neither of %v and %v", caller, err)
		}
		if err == nil && !strings.HasPrefix(assertion, signedPart+".") {
			t.Errorf("%q gets in", assertion)
		}
		if err != nil && (err.Code() != "invalid_client" || err.Status() != 401) {
			t.Errorf("got %d %v", err.Status(), err)
		}
	})
}
