// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clientauth

import (
	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// Describe notes in an event who sent the request and how it failed, as far as it came: the caller, otherwise whom its credentials claim to
// be, and the error. Any of them may be nil. A description that quotes the request has a cause that does not, and then the cause alone
// is noted.
func (a *Authenticator) Describe(e *audit.Event, caller *Caller, claimed *oauth2.Credentials, err *oauth2.Error) {
	if err != nil {
		e.Result, e.Status, e.Cause = err.Code(), err.Status(), err.Description()
		if cause := err.Unwrap(); cause != nil {
			e.Cause = cause.Error()
		}
	}
	switch {
	case caller != nil:
		e.Client, e.Integration = caller.client.ID, caller.client.Namespace+"/"+caller.client.Name
		if caller.previous {
			e.Credential = audit.PreviousSecret
		}
	case claimed != nil:
		a.name(e, *claimed)
	}
}

// name notes whom credentials that were refused claim to be: by name if there is such a client.
func (a *Authenticator) name(e *audit.Event, c oauth2.Credentials) {
	id := c.ClientID
	if id == "" && c.Method == oauth2.MethodPrivateKeyJWT {
		if x, err := decode(c.Assertion.Reveal()); err == nil {
			id = x.claims.Subject
		}
	}
	if client, ok := a.Clients.Client(id); ok {
		e.Client, e.Integration = client.ID, client.Namespace+"/"+client.Name
		return
	}
	e.UnknownClient = id
}
