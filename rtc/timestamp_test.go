package rtc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimestampsGoOn has camera and microphone fail and come back: what comes then must
// not seem to be older than what the phones have.
func TestTimestampsGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		clock  float64
		period time.Duration
		make   func() (stream func(context.Context, func()) error, fanout *fanout)
	}{
		"picture": {videoClock, 5 * time.Millisecond, func() (func(context.Context, func()) error, *fanout) {
			d := New(Options{Video: &lens{}})
			return d.h264.stream, d.h264.fanout
		}},
		"VP8": {videoClock, 5 * time.Millisecond, func() (func(context.Context, func()) error, *fanout) {
			d := New(Options{Video: &lens{}, VP8: &vp8Lens{}})
			return d.vp8.stream, d.vp8.fanout
		}},
		"sound": {audioClock, 20 * time.Millisecond, func() (func(context.Context, func()) error, *fanout) {
			f := newAudioFanout()
			return (&sound{source: ear{}, fanout: f, epoch: time.Now()}).stream, f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, fanout := c.make()
				epoch := time.Now()
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					_ = stream(ctx, func() {}) // until ctx ends
					cancel()
					at := time.Duration(float64(fanout.last.timestamp) / c.clock * float64(time.Second))
					if late := time.Since(epoch) - at; late < 0 || late > 2*c.period {
						t.Errorf("%v after the beginning, the newest says %v", time.Since(epoch), at)
					}
					time.Sleep(time.Second) // it is away
				}
			})
		})
	}
}

func TestTicks(t *testing.T) {
	for _, since := range []time.Duration{-time.Millisecond, 0, time.Millisecond, 1500 * time.Millisecond, 28 * time.Hour, 29 * time.Hour, 200 * 24 * time.Hour} {
		if got, want := ticks(since, videoClock), uint32(since.Milliseconds()*(videoClock/1000)); got != want {
			t.Errorf("%v is %d, want %d", since, got, want)
		}
		later := since + 20*time.Millisecond
		if step := ticks(later, audioClock) - ticks(since, audioClock); step != audioClock/50 {
			t.Errorf("20 ms after %v are %d", since, step)
		}
	}
}
