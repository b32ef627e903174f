package device

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// soundWatchdog is how long a working card may be silent towards us. Its period is
	// 10 ms; a longer silence than this means that its thread hangs or spins.
	soundWatchdog = time.Second
	// soundCloseWait is how long closing a card may take before it is given up.
	soundCloseWait = 2 * time.Second
)

// soundPort is what a microphone and a loudspeaker have in common: the ring between
// the card's thread and ours, the watchdog over that thread, and the end.
type soundPort struct {
	// Fixed after newSoundPort.
	label  string // for people, such as `microphone "hw:1,0"`
	ring   *soundRing
	gone   chan struct{} // closed by lose
	closed chan struct{} // closed by Close
	logger *slog.Logger

	lostOnce, closeOnce sync.Once
	closeErr            error // owned by closeOnce

	// shut stops the card's thread and frees it. It may never return. Set before use, owned by closeOnce.
	shut func()
}

// newSoundPort returns a port whose ring holds size of sound.
func newSoundPort(label string, size time.Duration, logger *slog.Logger) *soundPort {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &soundPort{
		label:  label,
		ring:   newSoundRing(size),
		gone:   make(chan struct{}),
		closed: make(chan struct{}),
		logger: logger,
		shut:   func() {},
	}
}

// Description returns the device's name for people.
func (p *soundPort) Description() string { return p.label }

// Losses returns how many samples were dropped because nobody took them in time, and
// how many the card asked for that nobody had given.
func (p *soundPort) Losses() (dropped, missed int64) { return p.ring.losses() }

// lose marks the device as gone. Any thread may call it, as often as it likes.
func (p *soundPort) lose() {
	p.lostOnce.Do(func() { close(p.gone) })
}

// check says why the port can't be used now, or nil.
func (p *soundPort) check(ctx context.Context) error {
	select {
	case <-p.closed:
		return fmt.Errorf("%s: %w", p.label, errSoundClosed)
	case <-p.gone:
		return p.goneError()
	default:
		return ctx.Err()
	}
}

// wait returns when samples may have moved, or when there is no use in waiting.
func (p *soundPort) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(p.ring.lastBeat().Add(soundWatchdog)))
	defer timer.Stop()
	select {
	case <-p.ring.moved:
	case <-ctx.Done():
	case <-p.gone:
	case <-p.closed:
	case <-timer.C:
		if time.Since(p.ring.lastBeat()) >= soundWatchdog {
			p.lose()
		}
	}
	return p.check(ctx)
}

// goneError tells that the device is gone.
func (p *soundPort) goneError() error {
	return fmt.Errorf("%s: %w: no sound moved for %v or the card was disconnected: is it still plugged in?", p.label, ErrSoundGone, soundWatchdog)
}

// read fills pcm, and returns when its first sample was heard.
func (p *soundPort) read(ctx context.Context, pcm []int16) (time.Time, error) {
	var first time.Time
	for filled := 0; ; {
		if err := p.check(ctx); err != nil {
			return time.Time{}, err
		}
		n, at := p.ring.get(pcm[filled:])
		if filled == 0 {
			first = at
		}
		if filled += n; filled == len(pcm) {
			return first, nil
		}
		if err := p.wait(ctx); err != nil {
			return time.Time{}, err
		}
	}
}

// write takes all of pcm.
func (p *soundPort) write(ctx context.Context, pcm []int16) error {
	for {
		if err := p.check(ctx); err != nil {
			return err
		}
		pcm = pcm[p.ring.put(pcm):]
		if len(pcm) == 0 {
			return nil
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
}

// Close ends reads and writes and frees the device. A device whose thread doesn't end
// within 2 s is left to itself, and Close returns ErrSoundStuck: that thread, and what
// it burns, lasts until it ends by itself or the process does.
func (p *soundPort) Close() error {
	p.closeOnce.Do(func() {
		close(p.closed)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.shut()
		}()
		timer := time.NewTimer(soundCloseWait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			p.closeErr = fmt.Errorf("%s: %w: its thread may use up one core: restart doorbell", p.label, ErrSoundStuck)
			p.logger.Error("sound device does not close; restart doorbell to be rid of its thread", "device", p.label, "waited", soundCloseWait)
		}
	})
	return p.closeErr
}
