// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	// Settle is how long a client secret is announced before it is published, so that every replica of the token server knows it by then.
	// A watch that was cut off has come back by then, too.
	Settle = 15 * time.Second
	// clockDrift is how far ahead of the clock a record's times may be. Beyond that, they are those of a clock that was wrong.
	clockDrift = 5 * time.Minute
	// spread is the part of an interval over which Integrations with the same one are spread out.
	spread = 10
	// stillUsed is how recent a use is that makes the end of a previous secret by the clock worth a warning.
	stillUsed = time.Hour
	// lastYear is the last year that a record may speak of: later ones, with what is added to them, cannot be written any more.
	lastYear = 5000
)

// A Step is what a rotation needs next.
type Step int

// The steps.
const (
	// Stay: nothing, or nothing yet.
	Stay Step = iota
	// Announce: make a client secret and write its digest into the record.
	Announce
	// Publish: put the announced client secret in place.
	Publish
)

// Input is everything that Decide looks at.
type Input struct {
	// Spec is spec.credentials.rotation; nil where there is none, or where the user brings the client secret.
	Spec *v1alpha1.RotationSpec
	// Overlap and Most are how long the previous client secret is accepted, and how long at most while it is used.
	Overlap, Most time.Duration
	// UID is the Integration's, by which Integrations are spread out.
	UID types.UID
	// Born is when the first client secret was made.
	Born time.Time
	// Record is what the Secret says.
	Record v1alpha1.RotationRecord
	// LastUsed is when the previous client secret was last used since the rotation; zero for never.
	LastUsed time.Time
	// Held says since when the API server has had the digest of the announced client secret of which the plaintext is at hand; it is
	// zero if that plaintext is lost.
	Held time.Time
	Now  time.Time
}

// A Decision says what to do now, and when to ask again.
type Decision struct {
	// Step is what the rotation needs.
	Step Step
	// Record is what the Secret is to say, before Step is done.
	Record v1alpha1.RotationRecord
	// Next is when the client secret is to be rotated next; zero for never. It is in the past while the rotation waits for the end of the
	// previous client secret, or is under way.
	Next time.Time
	// Retired says that the previous client secret comes to its end, and CutOff that it was still used then.
	Retired, CutOff bool
	// Waits says that a rotation is due and waits for the end of the previous client secret.
	Waits bool
	// InUse says that the previous client secret is accepted beyond the overlap as it is still used.
	InUse bool
	// Again is when to ask again; zero for never.
	Again time.Time
	// Err is an *InvalidError if spec cannot be followed. Nothing is rotated by the clock then; all else is decided.
	Err error
}

// Decide says what a client secret's rotation needs now.
func Decide(in Input) Decision {
	in.Record = in.sound()
	d := Decision{Record: in.Record}
	if in.Record.Previous != nil {
		d.endPrevious(in)
	}
	d.Next, d.Err = in.next()
	due := !d.Next.IsZero() && !in.Now.Before(d.Next)
	latest := in.Now.Add(clockDrift)
	switch announced := in.Record.Next; {
	case !due || d.Record.Previous != nil:
		d.Record.Next, d.Waits = nil, due
		if !due {
			d.lookAt(d.Next)
		}
	case announced == nil || in.Held.IsZero() || announced.Since.After(latest) || in.Held.After(latest):
		// One that was announced much later than now was so by a wrong clock, which is no measure of how long ago that is.
		d.Step = Announce
	case in.Now.Sub(announced.Since) >= Settle && in.Now.Sub(in.Held) >= Settle:
		d.Step = Publish
	default:
		d.lookAt(later(announced.Since, in.Held).Add(Settle))
	}
	return d
}

// sound returns the record with a rotation that is said to be in the future, as by a clock that was wrong, put to now. Else neither the next
// rotation nor the end of the previous client secret would come before that time has.
func (in Input) sound() v1alpha1.RotationRecord {
	record := in.Record
	if record.RotatedAt.After(in.Now.Add(clockDrift)) {
		record.RotatedAt = in.Now.UTC().Truncate(time.Second)
	}
	return record
}

// endPrevious decides about the previous client secret: it is over when nobody has used it for the overlap, and in any case after most.
func (d *Decision) endPrevious(in Input) {
	overlapEnd, until := in.Record.RotatedAt.Add(in.Overlap), Until(in.Record.RotatedAt, in.Overlap, in.Most)
	end, recent := overlapEnd, in.Overlap
	if !in.LastUsed.IsZero() {
		end = later(end, in.LastUsed.Add(in.Overlap))
	}
	if end.After(until) {
		end = until
	}
	if in.Most <= in.Overlap {
		recent = min(recent, stillUsed) // Most use it at the beginning of the overlap, which is no reason to warn.
	}
	if !in.Now.Before(end) {
		d.Record.Previous, d.Retired = nil, true
		d.CutOff = !in.LastUsed.IsZero() && in.Now.Before(in.LastUsed.Add(recent))
		return
	}
	d.Record.Previous = &v1alpha1.SupersededSecret{Digest: in.Record.Previous.Digest, Until: until}
	if d.InUse = !in.Now.Before(overlapEnd); d.InUse {
		d.lookAt(end)
	} else {
		d.lookAt(overlapEnd)
	}
}

// lookAt makes Again the earlier of itself and t, which may be zero.
func (d *Decision) lookAt(t time.Time) {
	if !t.IsZero() && (d.Again.IsZero() || t.Before(d.Again)) {
		d.Again = t
	}
}

// next returns when the client secret is to be rotated next, in whole seconds; zero for never.
func (in Input) next() (time.Time, error) {
	if in.Spec == nil {
		return time.Time{}, nil
	}
	base := in.base()
	var next time.Time
	// Both have whole seconds, and in the same one the request may well be the later of the two. To rotate once too often does no harm, and
	// stays at that once: a rotation is later than what asked for it by Settle.
	if asked := in.Spec.RequestedAt; asked != nil && !asked.Time.Before(base) {
		next = asked.Time
	}
	if in.Spec.Interval == nil {
		return next, nil
	}
	interval, fraction := in.Spec.Interval.Duration, Fraction(in.UID, base)
	due := wholeSeconds(base.Add(interval - scaled(fraction, interval/spread)))
	if window := in.Spec.Window; window != nil {
		opens, err := ParseWindow(*window)
		if err != nil {
			return next, err
		}
		half := scaled(fraction, window.Duration.Duration/2)
		opening, err := opens.After(later(due, in.Now).Add(-window.Duration.Duration))
		if err != nil {
			return next, err
		}
		// The window that is open then, or opens next. Who comes in the middle of it does not wait.
		due = later(due, wholeSeconds(opening.Add(half)))
	}
	if next.IsZero() || due.Before(next) {
		next = due
	}
	return next, nil
}

// base is since when the client secret has been what it is.
func (in Input) base() time.Time {
	if in.Record.RotatedAt.IsZero() {
		return in.Born
	}
	return in.Record.RotatedAt
}

// Announced returns the record after the step Announce.
func Announced(record v1alpha1.RotationRecord, digest v1alpha1.SecretDigest, now time.Time) v1alpha1.RotationRecord {
	record.Next = &v1alpha1.AnnouncedSecret{Digest: digest, Since: now.UTC().Round(0)}
	return record
}

// Published returns the record after another client secret took the place of the one with the digest, by the step Publish or because the
// user brought it. RotatedAt has whole seconds, as it goes into the status.
func Published(superseded v1alpha1.SecretDigest, now time.Time, overlap, most time.Duration) v1alpha1.RotationRecord {
	record := v1alpha1.RotationRecord{RotatedAt: now.UTC().Truncate(time.Second)}
	if overlap > 0 {
		record.Previous = &v1alpha1.SupersededSecret{Digest: superseded, Until: Until(record.RotatedAt, overlap, most)}
	}
	return record
}

// Until returns when a client secret that was superseded at a time is accepted no longer, even if it is used. Without an overlap, that is
// at once, whatever most says.
func Until(rotatedAt time.Time, overlap, most time.Duration) time.Time {
	if overlap <= 0 {
		return rotatedAt
	}
	return rotatedAt.Add(max(overlap, most))
}

// Fraction returns a number from 0 to 1 that depends on an Integration and on when its client secret began, and on nothing else. It
// spreads Integrations out, each time anew.
func Fraction(uid types.UID, base time.Time) float64 {
	sum := sha256.Sum256([]byte(string(uid) + "/" + base.UTC().Format(time.RFC3339)))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

func scaled(fraction float64, d time.Duration) time.Duration {
	return time.Duration(fraction * float64(d))
}

// wholeSeconds rounds up, so that what the status says is never before what is meant.
func wholeSeconds(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second).UTC()
	}
	return t.Truncate(time.Second).UTC()
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// RecordOf returns how far a Secret says that the rotation of its client secret has come: a zero record where it says nothing, where that is
// damaged, and where it speaks of times that nobody lives to see.
func RecordOf(secret *corev1.Secret) v1alpha1.RotationRecord {
	record, err := v1alpha1.ParseRotationRecord(secret.Annotations[v1alpha1.AnnotationRotation])
	if err != nil || record.RotatedAt.Year() > lastYear || record.Next != nil && record.Next.Since.Year() > lastYear {
		return v1alpha1.RotationRecord{}
	}
	return record
}
