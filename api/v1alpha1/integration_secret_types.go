// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SecretSpec says what the generated Secret looks like.
//
// +kubebuilder:validation:XValidation:rule="!has(self.accessTokens) || !has(self.keys) || !has(self.keys.clientID) || self.accessTokens.all(t, !(t.key in [self.keys.clientID, self.keys.clientSecret, self.keys.tokenURL, self.keys.issuer, self.keys.scope, self.keys.audience, self.keys.caCertificate, self.keys.type, self.keys.provider]) && !((t.key + '_expires_at') in [self.keys.clientID, self.keys.clientSecret, self.keys.tokenURL, self.keys.issuer, self.keys.scope, self.keys.audience, self.keys.caCertificate, self.keys.type, self.keys.provider]))",message="an access token would share its key, or that with _expires_at, with one of spec.secret.keys: give it another key"
// +kubebuilder:validation:XValidation:rule="!has(self.accessTokens) || self.accessTokens.all(t, !self.accessTokens.exists(o, o.key == t.key + '_expires_at'))",message="an access token has the key that another one's end is written under: give it another key"
// +kubebuilder:validation:XValidation:rule="!has(self.template) || !has(self.keys) || !has(self.keys.clientID) || self.template.data.all(k, !(k in [self.keys.clientID, self.keys.clientSecret, self.keys.tokenURL, self.keys.issuer, self.keys.scope, self.keys.audience, self.keys.caCertificate, self.keys.type, self.keys.provider]))",message="a key of spec.secret.template.data is one of spec.secret.keys: give it another name"
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

	// template adds keys of one's own making, such as a whole configuration file.
	// +optional
	Template *SecretTemplate `json:"template,omitempty"`

	// accessTokens are access tokens that the operator gets and keeps fresh in the Secret, for a client that knows nothing of
	// OAuth. Each comes under its key, and its end as an RFC 3339 time under the same key with _expires_at appended.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=key
	AccessTokens []AccessTokenSpec `json:"accessTokens,omitempty"`
}

// SecretTemplate adds keys to the generated Secret.
type SecretTemplate struct {
	// data maps keys to templates in the language of Go's text/template, over the values .ClientID, .ClientSecret, .TokenURL, .Issuer,
	// .Scope, .Audience, .CACertificate and, by their keys, .AccessTokens. There are if, with and the functions that docs/secret.md
	// lists, and no loops. What comes out must not be empty.
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && k != '.' && !k.startsWith('..'))",message="a Secret's key is one or more letters, digits, -, _ and ., and neither . nor a name that starts with .."
	Data map[string]TemplateText `json:"data"`
}

// TemplateText is a template.
// +kubebuilder:validation:MaxLength=8192
type TemplateText string

// AccessTokenSpec is an access token in the generated Secret.
type AccessTokenSpec struct {
	// key is the Secret's key that holds the token.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",message="a Secret's key is one or more letters, digits, -, _ and ., and neither . nor a name that starts with .."
	Key string `json:"key"`

	// scopes are what the token may be used for, out of spec.scopes. Left out, they are the default scopes; an empty list means none.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	Scopes *[]string `json:"scopes,omitempty"`

	// audience is the one of spec.audiences that the token is meant for. Left out, it is meant for all of them.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`
}

// RestartSpec says which workloads read the Secret again after a rotation: Deployments, StatefulSets and DaemonSets of the namespace.
type RestartSpec struct {
	// selector chooses the workloads by their labels. Left out, they are those that mount the Secret or have it in their environment.
	// +optional
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) && self.matchLabels.size() > 0 || has(self.matchExpressions) && self.matchExpressions.size() > 0",message="an empty selector would choose every workload of the namespace: name labels, or leave selector out for the workloads that use the Secret"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// batchSize is how many workloads are restarted at a time. The next ones follow when those have come up.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	BatchSize int32 `json:"batchSize,omitempty"`
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
