// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TokenSession is a login: one family of refresh tokens, of which one is valid at a time. The token server writes it; people
// read it to see who is logged in, and delete it to end the login. It holds hashes, and nothing to log in with.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=tsess,categories=integration-operator
// +kubebuilder:printcolumn:name="Integration",type=string,JSONPath=`.spec.integration`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.username`
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.userKind`
// +kubebuilder:printcolumn:name="Refreshes",type=integer,JSONPath=`.status.rotations`
// +kubebuilder:printcolumn:name="Last Refresh",type=date,JSONPath=`.status.lastRotationTime`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TokenSession struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The Integration owns the session.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what was decided at the login; it never changes.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a session's spec never changes: delete the TokenSession to end the login"
	Spec TokenSessionSpec `json:"spec"`

	// status is where the login stands; each refresh replaces it. It has no endpoint of its own, so that a refresh is one write.
	// +required
	Status TokenSessionStatus `json:"status"`
}

// TokenSessionList is a list of TokenSessions.
//
// +kubebuilder:object:root=true
type TokenSessionList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the TokenSessions.
	Items []TokenSession `json:"items"`
}

// SessionUserKind is what the user of a login is: one of the kinds of users, or Visitor, of whom spec.users of an Integration knows nothing.
// +kubebuilder:validation:Enum=Admin;Customer;Visitor
type SessionUserKind string

// TokenSessionSpec is what was decided at a login.
type TokenSessionSpec struct {
	// integration is the name of the Integration that the user logged in to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Integration string `json:"integration"`

	// clientID is the client that the user logged in with.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID"`

	// username is the user's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Username string `json:"username"`

	// userKind is what the user is to the API: Admin, Customer, or Visitor for somebody who is nobody in particular.
	// +required
	UserKind SessionUserKind `json:"userKind"`

	// audiences are the APIs that the login is for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=2048
	Audiences []string `json:"audiences,omitempty"`

	// scopes are the most that a refresh may get.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	Scopes []string `json:"scopes,omitempty"`

	// issuedAt is when the user logged in.
	// +required
	IssuedAt metav1.Time `json:"issuedAt"`
}

// TokenSessionStatus is where a login stands.
type TokenSessionStatus struct {
	// expiresAt is when the login ends unless it is refreshed before.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt"`

	// rotations counts the refreshes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rotations int64 `json:"rotations"`

	// lastRotationTime is when the last refresh was.
	// +optional
	LastRotationTime *metav1.MicroTime `json:"lastRotationTime,omitempty"`

	// tokenHash is the SHA-256 of the refresh token that is valid now, in hex.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	TokenHash string `json:"tokenHash"`

	// previousTokenHash is the SHA-256 of the one before, in hex.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	PreviousTokenHash string `json:"previousTokenHash,omitempty"`

	// keyID names the key of the operator's that the valid refresh token and userFingerprint are made with.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID"`

	// userFingerprint tells whether the user's password is still the one of the login, in hex. It is made with a key, and says
	// nothing of the password to anybody who lacks that.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	UserFingerprint string `json:"userFingerprint"`
}
