// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
	"github.com/integration-operator/integration-operator/controllers/internal/rotation"
)

func window(schedule, zone string, duration time.Duration) v1alpha1.RotationWindow {
	return v1alpha1.RotationWindow{Schedule: schedule, TimeZone: zone, Duration: metav1.Duration{Duration: duration}}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAWindowOpens(t *testing.T) {
	const berlin, newYork, auckland, lordHowe = "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe"
	tests := []struct {
		name, schedule, zone, after string
		want                        []string
	}{
		{"Each night, in winter and summer.", "0 2 * * *", berlin, "2026-01-10T12:00:00+01:00", []string{"2026-01-11T02:00:00+01:00", "2026-01-12T02:00:00+01:00"}},
		{"Right after the gap, when its hour is skipped.", "30 2 * * *", berlin, "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"Once after the gap, though many of its minutes are skipped.", "*/20 2 29 3 *", berlin, "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2027-03-29T02:00:00+02:00"}},
		{"The same is found when it is asked for in the gap's last minute.", "30 2 * * *", berlin, "2026-03-29T01:59:59+01:00", []string{"2026-03-29T03:00:00+02:00"}},
		{"It is not found twice.", "30 2 * * *", berlin, "2026-03-29T03:00:00+02:00", []string{"2026-03-30T02:30:00+02:00"}},
		{"The first time, when its hour is repeated.", "30 2 * * *", berlin, "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"Asked for between the two, it is the next day's.", "30 2 * * *", berlin, "2026-10-25T02:15:00+01:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"New York skips an hour.", "15 2 * * 0", newYork, "2026-03-07T12:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-15T02:15:00-04:00"}},
		{"New York repeats an hour.", "15 1 * * 0", newYork, "2026-10-31T12:00:00-04:00", []string{"2026-11-01T01:15:00-04:00", "2026-11-08T01:15:00-05:00"}},
		{"Auckland skips an hour in spring, which is September.", "0 2 * * *", auckland, "2026-09-26T12:00:00+12:00", []string{"2026-09-27T03:00:00+13:00", "2026-09-28T02:00:00+13:00"}},
		{"Auckland repeats an hour.", "30 2 * * *", auckland, "2026-04-04T12:00:00+13:00", []string{"2026-04-05T02:30:00+13:00", "2026-04-06T02:30:00+12:00"}},
		{"Lord Howe skips half an hour.", "15 2 * * *", lordHowe, "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"Lord Howe skips half an hour, and its other half is there.", "45 2 * * *", lordHowe, "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:45:00+11:00"}},
		{"Lord Howe repeats half an hour.", "45 1 * * *", lordHowe, "2026-04-04T12:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"On the 29th of February.", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"Days of the month and of the week are alternatives.", "0 0 13 * 5", "UTC", "2026-11-09T00:00:00Z", []string{"2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"}},
		{"No time zone is UTC.", "0 2 * * *", "", "2026-07-01T00:00:00Z", []string{"2026-07-01T02:00:00Z"}},
		{"Spaces do not matter.", "  0   2 * *  * ", "UTC", "2026-07-01T00:00:00Z", []string{"2026-07-01T02:00:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := rotation.ParseWindow(window(tt.schedule, tt.zone, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			after := at(t, tt.after)
			for _, text := range tt.want {
				got, err := w.After(after)
				if want := at(t, text); err != nil || !got.Equal(want) {
					t.Fatalf("after %s: want %s, got %s and error %v", after, want, got.In(want.Location()), err)
				}
				after = got
			}
		})
	}
}

// What opens next must not depend on where one begins to ask, or a window that is open would be found by some passes only.
func TestAWindowOpensWhateverOneAsksFrom(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Antarctica/Troll"} {
		for _, schedule := range []string{"0 * * * *", "30 2 * * *", "15 0 * * *", "*/17 1-3 * * *"} {
			w, err := rotation.ParseWindow(window(schedule, zone, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			from, last := at(t, "2026-01-01T00:00:00Z"), time.Time{}
			for ; from.Year() == 2026; from = from.Add(37 * time.Minute) {
				opens, err := w.After(from)
				switch {
				case err != nil || !opens.After(from) || opens.After(from.Add(50*time.Hour)):
					t.Fatalf("%s in %s after %s: got %s and error %v", schedule, zone, from, opens, err)
				case opens.Before(last):
					t.Fatalf("%s in %s: later one finds the earlier %s", schedule, zone, opens)
				case last.After(from) && !opens.Equal(last):
					t.Fatalf("%s in %s after %s: want %s as before, got %s", schedule, zone, from, last, opens)
				}
				last = opens
			}
		}
	}
}

func TestAWindowThatCannotBe(t *testing.T) {
	const schedule, zone = "spec.credentials.rotation.window.schedule", "spec.credentials.rotation.window.timeZone"
	tests := []struct{ name, schedule, zone, wantField string }{
		{"A day that never comes.", "0 0 30 2 *", "UTC", schedule},
		{"Two days that never come.", "0 0 31 4,6 *", "Europe/Berlin", schedule},
		{"An hour that is none.", "0 24 * * *", "UTC", schedule},
		{"A step of zero.", "*/0 * * * *", "UTC", schedule},
		{"Words.", "every day at two o'clock", "UTC", schedule},
		{"Six fields.", "0 0 2 * * *", "UTC", schedule},
		{"Four fields.", "0 2 * *", "UTC", schedule},
		{"A descriptor.", "@daily", "UTC", schedule},
		{"A time zone of its own.", "TZ=UTC 0 2 * *", "UTC", schedule},
		{"A hash, as in Jenkins.", "H 2 * * *", "UTC", schedule},
		{"The last day, as in Quartz.", "0 2 L * *", "UTC", schedule},
		{"A time zone that is unknown.", "0 2 * * *", "Europe/Bielefeld", zone},
		{"The server's own time zone.", "0 2 * * *", "Local", zone},
		{"A path.", "0 2 * * *", "../../etc/passwd", zone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := rotation.ParseWindow(window(tt.schedule, tt.zone, time.Hour))
			if err == nil {
				_, err = w.After(at(t, "2026-11-22T00:00:00Z"))
			}
			var invalid *rotation.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != tt.wantField {
				t.Fatalf("want an error about %s, got %v", tt.wantField, err)
			}
			if !strings.HasPrefix(err.Error(), tt.wantField+" ") || invalid.Mend == "" {
				t.Errorf("the error says too little: %v", err)
			}
		})
	}
}
