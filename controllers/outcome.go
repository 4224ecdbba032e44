// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
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

// raceRetry is how soon a pass that lost a race is done again.
const raceRetry = time.Second

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

// sooner returns the shorter of two delays, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
