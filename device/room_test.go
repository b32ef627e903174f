package device

import (
	"math"
	"math/rand/v2"
	"time"
)

// roomResponse is the impulse response from loudspeaker to microphone in a box of a room (Allen and Berkley, Image
// method for efficiently simulating small-room acoustics, 1979), at a rate, from the sound's leaving on; walls is how
// much they reflect. The way through cards and buffers, delay, comes before it. Its direct sound is loud, as where both
// sit in one case.
func roomResponse(rate int, delay time.Duration, walls float64) []float64 {
	size := [3]float64{3.1, 2.7, 2.4} // a porch, metres
	speaker, microphone := [3]float64{1.5, 0.3, 1.3}, [3]float64{1.5, 0.3, 1.42}
	const speed, order = 343.0, 8
	lead := int(delay.Seconds() * float64(rate))
	response := make([]float64, lead+rate/5)
	for x := -order; x <= order; x++ {
		for y := -order; y <= order; y++ {
			for z := -order; z <= order; z++ {
				image, bounces := [3]float64{}, 0
				for i, n := range []int{x, y, z} {
					image[i] = float64(n)*size[i] + speaker[i]
					if n%2 != 0 {
						image[i] = float64(n)*size[i] + size[i] - speaker[i]
					}
					bounces += max(n, -n)
				}
				far := math.Sqrt(square(image[0]-microphone[0]) + square(image[1]-microphone[1]) + square(image[2]-microphone[2]))
				at := lead + int(far/speed*float64(rate))
				if at < len(response) {
					response[at] += math.Pow(walls, float64(bounces)) * 0.12 / max(far, 0.12)
				}
			}
		}
	}
	return response
}

func square(v float64) float64 { return v * v }

// speech is sound that has what matters of speech: voiced syllables of moving pitch and formants, hisses, and pauses.
func speech(seed uint64, pitch, loud float64, length time.Duration) []int16 {
	random := rand.New(rand.NewPCG(seed, seed))
	pcm := make([]int16, samplesIn(length))
	var filters [3]resonator
	phase := 0.0
	for at := 0; at < len(pcm); {
		syllable := samplesIn(time.Duration(120+random.IntN(160)) * time.Millisecond)
		voiced := random.IntN(4) > 0
		formants := [3]float64{300 + 500*random.Float64(), 900 + 1300*random.Float64(), 2300 + 900*random.Float64()}
		for i := range filters {
			filters[i].tune(formants[i], 60+60*float64(i))
		}
		tone := pitch * (0.85 + 0.3*random.Float64())
		for i := range min(syllable, len(pcm)-at) {
			source := 0.0
			if phase += tone / SampleRate; phase >= 1 {
				phase--
				source = 1
			}
			if !voiced {
				source = 0.08 * random.NormFloat64()
			}
			v := 0.0
			for k := range filters {
				v += filters[k].next(source) / float64(1+k)
			}
			envelope := math.Sin(math.Pi * float64(i) / float64(syllable))
			pcm[at+i] = int16(max(-32000, min(32000, loud*32768*envelope*v)))
		}
		at += syllable
		if random.IntN(4) == 0 {
			at += samplesIn(time.Duration(60+random.IntN(240)) * time.Millisecond)
		}
	}
	return pcm
}

// resonator is one formant.
type resonator struct{ a, b, gain, y1, y2 float64 }

func (r *resonator) tune(hertz, width float64) {
	radius := math.Exp(-math.Pi * width / SampleRate)
	r.a, r.b = 2*radius*math.Cos(2*math.Pi*hertz/SampleRate), -radius*radius
	r.gain = (1 - radius) * 6
}

func (r *resonator) next(x float64) float64 {
	y := r.gain*x + r.a*r.y1 + r.b*r.y2
	r.y1, r.y2 = y, r.y1
	return y
}
