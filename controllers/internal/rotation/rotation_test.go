// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

const uid = types.UID("8d2d0f5e-0000-4000-8000-000000000001")

var (
	born   = time.Date(2026, time.November, 1, 10, 0, 0, 0, time.UTC)
	first  = v1alpha1.DigestOf([]byte("first"))
	second = v1alpha1.DigestOf([]byte("second"))
)

func every(interval time.Duration, edits ...func(*v1alpha1.RotationSpec)) *v1alpha1.RotationSpec {
	spec := &v1alpha1.RotationSpec{Interval: &metav1.Duration{Duration: interval}}
	for _, edit := range edits {
		edit(spec)
	}
	return spec
}

func requested(t time.Time) *v1alpha1.RotationSpec {
	return &v1alpha1.RotationSpec{RequestedAt: new(metav1.NewTime(t))}
}

func superseded(until time.Time) *v1alpha1.SupersededSecret {
	return &v1alpha1.SupersededSecret{Digest: first, Until: until}
}

func announced(since time.Time) *v1alpha1.AnnouncedSecret {
	return &v1alpha1.AnnouncedSecret{Digest: second, Since: since}
}

func TestDecideAboutTheNextRotation(t *testing.T) {
	const day = 24 * time.Hour
	now := born.Add(time.Hour)
	// due is when a daily rotation is due by the fraction of this Integration.
	fraction := rotation.Fraction(uid, born)
	due := born.Add(day - time.Duration(fraction*float64(day/10))).Truncate(time.Second).Add(time.Second)
	nowDue := now.Add(day - time.Duration(rotation.Fraction(uid, now)*float64(day/10))).Truncate(time.Second).Add(time.Second)
	tests := []struct {
		name string
		in   rotation.Input
		want rotation.Decision
	}{
		{"Nothing is asked for.", rotation.Input{Now: now}, rotation.Decision{}},
		{
			"An interval has not passed.",
			rotation.Input{Spec: every(day), Now: now},
			rotation.Decision{Next: due, Again: due},
		},
		{
			"It has passed.",
			rotation.Input{Spec: every(day), Now: due},
			rotation.Decision{Next: due, Step: rotation.Announce},
		},
		{
			"A request from before the client secret asks for nothing.",
			rotation.Input{Spec: requested(born.Add(-time.Second)), Now: now},
			rotation.Decision{},
		},
		{
			"A request from the second in which the client secret was made is due.",
			rotation.Input{Spec: requested(born), Now: now},
			rotation.Decision{Next: born, Step: rotation.Announce},
		},
		{
			"A request from after it is due.",
			rotation.Input{Spec: requested(born.Add(time.Second)), Now: now},
			rotation.Decision{Next: born.Add(time.Second), Step: rotation.Announce},
		},
		{
			"A request in the future waits.",
			rotation.Input{Spec: requested(now.Add(time.Hour)), Now: now},
			rotation.Decision{Next: now.Add(time.Hour), Again: now.Add(time.Hour)},
		},
		{
			"A request from before the last rotation asks for nothing.",
			rotation.Input{Spec: requested(born.Add(time.Minute)), Now: now, Record: v1alpha1.RotationRecord{RotatedAt: born.Add(2 * time.Minute)}},
			rotation.Decision{Record: v1alpha1.RotationRecord{RotatedAt: born.Add(2 * time.Minute)}},
		},
		{
			"An announcement of which the plaintext is at hand settles.",
			rotation.Input{
				Spec: requested(born.Add(time.Second)), Now: now, Held: now.Add(-time.Second),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(-2 * time.Second))},
			},
			rotation.Decision{
				Next: born.Add(time.Second), Again: now.Add(rotation.Settle - time.Second),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(-2 * time.Second))},
			},
		},
		{
			"It is published when it has settled.",
			rotation.Input{
				Spec: requested(born.Add(time.Second)), Now: now, Held: now.Add(-rotation.Settle),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(-rotation.Settle))},
			},
			rotation.Decision{
				Next: born.Add(time.Second), Step: rotation.Publish,
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(-rotation.Settle))},
			},
		},
		{
			"One of which the plaintext is lost is announced anew.",
			rotation.Input{
				Spec: requested(born.Add(time.Second)), Now: now, Record: v1alpha1.RotationRecord{Next: announced(now.Add(-time.Minute))},
			},
			rotation.Decision{
				Next: born.Add(time.Second), Step: rotation.Announce, Record: v1alpha1.RotationRecord{Next: announced(now.Add(-time.Minute))},
			},
		},
		{
			"One from the future, as the clock went back, is announced anew.",
			rotation.Input{
				Spec: requested(born.Add(time.Second)), Now: now, Held: now.Add(-time.Minute),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(time.Hour))},
			},
			rotation.Decision{
				Next: born.Add(time.Second), Step: rotation.Announce, Record: v1alpha1.RotationRecord{Next: announced(now.Add(time.Hour))},
			},
		},
		{
			"One from the near future, as the clock was put right by a little, is waited for.",
			rotation.Input{
				Spec: requested(born.Add(time.Second)), Now: now, Held: now.Add(5 * time.Minute),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(5 * time.Minute))},
			},
			rotation.Decision{
				Next: born.Add(time.Second), Again: now.Add(5*time.Minute + rotation.Settle),
				Record: v1alpha1.RotationRecord{Next: announced(now.Add(5 * time.Minute))},
			},
		},
		{
			"A rotation from the far future, by a clock that was wrong, counts as one from now, so that the interval passes.",
			rotation.Input{Spec: every(day), Now: now, Record: v1alpha1.RotationRecord{RotatedAt: now.Add(2 * 365 * day)}},
			rotation.Decision{
				Next: nowDue, Again: nowDue, Record: v1alpha1.RotationRecord{RotatedAt: now},
			},
		},
		{
			"And so that a request is followed.",
			rotation.Input{Spec: requested(now.Add(time.Minute)), Now: now, Record: v1alpha1.RotationRecord{RotatedAt: now.Add(time.Hour)}},
			rotation.Decision{
				Next: now.Add(time.Minute), Again: now.Add(time.Minute), Record: v1alpha1.RotationRecord{RotatedAt: now},
			},
		},
		{
			"One that is not wanted any more is withdrawn.",
			rotation.Input{Now: now, Held: now.Add(-time.Minute), Record: v1alpha1.RotationRecord{Next: announced(now.Add(-time.Minute))}},
			rotation.Decision{},
		},
		{
			"While the previous client secret is accepted, the rotation waits.",
			rotation.Input{
				Spec: requested(now), Now: now, Overlap: time.Hour, Most: day,
				Record: v1alpha1.RotationRecord{RotatedAt: now.Add(-time.Minute), Previous: superseded(now)},
			},
			rotation.Decision{
				Next: now, Waits: true, Again: now.Add(59 * time.Minute),
				Record: v1alpha1.RotationRecord{RotatedAt: now.Add(-time.Minute), Previous: superseded(now.Add(day - time.Minute))},
			},
		},
		{
			"When that comes to its end, the next one is announced in the same write.",
			rotation.Input{
				Spec: requested(now), Now: now, Overlap: time.Minute, Most: day,
				Record: v1alpha1.RotationRecord{RotatedAt: now.Add(-time.Minute), Previous: superseded(now)},
			},
			rotation.Decision{
				Next: now, Step: rotation.Announce, Retired: true, Record: v1alpha1.RotationRecord{RotatedAt: now.Add(-time.Minute)},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.UID, tt.in.Born = uid, born
			if diff := cmp.Diff(tt.want, rotation.Decide(tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideAboutThePreviousClientSecret(t *testing.T) {
	const overlap, most = 24 * time.Hour, 72 * time.Hour
	rotated := born
	record := v1alpha1.RotationRecord{RotatedAt: rotated, Previous: superseded(rotated.Add(most))}
	gone := v1alpha1.RotationRecord{RotatedAt: rotated}
	capped := func(until time.Time) v1alpha1.RotationRecord {
		return v1alpha1.RotationRecord{RotatedAt: rotated, Previous: superseded(until)}
	}
	tests := []struct {
		name          string
		now, lastUsed time.Time
		overlap, most time.Duration
		want          rotation.Decision
	}{
		{"It is accepted for the overlap.", rotated.Add(time.Hour), time.Time{}, overlap, most, rotation.Decision{Record: record, Again: rotated.Add(overlap)}},
		{"Nobody has used it since the rotation.", rotated.Add(overlap), time.Time{}, overlap, most, rotation.Decision{Record: gone, Retired: true}},
		{"Nobody has used it for the overlap.", rotated.Add(30 * time.Hour), rotated.Add(6 * time.Hour), overlap, most, rotation.Decision{Record: gone, Retired: true}},
		{
			"It is still used when the overlap is over.", rotated.Add(overlap), rotated.Add(23 * time.Hour), overlap, most,
			rotation.Decision{Record: record, InUse: true, Again: rotated.Add(47 * time.Hour)},
		},
		{
			"It is used to the end.", rotated.Add(71 * time.Hour), rotated.Add(70 * time.Hour), overlap, most,
			rotation.Decision{Record: record, InUse: true, Again: rotated.Add(most)},
		},
		{"It is cut off while it is used.", rotated.Add(most), rotated.Add(70 * time.Hour), overlap, most, rotation.Decision{Record: gone, Retired: true, CutOff: true}},
		{"The clock alone ends it.", rotated.Add(overlap), rotated.Add(time.Hour), overlap, overlap, rotation.Decision{Record: gone, Retired: true}},
		{
			"The clock alone ends it, and somebody used it just before.", rotated.Add(overlap), rotated.Add(overlap - time.Minute), overlap, overlap,
			rotation.Decision{Record: gone, Retired: true, CutOff: true},
		},
		{
			"A longer overlap in spec counts at once.", rotated.Add(overlap),
			time.Time{},
			2 * overlap, most,
			rotation.Decision{Record: record, Again: rotated.Add(2 * overlap)},
		},
		{
			"A shorter limit in spec counts at once.", rotated.Add(time.Hour),
			time.Time{},
			time.Hour * 2, time.Hour * 3,
			rotation.Decision{Record: capped(rotated.Add(3 * time.Hour)), Again: rotated.Add(2 * time.Hour)},
		},
		{"No overlap ends it at once, whatever the limit and the uses.", rotated.Add(time.Second), rotated.Add(time.Second), 0, most, rotation.Decision{Record: gone, Retired: true}},
		{
			"A clock that went back a little ends nothing.", rotated.Add(-5 * time.Minute),
			time.Time{},
			overlap, most,
			rotation.Decision{Record: record, Again: rotated.Add(overlap)},
		},
		{
			"After a clock that was far ahead, it is accepted for no longer than after a rotation now.", rotated.Add(-time.Hour),
			time.Time{},
			overlap, most,
			rotation.Decision{
				Record: v1alpha1.RotationRecord{RotatedAt: rotated.Add(-time.Hour), Previous: superseded(rotated.Add(most - time.Hour))},
				Again:  rotated.Add(overlap - time.Hour),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rotation.Decide(rotation.Input{
				UID: uid, Born: born.Add(-time.Hour), Now: tt.now, LastUsed: tt.lastUsed, Overlap: tt.overlap, Most: tt.most, Record: record,
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRotationsByIntervalWaitForAWindow(t *testing.T) {
	const hour = time.Hour
	nightly := func(s *v1alpha1.RotationSpec) { s.Window = new(window("0 2 * * *", "Europe/Berlin", 4*hour)) }
	in := rotation.Input{UID: uid, Born: born, Spec: every(240*hour, nightly)}
	half := time.Duration(rotation.Fraction(uid, born) * float64(2*hour))
	// The rotation is due on the 11th or, with all of the jitter, on the 10th, both about noon.
	opens := at(t, "2026-11-11T02:00:00+01:00")
	if rotation.Fraction(uid, born) < 0.7 {
		opens = at(t, "2026-11-12T02:00:00+01:00")
	}
	wantNext := opens.Add(half).UTC().Truncate(time.Second).Add(time.Second)
	for _, tt := range []struct {
		name string
		now  time.Time
		want rotation.Decision
	}{
		{"It is told long before.", born.Add(hour), rotation.Decision{Next: wantNext, Again: wantNext}},
		{"It is due, and the window is not open.", opens.Add(-time.Minute), rotation.Decision{Next: wantNext, Again: wantNext}},
		{"The window is open.", wantNext, rotation.Decision{Next: wantNext, Step: rotation.Announce}},
		{"The window is open to the end.", opens.Add(4*hour - time.Second), rotation.Decision{Next: wantNext, Step: rotation.Announce}},
		{"A missed window is gone.", opens.Add(4 * hour), rotation.Decision{Next: wantNext.Add(24 * hour), Again: wantNext.Add(24 * hour)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in.Now = tt.now
			if diff := cmp.Diff(tt.want, rotation.Decide(in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("A request does not wait for the window.", func(t *testing.T) {
		asked := in
		asked.Spec, asked.Now = asked.Spec.DeepCopy(), opens.Add(-hour)
		asked.Spec.RequestedAt = new(metav1.NewTime(asked.Now))
		if got := rotation.Decide(asked); got.Step != rotation.Announce || !got.Next.Equal(asked.Now) {
			t.Errorf("want it announced, got %+v", got)
		}
	})
	t.Run("A window that spans the end of summer time is open for its whole duration.", func(t *testing.T) {
		spans := rotation.Input{UID: uid, Born: at(t, "2026-10-14T12:00:00Z"), Spec: every(240*hour, nightly)}
		// It opens at 02:00+02:00; four hours later it is 05:00+01:00.
		spans.Now = at(t, "2026-10-25T04:59:59+01:00")
		if got := rotation.Decide(spans); got.Step != rotation.Announce {
			t.Errorf("want the window open, got %+v", got)
		}
		spans.Now = at(t, "2026-10-25T05:00:00+01:00")
		if got := rotation.Decide(spans); got.Step != rotation.Stay {
			t.Errorf("want the window closed, got %+v", got)
		}
	})
	t.Run("A window that is always open holds nothing up.", func(t *testing.T) {
		always := rotation.Input{UID: uid, Born: born, Spec: every(hour, func(s *v1alpha1.RotationSpec) {
			s.Window = new(window("* * * * *", "UTC", 5*time.Minute))
		})}
		for always.Now = born.Add(hour); always.Now.Before(born.Add(2 * hour)); always.Now = always.Now.Add(7 * time.Second) {
			if got := rotation.Decide(always); got.Step != rotation.Announce {
				t.Fatalf("at %s: want it announced, got %+v", always.Now, got)
			}
		}
	})
}

func TestAScheduleThatCannotBeFollowedStopsTheClockOnly(t *testing.T) {
	spec := every(time.Hour, func(s *v1alpha1.RotationSpec) { s.Window = new(window("0 0 30 2 *", "UTC", time.Hour)) })
	in := rotation.Input{
		UID: uid, Born: born, Now: born.Add(100 * time.Hour), Spec: spec, Overlap: time.Hour, Most: time.Hour,
		Record: v1alpha1.RotationRecord{RotatedAt: born.Add(time.Hour), Previous: superseded(born.Add(2 * time.Hour))},
	}
	var invalid *rotation.InvalidError
	got := rotation.Decide(in)
	if !errors.As(got.Err, &invalid) || got.Step != rotation.Stay || !got.Retired || !got.Next.IsZero() {
		t.Errorf("want an error and the previous client secret retired, got %+v", got)
	}
	in.Spec.RequestedAt = new(metav1.NewTime(in.Now))
	if got := rotation.Decide(in); got.Step != rotation.Announce || got.Err == nil {
		t.Errorf("want a request followed, got %+v", got)
	}
}

func TestIntegrationsAreSpreadOut(t *testing.T) {
	const integrations, buckets = 10_000, 20
	var counts [buckets]int
	for i := range integrations {
		in := rotation.Input{UID: types.UID(fmt.Sprintf("uid-%d", i)), Born: born, Now: born, Spec: every(720 * time.Hour)}
		ahead := born.Add(720 * time.Hour).Sub(rotation.Decide(in).Next)
		if ahead < 0 || ahead > 72*time.Hour {
			t.Fatalf("Integration %d is rotated %s ahead", i, ahead)
		}
		counts[int(ahead*buckets/(72*time.Hour+1))]++
	}
	for bucket, count := range counts {
		if math.Abs(float64(count)-integrations/buckets) > integrations/buckets/4 {
			t.Errorf("part %d of the tenth of the interval has %d Integrations, want about %d", bucket, count, integrations/buckets)
		}
	}
	if rotation.Fraction(uid, born) == rotation.Fraction(uid, born.Add(time.Hour)) {
		t.Error("an Integration comes at the same point each time")
	}
}

func TestPublishedWithoutOverlapKeepsNothing(t *testing.T) {
	now := born.Add(500 * time.Millisecond)
	if diff := cmp.Diff(v1alpha1.RotationRecord{RotatedAt: born}, rotation.Published(first, now, 0, time.Hour)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := v1alpha1.RotationRecord{RotatedAt: born, Previous: superseded(born.Add(2 * time.Hour))}
	if diff := cmp.Diff(want, rotation.Published(first, now, time.Hour, 2*time.Hour)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordOf(t *testing.T) {
	whole := v1alpha1.RotationRecord{RotatedAt: born, Next: announced(born), Previous: superseded(born.Add(time.Hour))}
	for _, tt := range []struct {
		name, annotation string
		want             v1alpha1.RotationRecord
	}{
		{"Nothing.", "", v1alpha1.RotationRecord{}},
		{"A whole record.", whole.Annotation(), whole},
		{"A damaged one.", `{"rotatedAt":"yesterday"}`, v1alpha1.RotationRecord{}},
		{"One that could not be written back.", `{"rotatedAt":"9999-12-31T23:59:59-23:00"}`, v1alpha1.RotationRecord{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationRotation: tt.annotation}}}
			got := rotation.RecordOf(secret)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			in := rotation.Input{UID: uid, Born: born, Now: born.Add(time.Hour), Record: got, Spec: every(17520 * time.Hour), Most: 8760 * time.Hour}
			_ = rotation.Decide(in).Record.Annotation() // It panics when it cannot be written.
		})
	}
}
