// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clientauth"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
)

// The paths below the issuer URL.
const (
	PathToken               = "/oauth2/token"
	PathIntrospection       = "/oauth2/introspect"
	PathRevocation          = "/oauth2/revoke"
	PathVerify              = "/verify"
	PathJWKS                = "/oauth2/jwks"
	PathAuthorizationServer = "/.well-known/oauth-authorization-server"
	PathOpenIDConfiguration = "/.well-known/openid-configuration"
)

// Keys has the signing keys.
type Keys interface {
	// Keys returns the current keys, never nil.
	Keys() *signer.Set
}

// JWKS serves the published keys as a JSON Web Key Set (RFC 7517 section 5).
type JWKS struct {
	// Keys has the keys.
	Keys Keys
	// MaxAge is how long a verifier may cache them.
	MaxAge time.Duration
}

// ServeHTTP serves the keys.
func (j *JWKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, etag := j.Keys.Keys().JWKS()
	serve(w, r, "application/jwk-set+json", body, etag, j.MaxAge)
}

// A Document serves one metadata document.
type Document struct {
	body   []byte
	etag   string
	maxAge time.Duration
}

// metadata is the authorization server metadata of RFC 8414 section 2. There is no authorization endpoint, and so there are no
// response types; the list is required nevertheless.
type metadata struct {
	Issuer                string   `json:"issuer"`
	TokenEndpoint         string   `json:"token_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenEndpointAuth     []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAlgs     []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs     []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgs        []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgs    []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

// AuthorizationServer returns the document of RFC 8414 for an issuer URL without trailing slash, and the grants that work.
func AuthorizationServer(issuer string, grantTypes []string, maxAge time.Duration) *Document {
	return render(metadataOf(issuer, grantTypes), maxAge)
}

// OpenIDConfiguration returns the document of OpenID Connect Discovery section 3. This server issues no ID tokens; but the
// verifiers that start here take the algorithms of access tokens from the field for those of ID tokens, and all of those that
// this server can sign with are listed, as a client may be switched from one to another at any time.
func OpenIDConfiguration(issuer string, grantTypes []string, maxAge time.Duration) *Document {
	m := metadataOf(issuer, grantTypes)
	m.SubjectTypes = []string{"public"}
	m.IDTokenSigningAlgs = []string{"ES256", "RS256", "EdDSA"}
	return render(m, maxAge)
}

func metadataOf(issuer string, grantTypes []string) metadata {
	proven := []string{string(oauth2.MethodBasic), string(oauth2.MethodPost), string(oauth2.MethodPrivateKeyJWT)}
	// A public client gets and ends its users' tokens, and may not ask about tokens.
	everybody := append(slices.Clone(proven), string(oauth2.MethodNone))
	return metadata{
		Issuer:                issuer,
		TokenEndpoint:         issuer + PathToken,
		IntrospectionEndpoint: issuer + PathIntrospection,
		RevocationEndpoint:    issuer + PathRevocation,
		JWKSURI:               issuer + PathJWKS,
		GrantTypes:            grantTypes,
		TokenEndpointAuth:     everybody, IntrospectionAuth: proven, RevocationAuth: everybody,
		TokenEndpointAlgs: clientauth.Algorithms(), IntrospectionAlgs: clientauth.Algorithms(), RevocationAlgs: clientauth.Algorithms(),
		ResponseTypes: []string{},
	}
}

// render writes a document out once, so that serving it costs nothing.
func render(m metadata, maxAge time.Duration) *Document {
	// Marshalling strings cannot fail.
	body, _ := json.Marshal(m)
	sum := sha256.Sum256(body)
	return &Document{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, maxAge: maxAge}
}

// ServeHTTP serves the document.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve(w, r, "application/json", d.body, d.etag, d.maxAge)
}

// serve writes a public document, or 304 to a client that has it already (RFC 9110 section 13.1.2).
func serve(w http.ResponseWriter, r *http.Request, contentType string, body []byte, etag string, maxAge time.Duration) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		oauth2.WriteError(w, oauth2.MethodNotAllowed("GET, HEAD"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(maxAge/time.Second), 10))
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
