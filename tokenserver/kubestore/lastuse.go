// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/tokenserver/clients"
)

const (
	// usesEvery is how often, over all replicas, the last use of an Integration's previous secret is written.
	usesEvery = 30 * time.Second
	// lookEvery is how often it is looked whether something can be written by now. It costs no call.
	lookEvery = time.Second
	// retryEvery is when a write that failed is tried again.
	retryEvery = 5 * time.Second
	// lastWrites bounds the writes at the end.
	lastWrites = 5 * time.Second
	// maxLastUseFailures is after how many refusals the API server is given a rest.
	maxLastUseFailures = 10
	// maxUses is how many Integrations' uses are remembered, with some 200 bytes each. What does not fit is noted at the next use.
	maxUses = 16_384
)

// Each replica notes in status.credentials.previous.lastUsedTime of an Integration that it saw the previous client secret: the leader, which
// writes all the rest of status, does not hear of it otherwise, and must not take away a secret that is still used.
// +kubebuilder:rbac:groups=integration-operator.io,resources=integrations/status,verbs=patch

// LastUseOptions are what a LastUse needs to know.
type LastUseOptions struct {
	// Now is the clock.
	Now func() time.Time
	// After waits; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// Log gets a line when uses cannot be written; nil discards.
	Log *slog.Logger
}

// LastUse writes into the status of Integrations when their previous client secrets were last used: the first use at once, and after that
// at most once in 30 seconds for each Integration, however many replicas there are. Used takes the uses and does not wait; Start writes,
// one at a time. A write is refused by the API server unless the Integration is the same, the secret is still the previous one of the
// same rotation, and nobody has written since this replica's informer was told. What cannot be written is kept and tried again.
type LastUse struct {
	live  client.Client
	store *Store
	now   func() time.Time
	after func(time.Duration) <-chan time.Time
	log   *slog.Logger
	wake  chan struct{}

	// mu guards uses, by the UID of the Integration.
	mu   sync.Mutex
	uses map[types.UID]*use
	// writing is held by whoever writes, and guards pausedUntil: until then the API server is given a rest.
	writing     sync.Mutex
	pausedUntil time.Time
}

// A use is what there is to say of one Integration's previous secret. Its times have whole seconds, as those in a status.
type use struct {
	name types.NamespacedName
	// rotatedAt is the rotation that made the secret the previous one.
	rotatedAt time.Time
	// at is the last use that is not written yet; zero if there is none.
	at time.Time
	// seen is what status said when it was looked at last, if it was.
	seen   time.Time
	looked bool
	// notBefore is when the next write may be.
	notBefore time.Time
}

// NewLastUse returns a LastUse that writes by live, which LiveClient makes, and reads what store knows.
func NewLastUse(live client.Client, store *Store, o LastUseOptions) *LastUse {
	if o.After == nil {
		o.After = time.After
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &LastUse{
		live: live, store: store, now: o.Now, after: o.After, log: o.Log,
		wake: make(chan struct{}, 1), uses: map[types.UID]*use{},
	}
}

// NeedLeaderElection returns false: every replica knows only what it saw itself.
func (*LastUse) NeedLeaderElection() bool { return false }

// Used notes that a client has just used its previous secret. It never waits for the API server.
func (l *LastUse) Used(c *clients.Client) {
	if l.note(c, wholeSeconds(l.now())) {
		select {
		case l.wake <- struct{}{}:
		default: // It is awake already.
		}
	}
}

// note remembers a use, and reports whether it is the first one of the secret.
func (l *LastUse) note(c *clients.Client, at time.Time) bool {
	uid, rotatedAt := types.UID(c.UID), wholeSeconds(c.RotatedAt)
	l.mu.Lock()
	defer l.mu.Unlock()
	u, known := l.uses[uid]
	switch {
	case !known && len(l.uses) >= maxUses:
		return false
	case !known:
		u = &use{name: types.NamespacedName{Namespace: c.Namespace, Name: c.Name}, rotatedAt: rotatedAt, at: at}
		l.uses[uid] = u
		return true
	case rotatedAt.After(u.rotatedAt):
		// Of another secret nobody has written anything yet, but the last write may be a moment ago.
		u.rotatedAt, u.at, u.looked = rotatedAt, at, false
		return true
	case rotatedAt.Equal(u.rotatedAt) && at.After(u.at):
		u.at = at
	}
	return false
}

// Start writes until ctx is done, and then once more what may be written, within five seconds. It returns nil.
func (l *LastUse) Start(ctx context.Context) error {
	for {
		var look <-chan time.Time
		if l.write(ctx, false) > 0 {
			look = l.after(lookEvery)
		}
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			l.Flush(ctx)
			return nil
		case <-l.wake:
		case <-look:
		}
	}
}

// Flush writes what may be written now, for when the last request has been answered. What fails is lost.
func (l *LastUse) Flush(ctx context.Context) { l.write(ctx, true) }

// write writes the uses that are due, and returns how many there is still something to do about. When the API server does not answer it
// gives up until a while later; when it refuses one use it goes on with the others.
func (l *LastUse) write(ctx context.Context, insist bool) int {
	l.writing.Lock()
	defer l.writing.Unlock()
	now := l.now()
	if !insist && now.Before(l.pausedUntil) {
		return l.len()
	}
	var failures int
	var last error
	for _, uid := range l.due(now) {
		err := l.writeOne(ctx, uid)
		if err == nil {
			continue
		}
		failures, last = failures+1, err
		if !answered(err) || failures == maxLastUseFailures || ctx.Err() != nil {
			l.pausedUntil = l.now().Add(retryEvery)
			break
		}
	}
	if last != nil {
		l.log.WarnContext(ctx, "cannot write when previous client secrets were last used, and will try again", "failures", failures, "error", last)
	}
	return l.len()
}

func (l *LastUse) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.uses)
}

// due returns the Integrations of which a use may be written now, and forgets those of which there is nothing to say.
func (l *LastUse) due(now time.Time) []types.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []types.UID
	for uid, u := range l.uses {
		switch {
		case now.Before(u.notBefore):
		case u.at.IsZero():
			delete(l.uses, uid)
		default:
			due = append(due, uid)
		}
	}
	return due
}

// writeOne writes the use of one Integration's previous secret, if status does not have it already and is about the same secret.
func (l *LastUse) writeOne(ctx context.Context, uid types.UID) error {
	integration, u, ok := l.judge(uid)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	patch, err := u.patch(integration)
	if err != nil {
		return fmt.Errorf("render the last use for Integration %s: %w", u.name, err)
	}
	object := &v1alpha1.Integration{ObjectMeta: metav1.ObjectMeta{Namespace: u.name.Namespace, Name: u.name.Name}}
	err = l.live.Status().Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
	switch {
	case err == nil:
		l.settle(uid, u, usesEvery, true)
		return nil
	case apierrors.IsNotFound(err):
		l.forget(uid)
		return nil
	case apierrors.IsInvalid(err), apierrors.IsConflict(err):
		// Something has changed that the informer will tell of: another replica was faster, or there was another rotation.
		l.log.DebugContext(ctx, "the last use of a previous client secret was refused, look again", "integration", u.name.String(), "error", err)
		l.settle(uid, u, retryEvery, false)
		return nil
	}
	if answered(err) {
		l.settle(uid, u, retryEvery, false)
	}
	return fmt.Errorf("patch the status of Integration %s: %w", u.name, withoutURL(err))
}

// judge returns an Integration and what is to be written of it; false if nothing is, or not yet.
func (l *LastUse) judge(uid types.UID) (*v1alpha1.Integration, use, bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.uses[uid]
	if !ok {
		return nil, use{}, false
	}
	integration, known := l.store.Integration(u.name)
	if !known || integration.UID != uid {
		delete(l.uses, uid)
		return nil, use{}, false
	}
	status := integration.Status.Credentials
	switch {
	case status == nil || status.LastRotationTime == nil || status.LastRotationTime.Time.Before(u.rotatedAt):
		u.notBefore = now.Add(lookEvery) // The Secret is ahead of the status.
		return nil, use{}, false
	case status.LastRotationTime.After(u.rotatedAt) || status.Previous == nil:
		delete(l.uses, uid) // The secret is accepted no longer.
		return nil, use{}, false
	}
	last := timeOf(status.Previous.LastUsedTime)
	if u.looked && !last.Equal(u.seen) {
		u.notBefore = now.Add(usesEvery) // Another replica has written, whatever time it wrote.
	}
	u.looked, u.seen = true, last
	// A status has whole seconds, so that what it says may be almost a second more ago.
	if next := last.Add(usesEvery + time.Second); next.After(u.notBefore) {
		u.notBefore = next
	}
	if !u.at.After(last) {
		u.at = time.Time{} // It is known.
	}
	return integration, *u, !u.at.IsZero() && !now.Before(u.notBefore)
}

// settle notes what came of a write, and when the next one may be.
func (l *LastUse) settle(uid types.UID, wrote use, wait time.Duration, done bool) {
	notBefore := l.now().Add(wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.uses[uid]
	if !ok {
		return
	}
	u.notBefore = notBefore
	if !done || !u.rotatedAt.Equal(wrote.rotatedAt) {
		return
	}
	u.looked, u.seen = true, wrote.at
	if u.at.Equal(wrote.at) {
		u.at = time.Time{}
	}
}

// forget forgets what there is to say of an Integration.
func (l *LastUse) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.uses, uid)
}

// patch returns the JSON patch (RFC 6902) that writes a use into the status of an Integration, if that is still as the informer has it. It
// adds a member to status.credentials.previous and so never makes that.
func (u use) patch(i *v1alpha1.Integration) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	const lastUsed = "/status/credentials/previous/lastUsedTime"
	return json.Marshal([]operation{
		{"test", "/metadata/uid", i.UID},
		{"test", "/status/credentials/lastRotationTime", i.Status.Credentials.LastRotationTime},
		{"test", lastUsed, i.Status.Credentials.Previous.LastUsedTime},
		{"add", lastUsed, metav1.NewTime(u.at)},
	})
}

// answered reports whether an error is what the API server said, rather than that it said nothing.
func answered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

// wholeSeconds returns a time as a status has it.
func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// timeOf returns a time of a status, or zero.
func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
