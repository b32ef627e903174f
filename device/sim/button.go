package sim

import (
	"context"
	"time"
)

// buttonQueue is how many presses wait for Run; more are dropped.
const buttonQueue = 8

// Button is pressed by a program.
type Button struct{ presses chan time.Time }

// NewButton returns a button.
func NewButton() *Button { return &Button{make(chan time.Time, buttonQueue)} }

// Press presses the button. It never waits: a press while Run isn't running is reported
// when it is, and of more than eight of those the later ones are lost. It tells whether
// the press will be reported. Any goroutine may call it.
func (b *Button) Press() bool {
	select {
	case b.presses <- time.Now():
		return true
	default:
		return false
	}
}

// Run calls pressed for each press with its time, until ctx ends, and returns ctx's error.
func (b *Button) Run(ctx context.Context, pressed func(at time.Time)) error {
	for {
		select {
		case at := <-b.presses:
			pressed(at)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
