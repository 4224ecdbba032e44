// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package grants

import (
	"log/slog"
	"net/http"
	"strconv"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/oauth2"
)

// unknownGrant stands for every grant_type that there is not, as what a request says becomes neither a label nor a log line.
const unknownGrant = "unknown"

// resultOK is the result of a request that got a token; all others have their error code.
const resultOK = "ok"

// maxUnknownClientLength bounds what is logged of a client ID that does not exist: enough to recognise one, and of no use to anybody
// should it be a secret, as people mix up the two.
const maxUnknownClientLength = 8

// An exchange is what happened to one request, for the log and the metrics.
type exchange struct {
	request *oauth2.Request
	grant   Grant
	client  *clients.Client
	tokenID string
	reply   []byte
}

// grantType returns the grant_type if there is such a grant.
func (x *exchange) grantType() string {
	if x.grant == nil {
		return unknownGrant
	}
	return x.grant.Type()
}

// logIssue writes the line of a token that went out.
func (h *Handler) logIssue(r *http.Request, x *exchange) {
	h.Log.LogAttrs(r.Context(), slog.LevelInfo, "token issued",
		slog.String("result", resultOK),
		slog.String("grant", x.grantType()),
		slog.String("client", x.client.ID),
		slog.String("integration", x.client.Namespace+"/"+x.client.Name),
		slog.String("token_id", x.tokenID),
		slog.String("remote", r.RemoteAddr),
	)
}

// logRefusal writes the line of a request that got nothing. A description that quotes the request has a cause that does not, and
// then the cause alone is logged.
func (h *Handler) logRefusal(r *http.Request, x *exchange, err *oauth2.Error) {
	level := slog.LevelInfo
	if err.Status() >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("result", err.Code()), slog.Int("status", err.Status()), slog.String("grant", x.grantType()))
	attrs = h.appendClient(attrs, x)
	why := err.Description()
	if cause := err.Unwrap(); cause != nil {
		why = cause.Error()
	}
	attrs = append(attrs, slog.String("cause", why), slog.String("remote", r.RemoteAddr))
	h.Log.LogAttrs(r.Context(), level, "token refused", attrs...)
}

// appendClient appends whom the request says that it comes from: by name if there is such a client, otherwise cut and quoted.
func (h *Handler) appendClient(attrs []slog.Attr, x *exchange) []slog.Attr {
	if x.request == nil || x.request.Credentials.ClientID == "" {
		return attrs
	}
	id := x.request.Credentials.ClientID
	if c, ok := h.Clients.Client(id); ok {
		return append(attrs, slog.String("client", c.ID), slog.String("integration", c.Namespace+"/"+c.Name))
	}
	return append(attrs, slog.String("unknown_client", strconv.QuoteToASCII(id[:min(len(id), maxUnknownClientLength)])))
}
