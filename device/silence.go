package device

import "time"

const (
	// silenceLevel is what counts as silence whatever it is, dBFS; silenceAbove is how
	// far above the noise that is there all the time it may be, dB, and silenceMost the
	// level from which on nothing is silence.
	silenceLevel = -55.0
	silenceAbove = 6.0
	silenceMost  = -35.0
	// silenceRise is how fast the noise estimate rises, dB in a second.
	silenceRise = 1.5
	// silenceHold is how long the pauses between words may be.
	silenceHold = 300 * time.Millisecond
)

// silenceGate decides when the encoder may take sound for silence. Its own decision is
// made for voices: by it a tune, a tone or a bell is noise. The zero value is ready.
type silenceGate struct {
	noise float64       // level of what is heard all the time, dBFS; 0: not known
	quiet time.Duration // for which nothing else was heard
}

// silent takes in a block, and tells whether it is amid silence.
func (s *silenceGate) silent(pcm []int16) bool {
	level, length := LevelDBFS(pcm), durationOf(len(pcm))
	if s.noise == 0 || level < s.noise {
		s.noise = level
	} else {
		s.noise += silenceRise * length.Seconds()
	}
	if level > silenceLevel && level > min(s.noise+silenceAbove, silenceMost) {
		s.quiet = 0
		return false
	}
	s.quiet += length
	return s.quiet > silenceHold
}
