// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	wantOroCommerceOnly = "spec.orocommerce is for the profile OroCommerce: take it out, or make a new Integration of that profile"
	wantMagentoOnly     = "spec.magento is for the profile Magento: take it out, or make a new Integration of that profile"
	wantRS256           = "clients of Shopware and OroCommerce know no signature but RS256: set spec.token.signingAlgorithm to that, or leave it out"
	wantNoOpaque        = "spec.token.format Opaque is for the profile OAuth2: take it out, as the tokens of the other profiles have their systems' form"
	wantNoPrivateKey    = "PrivateKeyJWT is for the profile OAuth2: take it out of spec.credentials.methods, and jwks or jwksURI with it"
	wantNoPublicClient  = "each client of OroCommerce has a client secret: take None out of spec.credentials.methods"
	wantPublicLogins    = "users of Shopware and Magento log in without a client that proves who it is: add None to spec.credentials.methods, or take password out of spec.grantTypes"
	wantNoRefresh       = "Magento knows no refresh tokens: take refresh_token out of spec.grantTypes, and set spec.magento.adminTokenLifetime and customerTokenLifetime to how long logins are to last"
	wantUserLifetimes   = "the lifetimes of Magento's tokens are in spec.magento.adminTokenLifetime and customerTokenLifetime: take lifetime and refreshLifetime out of spec.token"
	wantLastingToken    = "the Secret of the profile Magento has an access token that lasts, under access_token: take spec.secret.accessTokens out"
	wantStorefront      = "guests are visitors of a storefront: set spec.orocommerce.application to Storefront, or spec.orocommerce.guests to Denied"
	wantGuestLogins     = "guests log in by the grant password: add it to spec.grantTypes, or set spec.orocommerce.guests to Denied"
	wantUsersKind       = "users of OroCommerce's BackOffice are of kind Admin, and those of its Storefront of kind Customer: correct the kind in spec.users, or spec.orocommerce.application"
	wantOwnKey          = "one of spec.secret.keys is a key that the profile adds to the Secret, as docs/secret.md lists them: give it another name"
	wantOwnTemplateKey  = "a key of spec.secret.template.data is one that the profile adds to the Secret, as docs/secret.md lists them: give it another name"
	wantOwnTokenKey     = "an access token has a key that the profile adds to the Secret, as docs/secret.md lists them: give it another key"
	wantRelyingParty    = "a relyingPartyID is a domain in lower case, such as shop.example, without scheme and port"
	wantOrigin          = "an origin is https://, a host in lower case and a port where it is not 443, without a path, such as https://admin.shop.example; or http://localhost"
	wantOriginOfDomain  = "the host of each of spec.magento.securityKeys.origins is relyingPartyID or a subdomain of it, as browsers demand: correct the one that is not"
)

// The spec of an Integration of each profile, with the parts that are given.
func oauth2(parts ...object) object      { return profile("OAuth2", parts) }
func shopware(parts ...object) object    { return profile("Shopware", parts) }
func orocommerce(parts ...object) object { return profile("OroCommerce", parts) }
func magento(parts ...object) object     { return profile("Magento", parts) }

func profile(name string, parts []object) object {
	spec := object{"profile": name}
	for _, part := range parts {
		maps.Copy(spec, part)
	}
	return spec
}

// The parts.
func grantTypes(types ...string) object { return object{"grantTypes": list(types...)} }

func methods(names ...string) object { return object{"credentials": object{"methods": list(names...)}} }
func oro(block object) object        { return object{"orocommerce": block} }
func mage(block object) object       { return object{"magento": block} }
func templateKey(key string) object {
	return secret(object{"template": object{"data": object{key: "x"}}})
}

func tokenKey(key string) object {
	return secret(object{"accessTokens": list(object{"key": key})})
}

func securityKeys(id string, origins ...string) object {
	return mage(object{"securityKeys": object{"relyingPartyID": id, "origins": list(origins...)}})
}

func usersOf(kinds ...string) object {
	var all []any
	for _, kind := range kinds {
		all = append(all, object{"secretRef": object{"name": "user-" + strings.ToLower(kind)}, "kind": kind})
	}
	return object{"users": all}
}

func TestTheSchemaRefusesWhatAProfileDoesNotHave(t *testing.T) {
	jwks := object{"credentials": object{"methods": list("PrivateKeyJWT"), "jwksURI": "https://client.example/jwks.json"}}
	guests := oro(object{"application": "Storefront", "guests": "Allowed"})
	storefront := oro(object{"application": "Storefront"})
	for _, test := range []struct {
		name string
		spec object
		want string
	}{
		{"the block of OroCommerce without a profile", oro(object{}), wantOroCommerceOnly},
		{"the block of OroCommerce for OAuth2", oauth2(oro(object{})), wantOroCommerceOnly},
		{"the block of OroCommerce for Shopware", shopware(oro(object{})), wantOroCommerceOnly},
		{"the block of OroCommerce for Magento", magento(oro(object{})), wantOroCommerceOnly},
		{"the block of Magento without a profile", mage(object{}), wantMagentoOnly},
		{"the block of Magento for OAuth2", oauth2(mage(object{})), wantMagentoOnly},
		{"the block of Magento for Shopware", shopware(mage(object{})), wantMagentoOnly},
		{"the block of Magento for OroCommerce", orocommerce(mage(object{})), wantMagentoOnly},

		{"ES256 for Shopware", shopware(token(object{"signingAlgorithm": "ES256"})), wantRS256},
		{"EdDSA for Shopware", shopware(token(object{"signingAlgorithm": "EdDSA"})), wantRS256},
		{"ES256 for OroCommerce", orocommerce(token(object{"signingAlgorithm": "ES256"})), wantRS256},
		{"EdDSA for OroCommerce", orocommerce(token(object{"signingAlgorithm": "EdDSA"})), wantRS256},
		{"opaque tokens for Shopware", shopware(token(object{"format": "Opaque"})), wantNoOpaque},
		{"opaque tokens for OroCommerce", orocommerce(token(object{"format": "Opaque"})), wantNoOpaque},
		{"opaque tokens for Magento", magento(token(object{"format": "Opaque"})), wantNoOpaque},
		{"assertions for Shopware", shopware(jwks), wantNoPrivateKey},
		{"assertions for OroCommerce", orocommerce(jwks), wantNoPrivateKey},
		{"assertions for Magento", magento(jwks), wantNoPrivateKey},

		{"a public client of OroCommerce", orocommerce(grantTypes("password"), methods("None")), wantNoPublicClient},
		{"a public client of OroCommerce beside another", orocommerce(methods("ClientSecret", "None")), wantNoPublicClient},
		{"logins to Shopware without a public client", shopware(grantTypes("password")), wantPublicLogins},
		{"logins to Magento without a public client", magento(grantTypes("client_credentials", "password"), methods("ClientSecret")), wantPublicLogins},

		{"refresh tokens of Magento", magento(grantTypes("password", "refresh_token"), methods("None")), wantNoRefresh},
		{"a token lifetime for Magento", magento(token(object{"lifetime": "1h"})), wantUserLifetimes},
		{"a refresh lifetime for Magento", magento(token(object{"refreshLifetime": "1h"})), wantUserLifetimes},
		{"access tokens of Magento in the Secret", magento(tokenKey("token")), wantLastingToken},
		{"an admin's token for under a minute", magento(mage(object{"adminTokenLifetime": "59s"})), wantLifetime},
		{"an admin's token for over a day", magento(mage(object{"adminTokenLifetime": "25h"})), wantLifetime},
		{"an admin's token of 33 characters", magento(mage(object{"adminTokenLifetime": strings.Repeat("1", 33)})), "spec.magento.adminTokenLifetime: Too long"},
		{"a customer's token for under a minute", magento(mage(object{"customerTokenLifetime": "59s"})), wantLifetime},
		{"a customer's token for over a day", magento(mage(object{"customerTokenLifetime": "1d"})), wantLifetime},
		{"a customer's token of 33 characters", magento(mage(object{"customerTokenLifetime": strings.Repeat("1", 33)})), "spec.magento.customerTokenLifetime: Too long"},
		{"bearer tokens of Magento by yes or no", magento(mage(object{"bearer": "Yes"})), `spec.magento.bearer: Unsupported value: "Yes": supported values: "Allowed", "Denied"`},

		{"an unknown application", orocommerce(oro(object{"application": "Office"})), `spec.orocommerce.application: Unsupported value: "Office": supported values: "BackOffice", "Storefront"`},
		{"guests by yes or no", orocommerce(oro(object{"guests": "Yes"})), `spec.orocommerce.guests: Unsupported value: "Yes": supported values: "Allowed", "Denied"`},
		{"guests in the back office", orocommerce(grantTypes("password"), oro(object{"guests": "Allowed"})), wantStorefront},
		{"guests without logins", orocommerce(guests), wantGuestLogins},
		{"a customer in the back office", orocommerce(grantTypes("password"), usersOf("Admin", "Customer")), wantUsersKind},
		{"an admin in the storefront", orocommerce(grantTypes("password"), storefront, usersOf("Customer", "Admin")), wantUsersKind},
		{
			"a user who is a customer for want of another word",
			orocommerce(grantTypes("password"), object{"users": list(object{"secretRef": object{"name": "user"}})}), wantUsersKind,
		},
	} {
		t.Run(test.name, func(t *testing.T) { wantRefused(t, test.spec, test.want) })
	}
}

func TestTheSchemaRefusesSecurityKeysThatNoBrowserWouldUse(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
		want string
	}{
		{"no domain", magento(mage(object{"securityKeys": object{"origins": list("https://shop.example")}})), "spec.magento.securityKeys.relyingPartyID: Required value"},
		{"an empty domain", magento(securityKeys("", "https://shop.example")), wantRelyingParty},
		{"a URL for a domain", magento(securityKeys("https://shop.example", "https://shop.example")), wantRelyingParty},
		{"a domain with a port", magento(securityKeys("shop.example:8443", "https://shop.example:8443")), wantRelyingParty},
		{"a domain in upper case", magento(securityKeys("Shop.example", "https://shop.example")), wantRelyingParty},
		{"an address for a domain", magento(securityKeys("192.0.2.1", "https://192.0.2.1")), wantRelyingParty},
		{"a domain that ends with a dot", magento(securityKeys("shop.example.", "https://shop.example.")), wantRelyingParty},
		{"a domain of 254 characters", magento(securityKeys(strings.Repeat("a.", 127), "https://a")), "spec.magento.securityKeys.relyingPartyID: Too long"},
		{"no origins", magento(mage(object{"securityKeys": object{"relyingPartyID": "shop.example"}})), "spec.magento.securityKeys.origins: Required value"},
		{"no origin", magento(securityKeys("shop.example")), "should have at least 1 items"},
		{"too many origins", magento(securityKeys("shop.example", origins(17)...)), "spec.magento.securityKeys.origins: Too many: 17: must have at most 16 items"},
		{"an origin twice", magento(securityKeys("shop.example", "https://shop.example", "https://shop.example")), "spec.magento.securityKeys.origins[1]: Duplicate value"},
		{"an origin without TLS", magento(securityKeys("shop.example", "http://shop.example")), wantOrigin},
		{"an origin with a path", magento(securityKeys("shop.example", "https://shop.example/")), wantOrigin},
		{"an origin with the port that goes without saying", magento(securityKeys("shop.example", "https://shop.example:443")), wantOrigin},
		{"localhost with the port that goes without saying", magento(securityKeys("localhost", "http://localhost:80")), wantOrigin},
		{"an origin in upper case", magento(securityKeys("shop.example", "https://SHOP.example")), wantOrigin},
		{"an origin with a user", magento(securityKeys("shop.example", "https://shop.example@evil.example")), wantOrigin},
		{"an origin without scheme", magento(securityKeys("shop.example", "shop.example")), wantOrigin},
		{"an origin of another domain", magento(securityKeys("shop.example", "https://shop.example", "https://evil.example")), wantOriginOfDomain},
		{"an origin whose host only ends alike", magento(securityKeys("shop.example", "https://evilshop.example")), wantOriginOfDomain},
		{"localhost for another domain", magento(securityKeys("shop.example", "http://localhost:8443")), wantOriginOfDomain},
	} {
		t.Run(test.name, func(t *testing.T) { wantRefused(t, test.spec, test.want) })
	}
}

// origins returns n origins of shop.example.
func origins(n int) []string {
	var all []string
	for i := range n {
		all = append(all, "https://"+strings.Repeat("a", i+1)+".shop.example")
	}
	return all
}

func wantRefused(t *testing.T, spec object, want string) {
	t.Helper()
	err := k8sClient.Create(t.Context(), integration("refused", spec), client.DryRunAll)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("want it refused as %q, got %v", want, err)
	}
}

// The keys that a profile adds to the Secret are its own, in whatever way a spec may name a key.
func TestTheSchemaKeepsTheKeysOfAProfile(t *testing.T) {
	added := map[string][]string{
		"Shopware":    {"base_url", "SHOPWARE_ACCESS_KEY_ID", "SHOPWARE_SECRET_ACCESS_KEY"},
		"OroCommerce": {"base_url"},
		"Magento":     {"base_url", "consumer_key", "consumer_secret", "access_token", "access_token_secret"},
	}
	fields := []string{"clientID", "clientSecret", "tokenURL", "issuer", "scope", "audience", "caCertificate", "type", "provider"}
	for name, keys := range added {
		for _, key := range keys {
			t.Run(name+" has "+key, func(t *testing.T) {
				wantRefused(t, profile(name, []object{templateKey(key)}), wantOwnTemplateKey)
				for _, field := range fields {
					wantRefused(t, profile(name, []object{secret(object{"keys": object{field: key}})}), wantOwnKey)
				}
				if name != "Magento" { // It has no access tokens in the Secret but the lasting one.
					wantRefused(t, profile(name, []object{tokenKey(key)}), wantOwnTokenKey)
				}
				for _, part := range []object{templateKey(key), tokenKey(key), secret(object{"keys": object{"clientID": key}})} {
					if err := k8sClient.Create(t.Context(), integration("taken", oauth2(part)), client.DryRunAll); err != nil {
						t.Errorf("the profile OAuth2 has no such key: %v", err)
					}
				}
			})
		}
	}
}

func TestTheSchemaTakesProfiles(t *testing.T) {
	for _, test := range []struct {
		name string
		spec object
	}{
		{"Shopware", shopware()},
		{"Shopware with RS256 and other lifetimes", shopware(token(object{"format": "JWT", "signingAlgorithm": "RS256", "lifetime": "1h", "refreshLifetime": "24h"}))},
		{"Shopware with logins", shopware(grantTypes("client_credentials", "password", "refresh_token"), methods("ClientSecret", "None"), usersOf("Admin", "Customer"))},
		{"Shopware with logins alone", shopware(grantTypes("password"), methods("None"), usersOf("Admin"))},
		{"Shopware with other keys", shopware(secret(object{"keys": object{"clientID": "consumer_key"}, "template": object{"data": object{"access_token": "x"}}}))},
		{"OroCommerce", orocommerce()},
		{"OroCommerce with an empty block", orocommerce(oro(object{}))},
		{"OroCommerce with RS256", orocommerce(token(object{"signingAlgorithm": "RS256"}))},
		{"the back office", orocommerce(grantTypes("password", "refresh_token"), usersOf("Admin"))},
		{"the back office by name", orocommerce(oro(object{"application": "BackOffice", "guests": "Denied"}), grantTypes("password"), usersOf("Admin"))},
		{"the storefront", orocommerce(oro(object{"application": "Storefront"}), grantTypes("password"), usersOf("Customer"))},
		{"the storefront with guests", orocommerce(oro(object{"application": "Storefront", "guests": "Allowed"}), grantTypes("password", "refresh_token"))},
		{"an access token of OroCommerce in the Secret", orocommerce(tokenKey("token"))},
		{"Magento", magento()},
		{"Magento with an empty block", magento(mage(object{}))},
		{"Magento with each algorithm", magento(token(object{"signingAlgorithm": "EdDSA"}))},
		{"Magento with the shortest and the longest lifetime", magento(mage(object{"adminTokenLifetime": "1m", "customerTokenLifetime": "24h"}))},
		{"Magento with logins", magento(grantTypes("client_credentials", "password"), methods("ClientSecret", "None"), usersOf("Admin", "Customer"))},
		{"bearer tokens of Magento", magento(mage(object{"bearer": "Allowed"}))},
		{"security keys", magento(securityKeys("shop.example", "https://shop.example", "https://admin.shop.example:8443"))},
		{"security keys for development", magento(securityKeys("localhost", "http://localhost", "http://localhost:8443", "https://localhost"))},
		{"security keys for the most origins", magento(securityKeys("shop.example", origins(16)...))},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := k8sClient.Create(t.Context(), integration("taken", test.spec), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheSchemaFillsInDefaultsOfProfiles(t *testing.T) {
	create(t, integration("default-orocommerce", orocommerce(oro(object{}))))
	create(t, integration("default-magento", magento(mage(object{}))))
	var oroCommerce, magento v1alpha1.Integration
	get(t, "default-orocommerce", &oroCommerce)
	get(t, "default-magento", &magento)
	wantOro := &v1alpha1.OroCommerceSpec{Application: v1alpha1.OroCommerceBackOffice, Guests: v1alpha1.PermissionDenied}
	if diff := cmp.Diff(wantOro, oroCommerce.Spec.OroCommerce); diff != "" {
		t.Errorf("orocommerce (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&v1alpha1.MagentoSpec{Bearer: v1alpha1.PermissionDenied}, magento.Spec.Magento); diff != "" {
		t.Errorf("magento (-want +got):\n%s", diff)
	}
}

func get(t *testing.T, name string, intg *v1alpha1.Integration) {
	t.Helper()
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: name}, intg); err != nil {
		t.Fatal(err)
	}
}

func TestAProfileIsImmutable(t *testing.T) {
	intg := integration("profile-changed", shopware())
	create(t, intg)
	after := integration("profile-changed", magento())
	after.SetResourceVersion(intg.GetResourceVersion())
	err := k8sClient.Update(t.Context(), after, client.DryRunAll)
	const want = "spec.profile is immutable: make a new Integration for another profile"
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("want it refused as %q, got %v", want, err)
	}
}

func TestWhatAProfileWasGrantedIsKept(t *testing.T) {
	intg := &v1alpha1.Integration{
		ObjectMeta: metav1.ObjectMeta{Name: "granted-profile", Namespace: metav1.NamespaceDefault},
		Spec:       v1alpha1.IntegrationSpec{Profile: v1alpha1.ProfileMagento},
	}
	create(t, intg)
	want := v1alpha1.IntegrationStatus{
		Endpoints: intg.Endpoints("https://issuer.example"),
		Granted: &v1alpha1.Granted{
			Profile: v1alpha1.ProfileMagento, Application: v1alpha1.OroCommerceStorefront, Guests: true, Bearer: true,
			Lifetime: metav1.Duration{Duration: 4 * time.Hour}, UserLifetimes: intg.UserLifetimes(),
		},
	}
	intg.Status = want
	if err := k8sClient.Status().Update(t.Context(), intg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, intg.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
