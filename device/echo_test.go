package device

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// power is the mean square of a part.
func power(samples []float64, from, to time.Duration) float64 {
	sum := 1e-9
	part := samples[min(len(samples), samplesIn(from)):min(len(samples), samplesIn(to))]
	for _, s := range part {
		sum += s * s
	}
	return sum / float64(max(1, len(part)))
}

func wide(pcm []int16) []float64 {
	out := make([]float64, len(pcm))
	for i, s := range pcm {
		out[i] = float64(s)
	}
	return out
}

// levels are the levels of each 20 ms of a part, of those of which the reference is louder than least (dBFS).
func gains(out, reference []float64, from, to time.Duration, least float64) []float64 {
	var found []float64
	for at := from; at+FrameDuration <= to; at += FrameDuration {
		r := power(reference, at, at+FrameDuration)
		if 10*math.Log10(r/(1<<30)) > least {
			found = append(found, 10*math.Log10(power(out, at, at+FrameDuration)/r))
		}
	}
	return found
}

// The visitor's phone partner hears no echo of itself two seconds after it began to talk, however long the sound is
// under way in cards and air.
func TestEchoIsCancelled(t *testing.T) {
	for _, c := range []struct{ delay, packet time.Duration }{{20, 20}, {60, 20}, {120, 20}, {200, 20}, {60, 10}} {
		delay := c.delay
		t.Run(fmt.Sprintf("%dms, packets of %dms", delay, c.packet), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(roomResponse(SampleRate, delay*time.Millisecond, 0.6), nil)
				r.packet = c.packet * time.Millisecond
				far := speech(1, 110, 0.5, 9*time.Second)
				heard, status := r.heardByPhone(t, far, 9*time.Second, CleanOptions{Noise: true})
				line := ""
				for s := time.Duration(0); s < 8; s++ {
					line += fmt.Sprintf(" %.0f", decibels(power(r.echo, s*time.Second, (s+1)*time.Second)/power(heard, s*time.Second, (s+1)*time.Second)))
				}
				t.Logf("echo lowered, each second, dB:%s; %v", line, status)
				if got := decibels(power(r.echo, 2*time.Second, 8*time.Second) / power(heard, 2*time.Second, 8*time.Second)); got < 30 {
					t.Errorf("after two seconds the echo is lowered by %.1f dB, want 30", got)
				}
				if got := (status.Delay - delay*time.Millisecond).Abs(); got > 3*time.Millisecond {
					t.Errorf("the delay was found to be %v", status.Delay)
				}
			})
		})
	}
}

// Who speaks at the door is heard as loud as ever: alone, and while the phone speaks too.
func TestNearSpeechIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The phone speaks for 5 s; then both do; then the visitor alone.
		near := append(make([]int16, samplesIn(5*time.Second)), speech(2, 190, 0.5, 8*time.Second)...)
		r := newRoom(roomResponse(SampleRate, 50*time.Millisecond, 0.6), near)
		heard, status := r.heardByPhone(t, speech(1, 110, 0.5, 9*time.Second), 13*time.Second, CleanOptions{Noise: true})
		reference := wide(near)
		t.Logf("%v", status)
		for _, c := range []struct {
			name     string
			from, to time.Duration
			most     float64
		}{{"double talk", 5500 * time.Millisecond, 9 * time.Second, 3}, {"alone", 9500 * time.Millisecond, 12800 * time.Millisecond, 3}} {
			got := 10 * math.Log10(power(heard, c.from, c.to)/power(reference, c.from, c.to))
			kept := gains(heard, reference, c.from, c.to, -35)
			low := 0
			for _, g := range kept {
				if g < -10 {
					low++
				}
			}
			t.Logf("%s: near-end speech changed by %.1f dB; %d of %d loud blocks are 10 dB softer", c.name, got, low, len(kept))
			if math.Abs(got) > c.most {
				t.Errorf("%s: near-end speech changed by %.1f dB", c.name, got)
			}
			if low > len(kept)/5 {
				t.Errorf("%s: %d of %d loud blocks of speech are 10 dB softer", c.name, low, len(kept))
			}
		}
	})
}

// A loudspeaker that is driven so hard that it rattles can't be cancelled: then only one side is let through.
func TestEchoThatCannotBeCancelledIsDucked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(roomResponse(SampleRate, 50*time.Millisecond, 0.6), nil)
		r.rattles = true
		heard, status := r.heardByPhone(t, speech(1, 110, 0.9, 8*time.Second), 8*time.Second, CleanOptions{Noise: true})
		got := decibels(power(r.echo, 2*time.Second, 8*time.Second) / power(heard, 2*time.Second, 8*time.Second))
		t.Logf("lowered by %.1f dB; %v", got, status)
		if got < 25 || !status.Ducking {
			t.Errorf("lowered by %.1f dB; %v", got, status)
		}
	})
}

// A microphone that does not hear the loudspeaker is not turned down for it.
func TestNoEchoNoDucking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near := append(make([]int16, samplesIn(6*time.Second)), speech(2, 190, 0.5, 5*time.Second)...)
		r := newRoom(make([]float64, 1), near)
		heard, status := r.heardByPhone(t, speech(1, 110, 0.5, 11*time.Second), 11*time.Second, CleanOptions{Noise: true})
		got := decibels(power(heard, 6*time.Second, 10*time.Second) / power(wide(near), 6*time.Second, 10*time.Second))
		if math.Abs(got) > 3 || status.Ducking {
			t.Errorf("near-end speech changed by %.1f dB; %v", got, status)
		}
	})
}

// The cards' clocks differ by as much as cheap crystals do, and the echo stays away.
func TestEchoOfCardsThatDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(roomResponse(SampleRate, 50*time.Millisecond, 0.5), nil)
		r.drift = 100e-6
		const length = 25 * time.Second
		heard, status := r.heardByPhone(t, speech(1, 110, 0.5, length), length, CleanOptions{Noise: true})
		got := decibels(power(r.echo, 5*time.Second, length) / power(heard, 5*time.Second, length))
		t.Logf("lowered by %.1f dB; %v", got, status)
		if got < 25 {
			t.Errorf("the echo is lowered by %.1f dB over %v", got, length)
		}
	})
}

// Steady noise becomes softer, speech does not, and soft speech becomes louder.
func TestNoiseAndGain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soft := speech(2, 190, 0.06, 14*time.Second)
		near := make([]int16, samplesIn(20*time.Second))
		random := rand.New(rand.NewPCG(5, 6))
		for i := range near {
			near[i] = rounded(float32(60 * random.NormFloat64()))
			if at := i - samplesIn(4*time.Second); at >= 0 && at < len(soft) {
				near[i] += soft[at]
			}
		}
		r := newRoom(make([]float64, 1), near)
		heard, _ := r.heardByPhone(t, nil, 19500*time.Millisecond, CleanOptions{Noise: true, Gain: true})
		noise := decibels(power(heard, 2*time.Second, 4*time.Second) / power(wide(near), 2*time.Second, 4*time.Second))
		voice := decibels(power(heard, 12*time.Second, 17*time.Second) / power(wide(near), 12*time.Second, 17*time.Second))
		t.Logf("noise changed by %.1f dB, soft speech by %.1f dB", noise, voice)
		if noise > -8 || voice < 4 || voice > gainMost+1 {
			t.Errorf("noise changed by %.1f dB, soft speech by %.1f dB", noise, voice)
		}
	})
}

// The doctor's chirp finds the way, its length and its loss.
func TestMeasureEcho(t *testing.T) {
	for name, c := range map[string]struct {
		response []float64
		heard    bool
		delay    time.Duration
		loss     float64
	}{
		"a room":  {roomResponse(SampleRate, 43*time.Millisecond, 0), true, 43 * time.Millisecond, 0},
		"softer":  {scaled(roomResponse(SampleRate, 120*time.Millisecond, 0), 0.1), true, 120 * time.Millisecond, 20},
		"nothing": {make([]float64, 1), false, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(c.response, nil)
			got, err := MeasureEcho(t.Context(), &roomMicrophone{room: r}, &roomSpeaker{room: r}, r.reference)
			t.Logf("%s: %v", name, got)
			if err != nil || got.Heard != c.heard || (got.Delay-c.delay).Abs() > 2*time.Millisecond || math.Abs(got.ReturnLoss-c.loss) > 2 {
				t.Errorf("%s: %+v, %v, want %v and %.0f dB", name, got, err, c.delay, c.loss)
			}
		})
	}
}

// Two steady tones that break off now and then, as on a busy machine, are not taken for one another's echo.
func TestTonesAreNoEcho(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	broken := func(hertz float64) []int16 {
		pcm := tone(hertz, 0.3, random.IntN(SampleRate), finderWindow*SampleRate/finderRate)
		for range random.IntN(4) {
			at := random.IntN(len(pcm))
			clear(pcm[at:min(len(pcm), at+samplesIn(time.Duration(4+random.IntN(60))*time.Millisecond))])
		}
		return pcm
	}
	surest := 0.0
	for range 100 {
		finder := newDelayFinder()
		finder.push(broken(523), broken(440), SampleRate)
		_, sure := finder.measure()
		surest = max(surest, sure)
	}
	t.Logf("%.1f at most", surest)
	if surest >= finderSure {
		t.Errorf("an echo was found: %.1f", surest)
	}
}

func scaled(response []float64, by float64) []float64 {
	for i := range response {
		response[i] *= by
	}
	return response
}

func TestHalfbandKeepsSpeech(t *testing.T) {
	for _, hertz := range []float64{200, 1000, 4000, 8000} {
		down, up := newHalfband(), newHalfband()
		in, half, out := tone(hertz, 0.5, 0, SampleRate), make([]int16, FrameSamples/2), make([]int16, 0, SampleRate)
		for at := 0; at < len(in); at += FrameSamples {
			block := make([]int16, FrameSamples)
			down.down(half, in[at:at+FrameSamples])
			up.up(block, half)
			out = append(out, block...)
		}
		if change := LevelDBFS(out[4800:]) - LevelDBFS(in[4800:]); math.Abs(change) > 0.3 || strength(out[4800:43200], hertz) < 0.999 {
			t.Errorf("%v Hz changes by %.2f dB, %.4f of it pure", hertz, change, strength(out[4800:43200], hertz))
		}
	}
}

func BenchmarkClean20ms(b *testing.B) {
	reference := NewEchoReference()
	far := speech(1, 110, 0.5, 4*time.Second)
	c, err := newCleaner(CleanOptions{Echo: reference, Noise: true, Gain: true})
	if err != nil {
		b.Fatal(err)
	}
	defer c.free()
	now, pcm := time.Now(), make([]int16, FrameSamples)
	laps(b, nil, func(i int) {
		block := far[i%190*FrameSamples:][:FrameSamples]
		reference.Played(block)
		copy(pcm, block)
		c.clean(pcm, now.Add(time.Duration(i)*FrameDuration))
	})
}
