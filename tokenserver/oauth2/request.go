// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oauth2

import (
	"bytes"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Bounds of a request. The lengths leave room for the most that the Integration schema lets a client have.
const (
	// MaxBodyBytes is the most that a body may have.
	MaxBodyBytes = 64 << 10
	// usualBodyBytes is enough for nearly every request.
	usualBodyBytes = 2 << 10
	// MaxScopes and MaxScopeLength bound the scope parameter.
	MaxScopes      = 256
	MaxScopeLength = 128
	// MaxUsernameLength bounds a user's name.
	MaxUsernameLength = 253
	// MaxTokenLength bounds the token parameter, and leaves room for the rest of a body.
	MaxTokenLength = 60 << 10
	// MaxAssertionLength bounds a client assertion.
	MaxAssertionLength = 16 << 10

	maxResources          = 16
	maxResourceLength     = 512
	maxClientIDLength     = 253
	maxSecretLength       = 1024
	maxRefreshTokenLength = 4096
	maxGrantTypeLength    = 256
	maxTypeLength         = 256
	maxNameLength         = 128
	maxParameters         = 64
)

// A Method is how a client presents its credentials, as RFC 8414 section 2 names it.
type Method string

// The client authentication methods.
const (
	// MethodNone presents no credentials, at most a client_id.
	MethodNone Method = "none"
	// MethodBasic is client_secret_basic: HTTP Basic as in RFC 6749 section 2.3.1.
	MethodBasic Method = "client_secret_basic"
	// MethodPost is client_secret_post: client_id and client_secret in the body.
	MethodPost Method = "client_secret_post"
	// MethodPrivateKeyJWT is private_key_jwt: a signed assertion in the body (RFC 7523 section 2.2).
	MethodPrivateKeyJWT Method = "private_key_jwt"
	// MethodVirtual names no client of its own, as the logins of some profiles do: the URL says which Integration is meant.
	MethodVirtual Method = "virtual"
)

const redacted = "[redacted]"

// A Secret is a secret that a client presented. It prints and logs as a placeholder, so that it cannot leak by accident.
type Secret string

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Credentials are what a client presents to authenticate.
type Credentials struct {
	Method Method
	// ClientID is the client ID as presented. With MethodPrivateKeyJWT it is empty unless the body had it. With MethodVirtual it is the name
	// that all such logins go by, if they have one.
	ClientID string
	// Secret is the client secret; empty with MethodNone and MethodPrivateKeyJWT.
	Secret Secret
	// Assertion is the JWT of MethodPrivateKeyJWT, otherwise empty.
	Assertion Secret
}

// A Request is a token request that has been parsed. Nothing in it is proven: who reads Credentials has yet to check them.
type Request struct {
	// GrantType is the grant_type parameter, never empty.
	GrantType string
	// Scope is the scope parameter as sent; empty if there was none.
	Scope string
	// Resources are the resource parameters (RFC 8707).
	Resources []string
	// Username and Password are those of the grant password (RFC 6749 section 4.3.2).
	Username string
	Password Secret
	// RefreshToken is that of the grant refresh_token (RFC 6749 section 6).
	RefreshToken Secret
	// UserKind is the only kind of users that may log in by the request; empty for any. A profile's route may say so.
	UserKind string
	// SecondFactor is what the user presents beside the password.
	SecondFactor SecondFactor
	// Credentials are what the client presented.
	Credentials Credentials
}

// A SecondFactor is what a user presents beside the password: nothing, or a value for one of the providers.
type SecondFactor struct {
	Provider FactorProvider
	Value    Secret
}

// A FactorProvider checks a second factor. The empty one is for logins without.
type FactorProvider string

// The providers.
const (
	// FactorTOTP is a one-time code (RFC 6238).
	FactorTOTP FactorProvider = "totp"
	// FactorSecurityKey is the answer of a security key (WebAuthn section 7.2), as JSON.
	FactorSecurityKey FactorProvider = "security_key"
)

// A TokenQuery is an introspection request (RFC 7662 section 2.1) or a revocation request (RFC 7009 section 2.1) that has been
// parsed. Nothing in it is proven.
type TokenQuery struct {
	// Token is the token that the request is about, never empty.
	Token Secret
	// TypeHint is the token_type_hint parameter as sent.
	TypeHint string
	// Credentials are what the caller presented.
	Credentials Credentials
}

// ParseRequest reads a token request: a POST without query string, with a body of parameters as a form or as one JSON object,
// and credentials in the Authorization header or in the body. It returns the error to write if the request is anything else.
// An empty value counts as left out (RFC 6749 section 3.2). No value may hold control characters, a password neither.
func ParseRequest(w http.ResponseWriter, r *http.Request) (*Request, *Error) {
	var p parameters
	credentials, err := parse(w, r, &p)
	if err != nil {
		return nil, err
	}
	if p.grantType == "" {
		return nil, ErrInvalidRequest.WithDescription("the parameter grant_type is missing")
	}
	return &Request{
		GrantType: p.grantType, Scope: p.scope, Resources: p.resources,
		Username: p.username, Password: Secret(p.password), RefreshToken: Secret(p.refreshToken), Credentials: credentials,
	}, nil
}

// ParseTokenQuery reads a request about a token, for introspection (RFC 7662 section 2.1) and revocation (RFC 7009 section 2.1), as
// strictly as ParseRequest reads a token request.
func ParseTokenQuery(w http.ResponseWriter, r *http.Request) (*TokenQuery, *Error) {
	var p parameters
	credentials, err := parse(w, r, &p)
	if err != nil {
		return nil, err
	}
	if p.token == "" {
		return nil, ErrInvalidRequest.WithDescription("the parameter token is missing")
	}
	return &TokenQuery{Token: Secret(p.token), TypeHint: p.tokenTypeHint, Credentials: credentials}, nil
}

// parse reads the parameters of a request into p, and returns the credentials.
func parse(w http.ResponseWriter, r *http.Request, p *parameters) (Credentials, *Error) {
	// RFC 6749 section 3.2: POST only. What arrives in a URL ends up in logs on the way, so nothing is read from there.
	if r.Method != http.MethodPost {
		return Credentials{}, MethodNotAllowed(http.MethodPost)
	}
	if r.URL.RawQuery != "" {
		return Credentials{}, ErrInvalidRequest.WithDescription("send parameters in the body: the URL must have no query string")
	}
	parseBody, err := bodyParser(r)
	if err != nil {
		return Credentials{}, err
	}
	body, err := readBody(w, r)
	if err != nil {
		return Credentials{}, err
	}
	if !utf8.ValidString(body) {
		return Credentials{}, ErrInvalidRequest.WithDescription("the body is not valid UTF-8")
	}
	if err := parseBody(body, p); err != nil {
		return Credentials{}, err
	}
	return credentialsOf(r, p)
}

// bodyParser chooses the parser by the content type.
func bodyParser(r *http.Request) (func(string, *parameters) *Error, *Error) {
	mediaType, err := mediaTypeOf(r)
	switch {
	case err != nil:
		return nil, err
	case mediaType == mediaTypeForm:
		return parseForm, nil
	default:
		return parseJSON, nil
	}
}

// The media types of bodies.
const (
	mediaTypeForm = "application/x-www-form-urlencoded"
	mediaTypeJSON = "application/json"
)

// mediaTypeOf returns the media type of a body: mediaTypeForm or mediaTypeJSON, or an error if it is neither.
func mediaTypeOf(r *http.Request) (string, *Error) {
	unsupported := func() *Error {
		return ErrInvalidRequest.WithDescription("send Content-Type " + mediaTypeForm + " or " + mediaTypeJSON + ", in UTF-8")
	}
	values := r.Header["Content-Type"]
	if len(values) != 1 {
		return "", unsupported()
	}
	mediaType := values[0]
	if mediaType != mediaTypeForm && mediaType != mediaTypeJSON {
		parsed, params, err := mime.ParseMediaType(mediaType)
		if err != nil {
			return "", unsupported()
		}
		if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			return "", unsupported()
		}
		mediaType = parsed
	}
	if mediaType != mediaTypeForm && mediaType != mediaTypeJSON {
		return "", unsupported()
	}
	return mediaType, nil
}

// readBody reads the body up to MaxBodyBytes.
func readBody(w http.ResponseWriter, r *http.Request) (string, *Error) {
	// Room for the declared length of a usual request and for the read that meets the end. What is larger has to arrive before it takes
	// memory, as anybody can declare any length and send nothing.
	size := min(max(r.ContentLength, 0), usualBodyBytes) + bytes.MinRead
	buf := bytes.NewBuffer(make([]byte, 0, size))
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBodyBytes)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return "", ErrInvalidRequest.WithStatus(http.StatusRequestEntityTooLarge).
				WithDescription("the body is larger than 64 KiB")
		}
		return "", ErrInvalidRequest.WithDescription("the body could not be read").WithCause(err)
	}
	return buf.String(), nil
}
