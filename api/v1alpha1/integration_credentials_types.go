// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// CredentialMethod is a way for a client to prove who it is.
// +kubebuilder:validation:Enum=ClientSecret;PrivateKeyJWT;None
type CredentialMethod string

const (
	// CredentialMethodClientSecret is the client secret in the generated Secret, by HTTP Basic or in the body.
	CredentialMethodClientSecret CredentialMethod = "ClientSecret"
	// CredentialMethodPrivateKeyJWT is a JWT that the client signs with a key of its own (RFC 7523 section 2.2).
	CredentialMethodPrivateKeyJWT CredentialMethod = "PrivateKeyJWT"
	// CredentialMethodNone is no proof at all: a public client (RFC 6749 section 2.1), for logins of users only.
	CredentialMethodNone CredentialMethod = "None"
)

// UserKind is what a user is to the API.
// +kubebuilder:validation:Enum=Admin;Customer
type UserKind string

// The kinds of users.
const (
	UserKindAdmin    UserKind = "Admin"
	UserKindCustomer UserKind = "Customer"
)

// CredentialsSpec says how a client proves who it is.
//
// The rules' first term lets the empty default pass, which the API server checks before it fills in the fields' defaults.
//
// +kubebuilder:validation:XValidation:rule="!has(self.methods) || ('PrivateKeyJWT' in self.methods) == (has(self.jwks) || has(self.jwksURI) && self.jwksURI.size() > 0)",message="PrivateKeyJWT in spec.credentials.methods and the client's keys, in spec.credentials.jwks or at spec.credentials.jwksURI, go together: add what is missing, or take out the other"
// +kubebuilder:validation:XValidation:rule="!has(self.jwks) || !has(self.jwksURI) || self.jwksURI.size() == 0",message="the client's keys are in spec.credentials.jwks or at spec.credentials.jwksURI: take one of them out"
type CredentialsSpec struct {
	// methods are the ways in which the client may prove who it is: ClientSecret, PrivateKeyJWT, or None for a public client, which
	// can only log in users. Several are valid at once, to move from one to another.
	// +optional
	// +kubebuilder:default={ClientSecret}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +listType=set
	Methods []CredentialMethod `json:"methods,omitempty"`

	// jwks are the public keys that the client's assertions verify with (RFC 7517 section 5). Write public keys only: the API
	// server drops the private members of a key, such as d, and kubectl refuses them; whoever saw the manifest has seen them.
	// +optional
	JWKS *JSONWebKeySet `json:"jwks,omitempty"`

	// jwksURI is where the client publishes those keys: an https URL that the token server fetches and caches. It must not
	// point to a loopback or link-local address.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^https://[!-~]+$') && isURL(self) && url(self).getHost() != '' && !self.contains('@') && !self.contains('#')",message="a jwksURI is an https URL without user and fragment, such as https://client.example/jwks.json"
	JWKSURI string `json:"jwksURI,omitempty"`
}

// JSONWebKeySet is a set of public keys (RFC 7517 section 5).
type JSONWebKeySet struct {
	// keys are the public keys. Of several, each needs a kid of its own.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.size() == 1 || self.all(k, has(k.kid) && k.kid != '' && self.exists_one(other, has(other.kid) && other.kid == k.kid))",message="of several keys each needs a kid of its own, by which an assertion names it"
	// +listType=atomic
	Keys []JSONWebKey `json:"keys"`
}

// JSONWebKey is a public key (RFC 7517 section 4): an elliptic curve key on P-256, an RSA key of at least 2048 bits, or an Ed25519
// key. It has no room for a private key.
//
// +kubebuilder:validation:XValidation:rule="!has(self.alg) || self.alg == {'EC': 'ES256', 'RSA': 'RS256', 'OKP': 'EdDSA'}[self.kty]",message="the alg of a key with kty EC is ES256, with RSA it is RS256, and with OKP EdDSA: correct it, or leave it out"
// +kubebuilder:validation:XValidation:rule="self.kty != 'EC' || has(self.crv) && self.crv == 'P-256' && has(self.x) && has(self.y)",message="a key with kty EC needs crv P-256, x and y"
// +kubebuilder:validation:XValidation:rule="self.kty != 'OKP' || has(self.crv) && self.crv == 'Ed25519' && has(self.x)",message="a key with kty OKP needs crv Ed25519 and x"
// +kubebuilder:validation:XValidation:rule="self.kty != 'RSA' || has(self.n) && has(self.e) && self.n.size() >= 342",message="a key with kty RSA needs n, of at least 2048 bits, and e"
type JSONWebKey struct {
	// kty is the key type: EC, RSA or OKP.
	// +required
	// +kubebuilder:validation:Enum=EC;RSA;OKP
	KeyType string `json:"kty"`

	// kid is the key's ID, by which an assertion names it. It may be left out where there is one key.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	KeyID string `json:"kid,omitempty"`

	// use is what the key is for; sig if it is there.
	// +optional
	// +kubebuilder:validation:Enum=sig
	Use string `json:"use,omitempty"`

	// alg is the JWS algorithm that the key is for: ES256, RS256 or EdDSA. Left out, it follows from the key type.
	// +optional
	Algorithm SigningAlgorithm `json:"alg,omitempty"`

	// crv is the curve: P-256 or Ed25519.
	// +optional
	// +kubebuilder:validation:Enum=P-256;Ed25519
	Curve string `json:"crv,omitempty"`

	// x is the x coordinate, or the whole of an Ed25519 key, in base64url.
	// +optional
	// +kubebuilder:validation:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]{43}$')",message="x has 32 bytes: 43 characters of base64url without padding"
	X string `json:"x,omitempty"`

	// y is the y coordinate in base64url.
	// +optional
	// +kubebuilder:validation:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]{43}$')",message="y has 32 bytes: 43 characters of base64url without padding"
	Y string `json:"y,omitempty"`

	// n is the RSA modulus in base64url.
	// +optional
	// +kubebuilder:validation:MaxLength=1400
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]+$')",message="n is base64url without padding"
	N string `json:"n,omitempty"`

	// e is the RSA exponent in base64url.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]+$')",message="e is base64url without padding, such as AQAB"
	E string `json:"e,omitempty"`
}

// User is a resource owner that may log in.
type User struct {
	// secretRef names a Secret of type kubernetes.io/basic-auth in the Integration's namespace, with username, and with password
	// or passwordHash (bcrypt or argon2id). It must carry the label integration-operator.io/integration with the Integration's
	// name, or with an empty value for every Integration of the namespace: that is its owner's consent.
	// +required
	SecretRef SecretReference `json:"secretRef"`

	// kind is what the user is to the API: Admin or Customer.
	// +optional
	// +kubebuilder:default=Customer
	Kind UserKind `json:"kind,omitempty"`

	// scopes are the most that the user may get, out of spec.scopes. Left out, that is all of spec.scopes; an empty list means
	// none.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	Scopes *[]string `json:"scopes,omitempty"`
}

// SecretReference names a Secret in the Integration's namespace.
type SecretReference struct {
	// name is the Secret's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a Secret's name has lower case letters, digits, - and ., and starts and ends with a letter or digit"
	Name string `json:"name"`
}

// ResourceServer says what an API may ask the token server about.
type ResourceServer struct {
	// audiences are the audiences that the API goes by: it may introspect every token that is meant for one of them.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+$")`,message="an audience is an absolute URI without fragment (RFC 8707), such as https://orders.shop.example or urn:example:orders"
	// +listType=set
	Audiences []string `json:"audiences"`
}
