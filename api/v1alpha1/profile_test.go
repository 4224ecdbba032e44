// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// of returns an Integration shop/order-sync with the given spec.
func of(spec v1alpha1.IntegrationSpec) *v1alpha1.Integration {
	return &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "order-sync"}, Spec: spec}
}

// The values were computed by another program. They never change, as running clients know them.
func TestWhatProfilesDeriveStaysAsItIs(t *testing.T) {
	for _, test := range []struct {
		profile v1alpha1.Profile
		name    string
		want    string
		form    string
	}{
		{v1alpha1.ProfileOAuth2, "order-sync", "shop.order-sync", "^shop[.]order-sync$"},
		{v1alpha1.ProfileShopware, "order-sync", "SWIAJFIL5R2BAXJOFTKQNHH3BR", "^SWIA[A-Z2-7]{22}$"},
		{v1alpha1.ProfileShopware, "order.sync", "SWIAQQOT6SKXEJFWFCCOHKRY2C", "^SWIA[A-Z2-7]{22}$"},
		{v1alpha1.ProfileOroCommerce, "order-sync", "t7HSi70Ei6kVLPk47ylb0npKZVL7U4Ra", "^[A-Za-z0-9]{32}$"},
		{v1alpha1.ProfileOroCommerce, "order.sync", "NY8CyTp5H6sBL2nDTSuLwAv3as5yRg1W", "^[A-Za-z0-9]{32}$"},
		{v1alpha1.ProfileMagento, "order-sync", "rb0u07dtq8n6bdkrvlc2ppz60vrdgn03", "^[0-9a-z]{32}$"},
		{v1alpha1.ProfileMagento, "order.sync", "i78ur6ibidk3rm1penqyy1jprfm9jyqk", "^[0-9a-z]{32}$"},
	} {
		t.Run(string(test.profile)+" "+test.name, func(t *testing.T) {
			intg := of(v1alpha1.IntegrationSpec{Profile: test.profile})
			intg.Name = test.name
			if got := intg.DerivedClientID(); got != test.want || !regexp.MustCompile(test.form).MatchString(got) {
				t.Errorf("derived client ID is %q, want %q of the form %s", got, test.want, test.form)
			}
			if intg.ReservedClientID() {
				t.Error("an Integration's own client ID is kept from it")
			}
		})
	}
}

// Nobody squats on what an Integration of a profile derives, as ever.
func TestWhoDerivesAClientIDOfAProfileBeatsWhoClaimsIt(t *testing.T) {
	for _, profile := range []v1alpha1.Profile{v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento} {
		owner := claim("shop", "order-sync", "", "2", 9)
		owner.Spec.Profile = profile
		for _, squatter := range []v1alpha1.Profile{v1alpha1.ProfileOAuth2, profile} {
			rival := claim("evil", "order-sync", owner.DerivedClientID(), "1", 0)
			rival.Spec.Profile = squatter
			if !owner.PrecedesForClientID(rival) || rival.PrecedesForClientID(owner) {
				t.Errorf("the client ID of %s goes to who claims it with the profile %s", profile, squatter)
			}
		}
	}
}

func TestAClaimIsReservedInEveryProfile(t *testing.T) {
	for _, profile := range []v1alpha1.Profile{v1alpha1.ProfileShopware, v1alpha1.ProfileOroCommerce, v1alpha1.ProfileMagento} {
		theirs := claim("evil", "a", "shop.order-sync", "1", 0)
		theirs.Spec.Profile = profile
		if !theirs.ReservedClientID() {
			t.Errorf("an Integration of %s may claim what another namespace derives", profile)
		}
	}
}

func TestMagentoTokens(t *testing.T) {
	// The values were computed by another program. They never change, as running clients know them.
	const wantToken, wantSecret = "s0wn0l6yr7gda8bwydvhzflk8pwr9wjj", "bhbmikxffu99ijhghy6vuntr4unsjp23"
	token, secret := v1alpha1.MagentoTokens([]byte("0123456789abcdefghijklmnopqrstuv"))
	if token != wantToken || secret != wantSecret {
		t.Errorf("the tokens are %q and %q, want %q and %q", token, secret, wantToken, wantSecret)
	}
	otherToken, otherSecret := v1alpha1.MagentoTokens([]byte("0123456789abcdefghijklmnopqrstuw"))
	if otherToken == token || otherSecret == secret {
		t.Error("another client secret has the same tokens")
	}
}

func TestDefaultsOfProfiles(t *testing.T) {
	type values struct {
		Algorithm         v1alpha1.SigningAlgorithm
		Lifetime, Refresh time.Duration
		UserLifetimes     []v1alpha1.UserLifetime
		DefaultScopes     []string
		Application       v1alpha1.OroCommerceApplication
		Guests, Bearer    bool
	}
	lifetime := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	users := func(admin, customer time.Duration) []v1alpha1.UserLifetime {
		return []v1alpha1.UserLifetime{
			{Kind: v1alpha1.UserKindAdmin, Lifetime: *lifetime(admin)}, {Kind: v1alpha1.UserKindCustomer, Lifetime: *lifetime(customer)},
		}
	}
	const es256, rs256 = v1alpha1.SigningAlgorithmES256, v1alpha1.SigningAlgorithmRS256
	all := []string{"read", "write"}
	for _, test := range []struct {
		name string
		spec v1alpha1.IntegrationSpec
		want values
	}{
		{
			"OAuth2",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileOAuth2},
			values{Algorithm: es256, Lifetime: 10 * time.Minute, Refresh: 168 * time.Hour, DefaultScopes: all},
		},
		{
			"Shopware is read-only unless asked",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileShopware},
			values{Algorithm: rs256, Lifetime: 10 * time.Minute, Refresh: 168 * time.Hour},
		},
		{
			"Shopware with default scopes",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileShopware, DefaultScopes: &[]string{"write"}},
			values{Algorithm: rs256, Lifetime: 10 * time.Minute, Refresh: 168 * time.Hour, DefaultScopes: []string{"write"}},
		},
		{
			"OroCommerce is the back office",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileOroCommerce},
			values{Algorithm: rs256, Lifetime: time.Hour, Refresh: 720 * time.Hour, DefaultScopes: all, Application: v1alpha1.OroCommerceBackOffice},
		},
		{
			"a storefront with guests",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileOroCommerce, OroCommerce: &v1alpha1.OroCommerceSpec{
				Application: v1alpha1.OroCommerceStorefront, Guests: v1alpha1.PermissionAllowed,
			}},
			values{
				Algorithm: rs256, Lifetime: time.Hour, Refresh: 720 * time.Hour, DefaultScopes: all,
				Application: v1alpha1.OroCommerceStorefront, Guests: true,
			},
		},
		{
			"Magento has lifetimes by the users' kinds",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileMagento},
			values{Algorithm: es256, Lifetime: 4 * time.Hour, Refresh: 4 * time.Hour, UserLifetimes: users(4*time.Hour, time.Hour), DefaultScopes: all},
		},
		{
			"Magento with other values",
			v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileMagento, Magento: &v1alpha1.MagentoSpec{
				AdminTokenLifetime: lifetime(time.Minute), CustomerTokenLifetime: lifetime(2 * time.Hour), Bearer: v1alpha1.PermissionAllowed,
			}},
			values{
				Algorithm: es256, Lifetime: 2 * time.Hour, Refresh: 2 * time.Hour, UserLifetimes: users(time.Minute, 2*time.Hour),
				DefaultScopes: all, Bearer: true,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := of(test.spec)
			intg.Spec.Scopes = all
			got := values{
				intg.SigningAlgorithm(), intg.TokenLifetime(), intg.RefreshLifetime(), intg.UserLifetimes(), intg.DefaultScopes(),
				intg.Application(), intg.Guests(), intg.Bearer(),
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndpointsOfProfiles(t *testing.T) {
	const issuer, base = "https://issuer.example", "https://issuer.example/integrations/shop/order-sync"
	for _, test := range []struct {
		profile         v1alpha1.Profile
		wantToken, base string
	}{
		{v1alpha1.ProfileOAuth2, issuer + "/oauth2/token", ""},
		{v1alpha1.ProfileShopware, base + "/api/oauth/token", base},
		{v1alpha1.ProfileOroCommerce, issuer + "/oauth2-token", base},
		{v1alpha1.ProfileMagento, base + "/rest/V1/integration/admin/token", base},
	} {
		t.Run(string(test.profile), func(t *testing.T) {
			want := v1alpha1.EndpointsOf(issuer)
			want.Token, want.Base = test.wantToken, test.base
			if diff := cmp.Diff(want, of(v1alpha1.IntegrationSpec{Profile: test.profile}).Endpoints(issuer)); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeyAlgorithmsOfProfiles(t *testing.T) {
	const password, refresh = v1alpha1.GrantTypePassword, v1alpha1.GrantTypeRefreshToken
	const sealing = v1alpha1.KeyAlgorithmA256GCM
	for _, test := range []struct {
		name       string
		profile    v1alpha1.Profile
		grantTypes []v1alpha1.GrantType
		want       []v1alpha1.SigningAlgorithm
	}{
		{"Shopware needs RS256", v1alpha1.ProfileShopware, nil, []v1alpha1.SigningAlgorithm{"RS256"}},
		{"Shopware seals refresh tokens", v1alpha1.ProfileShopware, []v1alpha1.GrantType{password, refresh}, []v1alpha1.SigningAlgorithm{"RS256", sealing}},
		{"a login to OroCommerce alone seals nothing", v1alpha1.ProfileOroCommerce, []v1alpha1.GrantType{password}, []v1alpha1.SigningAlgorithm{"RS256"}},
		{"OroCommerce seals refresh tokens", v1alpha1.ProfileOroCommerce, []v1alpha1.GrantType{password, refresh}, []v1alpha1.SigningAlgorithm{"RS256", sealing}},
		{"Magento without logins seals nothing", v1alpha1.ProfileMagento, nil, []v1alpha1.SigningAlgorithm{"ES256"}},
		{"a login to Magento is a session", v1alpha1.ProfileMagento, []v1alpha1.GrantType{password}, []v1alpha1.SigningAlgorithm{"ES256", sealing}},
	} {
		t.Run(test.name, func(t *testing.T) {
			intg := of(v1alpha1.IntegrationSpec{Profile: test.profile, GrantTypes: test.grantTypes})
			if diff := cmp.Diff(test.want, intg.KeyAlgorithms()); diff != "" {
				t.Errorf("for spec (-want +got):\n%s", diff)
			}
			granted := &v1alpha1.Granted{Profile: test.profile, GrantTypes: test.grantTypes, SigningAlgorithm: intg.SigningAlgorithm()}
			if diff := cmp.Diff(test.want, granted.KeyAlgorithms()); diff != "" {
				t.Errorf("for what was granted (-want +got):\n%s", diff)
			}
		})
	}
}
