// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

// kubeletDelay is how late a Pod may see what a Secret holds.
const kubeletDelay = 90 * time.Second

// A sim is an Integration whose leader crashes, whose writes fail, whose spec is edited and whose clock jumps. It does what the controller
// does, and wakes up only when Decide says so, or by chance.
type sim struct {
	t      *testing.T
	random *rand.Rand
	// elapsed is true time; the leader's clock is ahead of it by skew.
	elapsed, skew time.Duration
	spec          *v1alpha1.RotationSpec
	// What the API server has.
	record  v1alpha1.RotationRecord
	current v1alpha1.SecretDigest
	// What the leader has in memory: the announced secret, and since when by the clock and in truth.
	held           v1alpha1.SecretDigest
	heldSince      time.Time
	announcedAfter time.Duration
	// lastUsed is what the status says.
	lastUsed           time.Time
	secrets, published int
	// again is when the leader looks again.
	again   time.Time
	history []held
	// readersMustNotFail says that overlaps are long enough for slow kubelets, and that the clock does not jump.
	readersMustNotFail bool
}

// held is what the Secret held from some time on.
type held struct {
	since  time.Duration
	digest v1alpha1.SecretDigest
}

func (s *sim) now() time.Time { return born.Add(s.elapsed + s.skew) }

func (s *sim) overlaps() (overlap, most time.Duration) {
	intg := &v1alpha1.Integration{}
	intg.Spec.Credentials.Rotation = s.spec
	return intg.RotationOverlap()
}

func (s *sim) newSecret() v1alpha1.SecretDigest {
	s.secrets++
	return v1alpha1.DigestOf(fmt.Appendf(nil, "secret %d", s.secrets))
}

// write reports whether a write reaches the API server; the leader may crash before or after it.
func (s *sim) write(apply func()) bool {
	switch s.random.IntN(8) {
	case 0: // Refused, or the leader crashed before it.
		s.crash()
		return false
	case 1: // Applied, and the leader crashed before it knew.
		apply()
		s.crash()
		return false
	default:
		apply()
		return true
	}
}

func (s *sim) crash() {
	s.held, s.heldSince = v1alpha1.SecretDigest{}, time.Time{}
	s.again = s.now()
}

// pass is one pass of the controller.
func (s *sim) pass() {
	overlap, most := s.overlaps()
	in := rotation.Input{
		Spec: s.spec, Overlap: overlap, Most: most, UID: uid, Born: born, Record: s.record, LastUsed: s.lastUsed, Now: s.now(),
	}
	if s.record.Next != nil && s.record.Next.Digest == s.held {
		in.Held = s.heldSince
	}
	d := rotation.Decide(in)
	if d.Err != nil {
		s.t.Fatalf("a good spec is refused: %v", d.Err)
	}
	s.again = d.Again
	switch d.Step {
	case rotation.Announce:
		next := s.newSecret()
		record, at := rotation.Announced(d.Record, next, in.Now), s.elapsed
		if s.write(func() { s.record, s.announcedAfter = record, at }) {
			s.held, s.heldSince, s.again = next, s.now(), s.now().Add(rotation.Settle)
		}
	case rotation.Publish:
		s.checkPublish()
		next, record := s.held, rotation.Published(s.current, in.Now, overlap, most)
		if s.write(func() { s.publish(next, record) }) {
			s.again = s.now()
		}
	case rotation.Stay:
		if d.Record.Annotation() != s.record.Annotation() && !s.write(func() { s.record = d.Record }) {
			return
		}
	}
}

func (s *sim) publish(next v1alpha1.SecretDigest, record v1alpha1.RotationRecord) {
	s.current, s.record, s.lastUsed = next, record, time.Time{}
	s.published++
	s.history = append(s.history, held{s.elapsed, next})
}

func (s *sim) checkPublish() {
	if s.record.Next == nil || s.record.Next.Digest != s.held || s.held == (v1alpha1.SecretDigest{}) {
		s.t.Fatal("a secret is published that was not announced")
	}
	if s.now().Sub(s.record.Next.Since) < rotation.Settle {
		s.t.Fatalf("a secret is published %s after it was announced", s.now().Sub(s.record.Next.Since))
	}
	if s.skew == 0 && s.elapsed-s.announcedAfter < rotation.Settle {
		s.t.Fatalf("a secret is published %s after the replicas were told", s.elapsed-s.announcedAfter)
	}
	if s.record.Previous != nil && s.now().Before(s.record.Previous.Until) {
		s.t.Fatal("a third secret would be usable")
	}
}

// accepted are the secrets that a replica accepts and somebody holds. The announced one is accepted too, but held by nobody: it exists
// outside of the leader's memory only once it is published.
func (s *sim) accepted() []v1alpha1.SecretDigest {
	accepted := []v1alpha1.SecretDigest{s.current}
	if p := s.record.Previous; p != nil && s.now().Before(p.Until) {
		accepted = append(accepted, p.Digest)
	}
	return accepted
}

// check asserts what must hold at any time.
func (s *sim) check() {
	accepted := s.accepted()
	if !s.readersMustNotFail {
		return
	}
	for i, h := range s.history {
		replaced := i+1 < len(s.history) && s.history[i+1].since+kubeletDelay < s.elapsed
		if !replaced && !slices.Contains(accepted, h.digest) {
			s.t.Fatalf("a Pod that is at most %s late holds a secret that is refused", kubeletDelay)
		}
	}
}

func (s *sim) randomSpec() *v1alpha1.RotationSpec {
	pick := func(from ...time.Duration) *metav1.Duration {
		return &metav1.Duration{Duration: from[s.random.IntN(len(from))]}
	}
	spec := &v1alpha1.RotationSpec{Interval: pick(time.Hour, 3*time.Hour, 24*time.Hour), Overlap: pick(5*time.Minute, 20*time.Minute)}
	if !s.readersMustNotFail && s.random.IntN(3) == 0 {
		spec.Overlap = pick(0, 10*time.Second)
	}
	switch s.random.IntN(4) {
	case 0:
		spec.Retirement = v1alpha1.RetirementAfterOverlap
	case 1:
		spec.MaxOverlap = pick(30*time.Minute, time.Hour)
	}
	if s.random.IntN(2) == 0 {
		spec.Window = new(window("30 */2 * * *", "Europe/Berlin", time.Hour))
	}
	if s.random.IntN(3) == 0 {
		spec.RequestedAt = new(metav1.NewTime(s.now().Add(time.Duration(s.random.IntN(7200)-3600) * time.Second).Truncate(time.Second)))
	}
	return spec
}

// advance goes on to the leader's next look, or to some time before.
func (s *sim) advance() {
	wait := 6 * time.Hour
	if !s.again.IsZero() {
		wait = max(0, s.again.Sub(s.now()))
	}
	if s.random.IntN(3) == 0 {
		wait = min(wait, time.Duration(s.random.Int64N(int64(2*time.Minute))))
	}
	for end := s.elapsed + wait; s.elapsed < end; {
		s.elapsed = min(end, s.elapsed+max(time.Second, wait/50))
		if p := s.record.Previous; p != nil && s.now().Before(p.Until) && s.random.IntN(20) == 0 {
			s.lastUsed = s.now()
		}
		s.check()
	}
}

func TestSimulation(t *testing.T) {
	for seed := range uint64(400) {
		s := &sim{t: t, random: rand.New(rand.NewPCG(seed, 4)), readersMustNotFail: seed%2 == 0} // #nosec G404 -- A seed makes it repeatable.
		s.current = s.newSecret()
		s.history = []held{{0, s.current}}
		s.spec = s.randomSpec()
		for range 300 {
			switch s.random.IntN(12) {
			case 0:
				s.crash()
			case 1:
				s.spec = s.randomSpec()
				s.again = s.now()
			case 2:
				if !s.readersMustNotFail {
					s.skew += time.Duration(s.random.Int64N(int64(4*time.Hour))) - 2*time.Hour
				}
			}
			s.pass()
			s.check()
			s.advance()
		}
		s.settles(seed)
	}
}

// settles asserts that what is due happens once nobody interferes any more, by nothing but the times at which Decide wants to be asked again.
func (s *sim) settles(seed uint64) {
	overlap, most := s.overlaps()
	// By then the last interval is over, whatever waits for it: the previous secret, the next window, and what the clock was put forward by.
	end, before := s.elapsed+s.spec.Interval.Duration+max(overlap, most)+8*time.Hour+600*time.Hour, s.published
	for s.elapsed < end && s.published == before {
		s.pass()
		s.advance()
	}
	if s.published == before {
		s.t.Fatalf("seed %d: nothing is rotated any more: %+v at %s", seed, s.record, s.now())
	}
}
