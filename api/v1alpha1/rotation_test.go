// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

func TestARotationRecordComesBackAsItWasWritten(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123_456_789, time.UTC)
	next := &v1alpha1.AnnouncedSecret{Digest: v1alpha1.DigestOf([]byte("next")), Since: at}
	previous := &v1alpha1.SupersededSecret{Digest: v1alpha1.DigestOf([]byte("previous")), Until: at.Add(time.Hour)}
	for name, want := range map[string]v1alpha1.RotationRecord{
		"nothing":   {},
		"announced": {Next: next},
		"published": {RotatedAt: at, Previous: previous},
		"retired":   {RotatedAt: at},
		"again":     {RotatedAt: at, Next: next, Previous: previous},
	} {
		t.Run(name, func(t *testing.T) {
			annotation := want.Annotation()
			if (annotation == "") != (name == "nothing") || len(annotation) > 1024 {
				t.Errorf("the annotation is %q", annotation)
			}
			got, err := v1alpha1.ParseRotationRecord(annotation)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADamagedRotationRecordIsNone(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for name, annotation := range map[string]string{
		"no JSON":                     "rotated yesterday",
		"another type":                `[]`,
		"half of it":                  `{"rotatedAt":"2026-11-22T10:00:00Z","ne`,
		"a time that is none":         `{"rotatedAt":"today"}`,
		"a digest that is too short":  `{"next":{"sha256":"` + digest[:62] + `","since":"2026-11-22T10:00:00Z"}}`,
		"a digest that is too long":   `{"next":{"sha256":"` + digest + `ab","since":"2026-11-22T10:00:00Z"}}`,
		"a digest that is not hex":    `{"previous":{"sha256":"` + digest[:62] + `xy","until":"2026-11-22T10:00:00Z"}}`,
		"more than anybody writes":    `{"rotatedAt":"2026-11-22T10:00:00Z"` + strings.Repeat(" ", 1024) + `}`,
		"a secret in place of digest": `{"next":{"sha256":"correct-horse-battery-staple"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v1alpha1.ParseRotationRecord(annotation)
			if err == nil {
				t.Fatal("want an error")
			}
			if diff := cmp.Diff(v1alpha1.RotationRecord{}, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if !strings.Contains(err.Error(), v1alpha1.AnnotationRotation) || strings.Contains(err.Error(), "horse") {
				t.Errorf("want the error to name the annotation and to quote nothing of it, got %v", err)
			}
		})
	}
}

func TestRotationOverlap(t *testing.T) {
	hours := func(h float64) *metav1.Duration {
		return &metav1.Duration{Duration: time.Duration(h * float64(time.Hour))}
	}
	for _, tt := range []struct {
		name                    string
		spec                    *v1alpha1.RotationSpec
		wantOverlap, wantAtMost float64
	}{
		{"Nothing said.", nil, 24, 720},
		{"Nothing said of it.", &v1alpha1.RotationSpec{}, 24, 720},
		{"A long interval changes nothing.", &v1alpha1.RotationSpec{Interval: hours(2160)}, 24, 720},
		{"An interval bounds the most.", &v1alpha1.RotationSpec{Interval: hours(168)}, 24, 168},
		{"Half of a short interval.", &v1alpha1.RotationSpec{Interval: hours(2)}, 1, 2},
		{"An overlap.", &v1alpha1.RotationSpec{Overlap: hours(48)}, 48, 720},
		{"An overlap beyond the default most raises that.", &v1alpha1.RotationSpec{Overlap: hours(1000)}, 1000, 1000},
		{"No overlap at all, for a secret that has leaked, while it is used.", &v1alpha1.RotationSpec{Overlap: hours(0)}, 0, 720},
		{"A most.", &v1alpha1.RotationSpec{MaxOverlap: hours(100)}, 24, 100},
		{"A most below the default overlap lowers that.", &v1alpha1.RotationSpec{MaxOverlap: hours(1)}, 1, 1},
		{"Both.", &v1alpha1.RotationSpec{Overlap: hours(2), MaxOverlap: hours(3), Interval: hours(4)}, 2, 3},
		{"By the clock there is no more than the overlap.", &v1alpha1.RotationSpec{Retirement: v1alpha1.RetirementAfterOverlap}, 24, 24},
		{
			"By the clock, and at once.",
			&v1alpha1.RotationSpec{Overlap: hours(0), Retirement: v1alpha1.RetirementAfterOverlap}, 0, 0,
		},
		{
			"What the schema refuses is still in order.",
			&v1alpha1.RotationSpec{Overlap: hours(5), MaxOverlap: hours(1), Retirement: v1alpha1.RetirementWhenUnused}, 5, 5,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intg := &v1alpha1.Integration{}
			intg.Spec.Credentials.Rotation = tt.spec
			overlap, most := intg.RotationOverlap()
			if overlap != hours(tt.wantOverlap).Duration || most != hours(tt.wantAtMost).Duration {
				t.Errorf("got %s and at most %s, want %vh and %vh", overlap, most, tt.wantOverlap, tt.wantAtMost)
			}
		})
	}
}
