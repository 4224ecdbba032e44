// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

var profiles = []v1alpha1.Profile{
	v1alpha1.ProfileOAuth2, v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento,
}

// of returns an Integration of a profile, and profiled what belongs into its Secret.
func of(profile v1alpha1.Profile) *v1alpha1.Integration {
	return integration(func(i *v1alpha1.Integration) { i.Spec.Profile = profile })
}

func profiled(intg *v1alpha1.Integration) credentials.Values {
	v := values()
	v.ClientID, v.Endpoints = intg.WantedClientID(), intg.Endpoints(issuer)
	return v
}

// generated returns the Secret that the Integration should have, after edits by hand.
func generated(intg *v1alpha1.Integration, edits ...func(*corev1.Secret)) *corev1.Secret {
	v := profiled(intg)
	v.ClientSecret = []byte(clientSecret)
	s := build(intg, nil, v)
	s.UID, s.ResourceVersion = "uid-of-secret", "1"
	for _, edit := range edits {
		edit(s)
	}
	return s
}

// decide decides on a Secret that was complete before.
func decide(intg *v1alpha1.Integration, existing *corev1.Secret) credentials.Decision {
	return credentials.Decide(credentials.Input{Integration: intg, Existing: existing, Established: true, Values: profiled(intg)})
}

func TestGeneratedClientSecretsHaveTheFormOfTheProfile(t *testing.T) {
	for _, test := range []struct {
		profile v1alpha1.Profile
		form    string
		// characters is how many different ones there are.
		characters int
	}{
		{v1alpha1.ProfileOAuth2, "^[A-Za-z0-9_-]{43}$", 64},
		{v1alpha1.ProfileShopware, "^[A-Za-z0-9]{51}$", 62},
		{v1alpha1.ProfileOroCommerce, "^[A-Za-z0-9_-]{86}$", 64},
		{v1alpha1.ProfileMagento, "^[0-9a-z]{32}$", 36},
	} {
		t.Run(string(test.profile), func(t *testing.T) {
			shape, seen, used := regexp.MustCompile(test.form), map[string]bool{}, map[rune]bool{}
			for range 200 {
				s := string(credentials.GenerateClientSecret(test.profile))
				if !shape.MatchString(s) || seen[s] {
					t.Fatalf("a generated client secret has %d characters, not of %s or not new", len(s), shape)
				}
				if err := credentials.Weak([]byte(s), "client"); err != nil {
					t.Errorf("a generated client secret %v", err)
				}
				seen[s] = true
				for _, c := range s {
					used[c] = true
				}
			}
			// One that is missing by chance is missing once in 10^50 runs.
			if len(used) != test.characters {
				t.Errorf("%d different characters are used, want %d", len(used), test.characters)
			}
		})
	}
}

func TestSecretsHoldTheKeysOfTheProfile(t *testing.T) {
	const base = issuer + "/integrations/shop/order-sync"
	token, tokenSecret := v1alpha1.MagentoTokens([]byte(clientSecret))
	for profile, wantMore := range map[v1alpha1.Profile]map[string]string{
		v1alpha1.ProfileOAuth2: {"client_id": "shop.order-sync", "token_url": issuer + "/oauth2/token"},
		v1alpha1.ProfileShopware: {
			"client_id": "SWIAJFIL5R2BAXJOFTKQNHH3BR", "token_url": base + "/api/oauth/token", "base_url": base,
			"SHOPWARE_ACCESS_KEY_ID": "SWIAJFIL5R2BAXJOFTKQNHH3BR", "SHOPWARE_SECRET_ACCESS_KEY": clientSecret,
		},
		v1alpha1.ProfileOroCommerce: {
			"client_id": "t7HSi70Ei6kVLPk47ylb0npKZVL7U4Ra", "token_url": issuer + "/oauth2-token", "base_url": base,
		},
		v1alpha1.ProfileMagento: {
			"client_id": "rb0u07dtq8n6bdkrvlc2ppz60vrdgn03", "token_url": base + "/rest/V1/integration/admin/token", "base_url": base,
			"consumer_key": "rb0u07dtq8n6bdkrvlc2ppz60vrdgn03", "consumer_secret": clientSecret,
			"access_token": token, "access_token_secret": tokenSecret,
		},
	} {
		t.Run(string(profile), func(t *testing.T) {
			want := map[string]string{
				"client_secret": clientSecret, "issuer": issuer, "scope": "orders.read orders.write stock",
				"audience": "https://orders.shop.example urn:stock", "ca.crt": bundle, "type": "oauth2", "provider": "integration-operator",
			}
			maps.Copy(want, wantMore)
			if diff := cmp.Diff(want, text(generated(of(profile)).Data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if d := decide(of(profile), generated(of(profile))); d.Action != credentials.None {
				t.Errorf("want nothing to do the second time, got %s", d.Action)
			}
		})
	}
}

func TestAClientOfAProfileWithoutAClientSecretHasNoneUnderAnyKey(t *testing.T) {
	for _, profile := range profiles {
		intg := of(profile)
		intg.Spec.Credentials.Methods = []v1alpha1.CredentialMethod{v1alpha1.CredentialMethodNone}
		got := credentials.Decide(credentials.Input{Integration: intg, Values: profiled(intg)}).Secret.Data
		for _, key := range []string{"client_secret", "SHOPWARE_SECRET_ACCESS_KEY", "consumer_secret", "access_token", "access_token_secret"} {
			if _, found := got[key]; found {
				t.Errorf("%s: the Secret has the key %s", profile, key)
			}
		}
	}
}

// Whichever key of the profile is damaged comes back as it was: the client secret is under its own key.
func TestDamagedKeysOfAProfileAreHealed(t *testing.T) {
	for _, profile := range profiles[1:] {
		intg := of(profile)
		whole := generated(intg)
		for key := range whole.Data {
			if key == "client_secret" {
				continue
			}
			for name, damage := range map[string]func(*corev1.Secret){
				"lost":                          func(s *corev1.Secret) { delete(s.Data, key) },
				"empty":                         func(s *corev1.Secret) { s.Data[key] = nil },
				"another value":                 func(s *corev1.Secret) { s.Data[key] = []byte("another") },
				"a copy of the client secret":   func(s *corev1.Secret) { s.Data[key] = []byte(clientSecret) },
				"another well-formed secret":    func(s *corev1.Secret) { s.Data[key] = []byte(strings.Repeat("abcdefgh", 5)) },
				"the value of the client's key": func(s *corev1.Secret) { s.Data[key] = s.Data["client_id"] },
			} {
				t.Run(string(profile)+" "+key+" "+name, func(t *testing.T) {
					d := decide(intg, generated(intg, damage))
					if diff := cmp.Diff(text(whole.Data), text(d.Secret.Data)); diff != "" {
						t.Fatalf("data (-want +got):\n%s", diff)
					}
					switch moved := key == "base_url" || key == "token_url" || key == "issuer" || key == "audience"; {
					case d.Action == credentials.None: // It was that value already.
					case key == "ca.crt" || moved && name != "lost":
						if d.Action != credentials.Update || d.Reason != "" {
							t.Errorf("what comes and goes with the operator's options is no drift: got %s %s", d.Action, d.Message)
						}
					default:
						const want = "Secret shop/order-sync was changed by hand: put it back; the client secret is the same"
						if d.Action != credentials.Update || d.Reason != v1alpha1.ReasonSecretRestored || d.Message != want {
							t.Errorf("want %q, got %s %s", want, d.Action, d.Message)
						}
					}
				})
			}
		}
	}
}

func TestALostClientSecretTakesItsCopiesAlong(t *testing.T) {
	for profile, copied := range map[v1alpha1.Profile]string{
		v1alpha1.ProfileShopware: "SHOPWARE_SECRET_ACCESS_KEY", v1alpha1.ProfileMagento: "consumer_secret",
	} {
		d := decide(of(profile), generated(of(profile), func(s *corev1.Secret) { delete(s.Data, "client_secret") }))
		if d.Reason != v1alpha1.ReasonClientSecretRegenerated || !d.Warn {
			t.Errorf("%s: want %s, got %q", profile, v1alpha1.ReasonClientSecretRegenerated, d.Reason)
		}
		got := text(d.Secret.Data)
		if got[copied] != got["client_secret"] || got[copied] == clientSecret {
			t.Errorf("%s: %s is no copy of the new client secret", profile, copied)
		}
	}
}

func TestClientSecretOfAProfile(t *testing.T) {
	token, tokenSecret := v1alpha1.MagentoTokens([]byte(clientSecret))
	annotate := func(key string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Annotations[v1alpha1.AnnotationClientSecretKey] = key }
	}
	set := func(value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data["client_secret"] = []byte(value) }
	}
	const shopware, magento = v1alpha1.ProfileShopware, v1alpha1.ProfileMagento
	for _, test := range []struct {
		name    string
		profile v1alpha1.Profile
		edit    func(*corev1.Secret)
		want    string
	}{
		{"Its copy for Shopware makes it no public value.", shopware, func(*corev1.Secret) {}, clientSecret},
		{"Its copy for Magento makes it no public value.", magento, func(*corev1.Secret) {}, clientSecret},
		{"A copy in place of the access token makes it no public value.", magento, func(s *corev1.Secret) {
			s.Data["access_token"] = []byte(clientSecret)
		}, clientSecret},
		{"The annotation may name the copy for Shopware.", shopware, annotate("SHOPWARE_SECRET_ACCESS_KEY"), clientSecret},
		{"The annotation may name the copy for Magento.", magento, annotate("consumer_secret"), clientSecret},
		{"It is found when the annotation names the access key.", shopware, annotate("SHOPWARE_ACCESS_KEY_ID"), clientSecret},
		{"It is found when the annotation names the base URL.", shopware, annotate("base_url"), clientSecret},
		{"It is found when the annotation names the consumer key.", magento, annotate("consumer_key"), clientSecret},
		{"It is found when the annotation names the access token.", magento, annotate("access_token"), clientSecret},
		{"It is found when the annotation names the token's secret.", magento, annotate("access_token_secret"), clientSecret},
		{"The access token is none, as every signed request shows it.", magento, set(token), ""},
		{"The token's secret is none.", magento, set(tokenSecret), ""},
		{"The base URL is none.", shopware, set(issuer + "/integrations/shop/order-sync"), ""},
		{"A well-formed one that was set by hand is kept.", magento, set(strings.Repeat("abcdefgh", 4)), strings.Repeat("abcdefgh", 4)},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := of(test.profile)
			if got := credentials.ClientSecretOf(generated(intg, test.edit), intg, profiled(intg), true); string(got) != test.want {
				t.Errorf("want %d bytes, got %d others", len(test.want), len(got))
			}
		})
	}
}

func TestAdoptionOfASecretOfAProfile(t *testing.T) {
	existing := func(intg *v1alpha1.Integration, data map[string]string) *corev1.Secret {
		s := &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
		s.Namespace, s.Name, s.UID, s.ResourceVersion = intg.Namespace, intg.Name, "uid-of-theirs", "1"
		s.Labels = map[string]string{v1alpha1.LabelIntegration: intg.Name, v1alpha1.LabelAdopt: intg.Name}
		for key, value := range data {
			s.Data[key] = []byte(value)
		}
		return s
	}
	const shopware, magento = v1alpha1.ProfileShopware, v1alpha1.ProfileMagento
	for _, test := range []struct {
		name    string
		profile v1alpha1.Profile
		data    map[string]string
		want    credentials.Action
	}{
		{"by the standard keys", shopware, map[string]string{"client_id": "ID", "client_secret": clientSecret}, credentials.Update},
		{"by Shopware's", shopware, map[string]string{"SHOPWARE_ACCESS_KEY_ID": "ID", "SHOPWARE_SECRET_ACCESS_KEY": clientSecret}, credentials.Update},
		{
			"by Magento's, of which the token pair is derived", magento,
			map[string]string{"consumer_key": "ID", "consumer_secret": clientSecret, "access_token": "theirs", "access_token_secret": "theirs"},
			credentials.Update,
		},
		{"by one of each", magento, map[string]string{"client_id": "ID", "consumer_secret": clientSecret}, credentials.Update},
		{"with another client ID", shopware, map[string]string{"SHOPWARE_ACCESS_KEY_ID": "SWIAANOTHER", "SHOPWARE_SECRET_ACCESS_KEY": clientSecret}, credentials.Refuse},
		{"with another client ID under the standard key", magento, map[string]string{"client_id": "another", "consumer_key": "ID", "consumer_secret": clientSecret}, credentials.Refuse},
		{"with a weak client secret", magento, map[string]string{"consumer_key": "ID", "consumer_secret": strings.Repeat("a", 32)}, credentials.Refuse},
		{"with a weak client secret under the standard key", magento, map[string]string{"client_id": "ID", "client_secret": "x", "consumer_secret": clientSecret}, credentials.Refuse},
		{"by the keys of another profile", shopware, map[string]string{"consumer_key": "ID", "consumer_secret": clientSecret}, credentials.Refuse},
		{"by keys that OAuth2 does not know", v1alpha1.ProfileOAuth2, map[string]string{"consumer_key": "ID", "consumer_secret": clientSecret}, credentials.Refuse},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := of(test.profile)
			for key, value := range test.data {
				if value == "ID" {
					test.data[key] = intg.WantedClientID()
				}
			}
			theirs := existing(intg, test.data)
			theirs.Data["other"] = []byte("kept")
			d := credentials.Decide(credentials.Input{Integration: intg, Existing: theirs, Values: profiled(intg)})
			if d.Action != test.want {
				t.Fatalf("want %s, got %s: %s", test.want, d.Action, d.Message)
			}
			if test.want == credentials.Refuse {
				return
			}
			want := text(generated(intg).Data)
			want["other"] = "kept"
			if diff := cmp.Diff(want, text(d.Secret.Data)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if again := decide(intg, d.Secret); again.Action != credentials.None {
				t.Errorf("want nothing to do the second time, got %s", again.Action)
			}
		})
	}
}
