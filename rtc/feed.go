package rtc

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// keyInterval is the least time between two forced key frames: requests of
	// many phones merge into one.
	keyInterval = 300 * time.Millisecond

	// A device that failed is tried again after retryFirst, then twice as long
	// each time up to retryMost.
	retryFirst = 250 * time.Millisecond
	retryMost  = 2 * time.Second

	videoClock = 90000 // Hz, RFC 6184 section 8.2.1
	audioClock = 48000 // Hz, RFC 7587 section 4.1
)

// feed runs one device while somebody needs it, and again when it has failed.
type feed struct {
	// Fixed after newFeed.
	name   string // as in the log
	open   func(ctx context.Context, delivering func()) error
	notify func(DeviceState) // never blocks
	ended  func()            // after each run of open
	log    *slog.Logger
	demand chan bool // newest wish, capacity 1

	// Owned by who calls want.
	wanted bool
}

func newFeed(name string, log *slog.Logger, notify func(DeviceState), ended func(), open func(context.Context, func()) error) *feed {
	return &feed{name: name, open: open, notify: notify, ended: ended, log: log.With("device", name), demand: make(chan bool, 1)}
}

// want says whether the device is needed; it never blocks. Only one goroutine
// may call it.
func (f *feed) want(on bool) {
	if on == f.wanted {
		return
	}
	f.wanted = on
	select {
	case <-f.demand:
	default:
	}
	f.demand <- on
}

// run opens and closes the device as it is wanted, until ctx ends.
func (f *feed) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case on := <-f.demand:
			if on {
				f.serve(ctx)
			}
		}
	}
}

// serve keeps the device running until it isn't wanted any more.
func (f *feed) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.retry(ctx)
	}()
	defer func() {
		cancel()
		<-done
		f.notify(DeviceIdle)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case on := <-f.demand:
			if !on {
				return
			}
		}
	}
}

// retry runs the device over and over until ctx ends.
func (f *feed) retry(ctx context.Context) {
	wait := retryFirst
	for ctx.Err() == nil {
		err := f.open(ctx, func() {
			wait = retryFirst
			f.notify(DeviceOK)
		})
		f.ended()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the stream ended")
		}
		f.log.Warn("device lost, trying again", "error", err, "in", wait)
		f.notify(DeviceLost)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMost)
	}
}
