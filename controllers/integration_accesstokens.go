// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/credentials"
)

// mintAccessTokens finds out which access tokens belong into the Secret: those that are there and still good, and new ones in place of
// those that are not. Where the client may have none, there are none. A token that cannot be made keeps nothing else from being done: the
// one before it stays while it is good and no more than what is granted, and the pass ends with the problem.
func (r *IntegrationReconciler) mintAccessTokens(ctx context.Context, s *scope) error {
	if !s.getsAccessTokens() {
		return nil
	}
	if r.Minter == nil {
		return errors.New("make access tokens: the operator has no minter for them")
	}
	holder := s.intg.DeepCopy()
	holder.Status.ClientID, holder.Status.Granted = s.clientID, s.granted.DeepCopy()
	s.values.AccessTokens = map[string][]byte{}
	var problems []error
	for _, spec := range s.intg.Spec.Secret.AccessTokens {
		want, ok := wantedToken(s.granted, spec)
		if !ok {
			continue // The condition Permitted says what is not granted.
		}
		token, err := r.accessToken(ctx, s, holder, want)
		if err != nil {
			problems = append(problems, err)
		}
		if token == nil {
			continue
		}
		s.values.AccessTokens[spec.Key] = token.Token
		s.values.AccessTokens[spec.Key+v1alpha1.ExpiresAtSuffix] = []byte(token.ExpiresAt.UTC().Format(time.RFC3339))
		s.accessTokens = append(s.accessTokens, v1alpha1.AccessTokenStatus{Key: spec.Key, ExpiresAt: metav1.NewTime(token.ExpiresAt)})
		if refresh := refreshTime(s.intg.UID, spec.Key, *token); refresh.After(s.now) {
			s.lookAgain(refresh)
		} else {
			s.lookAgain(token.ExpiresAt) // A new one could not be made; that is tried again as all that fails.
		}
	}
	s.shapeProblem = tokenProblem(holder, problems)
	if waiting := (*waitingError)(nil); errors.As(s.shapeProblem, &waiting) {
		s.lookAgain(s.now.Add(waiting.retryAfter)) // The pass may end with another problem, which somebody has to see to first.
	}
	return nil
}

// getsAccessTokens reports whether the client may have access tokens in its Secret now.
func (s *scope) getsAccessTokens() bool {
	return len(s.intg.Spec.Secret.AccessTokens) > 0 && s.clientID != "" && s.granted != nil && s.granted.AccessTokenDelivery &&
		slices.Contains(s.granted.GrantTypes, v1alpha1.GrantTypeClientCredentials) && !s.intg.Spec.Suspend && s.suspendedUntil().IsZero()
}

// tokenProblem returns how the pass ends when tokens could not be made; nil if all could.
func tokenProblem(intg *v1alpha1.Integration, problems []error) error {
	err := errors.Join(problems...)
	other := slices.ContainsFunc(problems, func(err error) bool { return !errors.Is(err, ErrNoTokenKey) })
	if err != nil && !other {
		// The key's own watch tells when it has come. This process may see it a little later than the key's condition says.
		return &waitingError{reason: v1alpha1.ReasonSigningKeyPending, retryAfter: keyRetry, message: fmt.Sprintf(
			"an access token for Secret %s/%s waits for a key: %v", intg.Namespace, intg.SecretName(), ErrNoTokenKey)}
	}
	return wrap(err, "make the access tokens for Secret %s/%s", intg.Namespace, intg.SecretName())
}

// A wanted is an access token as it should be by what is asked and granted.
type wanted struct {
	ask       v1alpha1.AccessTokenSpec
	scopes    []string
	audiences []string
	opaque    bool
	// lifetime is how long the token may live.
	lifetime time.Duration
	// before is when every token that counts was issued at the earliest.
	before time.Time
}

// wantedToken narrows what is asked of a token to what is granted. It returns false if that leaves nothing to make: the audience is not
// granted, or none of the scopes.
func wantedToken(granted *v1alpha1.Granted, spec v1alpha1.AccessTokenSpec) (wanted, bool) {
	w := wanted{opaque: granted.TokenFormat == v1alpha1.TokenFormatOpaque, lifetime: granted.Lifetime.Duration}
	asked := granted.DefaultScopes
	if spec.Scopes != nil {
		asked = *spec.Scopes
	}
	w.scopes = slices.Clone(asked)
	for _, access := range granted.Access {
		if spec.Audience != "" && spec.Audience != access.Audience {
			continue
		}
		w.audiences = append(w.audiences, access.Audience)
		w.scopes = slices.DeleteFunc(w.scopes, func(scope string) bool { return !slices.Contains(access.Scopes, scope) })
	}
	scopes := append([]string{}, w.scopes...)
	w.ask = v1alpha1.AccessTokenSpec{Key: spec.Key, Audience: spec.Audience, Scopes: &scopes}
	nothing := len(w.audiences) == 0 || spec.Scopes != nil && len(*spec.Scopes) > 0 && len(w.scopes) == 0
	return w, !nothing
}

// accessToken returns the token that belongs into the Secret: the one that is there, or a new one. It returns nil where there is none to
// be had, and an error where a new one could not be made.
func (r *IntegrationReconciler) accessToken(
	ctx context.Context, s *scope, holder *v1alpha1.Integration, want wanted,
) (*MintedToken, error) {
	if before := revokedBefore(s, s.intg.Status.TokensRevokedBefore); before != nil {
		want.before = before.Time
	}
	found, worth := r.presentToken(ctx, s, holder, want)
	if worth == tokenFresh {
		return found, nil
	}
	if want.before.After(s.now) {
		// By a clock that went back: whatever is made now counts as revoked already.
		s.lookAgain(want.before)
		return found, nil
	}
	if holdsAdopted(s, want.ask.Key) {
		return found, nil // What is there stays, and the decision about the Secret says so.
	}
	minted, err := r.Minter.MintToken(ctx, holder, want.ask)
	switch {
	case err == nil:
		return &minted, nil
	case worth == tokenStale:
		return found, fmt.Errorf("renew access token %s: %w", want.ask.Key, err)
	default:
		return nil, fmt.Errorf("make access token %s: %w", want.ask.Key, err)
	}
}

// holdsAdopted reports whether the Secret has something of its own under one of a token's keys, from before it was taken over.
func holdsAdopted(s *scope, key string) bool {
	adopted, _ := credentials.AdoptedKeys(s.existing, s.intg)
	return slices.Contains(adopted, key) || slices.Contains(adopted, key+v1alpha1.ExpiresAtSuffix)
}

// presentToken returns the token that the Secret holds, or held under its former name, and what it is worth.
func (r *IntegrationReconciler) presentToken(ctx context.Context, s *scope, holder *v1alpha1.Integration, want wanted) (*MintedToken, tokenWorth) {
	for _, secret := range append([]*corev1.Secret{s.existing}, s.former...) {
		if secret == nil || !credentials.Owned(secret, s.intg) || len(secret.Data[want.ask.Key]) == 0 {
			continue
		}
		found, err := r.Minter.InspectToken(ctx, holder, secret.Data[want.ask.Key])
		if err != nil {
			continue // Expired, damaged, or of a key that is gone: nothing to keep, and nothing to tell.
		}
		found.Token = secret.Data[want.ask.Key]
		if worth := worthOf(s.intg.UID, found, want, s.now); worth != tokenUseless {
			return &found, worth
		}
	}
	return nil, tokenUseless
}

// tokenWorth is what a token is worth that is there.
type tokenWorth int

const (
	// tokenUseless: it says more than what is granted, or has been revoked or expired.
	tokenUseless tokenWorth = iota
	// tokenStale: a new one should take its place, and until there is one it may stay.
	tokenStale
	// tokenFresh: it stays.
	tokenFresh
)

// worthOf judges a token that the token server would accept.
func worthOf(uid types.UID, found MintedToken, want wanted, now time.Time) tokenWorth {
	within := func(some, all []string) bool {
		return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
	}
	switch {
	case !found.ExpiresAt.After(now), found.IssuedAt.Before(want.before),
		!within(found.Scopes, want.scopes), !within(found.Audiences, want.audiences):
		return tokenUseless
	case !within(want.scopes, found.Scopes), !within(want.audiences, found.Audiences), found.Opaque != want.opaque,
		found.ExpiresAt.Sub(found.IssuedAt) > want.lifetime, !now.Before(refreshTime(uid, want.ask.Key, found)):
		return tokenStale
	default:
		return tokenFresh
	}
}

// refreshTime returns when a new token is to take a token's place: after two thirds of its life, less a part of up to a tenth that differs
// from token to token and stays the same for one, so that thousands of them are not renewed at once.
func refreshTime(uid types.UID, key string, token MintedToken) time.Time {
	life := token.ExpiresAt.Sub(token.IssuedAt)
	issued := token.IssuedAt.UTC().Format(time.RFC3339)
	sum := sha256.Sum256([]byte(strings.Join([]string{string(uid), key, issued}, "\x00")))
	const parts = 1 << 16
	part := time.Duration(binary.BigEndian.Uint16(sum[:]))
	return token.IssuedAt.Add(life*2/3 - life/10/parts*part)
}
