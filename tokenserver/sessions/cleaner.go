// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sessions

import (
	"context"
	"log/slog"
	"time"

	"github.com/integration-operator/integration-operator/tokenserver/clients"
	"github.com/integration-operator/integration-operator/tokenserver/sealing"
)

// settleTime is how old the last login or refresh of a session must be before Cleaner judges it. Another replica may have seen a new
// client, a new password or a new key before this one did. It is longer than any grace period, in which a refresh changes the
// fingerprint and not RotatedAt.
const settleTime = 2 * time.Minute

// A Cleaner removes what nobody can use any more: expired sessions and spent token IDs, and sessions that are not Honoured. One replica
// runs it. Nothing depends on it but the size of the store, as every use of a session asks Honoured.
//
// The sessions of a suspended client stay: suspension ends tokens while it lasts, and the logins are there again after it. So do those
// of a client that is not there now, as it may be back in a moment: a conflict about its ID or a watch that lags must not log
// everybody out. If it is gone for good, its sessions expire, and Kubernetes removes those that it keeps together with their owner.
type Cleaner struct {
	// Store is what is cleaned.
	Store Store
	// Clients finds the clients.
	Clients interface {
		Client(id string) (*clients.Client, bool)
	}
	// Keys has the keys that fingerprints are made with.
	Keys interface{ SealingKeys() *sealing.Set }
	// Ready tells whether Clients and Keys have all there is. Nothing is removed before.
	Ready func() bool
	// Every is how long it waits between two sweeps.
	Every time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log gets a line for each sweep that removed something or failed; nil discards.
	Log *slog.Logger
}

// Start sweeps now and then until ctx is done, and returns nil after that. A sweep that fails is tried again at the next turn.
func (c *Cleaner) Start(ctx context.Context) error {
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(c.Every)
	defer ticker.Stop()
	for {
		removed, err := c.sweep(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "cannot remove ended sessions, will try again", "error", err, "removed", removed)
		case removed > 0:
			log.InfoContext(ctx, "removed ended sessions and expired token IDs", "removed", removed)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep removes what is of no use now, and returns how many.
func (c *Cleaner) sweep(ctx context.Context) (int, error) {
	if !c.Ready() {
		return 0, nil
	}
	now := c.Now()
	return c.Store.Sweep(ctx, now, func(s *Session) bool { return c.dead(s, now) })
}

// dead reports whether a session counts for nothing, whatever happens. Without its client or an active key there is nothing to judge by.
func (c *Cleaner) dead(s *Session, now time.Time) bool {
	written := s.IssuedAt
	if s.RotatedAt.After(written) {
		written = s.RotatedAt
	}
	if now.Before(written.Add(settleTime)) {
		return false
	}
	client, ok := c.Clients.Client(s.ClientID)
	// Another client may hold the ID for a while, in a conflict that passes.
	if !ok || client.Namespace != s.Owner.Namespace || client.Name != s.Owner.Name {
		return false
	}
	keys := c.Keys.SealingKeys()
	if _, ok := keys.Active(); !ok {
		return false
	}
	return Honoured(s, client, keys, now) != nil
}
