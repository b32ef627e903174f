package sim

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// speakerBuffer is the sound that a writer may be ahead, as with a real card.
	speakerBuffer = 40 * time.Millisecond
	// heardWindow is how much of the latest sound Heard measures.
	heardWindow = 500 * time.Millisecond
	// keptSamples holds what was played in heardWindow and what isn't played yet.
	keptSamples = int((heardWindow + speakerBuffer) * sampleRate / time.Second)
	// SilenceDBFS is what Heard gives for silence.
	SilenceDBFS = -100.0
)

// Speaker plays in real time to nobody, and measures what it plays. One goroutine at a
// time may write to it; any may ask what was heard.
type Speaker struct {
	pace *pace

	mu sync.Mutex
	// Guarded by mu.
	heard [keptSamples]int16 // a circle of the latest samples
	total int64              // samples ever written
	end   time.Time          // when the last sample written will have been played
}

// NewSpeaker returns a loudspeaker. It starts with the first write.
func NewSpeaker() *Speaker { return &Speaker{pace: newPace()} }

// Description is the loudspeaker's name for people.
func (s *Speaker) Description() string { return "simulated loudspeaker" }

// WriteSamples plays 48 kHz mono sound at the pace of a real card: it returns when pcm is
// taken, at most 40 ms before its end is due.
func (s *Speaker) WriteSamples(ctx context.Context, pcm []int16) error {
	p := s.pace
	if err := p.check(ctx); err != nil {
		return err
	}
	if now := time.Now(); p.begin.IsZero() || now.After(p.due(p.next)) { // first, or too late: silence was played
		p.begin, p.next = now, 0
	}
	end := p.next + int64(len(pcm))
	if err := p.until(ctx, p.due(end).Add(-speakerBuffer)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fillGap(p.due(p.next))
	for _, sample := range pcm {
		s.keep(sample)
	}
	p.next, s.end = end, p.due(end)
	return nil
}

// fillGap keeps the silence between the last sound and one that starts now. The caller holds mu.
func (s *Speaker) fillGap(start time.Time) {
	if s.end.IsZero() {
		return
	}
	for range min(len(s.heard), int(start.Sub(s.end)*sampleRate/time.Second)) {
		s.keep(0)
	}
}

// keep notes one sample. The caller holds mu.
func (s *Speaker) keep(sample int16) {
	s.heard[s.total%int64(len(s.heard))] = sample
	s.total++
}

// Heard measures the last half second up to now: its loudness (root mean square relative
// to full scale; SilenceDBFS for silence) and its strongest frequency (Hz; 0 for silence).
func (s *Speaker) Heard() (levelDBFS, pitchHz float64) {
	window := s.window(time.Now())
	var sum float64
	for _, v := range window {
		sum += v * v
	}
	level := max(SilenceDBFS, 10*math.Log10(sum/float64(len(window))))
	if level < -70 {
		return level, 0
	}
	return level, dominantPitch(window)
}

// window returns the half second before now, full scale being 1. What was not played is silence.
func (s *Speaker) window(now time.Time) []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, kept := int64(heardWindow*sampleRate/time.Second), int64(len(s.heard))
	last := s.total - int64(s.end.Sub(now)*sampleRate/time.Second) // the sample being played now
	if now.Sub(s.end) > heardWindow {
		last = s.total + n
	}
	out := make([]float64, n)
	for i := range out {
		at := last - n + int64(i)
		if at >= 0 && at >= s.total-kept && at < s.total {
			out[i] = float64(s.heard[at%kept]) / (math.MaxInt16 + 1)
		}
	}
	return out
}

// Played returns how much sound was ever written.
func (s *Speaker) Played() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return durationOf(s.total)
}

// Close ends writes. What was heard can still be asked for. It may be called again.
func (s *Speaker) Close() error {
	s.pace.close()
	return nil
}
