// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TokenRevocation makes one token invalid before it expires: an access token that was revoked, or what is good for one use, such as a
// client assertion, a one-time code or the nonce of a signed request. The token server writes it, and the leader removes it once the token has expired by itself. Its name is a hash of
// the token's ID, so it gives nothing away.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=trev,categories=integration-operator
// +kubebuilder:printcolumn:name="Integration",type=string,JSONPath=`.spec.integration`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.tokenType`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TokenRevocation struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The Integration owns the revocation.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which token is revoked; it never changes.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a revocation never changes"
	Spec TokenRevocationSpec `json:"spec"`
}

// TokenRevocationList is a list of TokenRevocations.
//
// +kubebuilder:object:root=true
type TokenRevocationList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the TokenRevocations.
	Items []TokenRevocation `json:"items"`
}

// RevokedTokenType is what kind of token is revoked.
// +kubebuilder:validation:Enum=AccessToken;ClientAssertion;OneTimeCode;Nonce
type RevokedTokenType string

// The types of tokens that a TokenRevocation may be about.
const (
	RevokedAccessToken     RevokedTokenType = "AccessToken"
	RevokedClientAssertion RevokedTokenType = "ClientAssertion"
	RevokedOneTimeCode     RevokedTokenType = "OneTimeCode"
	RevokedNonce           RevokedTokenType = "Nonce"
)

// TokenRevocationSpec says which token is revoked. The token is found by the object's name.
type TokenRevocationSpec struct {
	// integration is the name of the Integration whose client the token is of.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Integration string `json:"integration"`

	// tokenType is what kind of token is revoked.
	// +required
	TokenType RevokedTokenType `json:"tokenType"`

	// expiresAt is when the token expires by itself.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`
}
