package device

import (
	"io"
	"sync"
	"time"
)

// VideoState is what a Video does at the moment.
type VideoState struct {
	Streaming bool   // somebody wants the picture: a Stream runs
	Open      bool   // the camera is open
	Waiting   bool   // it is open, but waits for a program to write into its pipe
	Source    string // such as "/dev/video0 YUYV 1280x720 at 30"; empty before it was opened
	// Path says in words how the pictures become H.264, and why in this way; empty until that is known.
	Path string
	// VP8 says in words that the pictures are made into VP8; empty while they aren't.
	VP8 string
	// Width and Height of the encoded picture, pixels; 0 where the camera encodes.
	Width, Height int
	FrameRate     float64 // units per second that were delivered over the last 2 s or so
	BitRate       float64 // bit/s over the same time
	Frames        uint64  // units delivered since the camera was opened, with those that nobody took in H.264
	Drops         uint64  // pictures that the camera lost or gave damaged or too late
	Skipped       uint64  // pictures that the encoder left out to keep its bit rate
	Controls      string  // which of the camera's controls can't be set as wished, and why; empty if all can
	Error         string  // why the last Stream ended, empty if it was told to
	// Progress grows with each unit delivered and each camera that could not be
	// opened. A capture that hangs, or whose camera is there and gives nothing,
	// leaves it as it is. It counts from NewVideo on.
	Progress uint64
}

// State tells what the video does. Any goroutine may ask at any time.
func (v *Video) State() VideoState { return v.status.state() }

// videoStatus keeps a VideoState.
type videoStatus struct {
	mu        sync.Mutex
	streaming bool
	camera    io.Closer // nil when not open
	current   VideoState
	progress  uint64
	second    string // VP8
	meter     rateMeter
}

func (s *videoStatus) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streaming {
		return false
	}
	s.streaming, s.camera = true, nil
	s.current, s.meter = VideoState{Source: s.current.Source, Error: s.current.Error}, rateMeter{}
	return true
}

func (s *videoStatus) opened(camera io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.camera, s.current.Open, s.current.Error = camera, true, ""
	s.current.Source = describe(camera)
}

// path notes how the pictures become H.264.
func (s *videoStatus) path(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Path = words
}

// vp8 notes what is made beside the H.264.
func (s *videoStatus) vp8(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.second = words
}

func (s *videoStatus) controls(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Controls = words
}

func (s *videoStatus) sized(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Width, s.current.Height = width, height
}

func (s *videoStatus) skipped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Skipped++
}

func (s *videoStatus) delivered(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Frames++
	s.progress++
	s.meter.add(time.Now(), size)
}

func (s *videoStatus) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	if err != nil && !s.current.Open {
		s.progress++
	}
	s.streaming, s.camera = false, nil
	s.current.Open, s.current.Waiting = false, false
	s.current.Error = ""
	if err != nil {
		s.current.Error = err.Error()
	}
}

// look asks the camera what it says of itself. The caller holds mu.
func (s *videoStatus) look() {
	if s.camera == nil {
		return
	}
	s.current.Source = describe(s.camera)
	if c, ok := s.camera.(interface{ Drops() uint64 }); ok {
		s.current.Drops = c.Drops()
	}
	if c, ok := s.camera.(interface{ Waiting() bool }); ok {
		s.current.Waiting = c.Waiting()
	}
}

func (s *videoStatus) state() VideoState {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	state := s.current
	state.Streaming, state.Progress, state.VP8 = s.streaming, s.progress, s.second
	if state.Open {
		state.FrameRate, state.BitRate = s.meter.rates(time.Now())
	}
	return state
}

// rateMeter measures over the last units, for at most meterSpan.
type rateMeter struct {
	times [128]time.Time
	sizes [128]int
	count int // added so far
}

const meterSpan = 2 * time.Second

func (m *rateMeter) add(at time.Time, size int) {
	i := m.count % len(m.times)
	m.times[i], m.sizes[i] = at, size
	m.count++
}

// rates returns units per second and bit/s.
func (m *rateMeter) rates(now time.Time) (frames, bits float64) {
	n, bytes := 0, 0
	oldest := now
	for n < min(m.count, len(m.times)) {
		i := (m.count - 1 - n) % len(m.times)
		if now.Sub(m.times[i]) > meterSpan {
			break
		}
		oldest, bytes = m.times[i], bytes+m.sizes[i]
		n++
	}
	// From the oldest on, n-1 intervals have passed, and a part of one more.
	if span := now.Sub(oldest).Seconds(); n > 1 && span > 0 {
		return float64(n-1) / span, float64(bytes*8) / span
	}
	return 0, 0
}
