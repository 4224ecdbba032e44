// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package magento

import (
	"errors"
	"net/http"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/grants"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// login is the name of all logins, as they name no client.
const login = "magento"

// A Dialect is how Magento's clients speak at one of the endpoints for users. The values below are the endpoints.
type Dialect struct {
	// kind is the only kind of users that the endpoint is for; empty for all of them.
	kind string
	// factor is the provider of what users present beside the password, in the field of that name; empty for none.
	factor oauth2.FactorProvider
	field  string
}

// Dialect is one for the pipeline.
var _ grants.Dialect = Dialect{}

// The endpoints. The ones for second factors are for users of both kinds: the others refuse those who have one.
var (
	AdminToken    = Dialect{kind: clients.KindAdmin}
	CustomerToken = Dialect{kind: clients.KindCustomer}
	CodeLogin     = Dialect{factor: oauth2.FactorTOTP, field: fieldCode}
	KeyLogin      = Dialect{factor: oauth2.FactorSecurityKey, field: fieldAnswer}
	// PasswordOnly is for what a name and a password are enough for: challenges.
	PasswordOnly = Dialect{}
)

// errNotAcceptable says that the client takes none of the formats.
var errNotAcceptable = errors.New("the header Accept names no format that there is")

// missingFieldsError is the cause of an invalid_request that lacks fields.
type missingFieldsError []string

// Error says what is wrong.
func (missingFieldsError) Error() string { return "the request lacks fields" }

// Profile returns clients.ProfileMagento.
func (Dialect) Profile() clients.Profile { return clients.ProfileMagento }

// Parse reads a login. An Authorization header is not looked at: clients that lost their token send the old one along.
func (d Dialect) Parse(w http.ResponseWriter, r *http.Request) (*oauth2.Request, *oauth2.Error) {
	if _, ok := negotiate(r.Header["Accept"]); !ok {
		return nil, oauth2.ErrInvalidRequest.WithStatus(http.StatusNotAcceptable).WithCause(errNotAcceptable).
			WithDescription("accept application/json or application/xml")
	}
	read, err := readFields(w, r)
	if err != nil {
		return nil, err
	}
	var missing missingFieldsError
	for _, name := range []string{fieldUsername, fieldPassword, d.field} {
		if name != "" && read[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, oauth2.ErrInvalidRequest.WithCause(missing).WithDescription("a field is missing")
	}
	request := &oauth2.Request{
		GrantType: "password", Username: read[fieldUsername], Password: oauth2.Secret(read[fieldPassword]), UserKind: d.kind,
		Credentials: oauth2.Credentials{Method: oauth2.MethodVirtual, ClientID: login},
	}
	if d.factor != "" {
		request.SecondFactor = oauth2.SecondFactor{Provider: d.factor, Value: oauth2.Secret(read[d.field])}
	}
	return request, nil
}
