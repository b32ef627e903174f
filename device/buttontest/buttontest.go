// Package buttontest checks that buttons, simulated and real, keep what the rest of the
// house relies on. It is one suite for all of them.
package buttontest

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Button is what is tested.
type Button interface {
	// Run reports presses until ctx ends.
	Run(ctx context.Context, pressed func(at time.Time)) error
}

// patience is how long a press may take to be reported; hold is how long the button is
// held down and let go at least: longer than any settle time in use.
const (
	patience = 2 * time.Second
	hold     = 150 * time.Millisecond
)

// Run runs the suite on buttons that open makes and that press and release move; both
// return once the button has moved. A release of a button that has none may do nothing.
func Run(t *testing.T, open func(t *testing.T) Button, press, release func(t *testing.T)) {
	t.Run("each press is reported once", func(t *testing.T) {
		presses := started(t, open(t))
		for i := range 3 {
			before := time.Now()
			press(t)
			at := next(t, presses)
			if at.Before(before.Add(-time.Millisecond)) || at.After(time.Now()) {
				t.Errorf("press %d: reported for %v after it", i, at.Sub(before))
			}
			none(t, presses)
			release(t)
			none(t, presses)
		}
	})
	t.Run("ends with the context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := open(t).Run(ctx, func(time.Time) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("runs again", func(t *testing.T) {
		button := open(t)
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if err := button.Run(ctx, func(time.Time) {}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's error", err)
			}
			cancel()
		}
		presses := started(t, button)
		press(t)
		next(t, presses)
		release(t)
	})
}

// started runs a button until the test ends, and returns its presses.
func started(t *testing.T, button Button) <-chan time.Time {
	t.Helper()
	presses := make(chan time.Time, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- button.Run(ctx, func(at time.Time) { presses <- at }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the button ended with %v", err)
		}
	})
	none(t, presses) // and time to begin
	return presses
}

// next returns the next press.
func next(t *testing.T, presses <-chan time.Time) time.Time {
	t.Helper()
	select {
	case at := <-presses:
		return at
	case <-time.After(patience):
		t.Fatal("the press is not reported")
	}
	return time.Time{}
}

// none checks that no press is reported for the time of hold.
func none(t *testing.T, presses <-chan time.Time) {
	t.Helper()
	select {
	case <-presses:
		t.Fatal("a press too many is reported")
	case <-time.After(hold):
	}
}
