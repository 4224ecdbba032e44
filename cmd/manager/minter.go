// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers"
	"github.com/integration-operator/integration-operator/tokenserver"
	"github.com/integration-operator/integration-operator/tokenserver/audit"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/kubestore"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
	"github.com/integration-operator/integration-operator/tokenserver/signer"
	"github.com/integration-operator/integration-operator/tokenserver/tokens"
)

// grantDelivery is what the audit log calls the grant of a token that the leader puts into a Secret.
const grantDelivery = "delivery"

// errOthersToken says that a token is none that the minter made for the Integration.
var errOthersToken = errors.New("the token is for somebody else")

// tokenKeys are the token server's keys as they are now, and whether all that there are have been seen. A kubestore.Store has them.
type tokenKeys interface {
	Keys() *signer.Set
	SealingKeys() *sealing.Set
	Synced() bool
}

// A minter makes the tokens of spec.secret.accessTokens with the token server's own keys and by its rules.
type minter struct {
	issuer string
	keys   tokenKeys
	audit  *audit.Recorder
	now    func() time.Time
}

// MintToken implements controllers.TokenMinter.
func (m *minter) MintToken(ctx context.Context, intg *v1alpha1.Integration, ask v1alpha1.AccessTokenSpec) (controllers.MintedToken, error) {
	key := intg.Namespace + "/" + intg.Name
	c, ok := kubestore.ClientOf(intg)
	if !ok || !c.MayUse(string(v1alpha1.GrantTypeClientCredentials)) {
		return controllers.MintedToken{}, fmt.Errorf("mint token %s of Integration %s: it is granted none", ask.Key, key)
	}
	access, scopes, err := choose(c.Policy(), ask)
	if err != nil {
		return controllers.MintedToken{}, fmt.Errorf("mint token %s of Integration %s: %w", ask.Key, key, err)
	}
	minted := controllers.MintedToken{Scopes: scopes, Opaque: c.Opaque}
	for _, a := range access {
		minted.Audiences = append(minted.Audiences, a.Audience)
	}
	issuer := &tokens.Issuer{
		URL: m.issuer, Keys: m.keys.Keys(), Sealing: m.keys.SealingKeys(), Shape: tokenserver.Shape(c.Profile), Now: m.now,
	}
	token, err := issuer.AccessToken(tokens.Terms{
		Client: c, Subject: tokens.SubjectOf(c, nil), Audience: minted.Audiences, Scope: strings.Join(scopes, " "),
	})
	switch {
	case errors.Is(err, tokens.ErrNoActiveKey):
		return controllers.MintedToken{}, controllers.ErrNoTokenKey
	case err != nil:
		return controllers.MintedToken{}, fmt.Errorf("mint token %s of Integration %s: %w", ask.Key, key, err)
	}
	m.audit.Record(ctx, audit.Event{
		Action: audit.Issue, Result: audit.ResultOK, Status: http.StatusOK, Grant: grantDelivery,
		Client: c.ID, Integration: key, TokenID: token.ID,
	})
	minted.Token, minted.IssuedAt, minted.ExpiresAt = []byte(token.Token), token.IssuedAt, token.ExpiresAt
	return minted, nil
}

// InspectToken implements controllers.TokenMinter. It returns controllers.ErrNoTokenKey while no keys are known that could tell whether the
// token is good, as in a leader that has just started; a token of an unknown key is useless only once the others are there.
func (m *minter) InspectToken(_ context.Context, intg *v1alpha1.Integration, token []byte) (controllers.MintedToken, error) {
	// Asked first: the keys that are read after that are all there are.
	synced := m.keys.Synced()
	verifier := &tokens.Verifier{Issuer: m.issuer, Keys: m.keys.Keys(), Sealing: m.keys.SealingKeys(), Now: m.now}
	complete := synced && len(verifier.Keys.Algorithms()) > 0
	claims, err := verifier.AccessToken(string(token))
	switch {
	case errors.Is(err, tokens.ErrInvalidToken) && !complete:
		return controllers.MintedToken{}, controllers.ErrNoTokenKey
	case err != nil:
		return controllers.MintedToken{}, err
	}
	if claims.ClientID != intg.Status.ClientID || claims.Integration.UID != string(intg.UID) || claims.Integration.Username != "" {
		return controllers.MintedToken{}, errOthersToken
	}
	return controllers.MintedToken{
		Token: token, Scopes: strings.Fields(claims.Scope), Audiences: claims.Audience,
		Opaque:   tokens.IsOpaque(string(token)),
		IssuedAt: time.Unix(claims.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(claims.ExpiresAt, 0).UTC(),
	}, nil
}

// choose narrows what a client may have to what a token is asked to carry.
func choose(policy clients.Policy, ask v1alpha1.AccessTokenSpec) ([]clients.Access, []string, error) {
	var resources []string
	if ask.Audience != "" {
		resources = []string{ask.Audience}
	}
	access, refused, ok := policy.ChooseAccess(resources)
	if !ok {
		return nil, nil, fmt.Errorf("audience %s is not granted", refused)
	}
	if ask.Scopes != nil && len(*ask.Scopes) == 0 {
		return access, nil, nil
	}
	var requested []string
	if ask.Scopes != nil {
		requested = *ask.Scopes
	}
	scopes, refused, ok := policy.ChooseScopes(access, requested)
	if !ok {
		return nil, nil, fmt.Errorf("scope %s is not granted", refused)
	}
	return access, scopes, nil
}
