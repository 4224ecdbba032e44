// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
// +kubebuilder:validation:XValidation:rule="!has(self.clientSecretRef) || !has(self.methods) || 'ClientSecret' in self.methods",message="spec.credentials.clientSecretRef brings a client secret, which the client may not use: add ClientSecret to spec.credentials.methods, or take clientSecretRef out"
// +kubebuilder:validation:XValidation:rule="!has(self.clientSecretRef) || !has(self.rotation) || !has(self.rotation.interval) && !has(self.rotation.requestedAt) && !has(self.rotation.window)",message="a client secret that you bring by spec.credentials.clientSecretRef is rotated by editing that Secret: take interval, window and requestedAt out of spec.credentials.rotation, or clientSecretRef"
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

	// clientSecretRef names a Secret of the namespace that holds the client secret under client_secret, for a client that already has
	// one. It must carry the label integration-operator.io/integration with the Integration's name, or with an empty value for every
	// Integration of the namespace: that is its owner's consent. The operator copies the value into the generated Secret, and never
	// puts another in its place; an edit counts at once, and the value before it is accepted for rotation.overlap. It has at least
	// 128 bits, estimated from its length: 22 characters of base64, or 32 of hexadecimal.
	// +optional
	ClientSecretRef *SecretReference `json:"clientSecretRef,omitempty"`

	// rotation says when the client secret is replaced by a new one, and how long the one before it is accepted.
	// +optional
	Rotation *RotationSpec `json:"rotation,omitempty"`
}

// Retirement is how a previous client secret comes to its end.
// +kubebuilder:validation:Enum=WhenUnused;AfterOverlap
type Retirement string

const (
	// RetirementWhenUnused accepts the previous client secret until nobody has used it for the overlap, and at most for maxOverlap.
	RetirementWhenUnused Retirement = "WhenUnused"
	// RetirementAfterOverlap accepts it for the overlap and no longer.
	RetirementAfterOverlap Retirement = "AfterOverlap"
)

// RotationSpec says when the client secret is replaced by a new one, and how long the one before it is accepted. Never are more than two
// valid: while the previous one is still accepted, the next rotation waits.
//
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || !has(self.overlap) || duration(self.overlap) < duration(self.interval)",message="spec.credentials.rotation.overlap must be shorter than interval, as no more than two client secrets are valid at a time: lower one or raise the other"
// +kubebuilder:validation:XValidation:rule="!has(self.overlap) || !has(self.maxOverlap) || duration(self.overlap) <= duration(self.maxOverlap)",message="spec.credentials.rotation.maxOverlap must not be shorter than overlap: raise one or lower the other"
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || !has(self.maxOverlap) || duration(self.maxOverlap) <= duration(self.interval)",message="spec.credentials.rotation.maxOverlap must not be longer than interval, or the next rotation would be late: lower one or raise the other"
// +kubebuilder:validation:XValidation:rule="!has(self.window) || has(self.interval)",message="spec.credentials.rotation.window says when the rotations by interval may happen: add interval, or take window out"
// +kubebuilder:validation:XValidation:rule="!has(self.maxOverlap) || !has(self.retirement) || self.retirement == 'WhenUnused'",message="spec.credentials.rotation.maxOverlap is the limit of retirement WhenUnused: take it out, or choose that"
type RotationSpec struct {
	// interval is how long a client secret is used, from 1h to 17520h: that, less up to a tenth by which Integrations are spread out.
	// Left out, there is no rotation by the clock.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$') && self.size() > 0 && duration(self) >= duration('1h') && duration(self) <= duration('17520h')",message="an interval is a duration of hours, minutes and seconds from 1h to 17520h, such as 720h"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// overlap is how long the previous client secret is accepted beside the new one, 0s or 1m to 8760h. It takes a kubelet up to two
	// minutes to show a new Secret to a Pod: below 5m, requests may fail; 0s is for a secret that has leaked. Left out, it is 24h, or
	// half of interval if that is shorter.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$') && self.size() > 0 && (duration(self) == duration('0s') || duration(self) >= duration('1m') && duration(self) <= duration('8760h'))",message="an overlap is a duration of hours, minutes and seconds, 0s or from 1m to 8760h, such as 24h"
	Overlap *metav1.Duration `json:"overlap,omitempty"`

	// maxOverlap is how long the previous client secret is accepted at most while it is still used, up to 8760h. Left out, it is 720h, or
	// interval if that is shorter, and no less than overlap.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$') && self.size() > 0 && duration(self) <= duration('8760h')",message="a maxOverlap is a duration of hours, minutes and seconds up to 8760h, such as 168h"
	MaxOverlap *metav1.Duration `json:"maxOverlap,omitempty"`

	// retirement is how the previous client secret comes to its end: WhenUnused, once nobody has used it for the overlap and at the
	// latest after maxOverlap, or AfterOverlap, by the clock.
	// +optional
	// +kubebuilder:default=WhenUnused
	Retirement Retirement `json:"retirement,omitempty"`

	// window bounds the rotations by interval to certain hours: one that is due waits for the next window.
	// +optional
	Window *RotationWindow `json:"window,omitempty"`

	// requestedAt asks for one rotation: a client secret from before this time, or from the same second, is replaced, whatever the
	// window. A time in the future is waited for; one from before the last rotation asks for nothing.
	// +optional
	RequestedAt *metav1.Time `json:"requestedAt,omitempty"`
}

// RotationWindow is a time that comes again and again.
type RotationWindow struct {
	// schedule is when the window opens, as the five fields of cron: minute, hour, day of month, month, day of week; such as
	// "0 2 * * *" for each night at two. An hour that daylight saving time skips opens the window right after the gap.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^ *[^ @=]+( +[^ @=]+){4} *$')",message="a schedule has the five fields of cron: minute, hour, day of month, month, day of week, such as 0 2 * * 1-5"
	Schedule string `json:"schedule"`

	// timeZone is the IANA time zone of schedule, such as Europe/Berlin. Left out, it is UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$') && self != 'Local'",message="a time zone is a name of the IANA database, such as Europe/Berlin or UTC"
	TimeZone string `json:"timeZone,omitempty"`

	// duration is how long the window stays open, from 5m to 168h.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$') && self.size() > 0 && duration(self) >= duration('5m') && duration(self) <= duration('168h')",message="a window's duration is one of hours, minutes and seconds from 5m to 168h, such as 2h"
	Duration metav1.Duration `json:"duration"`
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
