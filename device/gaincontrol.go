package device

import "math"

const (
	gainTarget  = -21.0 // level of speech that is aimed at, dBFS
	gainMost    = 12.0  // dB
	gainLeast   = -9.0  // dB
	gainSpeed   = 3.0   // dB in a second
	gainAbove   = 9.0   // dB above the noise from which on a block counts as speech
	gainPeak    = 0.9   // of full scale, which no sample may exceed
	noiseRise   = 1.5   // dB in a second by which the noise estimate rises
	gainSilence = -65.0 // what is below is no speech, dBFS
)

// gainControl brings speech to one loudness, slowly, and leaves noise and echo as
// they are. The zero value is ready.
type gainControl struct {
	gain  float64 // dB
	noise float64 // level of what is heard all the time, dBFS; 0: not known
}

// apply changes a block in place. Where the loudspeaker is heard, the gain stays.
func (g *gainControl) apply(pcm []int16, hold bool) {
	level, seconds := LevelDBFS(pcm), float64(len(pcm))/cleanRate
	if g.noise == 0 || level < g.noise {
		g.noise = level
	} else {
		g.noise += noiseRise * seconds
	}
	if speech := level > max(g.noise+gainAbove, gainSilence); speech && !hold {
		step := max(-gainSpeed*seconds, min(gainSpeed*seconds, gainTarget-level-g.gain))
		g.gain = max(gainLeast, min(gainMost, g.gain+step))
	}
	factor := math.Pow(10, g.gain/20)
	peak := 0
	for _, s := range pcm {
		peak = max(peak, int(s), -int(s))
	}
	factor = min(factor, max(1, gainPeak*math.MaxInt16/float64(max(peak, 1))))
	for i, s := range pcm {
		pcm[i] = rounded(float32(float64(s) * factor))
	}
}

func decibels(ratio float64) float64 { return 10 * math.Log10(ratio) }
