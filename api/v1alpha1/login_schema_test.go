// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// login returns a spec whose client logs in users, with other fields in place of or beside that.
func login(fields object) object {
	spec := object{"grantTypes": list("password"), "scopes": list("a", "b"), "users": list(user("anna", nil))}
	maps.Copy(spec, fields)
	return spec
}

// user returns an item of spec.users.
func user(secretName string, fields object) object {
	u := object{"secretRef": object{"name": secretName}}
	maps.Copy(u, fields)
	return u
}

// users returns n users with a number of scopes each.
func users(n, scopes int) []any {
	all := make([]any, 0, n)
	for i := range n {
		all = append(all, user(fmt.Sprintf("user-%d", i), object{"scopes": numbered("s", scopes)}))
	}
	return all
}

// credentials returns a spec that says nothing else.
func credentials(c object) object { return object{"credentials": c} }

// withKeys returns a spec whose client proves who it is by keys of its own.
func withKeys(keys ...object) object {
	return credentials(object{"methods": list("PrivateKeyJWT"), "jwks": object{"keys": list(keys...)}})
}

// key returns a public key of a type with other members in place of or beside those that it needs; nil takes one away.
func key(kty string, members object) object {
	k := object{"kty": kty}
	switch kty {
	case "EC":
		maps.Copy(k, object{"crv": "P-256", "x": strings.Repeat("x", 43), "y": strings.Repeat("y", 43)})
	case "OKP":
		maps.Copy(k, object{"crv": "Ed25519", "x": strings.Repeat("x", 43)})
	case "RSA":
		maps.Copy(k, object{"n": strings.Repeat("n", 342), "e": "AQAB"})
	}
	for member, value := range members {
		if value == nil {
			delete(k, member)
		} else {
			k[member] = value
		}
	}
	return k
}

const (
	wantPassword   = "the grant refresh_token needs password beside it in spec.grantTypes, as only a login gives out refresh tokens"
	wantUserGrant  = "spec.users can log in only by the grant password: add it to spec.grantTypes"
	wantUserScopes = "the scopes of a user must be among spec.scopes: add the missing one to spec.scopes, or take it out of the user's"
	wantUserSecret = "each user needs a Secret of its own: take the second entry with the same secretRef.name out of spec.users"
	wantFewScopes  = "the scopes of all spec.users together must be at most 512: spread the users over several Integrations"
	wantProof      = "the grant client_credentials needs a client that proves who it is (RFC 6749 section 4.4): add ClientSecret or PrivateKeyJWT to " +
		"spec.credentials.methods, or take client_credentials out of spec.grantTypes"
	wantRefresh = "a refresh lifetime is a duration of hours, minutes and seconds from 1m to 2160h, such as 168h"
	wantLonger  = "spec.token.refreshLifetime must not be shorter than spec.token.lifetime: raise one or lower the other"
	wantKeys    = "PrivateKeyJWT in spec.credentials.methods and the client's keys, in spec.credentials.jwks or at spec.credentials.jwksURI, " +
		"go together: add what is missing, or take out the other"
	wantOneOf  = "the client's keys are in spec.credentials.jwks or at spec.credentials.jwksURI: take one of them out"
	wantURI    = "a jwksURI is an https URL without user and fragment, such as https://client.example/jwks.json"
	wantKid    = "of several keys each needs a kid of its own, by which an assertion names it"
	wantAlg    = "the alg of a key with kty EC is ES256, with RSA it is RS256, and with OKP EdDSA: correct it, or leave it out"
	wantEC     = "a key with kty EC needs crv P-256, x and y"
	wantOKP    = "a key with kty OKP needs crv Ed25519 and x"
	wantRSA    = "a key with kty RSA needs n, of at least 2048 bits, and e"
	wantX      = "x has 32 bytes: 43 characters of base64url without padding"
	wantOneURI = "https://client.example/jwks.json"
)

func TestTheSchemaRefusesLoginsThatCannotWork(t *testing.T) {
	uri := func(s string) object { return credentials(object{"methods": list("PrivateKeyJWT"), "jwksURI": s}) }
	for _, test := range []struct {
		name string
		spec object
		want string
	}{
		{"refresh tokens without logins", object{"grantTypes": list("client_credentials", "refresh_token")}, wantPassword},
		{"users that cannot log in", object{"users": list(user("anna", nil))}, wantUserGrant},
		{"users without the grant, though refresh tokens are there", login(object{"grantTypes": list("refresh_token")}), wantUserGrant},
		{"a user without Secret", login(object{"users": list(object{"kind": "Admin"})}), "spec.users[0].secretRef: Required value"},
		{"a user whose Secret has no name", login(object{"users": list(object{"secretRef": object{}})}), "spec.users[0].secretRef.name: Required value"},
		{"a user whose Secret has an empty name", login(object{"users": list(user("", nil))}), "spec.users[0].secretRef.name"},
		{"a user's Secret of another namespace", login(object{"users": list(user("other/anna", nil))}), wantName},
		{"a user's Secret of 254 characters", login(object{"users": list(user(strings.Repeat("a", 254), nil))}), "spec.users[0].secretRef.name: Too long: may not be more than 253"},
		{"a user of an unknown kind", login(object{"users": list(user("anna", object{"kind": "Root"}))}), `spec.users[0].kind: Unsupported value: "Root": supported values: "Admin", "Customer"`},
		{"a user's scope that is not a scope", login(object{"users": list(user("anna", object{"scopes": list("a", "c")}))}), wantUserScopes},
		{"a user's scope without scopes", login(object{"scopes": list[string](), "users": list(user("anna", object{"scopes": list("a")}))}), wantUserScopes},
		{"a user's scope twice", login(object{"users": list(user("anna", object{"scopes": list("a", "a")}))}), `spec.users[0].scopes[1]: Duplicate value: "a"`},
		{"too many scopes for a user", login(object{"users": users(1, 33)}), "spec.users[0].scopes: Too many: 33: must have at most 32 items"},
		{"two users with one Secret", login(object{"users": list(user("anna", nil), user("ben", nil), user("anna", object{"kind": "Admin"}))}), wantUserSecret},
		{"too many users", login(object{"users": users(65, 0)}), "spec.users: Too many: 65: must have at most 64 items"},
		{"too many users with too many scopes", login(object{"scopes": numbered("s", 32), "users": users(17, 32)}), wantFewScopes},

		{"a refresh lifetime under a minute", token(object{"refreshLifetime": "59s"}), wantRefresh},
		{"a refresh lifetime over 90 days", token(object{"refreshLifetime": "2160h1s"}), wantRefresh},
		{"a negative refresh lifetime", token(object{"refreshLifetime": "-1h"}), wantRefresh},
		{"an empty refresh lifetime", token(object{"refreshLifetime": ""}), wantRefresh},
		{"a refresh lifetime in days", token(object{"refreshLifetime": "7d"}), wantRefresh},
		{"a refresh lifetime of 33 characters", token(object{"refreshLifetime": strings.Repeat("1", 33)}), "spec.token.refreshLifetime: Too long: may not be more than 32"},
		{"refresh tokens that expire before access tokens", token(object{"lifetime": "1h", "refreshLifetime": "59m59s"}), wantLonger},

		{"no credentials method", credentials(object{"methods": list[string]()}), "spec.credentials.methods: Invalid value: 0: spec.credentials.methods in body should have at least 1 items"},
		{"an unknown credentials method", credentials(object{"methods": list("TLS")}), `spec.credentials.methods[0]: Unsupported value: "TLS": supported values: "ClientSecret", "PrivateKeyJWT", "None"`},
		{"a credentials method twice", credentials(object{"methods": list("ClientSecret", "ClientSecret")}), `spec.credentials.methods[1]: Duplicate value: "ClientSecret"`},
		{"too many credentials methods", credentials(object{"methods": numbered("m", 5)}), "spec.credentials.methods: Too many: 5: must have at most 4 items"},
		{"a public client that acts for itself", credentials(object{"methods": list("None")}), wantProof},
		{"a public client that acts for itself and logs in users", login(object{"grantTypes": list("client_credentials", "password"), "credentials": object{"methods": list("None")}}), wantProof},

		{"a method that needs keys without keys", credentials(object{"methods": list("PrivateKeyJWT")}), wantKeys},
		{"a method that needs keys with an empty address", uri(""), wantKeys},
		{"keys that no method uses", credentials(object{"jwks": object{"keys": list(key("EC", nil))}}), wantKeys},
		{"an address that no method uses", credentials(object{"jwksURI": wantOneURI}), wantKeys},
		{
			"keys at two places",
			credentials(object{"methods": list("PrivateKeyJWT"), "jwksURI": wantOneURI, "jwks": object{"keys": list(key("EC", nil))}}), wantOneOf,
		},
		{"keys at a plain address", uri("http://client.example/jwks.json"), wantURI},
		{"keys at an address with a password", uri("https://user:password@client.example/jwks.json"), wantURI},
		{"keys at an address with a fragment", uri("https://client.example/jwks.json#a"), wantURI},
		{"keys at an address without host", uri("https:///jwks.json"), wantURI},
		{"keys at a relative address", uri("/jwks.json"), wantURI},
		{"keys in a file", uri("file:///jwks.json"), wantURI},
		{"keys at an address with a space", uri("https://client.example/jw ks.json"), wantURI},
		{"keys at an address of 1025 characters", uri("https://client.example/" + strings.Repeat("a", 1002)), "spec.credentials.jwksURI: Too long: may not be more than 1024"},

		{"a set without keys", withKeys(), "spec.credentials.jwks.keys: Invalid value: 0: spec.credentials.jwks.keys in body should have at least 1 items"},
		{"too many keys", withKeys(slicesOf(9, func(i int) object { return key("EC", object{"kid": fmt.Sprint(i)}) })...), "spec.credentials.jwks.keys: Too many: 9: must have at most 8 items"},
		{"two keys of which one has no kid", withKeys(key("EC", object{"kid": "1"}), key("EC", nil)), wantKid},
		{"two keys with empty kids", withKeys(key("EC", object{"kid": ""}), key("EC", object{"kid": "1"})), wantKid},
		{"two keys with one kid", withKeys(key("EC", object{"kid": "1"}), key("OKP", object{"kid": "1"})), wantKid},
		{"a kid of 257 characters", withKeys(key("EC", object{"kid": strings.Repeat("1", 257)})), "spec.credentials.jwks.keys[0].kid: Too long: may not be more than 256"},
		{"a key of no type", withKeys(object{"crv": "P-256"}), "spec.credentials.jwks.keys[0].kty: Required value"},
		{"a symmetric key", withKeys(object{"kty": "oct", "k": "c2VjcmV0"}), `spec.credentials.jwks.keys[0].kty: Unsupported value: "oct": supported values: "EC", "RSA", "OKP"`},
		{"a key for encryption", withKeys(key("EC", object{"use": "enc"})), `spec.credentials.jwks.keys[0].use: Unsupported value: "enc": supported values: "sig"`},
		{"a key with an algorithm that is no signature", withKeys(key("EC", object{"alg": "none"})), `spec.credentials.jwks.keys[0].alg: Unsupported value: "none": supported values: "ES256", "RS256", "EdDSA"`},
		{"a key with another type's algorithm", withKeys(key("RSA", object{"alg": "ES256"})), wantAlg},
		{"an EC key on another curve", withKeys(key("EC", object{"crv": "P-384"})), `spec.credentials.jwks.keys[0].crv: Unsupported value: "P-384": supported values: "P-256", "Ed25519"`},
		{"an EC key on a curve of another type", withKeys(key("EC", object{"crv": "Ed25519"})), wantEC},
		{"an EC key without y", withKeys(key("EC", object{"y": nil})), wantEC},
		{"an EC key with a short x", withKeys(key("EC", object{"x": strings.Repeat("x", 42)})), wantX},
		{"an EC key in plain base64", withKeys(key("EC", object{"x": strings.Repeat("+", 43)})), wantX},
		{"an EC key with a long y", withKeys(key("EC", object{"y": strings.Repeat("y", 44)})), "spec.credentials.jwks.keys[0].y: Too long: may not be more than 43"},
		{"an OKP key on another curve", withKeys(key("OKP", object{"crv": "P-256"})), wantOKP},
		{"an OKP key without x", withKeys(key("OKP", object{"x": nil})), wantOKP},
		{"an RSA key of 2040 bits", withKeys(key("RSA", object{"n": strings.Repeat("n", 340)})), wantRSA},
		{"an RSA key without exponent", withKeys(key("RSA", object{"e": nil})), wantRSA},
		{"an RSA key with padding", withKeys(key("RSA", object{"n": strings.Repeat("n", 342) + "=="})), "n is base64url without padding"},
		{"an RSA key with a wrong exponent", withKeys(key("RSA", object{"e": "65 537"})), "e is base64url without padding, such as AQAB"},
		{"an RSA key of more than 8192 bits", withKeys(key("RSA", object{"n": strings.Repeat("n", 1401)})), "spec.credentials.jwks.keys[0].n: Too long: may not be more than 1400"},

		{"a resource server without audiences", object{"resourceServer": object{}}, "spec.resourceServer.audiences: Required value"},
		{"a resource server with no audience", object{"resourceServer": object{"audiences": list[string]()}}, "spec.resourceServer.audiences in body should have at least 1 items"},
		{"a resource server with a relative audience", object{"resourceServer": object{"audiences": list("/orders")}}, wantAudience},
		{"a resource server with an audience twice", object{"resourceServer": object{"audiences": list("urn:a", "urn:a")}}, `spec.resourceServer.audiences[1]: Duplicate value: "urn:a"`},
		{"a resource server with too many audiences", object{"resourceServer": object{"audiences": numbered("urn:a:", 17)}}, "spec.resourceServer.audiences: Too many: 17: must have at most 16 items"},

		{"a time that is none", object{"revokeTokensIssuedBefore": "yesterday"}, "spec.revokeTokensIssuedBefore"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := k8sClient.Create(t.Context(), integration("refused", test.spec), client.DryRunAll)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("want the API server to call it invalid, got %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the message is\n  %v\nwant it to say\n  %s", err, test.want)
			}
		})
	}
}

func TestTheSchemaTakesLogins(t *testing.T) {
	allGrants := list("client_credentials", "password", "refresh_token")
	for _, test := range []struct {
		name string
		spec object
	}{
		{"every grant", object{"grantTypes": allGrants}},
		{"logins without users yet", object{"grantTypes": list("password")}},
		{"users who may have everything", login(nil)},
		{"a user who may have nothing", login(object{"users": list(user("anna", object{"scopes": list[string]()}))})},
		{"an admin with all scopes", login(object{"users": list(user("anna", object{"kind": "Admin", "scopes": list("b", "a")}))})},
		{"the most users", login(object{"users": users(64, 0)})},
		{"the most users with the most scopes", login(object{"scopes": numbered("s", 256), "users": users(64, 8)})},
		{"users with the most scopes each", login(object{"scopes": numbered("s", 256), "users": users(16, 32)})},
		{"an empty list of users without logins", object{"users": list[object]()}},
		{"the longest refresh lifetime", token(object{"refreshLifetime": "2160h"})},
		{"the longest refresh lifetime in seconds", token(object{"refreshLifetime": "7776000s"})},
		{"the shortest refresh lifetime", token(object{"refreshLifetime": "1m", "lifetime": "1m"})},
		{"opaque tokens", token(object{"format": "Opaque"})},

		{"a public client that only logs in users", login(object{"credentials": object{"methods": list("None")}})},
		{"a client that moves from one method to another", login(object{
			"grantTypes":  allGrants,
			"credentials": object{"methods": list("ClientSecret", "PrivateKeyJWT", "None"), "jwksURI": wantOneURI},
		})},
		{"an EC key", withKeys(key("EC", object{"kid": "1", "use": "sig", "alg": "ES256"}))},
		{"an Ed25519 key", withKeys(key("OKP", object{"alg": "EdDSA"}))},
		{"an RSA key", withKeys(key("RSA", object{"alg": "RS256"}))},
		{"an RSA key of 8192 bits", withKeys(key("RSA", object{"n": strings.Repeat("n", 1366)}))},
		{"the most keys", withKeys(slicesOf(8, func(i int) object {
			return key("RSA", object{"kid": fmt.Sprint(i), "n": strings.Repeat("n", 1400)})
		})...)},
		{"keys at an address with port and query", credentials(object{"methods": list("PrivateKeyJWT"), "jwksURI": "https://client.example:8443/jwks?a=b"})},
		{"keys at an IP address", credentials(object{"methods": list("PrivateKeyJWT"), "jwksURI": "https://[2001:db8::1]/jwks"})},
		{"no address", credentials(object{"jwksURI": ""})},
		{"a resource server", object{"resourceServer": object{"audiences": numbered("urn:a:", 16)}}},
		{"tokens that are revoked", object{"revokeTokensIssuedBefore": "2026-11-22T10:00:00Z"}},
		{"tokens that are revoked in another time zone", object{"revokeTokensIssuedBefore": "2026-11-22T11:00:00+01:00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := k8sClient.Create(t.Context(), integration("taken", test.spec), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

// slicesOf returns n objects.
func slicesOf(n int, item func(int) object) []object {
	all := make([]object, 0, n)
	for i := range n {
		all = append(all, item(i))
	}
	return all
}

func TestPrivateMembersOfAKeyAreNotStored(t *testing.T) {
	private := key("EC", object{"d": strings.Repeat("d", 43)})
	intg := integration("private-key", withKeys(private))
	err := k8sClient.Create(t.Context(), intg.DeepCopy(), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	if want := `unknown field "spec.credentials.jwks.keys[0].d"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want it refused as %q, as kubectl does, got %v", want, err)
	}
	create(t, intg)
	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(intg.GroupVersionKind())
	if err := k8sClient.Get(t.Context(), client.ObjectKeyFromObject(intg), stored); err != nil {
		t.Fatal(err)
	}
	keys, _, err := unstructured.NestedSlice(stored.Object, "spec", "credentials", "jwks", "keys")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list(key("EC", nil)), keys); diff != "" {
		t.Errorf("stored keys (-want +got):\n%s", diff)
	}
}

func TestTheSchemaFillsInWhatAUserIs(t *testing.T) {
	none := []string{}
	create(t, integration("with-users", login(object{"users": list(user("anna", nil), user("ben", object{"scopes": list[string]()}))})))
	var got v1alpha1.Integration
	if err := k8sClient.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "with-users"}, &got); err != nil {
		t.Fatal(err)
	}
	want := []v1alpha1.User{
		{SecretRef: v1alpha1.SecretReference{Name: "anna"}, Kind: v1alpha1.UserKindCustomer},
		{SecretRef: v1alpha1.SecretReference{Name: "ben"}, Kind: v1alpha1.UserKindCustomer, Scopes: &none},
	}
	if diff := cmp.Diff(want, got.Spec.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}
