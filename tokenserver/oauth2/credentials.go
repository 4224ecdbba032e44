// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

var errNotUTF8 = errors.New("not valid UTF-8")

func checkUTF8(s string) error {
	if !utf8.ValidString(s) {
		return errNotUTF8
	}
	return nil
}

// assertionTypeJWT is the client_assertion_type of RFC 7523 section 2.2, the only one that this server takes.
const assertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const moreThanOneWay = "the request uses more than one way to authenticate: use one"

// credentialsOf returns the credentials in the header or in the body. A request must not use two ways (RFC 6749 section 2.3); the
// error is invalid_request, but invalid_client if one of them is an assertion (RFC 7521 section 4.2.1).
func credentialsOf(r *http.Request, p *parameters) (Credentials, *Error) {
	header, found, err := basicCredentials(r)
	switch {
	case err != nil:
		return Credentials{}, err
	case p.assertion != "" || p.assertionType != "":
		return assertionCredentials(p, found)
	case found && p.clientSecret != "":
		return Credentials{}, ErrInvalidRequest.WithDescription(moreThanOneWay)
	case found && p.clientID != "" && p.clientID != header.ClientID:
		return Credentials{}, ErrInvalidRequest.WithDescription("client_id is not the client of the Authorization header")
	case found:
		return header, nil
	case p.clientSecret != "" && p.clientID == "":
		return Credentials{}, ErrInvalidClient.WithDescription("client_secret is there without client_id: send both")
	case p.clientSecret == "":
		return Credentials{Method: MethodNone, ClientID: p.clientID}, nil
	default:
		return Credentials{Method: MethodPost, ClientID: p.clientID, Secret: Secret(p.clientSecret)}, nil
	}
}

// assertionCredentials returns the credentials of a request with a client assertion (RFC 7521 section 4.2).
func assertionCredentials(p *parameters, header bool) (Credentials, *Error) {
	switch {
	case header || p.clientSecret != "":
		return Credentials{}, ErrInvalidClient.WithDescription(moreThanOneWay)
	case p.assertion == "":
		return Credentials{}, ErrInvalidClient.WithDescription("client_assertion_type is there without client_assertion: send both")
	case p.assertionType != assertionTypeJWT:
		return Credentials{}, ErrInvalidClient.WithDescription("send client_assertion with the client_assertion_type " + assertionTypeJWT)
	default:
		return Credentials{Method: MethodPrivateKeyJWT, ClientID: p.clientID, Assertion: Secret(p.assertion)}, nil
	}
}

// basicCredentials returns the credentials of the Authorization header; false if there is none.
func basicCredentials(r *http.Request) (Credentials, bool, *Error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return Credentials{}, false, nil
	}
	if len(headers) > 1 {
		return Credentials{}, false, ErrInvalidClient.WithDescription("there is more than one Authorization header")
	}
	scheme, encoded, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return Credentials{}, false, ErrInvalidClient.WithDescription("the Authorization header must use the scheme Basic")
	}
	id, secret, ok := decodeBasic(strings.TrimLeft(encoded, " "))
	if !ok {
		return Credentials{}, false, ErrInvalidClient.WithDescription(
			"the Authorization header must hold base64 of client_id:client_secret, each form-encoded first (RFC 6749 2.3.1)")
	}
	return Credentials{Method: MethodBasic, ClientID: id, Secret: Secret(secret)}, true, nil
}

// decodeBasic undoes the encodings of RFC 6749 section 2.3.1: base64 around two form-encoded halves.
func decodeBasic(encoded string) (id, secret string, ok bool) {
	if len(encoded) > base64.StdEncoding.EncodedLen(3*(maxClientIDLength+maxSecretLength)+1) {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	rawID, rawSecret, found := strings.Cut(string(decoded), ":")
	if !found {
		return "", "", false
	}
	id, idErr := formDecode(rawID)
	secret, secretErr := formDecode(rawSecret)
	if idErr != nil || secretErr != nil || checkUTF8(id) != nil || checkUTF8(secret) != nil {
		return "", "", false
	}
	if id == "" || len(id) > maxClientIDLength || len(secret) > maxSecretLength || hasControl(id) || hasControl(secret) {
		return "", "", false
	}
	return id, secret, true
}
