package device

import (
	"math"
	"sync"
	"time"
)

const (
	// clipPatience is how long a sound waits for a loudspeaker that does not work:
	// a chime that comes later confuses.
	clipPatience = 3 * time.Second
	// clipFade softens the end of a sound that another one cuts off.
	clipFade = 10 * time.Millisecond
)

// Clip is a short sound to be played as it is, such as a chime: 48 kHz mono, full
// scale being 1. It does not change once made.
type Clip struct{ samples []float32 }

// Duration is how long the clip sounds.
func (c *Clip) Duration() time.Duration { return durationOf(len(c.samples)) }

// ScaledTo is the same clip as loud as volume says, in percent.
func (c *Clip) ScaledTo(volume int) *Clip {
	scaled := &Clip{samples: make([]float32, len(c.samples))}
	for i, s := range c.samples {
		scaled.samples[i] = s * float32(volume) / 100
	}
	return scaled
}

// bell adds a struck bell to samples from the time at on: partials of a tone (Hz)
// that fade, the higher the sooner, with a soft stroke.
func bell(samples []float32, at time.Duration, hertz, loud float64, fade time.Duration) {
	// Partials a little sharper than harmonic ones, the higher the softer and the
	// shorter, make it metal.
	partials := [...]struct{ ratio, loud, fade float64 }{{1, 1, 1}, {2, 0.45, 0.6}, {3.01, 0.25, 0.4}, {4.1, 0.12, 0.25}, {5.4, 0.06, 0.15}}
	for i := range samples[min(len(samples), samplesIn(at)):] {
		t := float64(i) / SampleRate
		sum := 0.0
		for _, p := range partials {
			sum += p.loud * math.Exp(-t/(fade.Seconds()*p.fade)) * math.Sin(2*math.Pi*hertz*p.ratio*t)
		}
		stroke := min(1, t/0.004)
		samples[samplesIn(at)+i] += float32(loud * stroke * sum)
	}
}

// ended softens the last of a sound, so that it does not break off.
func ended(samples []float32) []float32 {
	tail := samples[max(0, len(samples)-samplesIn(200*time.Millisecond)):]
	for i := range tail {
		tail[i] *= float32(len(tail)-i) / float32(len(tail))
	}
	return samples
}

// PressChime is the built-in chime of a press: two bells, a major third apart.
func PressChime() *Clip {
	samples := make([]float32, samplesIn(1900*time.Millisecond))
	bell(samples, 0, 659.26, 0.32, 450*time.Millisecond)                    // E5
	bell(samples, 550*time.Millisecond, 523.25, 0.36, 500*time.Millisecond) // C5
	return &Clip{samples: ended(samples)}
}

// TakenChime is the built-in chime of a call that is taken: two soft rising notes.
func TakenChime() *Clip {
	samples := make([]float32, samplesIn(450*time.Millisecond))
	bell(samples, 0, 523.25, 0.16, 90*time.Millisecond)                     // C5
	bell(samples, 120*time.Millisecond, 783.99, 0.16, 130*time.Millisecond) // G5
	return &Clip{samples: ended(samples)}
}

// player plays one clip at a time in a Mixer.
type player struct {
	mu sync.Mutex
	// Guarded by mu.
	clip  []float32 // what is left of it
	since time.Time // when it was to begin
	begun bool
	fade  []float32 // the end of the clip that was cut off
}

// start plays a clip from its beginning, in place of another that sounds.
func (p *player) start(c *Clip, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fade = nil
	if p.begun {
		cut := p.clip[:min(len(p.clip), samplesIn(clipFade))]
		for i, s := range cut {
			p.fade = append(p.fade, s*float32(len(cut)-i)/float32(len(cut)))
		}
	}
	p.clip, p.since, p.begun = c.samples, now, false
}

// busy tells whether something is to be played still.
func (p *player) busy(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun && now.Sub(p.since) > clipPatience {
		p.clip = nil
	}
	return len(p.clip)+len(p.fade) > 0
}

// addTo adds the next of the clip to block.
func (p *player) addTo(block []float32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(block), len(p.clip))
	for i, s := range p.clip[:n] {
		block[i] += s
	}
	p.clip, p.begun = p.clip[n:], true
	n = min(len(block), len(p.fade))
	for i, s := range p.fade[:n] {
		block[i] += s
	}
	p.fade = p.fade[n:]
}
