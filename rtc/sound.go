package rtc

import (
	"context"
	"time"
)

// sound is what the microphone gives, and those who get it.
type sound struct {
	// Fixed after New.
	source AudioSource
	fanout *fanout
	epoch  time.Time // that timestamps count from

	// Owned by the microphone's feed.
	next time.Duration // since epoch, of the packet to come
}

// stream streams the source into the fan-out. Timestamps go on when a microphone has
// been away.
func (s *sound) stream(ctx context.Context, delivered func()) error {
	begins := true
	return s.source.Stream(ctx, func(packet []byte, duration time.Duration, captured time.Time) {
		delivered()
		// Opus timestamps count samples (RFC 7587 section 4.1); only a real gap in
		// the capture moves them on. They count through silence that isn't sent.
		if at := captured.Sub(s.epoch); at-s.next > 4*duration {
			s.next = at
		}
		if len(packet) > 0 {
			s.fanout.write(packet, false, moment{ticks(s.next, audioClock), captured, begins})
		}
		begins = len(packet) == 0
		s.next += duration
	})
}
