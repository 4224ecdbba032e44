// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

// The paths of the endpoints, without what stands before V1.
const (
	PathAdminToken        = "/V1/integration/admin/token"
	PathCustomerToken     = "/V1/integration/customer/token"
	PathRevokeCustomer    = "/V1/integration/customer/revoke-customer-token"
	PathCodeLogin         = "/V1/tfa/provider/google/authenticate"
	PathKeyChallenge      = "/V1/tfa/provider/u2fkey/authentication-challenge"
	PathKeyLogin          = "/V1/tfa/provider/u2fkey/verify"
	PathBeginRegistration = "/V1/tfa/provider/u2fkey/configure"
	PathRegistration      = "/V1/tfa/provider/u2fkey/activate"
)

// Paths returns where a path is served: for no store in particular and for any, with or without the file name that some servers show.
func Paths(path string) []string {
	return []string{
		"/rest" + path, "/rest/{store}" + path, "/index.php/rest" + path, "/index.php/rest/{store}" + path,
	}
}
