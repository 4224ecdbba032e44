// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shopware

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/forwardauth"
	"github.com/integration-operator/integration-operator/tokenserver/introspection"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
	"github.com/integration-operator/integration-operator/tokenserver/sessions"
)

// PathIntegrations is where a client finds its own Integration. The resource itself is below it, by its id.
const PathIntegrations = "/api/integration"

// resourceType is the JSON:API type of an Integration.
const resourceType = "integration"

// maxPage bounds the page parameter, beyond which there is nothing anyway.
const maxPage = 1 << 20

// errNotACaller says that a request presents no token of this profile, or of an Integration that the URL does not name.
var errNotACaller = errors.New("there is no token of this profile, or it is that of another Integration than the URL's")

// Resources shows clients their own Integration, read-only, as the vendor's API shows it. Both fields are needed.
//
// A client sees itself and nothing else: whatever other id it asks for does not exist. It is mounted at PathIntegrations and at
// PathIntegrations/{id}, and at both of them below /integrations/{namespace}/{name}, where the caller must be that Integration.
type Resources struct {
	// Checker decides whether tokens count.
	Checker *introspection.Checker
	// Issuer is the issuer URL, which links begin with.
	Issuer string
}

// attributes are what is shown of an Integration.
type attributes struct {
	Label       string   `json:"label"`
	AccessKey   string   `json:"accessKey"`
	WriteAccess bool     `json:"writeAccess"`
	Admin       bool     `json:"admin"`
	Namespace   string   `json:"namespace"`
	Scopes      []string `json:"scopes"`
}

// ServeHTTP shows the caller's Integration.
func (h *Resources) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		writeError(w, r, oauth2.MethodNotAllowed(http.MethodGet), "")
		return
	}
	client, err := h.caller(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	format, ok := negotiate(r.Header["Accept"])
	if !ok {
		write(w, http.StatusNotAcceptable, apiError{Code: codeOther, Detail: new("accept " + mediaTypeJSONAPI + " or " + mediaTypeJSON)})
		return
	}
	base := h.Issuer
	if r.PathValue("namespace") != "" {
		base += "/integrations/" + client.Namespace + "/" + client.Name
	}
	document := documents{id: idOf(client), attributes: attributesOf(client), base: base + PathIntegrations}
	switch r.PathValue("id") {
	case "":
		format.write(w, document.list(format, pageOf(r)))
	case document.id:
		format.write(w, document.one(format))
	default:
		write(w, http.StatusNotFound, apiError{Code: codeNotFound})
	}
}

// caller returns the client whose good token the request presents. Its errors are errNotACaller, and those of the checker.
func (h *Resources) caller(r *http.Request) (*clients.Client, error) {
	presented, err := presented(r.Header)
	if err != nil {
		return nil, err
	}
	if presented == "" {
		return nil, errNotACaller
	}
	token, err := h.Checker.Check(r.Context(), presented)
	if err != nil {
		return nil, err
	}
	client := token.Client
	if client.Profile != clients.ProfileShopware {
		return nil, errNotACaller
	}
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if namespace+name != "" && (namespace != client.Namespace || name != client.Name) {
		return nil, errNotACaller
	}
	return client, nil
}

// refuse answers who is no caller, all of them alike, and who may be one when there is no telling.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNotACaller) || errors.Is(err, forwardauth.ErrMalformed) || errors.Is(err, introspection.ErrInactive) {
		write(w, http.StatusUnauthorized, apiError{Code: codeToken})
		return
	}
	writeError(w, r, oauth2.ErrTemporarilyUnavailable.WithRetryAfter(sessions.RetryAfter), "")
}

// idOf returns the id of an Integration: 32 hex digits, as all ids of the vendor's API are. An Integration that is made anew is another one.
func idOf(c *clients.Client) string {
	digest := sha256.Sum256([]byte(c.UID))
	return hex.EncodeToString(digest[:16])
}

// attributesOf returns what is shown of an Integration.
func attributesOf(c *clients.Client) attributes {
	scopes := []string{}
	for _, access := range c.Access {
		for _, scope := range access.Scopes {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return attributes{
		Label: c.Name, AccessKey: c.ID, Namespace: c.Namespace, Scopes: scopes,
		WriteAccess: slices.Contains(scopes, "write"), Admin: slices.Contains(scopes, "admin"),
	}
}

// pageOf returns the page that a request asks for. There is one page, and clients that read until a page is empty have to come to an end.
func pageOf(r *http.Request) int {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 1
	}
	page, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		return 1
	}
	return min(max(page, 1), maxPage)
}

// documents renders one Integration in both formats.
type documents struct {
	id         string
	attributes attributes
	// base is the URL of the list.
	base string
}

// A resource is an Integration as JSON:API has it.
type resource struct {
	Type          string     `json:"type"`
	ID            string     `json:"id"`
	Attributes    attributes `json:"attributes"`
	Links         links      `json:"links"`
	Relationships struct{}   `json:"relationships"`
}

// A flat is an Integration in plain JSON.
type flat struct {
	ID string `json:"id"`
	attributes
}

// links are those of a single resource.
type links struct {
	Self string `json:"self"`
}

// pages are the links of a list. The next one is null, as there is none.
type pages struct {
	First string  `json:"first"`
	Last  string  `json:"last"`
	Next  *string `json:"next"`
	Self  string  `json:"self"`
}

// total is how many Integrations there are to see.
type total struct {
	Total int `json:"total"`
}

func (d *documents) resource() resource {
	return resource{Type: resourceType, ID: d.id, Attributes: d.attributes, Links: links{Self: d.base + "/" + d.id}}
}

// one renders the resource itself.
func (d *documents) one(f format) any {
	if f == formatJSON {
		return struct {
			total
			Data flat `json:"data"`
		}{total{1}, flat{d.id, d.attributes}}
	}
	return struct {
		Data     resource `json:"data"`
		Included []any    `json:"included"`
		Links    links    `json:"links"`
		Meta     total    `json:"meta"`
	}{d.resource(), []any{}, links{Self: d.base + "/" + d.id}, total{1}}
}

// list renders one page of the list.
func (d *documents) list(f format, page int) any {
	if f == formatJSON {
		return struct {
			total
			Data []flat `json:"data"`
		}{total{1}, onPage(page, flat{d.id, d.attributes})}
	}
	first := d.base + "?page=1"
	return struct {
		Data     []resource `json:"data"`
		Included []any      `json:"included"`
		Links    pages      `json:"links"`
		Meta     total      `json:"meta"`
	}{onPage(page, d.resource()), []any{}, pages{First: first, Last: first, Self: d.base + "?page=" + strconv.Itoa(page)}, total{1}}
}

// onPage returns what a page holds: the only entry is on the first one.
func onPage[T any](page int, entry T) []T {
	if page > 1 {
		return []T{}
	}
	return []T{entry}
}

// write writes a document.
func (f format) write(w http.ResponseWriter, document any) {
	// Marshalling strings, numbers and lists cannot fail.
	body, _ := json.Marshal(document)
	h := w.Header()
	h.Set("Content-Type", string(f))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	// A failed write means that the client has gone, and then there is nobody left to tell.
	_, _ = w.Write(body)
}
