// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keyring is the life of signing keys as a pure state machine: given the keys of one algorithm and the time, it says
// what to do now and when to look again. The signing key controller carries it out.
//
// A verifier may cache the published keys for their max-age. So a key is published for twice as long before it signs, and
// stays published until the last token it signed has expired. Only where there is no active key at all does a key sign at once:
// the first of its algorithm, and one that replaces a lost one.
package keyring

import (
	"slices"
	"time"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// A Key is what the state machine knows of a signing key.
type Key struct {
	// Name identifies the key to the caller.
	Name string
	// State is one of the v1alpha1.KeyState values.
	State string
	// PublishedAt is when the key entered the JWKS.
	PublishedAt time.Time
	// ActivatedAt is when the key began to sign; zero before.
	ActivatedAt time.Time
	// ExpiresAt is when a retiring key may leave the JWKS; zero before it retires.
	ExpiresAt time.Time
	// Damaged keys cannot sign or verify anything any more.
	Damaged bool
}

// A Schedule says how long a key stays in each state.
type Schedule struct {
	// RotateEvery is how long a key signs.
	RotateEvery time.Duration
	// PublishFor is how long a key is published before it signs.
	PublishFor time.Duration
	// KeepFor is how long a key stays published after it stopped signing.
	KeepFor time.Duration
}

// An Action is what a Step does.
type Action string

// The actions.
const (
	Create   Action = "Create"
	Activate Action = "Activate"
	Retire   Action = "Retire"
	Delete   Action = "Delete"
)

// A Step changes one key.
type Step struct {
	Action Action
	// Key is the name of the key to change; empty for Create.
	Key string
	// State is the state of the key to create: v1alpha1.KeyStateNext or v1alpha1.KeyStateActive.
	State string
	// ExpiresAt is when a key that retires may leave the JWKS.
	ExpiresAt time.Time
	// Rebuilt says that the step replaces an active key that was lost: tokens it signed no longer verify.
	Rebuilt bool
}

// Input is everything that Plan looks at.
type Input struct {
	Now time.Time
	// Keys are the keys of one algorithm.
	Keys []Key
	// Needed says that some client's tokens are signed with the algorithm. A key that is not needed serves out its time and gets
	// no successor.
	Needed bool
	// HadKey says that clients have been told that they can get tokens, so that an active key must have existed.
	HadKey   bool
	Schedule Schedule
}

// Plan returns the steps to take now, in order, and when to look again at the latest (zero: only when something changes). Taking
// the steps one by one is safe: a plan that was cut short is completed by the next one.
func Plan(in Input) (steps []Step, wake time.Time) {
	var active, next, retiring []Key
	for _, k := range in.Keys {
		switch {
		case k.Damaged:
			steps = append(steps, Step{Action: Delete, Key: k.Name})
		case k.State == v1alpha1.KeyStateActive:
			active = append(active, k)
		case k.State == v1alpha1.KeyStateNext:
			next = append(next, k)
		default:
			retiring = append(retiring, k)
		}
	}
	// The youngest active key signs: the token server chooses by the same rule. Among next keys the longest published leads.
	slices.SortFunc(active, func(a, b Key) int { return b.ActivatedAt.Compare(a.ActivatedAt) })
	slices.SortFunc(next, func(a, b Key) int { return a.PublishedAt.Compare(b.PublishedAt) })

	at := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	retire := func(keys []Key) {
		for _, k := range keys {
			expires := in.Now.Add(in.Schedule.KeepFor)
			steps = append(steps, Step{Action: Retire, Key: k.Name, ExpiresAt: expires})
			at(expires)
		}
	}
	remove := func(keys []Key) {
		for _, k := range keys {
			steps = append(steps, Step{Action: Delete, Key: k.Name})
		}
	}

	for _, k := range retiring {
		if in.Now.Before(k.ExpiresAt) {
			at(k.ExpiresAt)
			continue
		}
		remove([]Key{k})
	}
	if !in.Needed {
		// The key serves out its time, so that an Integration that comes and goes does not make a new one each time: everybody
		// who verifies tokens would have to read them all.
		serving := false
		for _, k := range active {
			if served := k.ActivatedAt.Add(in.Schedule.RotateEvery); in.Now.Before(served) {
				at(served)
				serving = true
				continue
			}
			retire([]Key{k})
		}
		if !serving {
			remove(next)
		}
		return steps, wake
	}
	if len(next) > 1 {
		remove(next[1:])
	}
	if len(active) > 1 {
		retire(active[1:])
	}
	lead, due := leadSteps(in, active, next)
	steps = append(steps, lead...)
	at(due)
	if len(lead) > 0 && lead[0].Action == Activate && len(active) > 0 {
		retire(active[:1])
	}
	return steps, wake
}

// leadSteps returns the steps that keep exactly one key signing and, in time, its successor published; and when they are next due.
func leadSteps(in Input, active, next []Key) ([]Step, time.Time) {
	if len(active) == 0 {
		due := in.Now.Add(in.Schedule.RotateEvery - in.Schedule.PublishFor)
		rebuilt := in.HadKey || len(next) > 0 || slices.ContainsFunc(in.Keys, func(k Key) bool { return k.Damaged })
		if len(next) > 0 {
			return []Step{{Action: Activate, Key: next[0].Name, Rebuilt: rebuilt}}, due
		}
		return []Step{{Action: Create, State: v1alpha1.KeyStateActive, Rebuilt: rebuilt}}, due
	}
	rotateAt := active[0].ActivatedAt.Add(in.Schedule.RotateEvery)
	if len(next) == 0 {
		if publishAt := rotateAt.Add(-in.Schedule.PublishFor); in.Now.Before(publishAt) {
			return nil, publishAt
		}
		return []Step{{Action: Create, State: v1alpha1.KeyStateNext}}, later(rotateAt, in.Now.Add(in.Schedule.PublishFor))
	}
	if ripe := later(rotateAt, next[0].PublishedAt.Add(in.Schedule.PublishFor)); in.Now.Before(ripe) {
		return nil, ripe
	}
	return []Step{{Action: Activate, Key: next[0].Name}}, in.Now.Add(in.Schedule.RotateEvery - in.Schedule.PublishFor)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
