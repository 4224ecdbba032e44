// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keyring is the life of signing keys as a pure state machine: given the keys of one algorithm and the time, it says
// what to do now and when to look again. The signing key controller carries it out.
//
// A verifier may cache the published keys for their max-age. So a key is published for twice as long before it signs, and
// stays published until the last token it signed has expired. Only where there is no active key at all does a key sign at once:
// the first of its algorithm, and one that replaces a lost one. A symmetric key is never published, and lives the same way: what is
// said of the JWKS is then about the replicas of the token server, which load it before it is used.
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
	p := &plan{Input: in}
	active, next, retiring := p.split()
	p.endRetirement(retiring)
	if in.Needed {
		p.lead(active, next)
	} else {
		p.windDown(active, next)
	}
	return p.steps, p.wake
}

// A plan in the making.
type plan struct {
	Input
	steps []Step
	wake  time.Time
}

// at makes sure that somebody looks again at t.
func (p *plan) at(t time.Time) {
	if p.wake.IsZero() || t.Before(p.wake) {
		p.wake = t
	}
}

func (p *plan) retire(keys ...Key) {
	for _, k := range keys {
		expires := p.Now.Add(p.Schedule.KeepFor)
		p.steps = append(p.steps, Step{Action: Retire, Key: k.Name, ExpiresAt: expires})
		p.at(expires)
	}
}

func (p *plan) remove(keys ...Key) {
	for _, k := range keys {
		p.steps = append(p.steps, Step{Action: Delete, Key: k.Name})
	}
}

// split sorts the keys by state and removes the damaged ones. The youngest active key signs: the token server chooses by the same
// rule. Of the next keys the longest published leads.
func (p *plan) split() (active, next, retiring []Key) {
	for _, k := range p.Keys {
		switch {
		case k.Damaged:
			p.remove(k)
		case k.State == v1alpha1.KeyStateActive:
			active = append(active, k)
		case k.State == v1alpha1.KeyStateNext:
			next = append(next, k)
		default:
			retiring = append(retiring, k)
		}
	}
	slices.SortFunc(active, func(a, b Key) int { return b.ActivatedAt.Compare(a.ActivatedAt) })
	slices.SortFunc(next, func(a, b Key) int { return a.PublishedAt.Compare(b.PublishedAt) })
	return active, next, retiring
}

// endRetirement removes the keys whose last token has expired.
func (p *plan) endRetirement(retiring []Key) {
	for _, k := range retiring {
		switch {
		case k.ExpiresAt.IsZero():
			// Its label or its time was edited away. Nobody knows what it signed, so it stays as long as a key that signed until now.
			p.retire(k)
		case p.Now.Before(k.ExpiresAt):
			p.at(k.ExpiresAt)
		default:
			p.remove(k)
		}
	}
}

// windDown lets a key that nobody needs serve out its time, so that an Integration that comes and goes does not make a new one each
// time: everybody who verifies tokens would have to read them all.
func (p *plan) windDown(active, next []Key) {
	serving := false
	for _, k := range active {
		if served := k.ActivatedAt.Add(p.Schedule.RotateEvery); p.Now.Before(served) {
			p.at(served)
			serving = true
			continue
		}
		p.retire(k)
	}
	if !serving {
		p.remove(next...)
	}
}

// lead keeps exactly one key signing and, in time, its successor published.
func (p *plan) lead(active, next []Key) {
	if len(next) > 1 {
		p.remove(next[1:]...)
	}
	if len(active) == 0 {
		p.replaceLost(next)
		return
	}
	p.retire(active[1:]...)

	rotateAt := active[0].ActivatedAt.Add(p.Schedule.RotateEvery)
	if len(next) == 0 {
		publishAt := rotateAt.Add(-p.Schedule.PublishFor)
		if p.Now.Before(publishAt) {
			p.at(publishAt)
			return
		}
		p.steps = append(p.steps, Step{Action: Create, State: v1alpha1.KeyStateNext})
		p.at(later(rotateAt, p.Now.Add(p.Schedule.PublishFor)))
		return
	}
	if ripe := later(rotateAt, next[0].PublishedAt.Add(p.Schedule.PublishFor)); p.Now.Before(ripe) {
		p.at(ripe)
		return
	}
	p.steps = append(p.steps, Step{Action: Activate, Key: next[0].Name})
	p.retire(active[0])
	p.at(p.Now.Add(p.Schedule.RotateEvery - p.Schedule.PublishFor))
}

// replaceLost makes a key sign at once: the one that is published, or else a new one.
func (p *plan) replaceLost(next []Key) {
	rebuilt := p.HadKey || len(next) > 0 || slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Damaged })
	step := Step{Action: Create, State: v1alpha1.KeyStateActive, Rebuilt: rebuilt}
	if len(next) > 0 {
		step = Step{Action: Activate, Key: next[0].Name, Rebuilt: rebuilt}
	}
	p.steps = append(p.steps, step)
	p.at(p.Now.Add(p.Schedule.RotateEvery - p.Schedule.PublishFor))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
