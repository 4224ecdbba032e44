// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// waitingError says that something is missing which will come by itself, and be noticed by a watch; the retry is a safety net.
type waitingError struct {
	reason, message string
	retryAfter      time.Duration
}

func (e *waitingError) Error() string { return e.message }

// terminalError says that somebody has to change something first.
type terminalError struct {
	reason, message string
	// retryAfter is set where the change would not be noticed by a watch.
	retryAfter time.Duration
}

func (e *terminalError) Error() string { return e.message }

const (
	// raceRetry is how soon a pass that lost a race is done again: whoever writes all the time cannot put off for long what it is to do.
	raceRetry = 200 * time.Millisecond
	// firstBackOff and mostBackOff bound the growing delays after errors that pass.
	firstBackOff, mostBackOff = 50 * time.Millisecond, 30 * time.Second
	// keyRetry is how soon this process looks again for a key that the API server has.
	keyRetry = time.Second
	// soon is how near a look has to be so that a pass that failed waits for it. By growing delays it may come much later.
	soon = time.Minute
	// minSoon is the shortest such wait, so that what fails each time is not tried all the time.
	minSoon = time.Second
	// mostSoon is the longest: a status that was not written may be one that takes something away.
	mostSoon = 2 * time.Second
)

// lostRace reports whether somebody wrote first: another leader that has not noticed yet that it leads no more, a person, or this
// process itself while the cache lags. It says nothing about the object, and the next look tells.
func lostRace(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}

// outcomeOf maps how a pass ended that has nothing to come back for by the clock.
func outcomeOf(err error) (ctrl.Result, error) { return outcomeWithin(err, 0) }

// outcomeWithin maps how the phases ended to what controller-runtime does next. Every other error is transient: it is returned, and
// tried again with a growing delay. again is in how long to look again in any case; zero for never.
func outcomeWithin(err error, again time.Duration) (ctrl.Result, error) {
	var waiting *waitingError
	var terminal *terminalError
	switch {
	case err == nil:
		return ctrl.Result{RequeueAfter: again}, nil
	case lostRace(err):
		return ctrl.Result{RequeueAfter: raceRetry}, nil
	case errors.As(err, &waiting):
		return ctrl.Result{RequeueAfter: sooner(waiting.retryAfter, again)}, nil
	case errors.As(err, &terminal) && (terminal.retryAfter > 0 || again > 0):
		return ctrl.Result{RequeueAfter: sooner(terminal.retryAfter, again)}, nil
	case errors.As(err, &terminal):
		return ctrl.Result{}, reconcile.TerminalError(err)
	default:
		return ctrl.Result{}, err
	}
}

// outcomeOfPass is outcomeWithin where again is a time that others rely on, as when a client secret is published or refused: an error that
// passes does not put off a look that is due soon. It is logged here, as it is not returned.
func outcomeOfPass(ctx context.Context, err error, again time.Duration) (ctrl.Result, error) {
	result, err := outcomeWithin(err, again)
	if err == nil || again == 0 || again > soon {
		return result, err
	}
	ctrl.LoggerFrom(ctx).Error(err, "the pass failed, and is done again when the next look is due")
	return ctrl.Result{RequeueAfter: min(max(again, minSoon), mostSoon)}, nil
}

// sooner returns the shorter of two delays, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
