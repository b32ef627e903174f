package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"doorbell/rtc"
)

// captureLimit is how long a camera that is needed and open may give nothing
// before the capture counts as hung. USB cameras take up to about 3 s for their
// first picture.
const captureLimit = 10 * time.Second

// feedWatchdog says that all is well as long as it is, until ctx ends. Where it
// is not, it keeps silent, and whoever watches starts the program again.
func (p *program) feedWatchdog(ctx context.Context) error {
	ticker := time.NewTicker(p.watched)
	defer ticker.Stop()
	var capture progress
	ill := false
	for {
		err := p.examine(ctx, &capture)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			p.watchdog()
		case !ill:
			p.log.Error("the doorbell hangs; the watchdog is not fed any more, so that it is started again", "error", err)
		}
		ill = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// examine returns what hangs, or nil.
func (p *program) examine(ctx context.Context, capture *progress) error {
	if p.door == nil {
		return p.examineRelay(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	status, err := p.door.Status(ctx)
	if err != nil {
		return fmt.Errorf("the main loop did not answer within %s: %w", statusTimeout, err)
	}
	if p.devices.video == nil {
		return nil
	}
	camera := status.Devices["camera"]
	video := p.devices.video.State()
	// Between two tries nothing streams, and the camera is lost.
	needed := (video.Streaming || camera == rtc.DeviceLost) && !video.Waiting
	if idle := capture.idle(needed, video.Progress, time.Now()); idle > captureLimit {
		return fmt.Errorf("camera: nothing came from it for %s", idle.Round(time.Second))
	}
	return nil
}

// examineRelay sees whether the relay answers at all.
func (p *program) examineRelay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.relay.Here("")
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("the relay did not answer"), ctx.Err())
	}
}

// progress watches a counter that has to grow while it is needed.
type progress struct {
	count uint64
	moved time.Time // when it grew last; zero: it wasn't needed
}

// idle returns how long the counter has stood still.
func (p *progress) idle(needed bool, count uint64, now time.Time) time.Duration {
	if !needed {
		p.moved = time.Time{}
		return 0
	}
	if count != p.count || p.moved.IsZero() {
		p.count, p.moved = count, now
	}
	return now.Sub(p.moved)
}
