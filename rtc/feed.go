package rtc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// keyInterval is the least time between two forced key frames: requests of
	// many phones merge into one.
	keyInterval = 300 * time.Millisecond

	// A device that failed is tried again after retryFirst, then twice as long
	// each time up to retryMost, and when one has come to the machine.
	retryFirst = 250 * time.Millisecond
	retryMost  = time.Second

	// A device that is open and gives nothing for stallTime is lost, as far as
	// anybody who looks can tell.
	stallTime = 3 * time.Second

	videoClock = 90000 // Hz, RFC 6184 section 8.2.1
	audioClock = 48000 // Hz, RFC 7587 section 4.1
)

// feed runs one device while somebody needs it, and again when it has failed.
type feed struct {
	// Fixed after newFeed.
	name   string                                            // as in the log
	open   func(ctx context.Context, delivered func()) error // until the device fails
	notify func(DeviceState)                                 // never blocks
	ended  func()                                            // after each run of open
	// arrival is closed when a device has come to the machine, which may be this one.
	arrival func() <-chan struct{}
	log     *slog.Logger
	demand  chan bool // newest wish, capacity 1

	// Owned by who calls want.
	wanted bool
}

func newFeed(name string, log *slog.Logger, notify func(DeviceState), arrival func() <-chan struct{}, ended func(), open func(context.Context, func()) error) *feed {
	return &feed{name: name, open: open, notify: notify, arrival: arrival, ended: ended, log: log.With("device", name), demand: make(chan bool, 1)}
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
	said := "" // in the log, of why
	for ctx.Err() == nil {
		pulse, arrival := newPulse(f.notify), f.arrival()
		err := f.open(ctx, pulse.beat)
		if pulse.stop() {
			wait, said, arrival = retryFirst, "", f.arrival() // what came while it worked is not this one
		}
		f.ended()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the stream ended")
		}
		level := slog.LevelWarn
		if err.Error() == said { // not every second while it is away
			level = slog.LevelDebug
		}
		said = err.Error()
		f.log.Log(ctx, level, "device lost, trying again", "error", err, "in", wait)
		f.notify(DeviceLost)
		select {
		case <-ctx.Done():
		case <-arrival:
			wait = retryFirst
		case <-time.After(wait):
			wait = min(2*wait, retryMost)
		}
	}
}

// pulse tells whether a device that is open really delivers.
type pulse struct {
	// Fixed after newPulse.
	notify func(DeviceState)
	stall  *time.Timer

	mu    sync.Mutex // guards what follows
	alive bool
	ever  bool
	over  bool
}

func newPulse(notify func(DeviceState)) *pulse {
	p := &pulse{notify: notify}
	p.stall = time.AfterFunc(stallTime, func() { p.set(false) })
	return p
}

// beat says that something was delivered.
func (p *pulse) beat() {
	p.stall.Reset(stallTime)
	p.set(true)
}

func (p *pulse) set(alive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || (p.ever && alive == p.alive) {
		return
	}
	p.ever, p.alive = p.ever || alive, alive
	if alive {
		p.notify(DeviceOK)
	} else {
		p.notify(DeviceLost)
	}
}

// stop ends the watch, and reports whether anything was ever delivered.
func (p *pulse) stop() bool {
	p.stall.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.ever
}
