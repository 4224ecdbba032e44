// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"crypto/rand"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// Keys that profiles add to the standard ones. The schema keeps them out of spec.secret, so that no other value has them.
const (
	keyBaseURL           = "base_url"
	keyAccessToken       = "access_token"
	keyAccessTokenSecret = "access_token_secret"
)

// profileKeys are the names that software of a profile's system knows the client ID and the client secret by. They are beside the standard
// ones, so that whatever knows those works with every profile.
var profileKeys = map[v1alpha1.Profile]struct{ clientID, clientSecret string }{
	v1alpha1.ProfileShopware: {"SHOPWARE_ACCESS_KEY_ID", "SHOPWARE_SECRET_ACCESS_KEY"},
	v1alpha1.ProfileMagento:  {"consumer_key", "consumer_secret"},
}

// The characters of generated client secrets. None needs an encoding anywhere.
const (
	base36    = "0123456789abcdefghijklmnopqrstuvwxyz"
	base62    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	base64URL = base62 + "-_"
)

// GenerateClientSecret returns a new client secret, in the form that the profile's system has. It holds 256 bits or more; Magento's, whose
// columns take 32 characters of 0-9 and a-z, holds 165.
func GenerateClientSecret(profile v1alpha1.Profile) []byte {
	switch profile {
	case v1alpha1.ProfileShopware:
		return random(51, base62)
	case v1alpha1.ProfileOroCommerce:
		return random(86, base64URL)
	case v1alpha1.ProfileMagento:
		return random(32, base36)
	default:
		return random(43, base64URL)
	}
}

// random returns n characters of an alphabet, each as likely as any other: a byte that would favour the first ones is thrown away.
func random(n int, alphabet string) []byte {
	fair := 256 - 256%len(alphabet)
	chosen, pool := make([]byte, 0, n), make([]byte, n)
	for len(chosen) < n {
		_, _ = rand.Read(pool) // Never fails: crypto/rand ends the program instead.
		for _, b := range pool {
			if int(b) < fair && len(chosen) < n {
				chosen = append(chosen, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return chosen
}

// addProfileData adds to the standard data what software of the profile's system looks for.
func addProfileData(data map[string][]byte, profile v1alpha1.Profile, v Values) {
	if v.Endpoints.Base != "" {
		data[keyBaseURL] = []byte(v.Endpoints.Base)
	}
	keys, known := profileKeys[profile]
	if !known {
		return
	}
	data[keys.clientID] = []byte(v.ClientID)
	if v.ClientSecret == nil {
		return
	}
	data[keys.clientSecret] = v.ClientSecret
	addDerivedData(data, profile, v.ClientSecret)
}

// addDerivedData adds what the profile derives from a client secret, which may be nil.
func addDerivedData(data map[string][]byte, profile v1alpha1.Profile, clientSecret []byte) {
	if profile == v1alpha1.ProfileMagento && clientSecret != nil {
		token, secret := v1alpha1.MagentoTokens(clientSecret)
		data[keyAccessToken], data[keyAccessTokenSecret] = []byte(token), []byte(secret)
	}
}
