package rtc

import (
	"context"
	"sync/atomic"
	"time"
)

// lens is a camera whose every tenth access unit is a key frame. The bytes are
// no picture: these tests are about who gets what, and when.
type lens struct {
	opens, keys atomic.Int32
	broken      atomic.Bool
	limit       atomic.Int64 // bit/s
}

// failure is what a broken lens returns.
type failure string

func (f failure) Error() string { return string(f) }

func (l *lens) RequestKeyFrame() { l.keys.Add(1) }

func (l *lens) SetBitRate(limit int) { l.limit.Store(int64(limit)) }

func (l *lens) Stream(ctx context.Context, sink func([]byte, bool, time.Time)) error {
	l.opens.Add(1)
	return each(ctx, 5*time.Millisecond, func(i int, now time.Time) error {
		if l.broken.Load() {
			return failure("unplugged")
		}
		unit := []byte{0, 0, 0, 1, 0x41, 1, 2, 3}
		if i%10 == 0 {
			unit = append([]byte{0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 1, 2, 0, 0, 0, 1, 0x65}, make([]byte, 3000)...)
		}
		sink(unit, i%10 == 0, now)
		return nil
	})
}

// each calls give once in each period, with how often it has before, until ctx ends or
// give fails.
func each(ctx context.Context, period time.Duration, give func(i int, now time.Time) error) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			if err := give(i, now); err != nil {
				return err
			}
		}
	}
}

// ear is a microphone.
type ear struct{}

func (ear) SetLoss(int) {}

func (ear) Stream(ctx context.Context, sink func([]byte, time.Duration, time.Time)) error {
	return each(ctx, 20*time.Millisecond, func(_ int, now time.Time) error {
		sink([]byte{0xf8, 0xff, 0xfe}, 20*time.Millisecond, now)
		return nil
	})
}
