package sim

import (
	"math"
	"math/bits"
	"math/cmplx"
)

const (
	// pitchPart is the loudest part of the sound that is looked at: 50 ms, so that short
	// beeps between long pauses are found as well.
	pitchPart = sampleRate / 20
	// pitchBins makes the spectrum's lines 2.9 Hz apart, before interpolation.
	pitchBins = 1 << 14
	// pitchLowest is the lowest frequency looked for: below is hum.
	pitchLowest = 60
)

// dominantPitch returns the strongest frequency (Hz) of the loudest 50 ms.
func dominantPitch(sound []float64) float64 {
	part := loudestPart(sound, pitchPart)
	spectrum := make([]complex128, pitchBins)
	for i, v := range part {
		hann := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(part)))
		spectrum[i] = complex(v*hann, 0)
	}
	fourier(spectrum)
	best, strongest := 0, 0.0
	for i := pitchLowest * pitchBins / sampleRate; i < pitchBins/2-1; i++ {
		if size := cmplx.Abs(spectrum[i]); size > strongest {
			best, strongest = i, size
		}
	}
	if best == 0 {
		return 0
	}
	// The top of the parabola through the three lines around it.
	left, right := cmplx.Abs(spectrum[best-1]), cmplx.Abs(spectrum[best+1])
	shift := 0.0
	if curve := left - 2*strongest + right; curve != 0 {
		shift = 0.5 * (left - right) / curve
	}
	return (float64(best) + shift) * sampleRate / pitchBins
}

// loudestPart returns the n samples in a row that hold the most energy.
func loudestPart(sound []float64, n int) []float64 {
	if len(sound) <= n {
		return sound
	}
	var energy, most float64
	start := 0
	for i, v := range sound {
		energy += v * v
		if i >= n {
			energy -= sound[i-n] * sound[i-n]
		}
		if i >= n-1 && energy > most*(1+1e-9) {
			most, start = energy, i-n+1
		}
	}
	return sound[start : start+n]
}

// fourier replaces x, whose length is a power of two, by its discrete Fourier transform
// (Cooley and Tukey 1965, radix 2, in place).
func fourier(x []complex128) {
	shift := 64 - bits.TrailingZeros(uint(len(x)))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= len(x); size *= 2 {
		root := cmplx.Rect(1, -2*math.Pi/float64(size))
		for start := 0; start < len(x); start += size {
			turn := complex(1, 0)
			for i := start; i < start+size/2; i++ {
				a, b := x[i], x[i+size/2]*turn
				x[i], x[i+size/2] = a+b, a-b
				turn *= root
			}
		}
	}
}
