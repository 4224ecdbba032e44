// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // Images without a time zone database must know Europe/Berlin too.

	"github.com/netresearch/go-cron"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

const (
	fieldSchedule = "spec.credentials.rotation.window.schedule"
	fieldTimeZone = "spec.credentials.rotation.window.timeZone"

	// searchYears is how far ahead a schedule is looked through; 29 February comes again within eight years.
	searchYears = 8
	// maxShift is more than any time zone's clocks are put forward or back by.
	maxShift = 3 * time.Hour
)

// An InvalidError says that a field of spec cannot be followed.
type InvalidError struct {
	// Field is the path of the field.
	Field string
	// Mend says what is wrong with it and what to do.
	Mend string
}

// Error returns the field, and what to do about it.
func (e *InvalidError) Error() string { return e.Field + " " + e.Mend }

// A Window opens again and again.
type Window struct {
	schedule cron.Schedule
	location *time.Location
	text     string
}

// ParseWindow reads a window. It returns an *InvalidError for a schedule that is not one of cron's five fields, and for an unknown time zone.
func ParseWindow(w v1alpha1.RotationWindow) (Window, error) {
	if len(strings.Fields(w.Schedule)) != 5 || strings.ContainsAny(w.Schedule, "@=") {
		return Window{}, &InvalidError{fieldSchedule, "must have the five fields of cron, minute, hour, day of month, month and day of week, " +
			"such as 0 2 * * 1-5"}
	}
	// In UTC, where no clock is ever put forward or back: that is After's part, as the library's own way depends on where it begins. The
	// two fields for days are alternatives, as in every cron.
	parser := cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom).WithMaxSearchYears(searchYears)
	schedule, err := parser.Parse("TZ=UTC " + strings.Join(strings.Fields(w.Schedule), " "))
	if err != nil {
		return Window{}, &InvalidError{fieldSchedule, fmt.Sprintf("is not understood (%v): write it like 0 2 * * 1-5", err)}
	}
	if w.TimeZone == "Local" {
		return Window{}, &InvalidError{fieldTimeZone, "must be a name of the IANA database, such as Europe/Berlin"}
	}
	location, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return Window{}, &InvalidError{fieldTimeZone, fmt.Sprintf("is not known (%s): write a name of the IANA database, such as Europe/Berlin",
			w.TimeZone)}
	}
	return Window{schedule: schedule, location: location, text: w.Schedule}, nil
}

// After returns when the window opens first after t. A time that does not exist, as clocks are put forward, opens it right after the gap; one
// that comes twice, as they are put back, opens it the first time. It returns an *InvalidError if the window never opens.
func (w Window) After(t time.Time) (time.Time, error) {
	for wall := wallClock(t.In(w.location)).Add(-maxShift); ; {
		if wall = w.schedule.Next(wall); wall.IsZero() {
			return time.Time{}, &InvalidError{fieldSchedule, fmt.Sprintf("never comes (%s): choose a day that exists", w.text)}
		}
		if opens := w.instant(wall); opens.After(t) {
			return opens.UTC(), nil
		}
	}
}

// instant returns when the clocks of the time zone show a wall clock time, which is given as if in UTC.
func (w Window) instant(wall time.Time) time.Time {
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, w.location)
	_, before := guess.Add(-24 * time.Hour).Zone()
	first := time.Unix(wall.Unix()-int64(before), 0).In(w.location)
	switch {
	case wallClock(first).Equal(wall):
		return first
	case wallClock(guess).Equal(wall):
		return guess
	default:
		gapEnd, _ := first.ZoneBounds() // By the clocks of before, the time is after they were put forward.
		return gapEnd
	}
}

// wallClock returns what a clock shows at t, as if in UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}
