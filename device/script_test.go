package device

import (
	"context"
	"sync"
)

// script is a camera that gives what it is told to, then blocks.
type script struct {
	mu        sync.Mutex
	frames    chan Frame
	err       error // instead of a frame when frames is closed
	closed    int
	keyFrames int
	rate      float64
}

func (s *script) ReadFrame(ctx context.Context) (Frame, error) {
	select {
	case f, ok := <-s.frames:
		if !ok {
			return f, s.err
		}
		return f, nil
	case <-ctx.Done():
		return Frame{}, ctx.Err()
	}
}

func (s *script) Close() error { s.closed++; return nil }
func (s *script) RequestKeyFrame() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyFrames++
}
func (s *script) FrameRate() float64 { return s.rate }
func (s *script) String() string     { return "script" }
