// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Profile is the token dialect that an Integration's clients speak. It decides wire formats and defaults.
// +kubebuilder:validation:Enum=OAuth2;Shopware;OroCommerce;Magento
type Profile string

const (
	// ProfileOAuth2 is plain OAuth 2 (RFC 6749) with RFC 9068 access tokens.
	ProfileOAuth2 Profile = "OAuth2"
	// ProfileShopware is what clients of the Admin API of Shopware 6 speak.
	ProfileShopware Profile = "Shopware"
	// ProfileOroCommerce is what clients of the API of OroCommerce speak.
	ProfileOroCommerce Profile = "OroCommerce"
	// ProfileMagento is what clients of the REST API of Magento 2 and Adobe Commerce speak. Its Integrations have a token that lasts.
	ProfileMagento Profile = "Magento"
)

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
// +kubebuilder:printcolumn:name="Next Rotation",type=string,priority=1,JSONPath=`.status.credentials.nextRotationTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must have at most 63 characters, as it becomes the value of a label: choose a shorter name"
// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !has(self.spec.credentials) || !has(self.spec.credentials.clientSecretRef) || has(self.spec.secret) && has(self.spec.secret.name) && self.spec.secret.name.size() > 0 || self.spec.credentials.clientSecretRef.name != self.metadata.name",message="spec.credentials.clientSecretRef names the Secret that the operator writes, as spec.secret.name is by default the Integration's name: give one of the two another name"
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
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.size() == 0 || !has(self.grantTypes) || 'client_credentials' in self.grantTypes",message="spec.secret.accessTokens are tokens by the grant client_credentials: add it to spec.grantTypes"
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.all(t, !has(t.scopes) || t.scopes.all(s, has(self.scopes) && s in self.scopes))",message="the scopes of an access token must be among spec.scopes: add the missing one to spec.scopes, or take it out of the token's"
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.all(t, !has(t.audience) || t.audience == \"\" || has(self.audiences) && t.audience in self.audiences)",message="the audience of an access token must be among spec.audiences: add it there, or leave it out for all of them"
// +kubebuilder:validation:XValidation:rule="!has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.size() == 0 || !has(self.token) || !has(self.token.lifetime) || duration(self.token.lifetime) >= duration('5m')",message="access tokens in the Secret need a spec.token.lifetime of at least 5m, as it takes a kubelet up to two minutes to show a new one to a Pod: raise it"
// +kubebuilder:validation:XValidation:rule="!has(self.credentials) || !has(self.credentials.clientSecretRef) || !has(self.secret) || !has(self.secret.name) || self.credentials.clientSecretRef.name != self.secret.name",message="spec.credentials.clientSecretRef names the Secret that spec.secret.name is for: the operator writes that one, so give it another name"
// +kubebuilder:validation:XValidation:rule="!has(self.orocommerce) || has(self.profile) && self.profile == 'OroCommerce'",message="spec.orocommerce is for the profile OroCommerce: take it out, or make a new Integration of that profile"
// +kubebuilder:validation:XValidation:rule="!has(self.magento) || has(self.profile) && self.profile == 'Magento'",message="spec.magento is for the profile Magento: take it out, or make a new Integration of that profile"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || !(self.profile in ['Shopware', 'OroCommerce']) || !has(self.token) || !has(self.token.signingAlgorithm) || self.token.signingAlgorithm == 'RS256'",message="clients of Shopware and OroCommerce know no signature but RS256: set spec.token.signingAlgorithm to that, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile == 'OAuth2' || !has(self.token) || !has(self.token.format) || self.token.format == 'JWT'",message="spec.token.format Opaque is for the profile OAuth2: take it out, as the tokens of the other profiles have their systems' form"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile == 'OAuth2' || !has(self.credentials) || !has(self.credentials.methods) || !('PrivateKeyJWT' in self.credentials.methods)",message="PrivateKeyJWT is for the profile OAuth2: take it out of spec.credentials.methods, and jwks or jwksURI with it"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile != 'OroCommerce' || !has(self.credentials) || !has(self.credentials.methods) || !('None' in self.credentials.methods)",message="each client of OroCommerce has a client secret: take None out of spec.credentials.methods"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || !(self.profile in ['Shopware', 'Magento']) || !has(self.grantTypes) || !('password' in self.grantTypes) || has(self.credentials) && has(self.credentials.methods) && 'None' in self.credentials.methods",message="users of Shopware and Magento log in without a client that proves who it is: add None to spec.credentials.methods, or take password out of spec.grantTypes"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile != 'Magento' || !has(self.grantTypes) || !('refresh_token' in self.grantTypes)",message="Magento knows no refresh tokens: take refresh_token out of spec.grantTypes, and set spec.magento.adminTokenLifetime and customerTokenLifetime to how long logins are to last"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile != 'Magento' || !has(self.token) || !has(self.token.lifetime) && !has(self.token.refreshLifetime)",message="the lifetimes of Magento's tokens are in spec.magento.adminTokenLifetime and customerTokenLifetime: take lifetime and refreshLifetime out of spec.token"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile != 'Magento' || !has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.size() == 0",message="the Secret of the profile Magento has an access token that lasts, under access_token: take spec.secret.accessTokens out"
// +kubebuilder:validation:XValidation:rule="!has(self.orocommerce) || !has(self.orocommerce.guests) || self.orocommerce.guests == 'Denied' || has(self.grantTypes) && 'password' in self.grantTypes",message="guests log in by the grant password: add it to spec.grantTypes, or set spec.orocommerce.guests to Denied"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile != 'OroCommerce' || !has(self.users) || self.users.all(u, has(u.kind) && u.kind == (has(self.orocommerce) && has(self.orocommerce.application) && self.orocommerce.application == 'Storefront' ? 'Customer' : 'Admin'))",message="users of OroCommerce's BackOffice are of kind Admin, and those of its Storefront of kind Customer: correct the kind in spec.users, or spec.orocommerce.application"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile == 'OAuth2' || !has(self.secret) || !has(self.secret.keys) || !has(self.secret.keys.clientID) || [self.secret.keys.clientID, self.secret.keys.clientSecret, self.secret.keys.tokenURL, self.secret.keys.issuer, self.secret.keys.scope, self.secret.keys.audience, self.secret.keys.caCertificate, self.secret.keys.type, self.secret.keys.provider].all(k, !(k in {'Shopware': ['base_url', 'SHOPWARE_ACCESS_KEY_ID', 'SHOPWARE_SECRET_ACCESS_KEY'], 'OroCommerce': ['base_url'], 'Magento': ['base_url', 'consumer_key', 'consumer_secret', 'access_token', 'access_token_secret']}[self.profile]))",message="one of spec.secret.keys is a key that the profile adds to the Secret, as docs/secret.md lists them: give it another name"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile == 'OAuth2' || !has(self.secret) || !has(self.secret.template) || self.secret.template.data.all(k, !(k in {'Shopware': ['base_url', 'SHOPWARE_ACCESS_KEY_ID', 'SHOPWARE_SECRET_ACCESS_KEY'], 'OroCommerce': ['base_url'], 'Magento': ['base_url', 'consumer_key', 'consumer_secret', 'access_token', 'access_token_secret']}[self.profile]))",message="a key of spec.secret.template.data is one that the profile adds to the Secret, as docs/secret.md lists them: give it another name"
// +kubebuilder:validation:XValidation:rule="!has(self.profile) || self.profile == 'OAuth2' || !has(self.secret) || !has(self.secret.accessTokens) || self.secret.accessTokens.all(t, !(t.key in {'Shopware': ['base_url', 'SHOPWARE_ACCESS_KEY_ID', 'SHOPWARE_SECRET_ACCESS_KEY'], 'OroCommerce': ['base_url'], 'Magento': ['base_url', 'consumer_key', 'consumer_secret', 'access_token', 'access_token_secret']}[self.profile]))",message="an access token has a key that the profile adds to the Secret, as docs/secret.md lists them: give it another key"
type IntegrationSpec struct {
	// profile is the token dialect that the clients speak: OAuth2, or what those of Shopware, OroCommerce or Magento were made for. It is
	// immutable, as it decides wire formats and defaults.
	// +optional
	// +kubebuilder:default=OAuth2
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.profile is immutable: make a new Integration for another profile"
	Profile Profile `json:"profile,omitempty"`

	// clientID is the client ID to claim, for a client that already has one. Left out, it is derived as
	// <namespace>.<name>, which survives a lost Secret and a restored cluster; for the profiles but OAuth2, from these two in the form that
	// their systems have. <namespace>.<name> is kept for the namespace it names: claiming another namespace's is a ClientIDConflict. Of two
	// Integrations with one client ID, who derives it beats who claims it, and among claims the older keeps it. It is immutable.
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

	// defaultScopes are what the client gets when it asks for no scope. Left out, that is all of scopes, or none for the profile Shopware,
	// whose clients may only read unless they ask for more; an empty list means none.
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

	// orocommerce is what only the profile OroCommerce has.
	// +optional
	OroCommerce *OroCommerceSpec `json:"orocommerce,omitempty"`

	// magento is what only the profile Magento has.
	// +optional
	Magento *MagentoSpec `json:"magento,omitempty"`

	// secret says what the generated Secret looks like.
	// +optional
	// +kubebuilder:default={}
	Secret SecretSpec `json:"secret,omitempty"`

	// restart makes workloads of the namespace read the Secret again after a rotation, as kubectl rollout restart does. Left out,
	// none is restarted: a Pod that mounts the Secret as files sees a new one by itself, one that has it in its environment does not.
	// +optional
	Restart *RestartSpec `json:"restart,omitempty"`

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

	// signingAlgorithm signs the tokens: ES256, RS256 or EdDSA. Left out, the profile decides: ES256 for OAuth2 and Magento. Clients
	// of Shopware and OroCommerce know nothing but RS256.
	// +optional
	SigningAlgorithm SigningAlgorithm `json:"signingAlgorithm,omitempty"`

	// lifetime is how long an access token is good for, from 1m to 24h. Left out, the profile decides: 10m for OAuth2 and
	// Shopware, 1h for OroCommerce. The profile Magento has spec.magento in its place.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	Lifetime *metav1.Duration `json:"lifetime,omitempty"`

	// refreshLifetime is how long a refresh token is good for, from 1m to 2160h. Each refresh gives out a new one, so that a
	// login lasts as long as it is used. Left out, the profile decides: 168h for OAuth2 and Shopware, 720h for OroCommerce.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('2160h')",message="a refresh lifetime is a duration of hours, minutes and seconds from 1m to 2160h, such as 168h"
	RefreshLifetime *metav1.Duration `json:"refreshLifetime,omitempty"`
}
