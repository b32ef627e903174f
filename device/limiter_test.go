package device

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// floats are samples at full scale 1.
func floats(pcm ...[]int16) []float32 {
	sum := make([]float32, len(pcm[0]))
	for _, p := range pcm {
		for i, s := range p {
			sum[i] += float32(s) / math.MaxInt16
		}
	}
	return sum
}

func TestLimiterLeavesSoftSoundAlone(t *testing.T) {
	in := tone(440, 0.7, 0, FrameSamples)
	out := make([]int16, FrameSamples)
	var l limiter
	l.limit(floats(in), out)
	for i := range in {
		if in[i] != out[i] {
			t.Fatalf("sample %d: %d became %d", i, in[i], out[i])
		}
	}
}

func TestLimiterDoesNotClip(t *testing.T) {
	var l limiter
	out := make([]int16, FrameSamples)
	for block := range 20 {
		start := block * FrameSamples
		loud := floats(tone(450, 1, start, FrameSamples), tone(450, 1, start, FrameSamples), tone(450, 1, start, FrameSamples))
		l.limit(loud, out)
		flat := 0
		for i := range out {
			if loud[i] > 0.1 && out[i] < 0 || loud[i] < -0.1 && out[i] > 0 {
				t.Fatalf("block %d, sample %d wrapped around", block, i)
			}
			if i > 0 && out[i] == out[i-1] && (out[i] > 32000 || out[i] < -32000) {
				flat++
			}
		}
		if block > 0 && flat > 0 {
			t.Errorf("block %d: %d samples cut off flat", block, flat)
		}
		if pure := strength(out, 450); block > 0 && pure < 0.99 {
			t.Errorf("block %d: %.3f of the sound is the tone", block, pure)
		}
	}
}

func TestLimiterComesBack(t *testing.T) {
	var l limiter
	out := make([]int16, FrameSamples)
	l.limit(floats(tone(440, 1, 0, FrameSamples), tone(440, 1, 0, FrameSamples)), out)
	for range 40 { // 0.8 s
		l.limit(floats(tone(440, 0.3, 0, FrameSamples)), out)
	}
	if level := LevelDBFS(out); math.Abs(level+13.5) > 0.1 {
		t.Errorf("level %.1f dBFS", level)
	}
}

func TestLimiterTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l limiter
		out := make([]int16, 16)
		for range 3 {
			in := rapid.SliceOfN(rapid.Float32(), 16, 16).Draw(t, "in")
			if rapid.Bool().Draw(t, "spoil") {
				in[rapid.IntRange(0, 15).Draw(t, "where")] = float32(math.NaN())
			}
			l.limit(in, out)
			if l.turned != l.turned || l.turned < 0 || l.turned > 1 {
				t.Fatalf("turned down by %v", l.turned)
			}
		}
	})
}
