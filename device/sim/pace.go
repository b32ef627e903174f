package sim

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errClosed is returned by reads and writes after Close.
var errClosed = errors.New("simulated sound device is closed")

// pace lets samples through in real time, counted from its begin, so that it doesn't
// drift. It works in a testing/synctest bubble.
type pace struct {
	closed    chan struct{}
	closeOnce sync.Once

	// Owned by the one goroutine that reads or writes.
	begin time.Time // when sample 0 was due; zero: nothing moved yet
	next  int64     // the sample due next
}

// newPace returns a pace that begins with its first use.
func newPace() *pace { return &pace{closed: make(chan struct{})} }

// due returns when a sample is due.
func (p *pace) due(sample int64) time.Time { return p.begin.Add(durationOf(sample)) }

// until waits for a time, for ctx, or for close.
func (p *pace) until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.closed:
	}
	return p.check(ctx)
}

// check says why the device can't be used, or nil.
func (p *pace) check(ctx context.Context) error {
	select {
	case <-p.closed:
		return errClosed
	default:
		return ctx.Err()
	}
}

// close ends all waiting.
func (p *pace) close() { p.closeOnce.Do(func() { close(p.closed) }) }
