// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IntegrationStatus is what the operator made of an Integration's spec.
type IntegrationStatus struct {
	// observedGeneration is the generation of spec that this status speaks of; -1 before the first pass.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Reconciling, Stalled, Permitted and CredentialsReady. Ready is True when the client can get a token now.
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

	// credentials says where the client's credentials are, and how they rotate.
	// +optional
	Credentials *CredentialsStatus `json:"credentials,omitempty"`

	// accessTokens says until when the access tokens in the Secret are good.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=8
	AccessTokens []AccessTokenStatus `json:"accessTokens,omitempty"`

	// restart says which workloads were restarted after the latest rotation.
	// +optional
	Restart *RestartStatus `json:"restart,omitempty"`

	// binding names the Secret that a ServiceBinding may project into a workload (servicebinding.io, Provisioned Service).
	// +optional
	Binding *Binding `json:"binding,omitempty"`
}

// Endpoints are the URLs of the token server.
type Endpoints struct {
	// issuer identifies the token server; its metadata is found below it (RFC 8414).
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Issuer string `json:"issuer,omitempty"`

	// base is the base URL of the Integration, which software of the profile's system takes for that system's. It is there for the profiles
	// but OAuth2. Logins below it are logins to this Integration, also where they name no client.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Base string `json:"base,omitempty"`

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
	// profile is the token dialect that the client speaks.
	// +optional
	Profile Profile `json:"profile,omitempty"`

	// application is which of OroCommerce's applications tokens are for: those for one are none for the other.
	// +optional
	Application OroCommerceApplication `json:"application,omitempty"`

	// guests says that visitors may log in to an OroCommerce storefront.
	// +optional
	Guests bool `json:"guests,omitempty"`

	// bearer says that Magento's lasting token counts as a bearer token; otherwise only requests that are signed with it do.
	// +optional
	Bearer bool `json:"bearer,omitempty"`

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

	// lifetime is how long an access token is good for; with userLifetimes, the longest of them.
	// +optional
	Lifetime metav1.Duration `json:"lifetime,omitempty"`

	// userLifetimes are how long access tokens of users are good for, where that goes by the users' kinds as in Magento.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=8
	UserLifetimes []UserLifetime `json:"userLifetimes,omitempty"`

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

	// accessTokenDelivery says that the operator may put access tokens into the client's Secret.
	// +optional
	AccessTokenDelivery bool `json:"accessTokenDelivery,omitempty"`
}

// UserLifetime is how long access tokens of a kind of users are good for.
type UserLifetime struct {
	// kind is the kind of users.
	// +required
	Kind UserKind `json:"kind"`

	// lifetime is how long their access tokens are good for.
	// +required
	Lifetime metav1.Duration `json:"lifetime"`
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

// CredentialsStatus says where a client's credentials are, and how they rotate.
type CredentialsStatus struct {
	// secretName is the Secret, in the Integration's namespace, that holds the credentials.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// lastRotationTime is when the client secret last took the place of another; it is absent while it is the first.
	// +optional
	LastRotationTime *metav1.Time `json:"lastRotationTime,omitempty"`

	// nextRotationTime is when the client secret is to be rotated next; it is absent where neither spec.credentials.rotation.interval nor
	// a requestedAt in the future says so.
	// +optional
	NextRotationTime *metav1.Time `json:"nextRotationTime,omitempty"`

	// previous is there while the client secret from before the last rotation is still accepted.
	// +optional
	Previous *PreviousSecret `json:"previous,omitempty"`
}

// PreviousSecret is the client secret from before the last rotation.
type PreviousSecret struct {
	// expiresAt is when it is accepted no longer, even if it is still used.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`

	// lastUsedTime is when it was last used, to within a minute; it is absent if nobody has used it since the rotation.
	// +optional
	LastUsedTime *metav1.Time `json:"lastUsedTime,omitempty"`
}

// AccessTokenStatus is an access token in the generated Secret.
type AccessTokenStatus struct {
	// key is the Secret's key that holds the token.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`

	// expiresAt is when the token ends. A new one takes its place well before.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}

// RestartStatus says how far the restarts after a rotation have come.
type RestartStatus struct {
	// rotationTime is the rotation that they are about.
	// +required
	RotationTime metav1.Time `json:"rotationTime"`

	// workloads are those that have been restarted, or are about to be.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Workloads []RestartedWorkload `json:"workloads,omitempty"`

	// completionTime is when the last one had come up, or was given up. After that there are no more restarts before the next rotation.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// RestartedWorkload is a workload that is restarted after a rotation.
type RestartedWorkload struct {
	// kind is Deployment, StatefulSet or DaemonSet.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// name is the workload's name.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// generation is the workload's metadata.generation before the restart, by which an interrupted restart is told from one that happened;
	// 0 if the API server refused the change.
	// +required
	Generation int64 `json:"generation"`
}

// Binding names a Secret for servicebinding.io.
type Binding struct {
	// name is the Secret's name.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}
