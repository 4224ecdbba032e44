// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IntegrationPolicy says what the Integrations of some namespaces may have. An Integration gets the union of what all policies for its
// namespace allow, and nothing else: without a policy it gets nothing.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=intgpol,categories=integration-operator
// +kubebuilder:printcolumn:name="Scopes",type=string,JSONPath=`.spec.allow.scopes`
// +kubebuilder:printcolumn:name="Audiences",type=string,JSONPath=`.spec.allow.audiences`
// +kubebuilder:printcolumn:name="Max Lifetime",type=string,JSONPath=`.spec.allow.maxTokenLifetime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IntegrationPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is allowed, and to whom.
	// +required
	Spec IntegrationPolicySpec `json:"spec"`
}

// IntegrationPolicyList is a list of IntegrationPolicies.
//
// +kubebuilder:object:root=true
type IntegrationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the IntegrationPolicies.
	Items []IntegrationPolicy `json:"items"`
}

// IntegrationPolicySpec is what is allowed, and to whom.
type IntegrationPolicySpec struct {
	// namespaceSelector selects the namespaces that the policy is for by their labels. An empty one, {}, selects all of them; one with a
	// key or value that no label can have selects none.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])",message="the operator of a selector's expression is In, NotIn, Exists or DoesNotExist"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && e.values.size() > 0))",message="the operators In and NotIn need values, and Exists and DoesNotExist have none"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.key.size() > 0 && e.key.size() <= 317 && (!has(e.values) || e.values.size() <= 256))",message="an expression has a key of 1 to 317 characters and at most 256 values"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || self.matchLabels.all(k, !format.qualifiedName().validate(k).hasValue())",message="a label's key is a name of at most 63 letters, digits, -, _ and ., such as team, or a domain, a slash and a name, such as example.com/team"
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`

	// allow is what the Integrations of those namespaces may have. What is left out is not allowed.
	// +optional
	Allow Allowance `json:"allow,omitempty"`
}

// Pattern allows the values that it matches: * stands for any run of characters, also an empty one, and everything else for itself.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="a pattern is printable ASCII without spaces, such as orders.*: write several patterns as several list items"
type Pattern string

// Allowance is what Integrations may have. A list that is left out allows nothing of its kind.
type Allowance struct {
	// profiles are the token dialects. The rest of a policy counts only for Integrations with a profile that it allows.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	Profiles []Profile `json:"profiles,omitempty"`

	// grantTypes are the OAuth 2 grants.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	GrantTypes []GrantType `json:"grantTypes,omitempty"`

	// scopes are patterns of scopes, such as orders.*. A scope is granted for an audience if one and the same policy allows both.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	Scopes []Pattern `json:"scopes,omitempty"`

	// audiences are patterns of the audiences that tokens may be meant for, such as https://*.shop.example. The tokens of an Integration that
	// names none are meant for the issuer's URL.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	Audiences []Pattern `json:"audiences,omitempty"`

	// resourceServerAudiences are patterns of the audiences whose tokens an API may introspect: those of spec.resourceServer.audiences.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	ResourceServerAudiences []Pattern `json:"resourceServerAudiences,omitempty"`

	// credentialMethods are the ways in which clients may prove who they are.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	CredentialMethods []CredentialMethod `json:"credentialMethods,omitempty"`

	// clientIDs are patterns of the client IDs that may be claimed by spec.clientID. The derived one needs no permission.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	ClientIDs []Pattern `json:"clientIDs,omitempty"`

	// maxTokenLifetime is how long access tokens may live, from 1m to 24h. Left out, this policy adds nothing to what others say; if none
	// says anything, there are no tokens.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	MaxTokenLifetime *metav1.Duration `json:"maxTokenLifetime,omitempty"`

	// maxRefreshLifetime is how long refresh tokens may live, from 1m to 2160h. Left out, this policy adds nothing to what others say; if
	// none says anything, there are no refresh tokens.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('2160h')",message="a refresh lifetime is a duration of hours, minutes and seconds from 1m to 2160h, such as 168h"
	MaxRefreshLifetime *metav1.Duration `json:"maxRefreshLifetime,omitempty"`

	// accessTokenDelivery lets Integrations have access tokens in their Secrets, by spec.secret.accessTokens.
	// +optional
	AccessTokenDelivery bool `json:"accessTokenDelivery,omitempty"`
}
