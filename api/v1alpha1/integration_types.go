// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Profile is the token dialect that an Integration's clients speak. It decides wire formats and defaults.
// +kubebuilder:validation:Enum=OAuth2
type Profile string

// ProfileOAuth2 is plain OAuth 2 (RFC 6749) with RFC 9068 access tokens.
const ProfileOAuth2 Profile = "OAuth2"

// GrantType is an OAuth 2 grant_type value.
// +kubebuilder:validation:Enum=client_credentials;password;refresh_token
type GrantType string

const (
	// GrantTypeClientCredentials is RFC 6749 section 4.4: the client acts for itself.
	GrantTypeClientCredentials GrantType = "client_credentials"
	// GrantTypePassword is RFC 6749 section 4.3: the client acts for one of spec.users, whose name and password it presents.
	GrantTypePassword GrantType = "password"
	// GrantTypeRefreshToken is RFC 6749 section 6: a login goes on without the password.
	GrantTypeRefreshToken GrantType = "refresh_token"
)

// TokenFormat is the form of an access token.
// +kubebuilder:validation:Enum=JWT;Opaque
type TokenFormat string

const (
	// TokenFormatJWT is a signed JSON Web Token (RFC 9068), which an API verifies offline with the published keys.
	TokenFormatJWT TokenFormat = "JWT"
	// TokenFormatOpaque is an encrypted token (RFC 7516), which only the token server can read: an API asks it by introspection
	// or by /verify, and sees a revocation at once.
	TokenFormatOpaque TokenFormat = "Opaque"
)

// SigningAlgorithm is a JWS algorithm (RFC 7518, RFC 8037).
// +kubebuilder:validation:Enum=ES256;RS256;EdDSA
type SigningAlgorithm string

// The signing algorithms.
const (
	SigningAlgorithmES256 SigningAlgorithm = "ES256"
	SigningAlgorithmRS256 SigningAlgorithm = "RS256"
	SigningAlgorithmEdDSA SigningAlgorithm = "EdDSA"
)

// DeletionPolicy says what becomes of a generated Secret when its Integration is deleted.
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete deletes the Secret with the Integration.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain leaves the Secret in the namespace; its credentials no longer get tokens.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// Integration is a client of some API: what it may ask for, and the Secret in which it finds its credentials.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=intg,categories=integration-operator
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.credentials.secretName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must have at most 63 characters, as it becomes the value of a label: choose a shorter name"
type Integration struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name must have at most 63 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the client may ask for. The operator never writes it.
	// +optional
	// +kubebuilder:default={}
	Spec IntegrationSpec `json:"spec,omitempty"`

	// status is what the operator made of spec.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status IntegrationStatus `json:"status,omitempty"`
}

// IntegrationList is a list of Integrations.
//
// +kubebuilder:object:root=true
type IntegrationList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Integrations.
	Items []Integration `json:"items"`
}

// IntegrationSpec is what a client may ask for. Every field may be left out.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.clientID) ? self.clientID : "") == (has(oldSelf.clientID) ? oldSelf.clientID : "")`,message="spec.clientID is immutable, as running clients know it: make a new Integration for another client ID"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultScopes) || self.defaultScopes.all(s, has(self.scopes) && s in self.scopes)",message="spec.defaultScopes must be among spec.scopes: add the missing one to spec.scopes, or take it out of spec.defaultScopes"
// +kubebuilder:validation:XValidation:rule="!has(self.grantTypes) || !('refresh_token' in self.grantTypes) || 'password' in self.grantTypes",message="the grant refresh_token needs password beside it in spec.grantTypes, as only a login gives out refresh tokens"
// +kubebuilder:validation:XValidation:rule="!has(self.users) || self.users.size() == 0 || (has(self.grantTypes) && 'password' in self.grantTypes)",message="spec.users can log in only by the grant password: add it to spec.grantTypes"
// +kubebuilder:validation:XValidation:rule="!has(self.credentials) || !has(self.credentials.methods) || self.credentials.methods.exists(m, m != 'None') || (has(self.grantTypes) && !('client_credentials' in self.grantTypes))",message="the grant client_credentials needs a client that proves who it is (RFC 6749 section 4.4): add ClientSecret or PrivateKeyJWT to spec.credentials.methods, or take client_credentials out of spec.grantTypes"
// +kubebuilder:validation:XValidation:rule="!has(self.users) || self.users.all(u, !has(u.scopes) || u.scopes.all(s, has(self.scopes) && s in self.scopes))",message="the scopes of a user must be among spec.scopes: add the missing one to spec.scopes, or take it out of the user's"
// +kubebuilder:validation:XValidation:rule="!has(self.users) || self.users.map(u, has(u.scopes) ? u.scopes.size() : 0).sum() <= 512",message="the scopes of all spec.users together must be at most 512: spread the users over several Integrations"
// +kubebuilder:validation:XValidation:rule="!has(self.token) || !has(self.token.lifetime) || !has(self.token.refreshLifetime) || duration(self.token.refreshLifetime) >= duration(self.token.lifetime)",message="spec.token.refreshLifetime must not be shorter than spec.token.lifetime: raise one or lower the other"
// +kubebuilder:validation:XValidation:rule="!has(self.audiences) || !has(self.scopes) || self.audiences.size() * self.scopes.size() <= 512",message="spec.audiences times spec.scopes must be at most 512, as each audience has its own list of scopes: spread them over several Integrations"
type IntegrationSpec struct {
	// profile is the token dialect that the clients speak: OAuth2. It is immutable, as it decides wire formats and defaults.
	// +optional
	// +kubebuilder:default=OAuth2
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.profile is immutable: make a new Integration for another profile"
	Profile Profile `json:"profile,omitempty"`

	// clientID is the client ID to claim, for a client that already has one. Left out, it is derived as
	// <namespace>.<name>, which survives a lost Secret and a restored cluster. That form is kept for the namespace it names:
	// claiming another namespace's is a ClientIDConflict. Of two Integrations with one client ID, who derives it beats who
	// claims it, and among claims the older keeps it. It is immutable.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9][A-Za-z0-9._~/@-]*)?$')",message="a client ID starts with a letter or digit and goes on with letters, digits and any of . _ ~ / @ -"
	ClientID string `json:"clientID,omitempty"`

	// grantTypes are the OAuth 2 grants that the client may use: client_credentials, where it acts for itself; password, where
	// it logs in one of users; and beside that refresh_token, which keeps a login going.
	// +optional
	// +kubebuilder:default={client_credentials}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	GrantTypes []GrantType `json:"grantTypes,omitempty"`

	// audiences are the APIs that the tokens are meant for, as absolute URIs such as https://orders.shop.example. A token
	// request may choose among them by the parameter resource (RFC 8707); otherwise a token is good for all of them. Left
	// out, tokens are meant for the issuer itself.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+$")`,message="an audience is an absolute URI without fragment (RFC 8707), such as https://orders.shop.example or urn:example:orders"
	// +listType=set
	Audiences []string `json:"audiences,omitempty"`

	// scopes are the most this client may ever get. A scope is any run of printable ASCII characters without space, quote
	// and backslash (RFC 6749 section 3.3).
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule=`self.matches(r"^[!#-\[\]-~]+$")`,message="a scope is one or more printable ASCII characters without space, quote and backslash: write several scopes as several list items"
	// +listType=set
	Scopes []string `json:"scopes,omitempty"`

	// defaultScopes are what the client gets when it asks for no scope. Left out, that is all of scopes; an empty list means
	// none.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	DefaultScopes *[]string `json:"defaultScopes,omitempty"`

	// token says what the access tokens look like.
	// +optional
	// +kubebuilder:default={}
	Token TokenSpec `json:"token,omitempty"`

	// credentials says how the client proves who it is.
	// +optional
	// +kubebuilder:default={}
	Credentials CredentialsSpec `json:"credentials,omitempty"`

	// users are the resource owners that may log in by the grant password.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(u, self.exists_one(other, other.secretRef.name == u.secretRef.name))",message="each user needs a Secret of its own: take the second entry with the same secretRef.name out of spec.users"
	// +listType=atomic
	Users []User `json:"users,omitempty"`

	// resourceServer is for an API rather than a client of one: what it may ask the token server about.
	// +optional
	ResourceServer *ResourceServer `json:"resourceServer,omitempty"`

	// secret says what the generated Secret looks like.
	// +optional
	// +kubebuilder:default={}
	Secret SecretSpec `json:"secret,omitempty"`

	// revokeTokensIssuedBefore ends every token, login and refresh token of this client that was issued before this time. The token
	// server and the APIs that ask it see that within a second; an API that verifies JWTs offline accepts them until they expire. Taking
	// it out again brings nothing back. A time in the future stops the client until then, as suspend does.
	// +optional
	RevokeTokensIssuedBefore *metav1.Time `json:"revokeTokensIssuedBefore,omitempty"`

	// suspend stops the client: it gets no tokens, and the token server calls those that are out inactive. Its Secret stays as it
	// is. An API that verifies JWTs offline accepts them until they expire.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// TokenSpec says what access tokens look like.
type TokenSpec struct {
	// format is the form of the access tokens: JWT, which an API verifies offline with the published keys, or Opaque, which only
	// the token server can read, so that an API asks it and sees a revocation at once.
	// +optional
	// +kubebuilder:default=JWT
	Format TokenFormat `json:"format,omitempty"`

	// signingAlgorithm signs the tokens: ES256, RS256 or EdDSA. Left out, the profile decides: ES256 for OAuth2.
	// +optional
	SigningAlgorithm SigningAlgorithm `json:"signingAlgorithm,omitempty"`

	// lifetime is how long an access token is good for, from 1m to 24h. Left out, the profile decides: 10m for OAuth2.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	Lifetime *metav1.Duration `json:"lifetime,omitempty"`

	// refreshLifetime is how long a refresh token is good for, from 1m to 2160h. Each refresh gives out a new one, so that a
	// login lasts as long as it is used. Left out, the profile decides: 168h for OAuth2.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('2160h')",message="a refresh lifetime is a duration of hours, minutes and seconds from 1m to 2160h, such as 168h"
	RefreshLifetime *metav1.Duration `json:"refreshLifetime,omitempty"`
}

// SecretSpec says what the generated Secret looks like.
type SecretSpec struct {
	// name is the name of the generated Secret. Left out, it is the Integration's name. A Secret of that name that this
	// Integration does not own is never overwritten.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$')",message="a Secret's name has lower case letters, digits, - and ., and starts and ends with a letter or digit"
	Name string `json:"name,omitempty"`

	// labels are put on the Secret beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !format.qualifiedName().validate(k).hasValue())",message="a label's key is a name of at most 63 letters, digits, -, _ and ., such as team, or a domain, a slash and a name, such as example.com/team"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('integration-operator.io/'))",message="labels with the prefix integration-operator.io/ are the operator's own: use another prefix"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations are put on the Secret beside the operator's own.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !format.qualifiedName().validate(k).hasValue())",message="an annotation's key is a name of at most 63 letters, digits, -, _ and ., such as team, or a domain, a slash and a name, such as example.com/team"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('integration-operator.io/'))",message="annotations with the prefix integration-operator.io/ are the operator's own: use another prefix"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// keys renames the standard keys of the Secret, for software that expects other names.
	// +optional
	// +kubebuilder:default={}
	Keys SecretKeys `json:"keys,omitempty"`

	// deletionPolicy says what becomes of the Secret when the Integration is deleted: Delete, or Retain, which leaves it in
	// the namespace. Either way its credentials get no more tokens.
	// +optional
	// +kubebuilder:default=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')",message="a label's value has at most 63 letters, digits, -, _ and ., and starts and ends with a letter or digit"
type LabelValue string

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// SecretKey is a key of a Secret's data.
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",message="a Secret's key is one or more letters, digits, -, _ and ., and neither . nor a name that starts with .."
type SecretKey string

// SecretKeys names the keys of the generated Secret.
//
// The rule's first term lets the empty default pass, which the API server checks before it fills in the fields' defaults.
//
// +kubebuilder:validation:XValidation:rule="!has(self.clientID) || [self.clientID, self.clientSecret, self.tokenURL, self.issuer, self.scope, self.audience, self.caCertificate, self.type, self.provider].all(k, [self.clientID, self.clientSecret, self.tokenURL, self.issuer, self.scope, self.audience, self.caCertificate, self.type, self.provider].exists_one(other, other == k))",message="two values would share one key of the Secret: give each of spec.secret.keys a name of its own"
type SecretKeys struct {
	// clientID is the key of the client ID.
	// +optional
	// +kubebuilder:default=client_id
	ClientID SecretKey `json:"clientID,omitempty"`

	// clientSecret is the key of the client secret.
	// +optional
	// +kubebuilder:default=client_secret
	ClientSecret SecretKey `json:"clientSecret,omitempty"`

	// tokenURL is the key of the token endpoint's URL.
	// +optional
	// +kubebuilder:default=token_url
	TokenURL SecretKey `json:"tokenURL,omitempty"`

	// issuer is the key of the issuer URL, from which clients and APIs discover everything else (RFC 8414).
	// +optional
	// +kubebuilder:default=issuer
	Issuer SecretKey `json:"issuer,omitempty"`

	// scope is the key of the granted scopes, separated by spaces.
	// +optional
	// +kubebuilder:default=scope
	Scope SecretKey `json:"scope,omitempty"`

	// audience is the key of the granted audiences, separated by spaces.
	// +optional
	// +kubebuilder:default=audience
	Audience SecretKey `json:"audience,omitempty"`

	// caCertificate is the key of the PEM certificates to trust for the token server. The Secret has it only when the token
	// server's certificate is not publicly trusted.
	// +optional
	// +kubebuilder:default=ca.crt
	CACertificate SecretKey `json:"caCertificate,omitempty"`

	// type is the key of the constant oauth2, by which servicebinding.io libraries find a binding.
	// +optional
	// +kubebuilder:default=type
	Type SecretKey `json:"type,omitempty"`

	// provider is the key of the constant integration-operator, which servicebinding.io libraries read.
	// +optional
	// +kubebuilder:default=provider
	Provider SecretKey `json:"provider,omitempty"`
}

// IntegrationStatus is what the operator made of an Integration's spec.
type IntegrationStatus struct {
	// observedGeneration is the generation of spec that this status speaks of; -1 before the first pass.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Reconciling, Stalled and CredentialsReady. Ready is True when the client can get a token now.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// clientID is the client ID that the Integration owns. It is empty while another Integration owns the one it wants.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID,omitempty"`

	// endpoints are the URLs of the token server.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`

	// granted is what the client may have of what spec asks for. The token server enforces this and nothing else.
	// +optional
	Granted *Granted `json:"granted,omitempty"`

	// tokensRevokedBefore is the latest time that spec.revokeTokensIssuedBefore has had, once it has passed. It never goes back:
	// tokens that were ended stay ended when the field is taken out of spec.
	// +optional
	TokensRevokedBefore *metav1.Time `json:"tokensRevokedBefore,omitempty"`

	// credentials says where the client's credentials are.
	// +optional
	Credentials *CredentialsStatus `json:"credentials,omitempty"`
}

// Endpoints are the URLs of the token server.
type Endpoints struct {
	// issuer identifies the token server; its metadata is found below it (RFC 8414).
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`

	// token is where the client gets tokens.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Token string `json:"token,omitempty"`

	// introspection is where an API asks about a token (RFC 7662).
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Introspection string `json:"introspection,omitempty"`

	// revocation is where the client ends a token or a login (RFC 7009).
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Revocation string `json:"revocation,omitempty"`

	// verify is what a proxy in front of an API asks about each request.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Verify string `json:"verify,omitempty"`

	// jwks is where APIs find the keys that verify tokens (RFC 7517).
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	JWKS string `json:"jwks,omitempty"`
}

// Granted is what a client may have.
type Granted struct {
	// grantTypes are the grants that the client may use.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	GrantTypes []GrantType `json:"grantTypes,omitempty"`

	// access lists the audiences that tokens may be meant for, each with the scopes granted for it.
	// +optional
	// +listType=map
	// +listMapKey=audience
	// +kubebuilder:validation:MaxItems=16
	Access []Access `json:"access,omitempty"`

	// defaultScopes are what the client gets when it asks for no scope.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	DefaultScopes []string `json:"defaultScopes,omitempty"`

	// signingAlgorithm signs the client's JWTs.
	// +optional
	SigningAlgorithm SigningAlgorithm `json:"signingAlgorithm,omitempty"`

	// tokenFormat is the form of the client's access tokens.
	// +optional
	TokenFormat TokenFormat `json:"tokenFormat,omitempty"`

	// lifetime is how long an access token is good for.
	// +optional
	Lifetime metav1.Duration `json:"lifetime,omitempty"`

	// refreshLifetime is how long a refresh token is good for; it is there where the client may use refresh tokens.
	// +optional
	RefreshLifetime *metav1.Duration `json:"refreshLifetime,omitempty"`

	// credentialMethods are the ways in which the client may prove who it is.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	CredentialMethods []CredentialMethod `json:"credentialMethods,omitempty"`

	// users are the users that may log in, as far as their Secrets allow it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Users []User `json:"users,omitempty"`

	// introspectedAudiences are the audiences whose tokens the client may introspect, beside its own tokens.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	IntrospectedAudiences []string `json:"introspectedAudiences,omitempty"`
}

// Access is an audience with the scopes granted for it.
type Access struct {
	// audience is the API that tokens may be meant for. It is the issuer when spec names no audience.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	Audience string `json:"audience"`

	// scopes are what a token for this audience may carry.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	Scopes []string `json:"scopes,omitempty"`
}

// CredentialsStatus says where a client's credentials are.
type CredentialsStatus struct {
	// secretName is the Secret, in the Integration's namespace, that holds the credentials.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
}
