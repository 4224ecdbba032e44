// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/keyring"
)

// replicaLag is how long a replica of the token server may go on as it did before a change.
const replicaLag = 30 * time.Second

// A world is everything that a verifier could find out about the keys of one algorithm.
type world struct {
	*testing.T
	random   *rand.Rand
	schedule keyring.Schedule
	now      time.Time
	needed   bool
	keys     map[string]keyring.Key
	made     int
	// atOnce holds the keys that were made to sign at once, with no active key beside them.
	atOnce map[string]bool
	// published is what the JWKS held from each moment on.
	published []publication
	// expiries holds for each key when the last token that it signed expires.
	expiries map[string]time.Time
	signed   int
}

type publication struct {
	from  time.Time
	names []string
}

// TestVerifiersNeverMeetAnUnknownKey runs passes at random moments, some of them cut short after any number of steps as by a crash, and
// checks after every single step what a verifier with the most unlucky cache would see.
func TestVerifiersNeverMeetAnUnknownKey(t *testing.T) {
	for seed := range int64(24) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewSource(seed))
			rotations := []time.Duration{20 * time.Minute, time.Hour, 24 * time.Hour, 720 * time.Hour}
			w := &world{
				T: t, random: random, now: now, needed: true, keys: map[string]keyring.Key{}, atOnce: map[string]bool{},
				expiries: map[string]time.Time{},
				schedule: keyring.Schedule{
					RotateEvery: rotations[random.Intn(len(rotations))], PublishFor: 2 * v1alpha1.JWKSMaxAge,
					KeepFor: v1alpha1.MaxTokenLifetime + time.Hour,
				},
			}
			for w.now.Before(now.Add(4000*time.Hour)) && !t.Failed() {
				w.pass()
			}
			if w.made < 4 || w.signed < 50 {
				t.Errorf("the run made %d keys and %d tokens: it shows nothing", w.made, w.signed)
			}
		})
	}
}

// pass plans, takes all steps or only some, and moves the clock to the next pass.
func (w *world) pass() {
	if w.random.Intn(100) == 0 {
		w.needed = !w.needed
	}
	steps, wake := keyring.Plan(keyring.Input{
		Now: w.now, Keys: slices.Collect(maps.Values(w.keys)), Needed: w.needed, Schedule: w.schedule,
	})
	cut := len(steps)
	if w.random.Intn(3) == 0 {
		cut = w.random.Intn(len(steps) + 1)
	}
	for _, step := range steps[:cut] {
		before := w.signer()
		w.take(step)
		w.publish()
		w.sign(w.signer(), 0)
		if _, still := w.keys[before]; still {
			w.sign(before, replicaLag)
		}
		w.checkTokens()
	}
	if cut == len(steps) {
		w.checkSettled()
	}
	if w.needed && w.made > 0 && cut == len(steps) && wake.IsZero() {
		w.Fatal("nobody would look again at keys that are needed")
	}
	w.advance(wake, cut < len(steps))
}

// advance moves the clock: soon after a cut pass; otherwise at the wake time, somewhat later, or earlier as by an unrelated event.
func (w *world) advance(wake time.Time, failed bool) {
	w.sign(w.signer(), 0)
	switch choice := w.random.Intn(4); {
	case failed:
		w.now = w.now.Add(time.Duration(w.random.Int63n(int64(5 * time.Minute))))
	case wake.IsZero() || choice == 0:
		w.now = w.now.Add(time.Duration(w.random.Int63n(int64(3 * time.Hour))))
	case choice == 1:
		w.now = wake.Add(time.Duration(w.random.Int63n(int64(3 * time.Hour))))
	default:
		w.now = wake
	}
	w.sign(w.signer(), 0)
	w.checkTokens()
}

// take carries out one step as the controller does, which stores whole seconds.
func (w *world) take(step keyring.Step) {
	at := w.now.Truncate(time.Second)
	key := w.keys[step.Key]
	switch step.Action {
	case keyring.Create:
		w.made++
		key = keyring.Key{Name: fmt.Sprintf("key-%d", w.made), State: step.State, PublishedAt: at}
		if step.State == v1alpha1.KeyStateActive {
			if w.signer() != "" {
				w.Fatalf("%s is to sign at once although %s signs", key.Name, w.signer())
			}
			key.ActivatedAt, w.atOnce[key.Name] = at, true
		}
	case keyring.Activate:
		key.State, key.ActivatedAt = v1alpha1.KeyStateActive, at
	case keyring.Retire:
		key.State, key.ExpiresAt = v1alpha1.KeyStateRetiring, step.ExpiresAt.Truncate(time.Second)
	case keyring.Delete:
		delete(w.keys, step.Key)
		return
	}
	w.keys[key.Name] = key
}

// signer is the key that the token server signs with: the youngest active one.
func (w *world) signer() string {
	var youngest keyring.Key
	for _, key := range w.keys {
		if key.State == v1alpha1.KeyStateActive && (youngest.Name == "" || key.ActivatedAt.After(youngest.ActivatedAt)) {
			youngest = key
		}
	}
	return youngest.Name
}

func (w *world) publish() {
	w.published = append(w.published, publication{from: w.now, names: slices.Collect(maps.Keys(w.keys))})
}

// knownAt reports whether a verifier that fetched the JWKS at a time knows a key.
func (w *world) knownAt(at time.Time, name string) bool {
	for _, p := range slices.Backward(w.published) {
		if !p.from.After(at) {
			return slices.Contains(p.names, name)
		}
	}
	return false
}

// sign issues a token of the longest lifetime now, or a little later on a replica that lags. A verifier may have fetched the JWKS as
// early as one max-age ago. A key that had to sign at once is not known that early, and only that one.
func (w *world) sign(name string, lag time.Duration) {
	if name == "" {
		return
	}
	w.signed++
	if expires := w.now.Add(lag + v1alpha1.MaxTokenLifetime); expires.After(w.expiries[name]) {
		w.expiries[name] = expires
	}
	if worst := w.now.Add(lag - v1alpha1.JWKSMaxAge); !w.atOnce[name] && !w.knownAt(worst, name) {
		w.Errorf("%s: a verifier that fetched the JWKS at %s meets unknown key %s", w.now, worst, name)
	}
}

// checkTokens asserts that the key of every token that has not expired is published.
func (w *world) checkTokens() {
	for name, expires := range w.expiries {
		if _, published := w.keys[name]; !published && w.now.Before(expires) {
			w.Errorf("%s: key %s is gone, and a token that it signed is valid until %s", w.now, name, expires)
		}
		if !w.now.Before(expires) {
			delete(w.expiries, name)
		}
	}
}

// checkSettled asserts what holds after a whole pass: exactly one key signs where one is needed, and at most one is to follow.
func (w *world) checkSettled() {
	count := map[string]int{}
	for _, key := range w.keys {
		count[key.State]++
	}
	if w.needed && (count[v1alpha1.KeyStateActive] != 1 || count[v1alpha1.KeyStateNext] > 1) {
		w.Errorf("%s: want 1 active key and at most 1 to follow, got %v", w.now, count)
	}
	if count[v1alpha1.KeyStateActive] == 0 && count[v1alpha1.KeyStateNext] > 0 {
		w.Errorf("%s: a key is to follow, and none is active: got %v", w.now, count)
	}
}
