package device

import "math"

const (
	// limiterCeiling is the loudest that a block is let through unchanged.
	limiterCeiling = 0.85
	// limiterKnee is where single peaks begin to be bent.
	limiterKnee = limiterCeiling
	// limiterRelease is the share of the way back to full loudness in 20 ms: about 200 ms to be back.
	limiterRelease = 0.15
)

// limiter turns mixed sound into samples that never wrap around and aren't cut off hard:
// loud blocks are turned down as a whole, and the peaks that the turning down comes too
// late for are bent. The zero value is ready.
type limiter struct {
	turned float32 // 1 - gain at the end of the last block
}

// limit writes block (full scale 1) to pcm.
func (l *limiter) limit(block []float32, pcm []int16) {
	var peak float32
	for _, s := range block {
		peak = max(peak, s, -s)
	}
	gain, goal := 1-l.turned, float32(1)
	if peak > limiterCeiling {
		goal = limiterCeiling / peak
	}
	attack := len(block) / 8
	if goal > gain { // back up: slowly, and over the whole block
		goal = gain + (goal-gain)*limiterRelease*float32(len(block))/FrameSamples
		attack = len(block)
	}
	for i, s := range block {
		g := goal
		if i < attack {
			g = gain + (goal-gain)*float32(i)/float32(attack)
		}
		pcm[i] = sampleOf(bend(s * g))
	}
	l.turned = 1 - goal
}

// bend leaves small values alone and brings large ones smoothly below 1.
func bend(s float32) float32 {
	size := math.Abs(float64(s))
	if !(size > limiterKnee) {
		return s
	}
	const room = 1 - limiterKnee
	return float32(math.Copysign(limiterKnee+room*math.Tanh((size-limiterKnee)/room), float64(s)))
}

// sampleOf rounds to 16 bits. Not a number becomes silence.
func sampleOf(s float32) int16 {
	if s != s {
		return 0
	}
	return int16(math.Round(float64(max(-1, min(1, s))) * math.MaxInt16))
}
