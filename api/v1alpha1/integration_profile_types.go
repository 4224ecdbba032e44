// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Permission says whether something is allowed.
// +kubebuilder:validation:Enum=Allowed;Denied
type Permission string

// The permissions.
const (
	PermissionAllowed Permission = "Allowed"
	PermissionDenied  Permission = "Denied"
)

// OroCommerceApplication is one of the two applications of OroCommerce, whose tokens are not interchangeable.
// +kubebuilder:validation:Enum=BackOffice;Storefront
type OroCommerceApplication string

const (
	// OroCommerceBackOffice is the back office, whose users are of kind Admin.
	OroCommerceBackOffice OroCommerceApplication = "BackOffice"
	// OroCommerceStorefront is the storefront, whose users are of kind Customer, or visitors.
	OroCommerceStorefront OroCommerceApplication = "Storefront"
)

// OroCommerceSpec is what only the profile OroCommerce has.
//
// The rule's first terms let an empty block pass, which the API server checks before it fills in the fields' defaults.
//
// +kubebuilder:validation:XValidation:rule="!has(self.guests) || self.guests == 'Denied' || has(self.application) && self.application == 'Storefront'",message="guests are visitors of a storefront: set spec.orocommerce.application to Storefront, or spec.orocommerce.guests to Denied"
type OroCommerceSpec struct {
	// application is the application that tokens are for: BackOffice, where users of kind Admin log in, or Storefront, for users of kind
	// Customer. A token for one is refused by the other.
	// +optional
	// +kubebuilder:default=BackOffice
	Application OroCommerceApplication `json:"application,omitempty"`

	// guests says whether anybody may log in to the storefront as a visitor, by the user name and password guest: Allowed or Denied.
	// +optional
	// +kubebuilder:default=Denied
	Guests Permission `json:"guests,omitempty"`
}

// MagentoSpec is what only the profile Magento has.
type MagentoSpec struct {
	// adminTokenLifetime is how long an access token of a user of kind Admin is good for, from 1m to 24h. Left out, it is 4h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	AdminTokenLifetime *metav1.Duration `json:"adminTokenLifetime,omitempty"`

	// customerTokenLifetime is how long an access token of a user of kind Customer is good for, from 1m to 24h. Left out, it is 1h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="a lifetime is a duration of hours, minutes and seconds from 1m to 24h, such as 10m or 1h30m"
	CustomerTokenLifetime *metav1.Duration `json:"customerTokenLifetime,omitempty"`

	// bearer says whether the access token in the generated Secret, which lasts until the client secret is replaced, counts as a bearer
	// token: Allowed or Denied. Denied, only requests that are signed with it count, which show nothing that could be used again.
	// +optional
	// +kubebuilder:default=Denied
	Bearer Permission `json:"bearer,omitempty"`

	// securityKeys lets users have security keys (WebAuthn) as their second factor. Left out, the token server takes none, and a user
	// who has nothing else cannot log in.
	// +optional
	SecurityKeys *SecurityKeys `json:"securityKeys,omitempty"`
}

// SecurityKeys says for which site users register their security keys.
//
// +kubebuilder:validation:XValidation:rule="self.origins.all(o, !isURL(o) || url(o).getHostname() == self.relyingPartyID || url(o).getHostname().endsWith('.' + self.relyingPartyID))",message="the host of each of spec.magento.securityKeys.origins is relyingPartyID or a subdomain of it, as browsers demand: correct the one that is not"
type SecurityKeys struct {
	// relyingPartyID is the domain that security keys are registered for, such as shop.example. Keys that are registered for one domain are
	// worth nothing for another.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",message="a relyingPartyID is a domain in lower case, such as shop.example, without scheme and port"
	RelyingPartyID string `json:"relyingPartyID"`

	// origins are where users log in: https origins of that domain and its subdomains, such as https://admin.shop.example, or
	// http://localhost for development.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=272
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(https://[a-z0-9]([-.a-z0-9]*[a-z0-9])?|http://localhost)(:[1-9][0-9]{0,4})?$') && !self.matches('^(https.*:443|http:.*:80)$')",message="an origin is https://, a host in lower case and a port where it is not 443, without a path, such as https://admin.shop.example; or http://localhost"
	// +listType=set
	Origins []string `json:"origins"`
}
