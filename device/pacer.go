package device

import (
	"context"
	"time"
)

// framePacer tells when the pictures of a recording are due. It counts from the
// first, so that nothing adds up to drift.
type framePacer struct {
	rate  float64 // pictures per second
	start time.Time
	count int64
}

// wait waits until the next picture is due and returns when that was or is, and
// how many it passed over because their time had gone. The first is due at once.
func (p *framePacer) wait(ctx context.Context) (due time.Time, late int64, err error) {
	now := time.Now()
	if p.start.IsZero() {
		p.start = now
		return now, 0, ctx.Err()
	}
	p.count++
	if behind := int64(now.Sub(p.due()).Seconds() * p.rate); behind > 0 {
		late = behind
		p.count += behind
	}
	due = p.due()
	return due, late, sleepUntil(ctx, due)
}

func (p *framePacer) due() time.Time {
	return p.start.Add(time.Duration(float64(p.count) / p.rate * float64(time.Second)))
}

// sleepUntil waits for a time or the end of the context.
func sleepUntil(ctx context.Context, due time.Time) error {
	left := time.Until(due)
	if left <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
