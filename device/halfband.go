package device

import "math"

// halfbandTaps is the length of the filter between 48 and 24 kHz; it delays by half
// of that, 0.3 ms.
const halfbandTaps = 31

// halfband is one direction between 48 and 24 kHz for one stream of blocks.
type halfband struct {
	taps    [halfbandTaps]float32
	history []float32 // the last of the block before, then the block
}

func newHalfband() *halfband {
	h := &halfband{}
	const middle = halfbandTaps / 2
	sum := float32(0)
	for i := range h.taps {
		x := float64(i - middle)
		window := 0.54 + 0.46*math.Cos(math.Pi*x/(middle+1))
		h.taps[i] = float32(0.5 * sinc(x/2) * window)
		sum += h.taps[i]
	}
	for i := range h.taps {
		h.taps[i] /= sum
	}
	return h
}

// down writes every other sample of the filtered in, whose length is even.
func (h *halfband) down(out, in []int16) {
	x := h.extend(len(in), func(i int) float32 { return float32(in[i]) })
	for i := range out {
		sum := float32(0)
		for k, tap := range h.taps {
			sum += tap * x[2*i+k]
		}
		out[i] = rounded(sum)
	}
}

// up writes twice as many samples as in has.
func (h *halfband) up(out, in []int16) {
	x := h.extend(len(out), func(i int) float32 {
		if i%2 != 0 {
			return 0
		}
		return 2 * float32(in[i/2])
	})
	for i := range out {
		sum := float32(0)
		for k := i & 1; k < halfbandTaps; k += 2 { // the others meet the zeros
			sum += h.taps[k] * x[i+k]
		}
		out[i] = rounded(sum)
	}
}

// extend puts n samples after the end of those before.
func (h *halfband) extend(n int, sample func(int) float32) []float32 {
	const kept = halfbandTaps - 1
	if len(h.history) != kept+n {
		h.history = make([]float32, kept+n)
	} else {
		copy(h.history, h.history[n:])
	}
	for i := range n {
		h.history[kept+i] = sample(i)
	}
	return h.history
}

func rounded(s float32) int16 {
	return int16(math.Round(float64(max(math.MinInt16, min(math.MaxInt16, s)))))
}
