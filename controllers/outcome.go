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

// outcomeOf maps how the phases ended to what controller-runtime does next. Every other error is transient: it is returned, and
// tried again with a growing delay.
func outcomeOf(err error) (ctrl.Result, error) {
	var waiting *waitingError
	var terminal *terminalError
	switch {
	case err == nil:
		return ctrl.Result{}, nil
	case lostRace(err):
		return ctrl.Result{RequeueAfter: raceRetry}, nil
	case errors.As(err, &waiting):
		return ctrl.Result{RequeueAfter: waiting.retryAfter}, nil
	case errors.As(err, &terminal) && terminal.retryAfter > 0:
		return ctrl.Result{RequeueAfter: terminal.retryAfter}, nil
	case errors.As(err, &terminal):
		return ctrl.Result{}, reconcile.TerminalError(err)
	default:
		return ctrl.Result{}, err
	}
}
