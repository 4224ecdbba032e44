// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/hmac"
	"crypto/sha256"
	"math/big"
)

// The alphabets of what the profiles' systems make of chance.
const (
	base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// MagentoTokens returns the lasting access token and its secret, which an Integration of the profile Magento has beside its client ID and
// client secret. They are derived from the client secret, so that a damaged one is put back as it was, both rotate with it, and the token
// server knows them from the client secret alone; it is the key of an HMAC-SHA256, so that whoever sees the access token, which every signed
// request shows, learns neither the client secret nor the token's secret. A client secret has 128 bits at least, which nobody guesses.
func MagentoTokens(clientSecret []byte) (accessToken, accessTokenSecret string) {
	derive := func(label string) string {
		mac := hmac.New(sha256.New, clientSecret)
		mac.Write([]byte(label))
		return spell(mac.Sum(nil), base36, 32)
	}
	return derive("integration-operator.io/magento/access-token"), derive("integration-operator.io/magento/access-token-secret")
}

// spell writes a digest as a number with n digits of an alphabet. The digest has so many more bits than the digits that each number is as
// likely as any other, to within one in 2^64.
func spell(digest []byte, alphabet string, n int) string {
	number, base, digit := new(big.Int).SetBytes(digest), big.NewInt(int64(len(alphabet))), new(big.Int)
	spelled := make([]byte, n)
	for i := range spelled {
		number.DivMod(number, base, digit)
		spelled[i] = alphabet[digit.Int64()]
	}
	return string(spelled)
}
