package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// room is a porch with a loudspeaker and a microphone, whose cards go by time. What the loudspeaker plays is heard by
// the microphone through the response, beside near, who speaks there.
type room struct {
	reference *EchoReference
	taps      []int // of the response, those that count
	gains     []float64
	near      []int16
	noise     *rand.Rand
	begin     time.Time
	rattles   bool    // the loudspeaker is driven too hard
	drift     float64 // how much faster than the loudspeaker's clock the microphone's is

	mu   sync.Mutex
	air  []float64 // what has left the loudspeaker, from begin on
	echo []float64
}

func newRoom(response []float64, near []int16) *room {
	r := &room{reference: NewEchoReference(), near: near, noise: rand.New(rand.NewPCG(3, 4)), begin: time.Now()}
	for i, v := range response {
		if math.Abs(v) > 1e-3 {
			r.taps, r.gains = append(r.taps, i), append(r.gains, v)
		}
	}
	return r
}

// roomSpeaker is the loudspeaker's card: it takes 10 ms at once, when the ones before are played.
type roomSpeaker struct {
	*room
	next int // sample
}

func (s *roomSpeaker) WriteSamples(ctx context.Context, pcm []int16) error {
	if s.next == 0 {
		s.next = samplesIn(time.Since(s.begin))
	}
	for len(pcm) > 0 {
		n := min(len(pcm), SampleRate/100)
		if err := sleepUntil(ctx, s.begin.Add(durationOf(s.next))); err != nil {
			return err
		}
		s.mu.Lock()
		for len(s.air) < s.next {
			s.air = append(s.air, 0)
		}
		for _, sample := range pcm[:n] {
			s.air = append(s.air, s.leaves(sample))
		}
		s.mu.Unlock()
		s.reference.Played(pcm[:n])
		s.next += n
		pcm = pcm[n:]
	}
	return nil
}

func (s *roomSpeaker) Close() error { return nil }

// roomMicrophone is the microphone's card.
type roomMicrophone struct {
	*room
	next int
}

func (m *roomMicrophone) ReadSamples(ctx context.Context, pcm []int16) (time.Time, error) {
	if m.next == 0 {
		m.next = samplesIn(time.Since(m.begin))
	}
	first := m.begin.Add(time.Duration(float64(durationOf(m.next)) * (1 - m.drift)))
	if err := sleepUntil(ctx, first.Add(durationOf(len(pcm)))); err != nil {
		return first, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range pcm {
		at, heard := int(float64(m.next+i)*(1-m.drift)), 0.0
		for n, k := range m.taps {
			if at-k >= 0 && at-k < len(m.air) {
				heard += m.gains[n] * m.air[at-k]
			}
		}
		for len(m.echo) <= at {
			m.echo = append(m.echo, 0)
		}
		m.echo[at] = heard
		if at < len(m.near) {
			heard += float64(m.near[at])
		}
		pcm[i] = rounded(float32(heard + 12*m.noise.NormFloat64())) // -69 dBFS
	}
	m.next += len(pcm)
	return first, nil
}

// leaves is what leaves the loudspeaker for a sample.
func (r *room) leaves(sample int16) float64 {
	if r.rattles {
		return 9000 * math.Sin(float64(sample)/2500) // it folds over
	}
	return float64(sample)
}

func (m *roomMicrophone) Close() error { return nil }

// heardByPhone runs the whole way of the sound for a while: the phone's packets to the loudspeaker, the air, and the
// microphone to the phone, which decodes. It returns what the phone hears, from the room's begin on, as the microphone
// heard it: without the delay of codecs.
func (r *room) heardByPhone(t *testing.T, far []int16, length time.Duration, clean CleanOptions) (heard []float64, status EchoStatus) {
	t.Helper()
	clean.Echo = r.reference
	m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) { return &roomSpeaker{room: r}, nil }})
	v := NewVoice(VoiceOptions{
		Open:    func(context.Context) (io.Closer, error) { return &roomMicrophone{room: r}, nil },
		BitRate: 96000, Complexity: 8, Clean: clean,
	})
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	running.Go(func() {
		talker := m.Join()
		defer talker.Leave()
		encoder, err := newOpusEncoder(64000, 8, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for i := 0; (i+1)*FrameSamples <= len(far) && ctx.Err() == nil; i++ {
			packet, err := encoder.encode(far[i*FrameSamples : (i+1)*FrameSamples])
			if err != nil {
				t.Error(err)
				return
			}
			talker.Receive(uint16(i), uint32(i*FrameSamples), packet)
			_ = sleepUntil(ctx, r.begin.Add(time.Duration(i+1)*FrameDuration))
		}
		<-ctx.Done()
	})
	decoder, err := newOpusDecoder()
	if err != nil {
		t.Fatal(err)
	}
	err = v.Stream(ctx, func(packet []byte, _ time.Duration, captured time.Time) {
		pcm, err := decoder.decode(packet)
		if err != nil {
			t.Error(err)
			return
		}
		at := samplesIn(captured.Sub(r.begin))
		for len(heard) < at {
			heard = append(heard, 0)
		}
		for _, s := range pcm {
			heard = append(heard, float64(s)*32768)
		}
		status = v.State().Echo
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the microphone ended with %v", err)
	}
	cancel()
	running.Wait()
	return heard, status
}

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
	for _, delay := range []time.Duration{20, 60, 120, 200} {
		t.Run(fmt.Sprint(delay, "ms"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(roomResponse(SampleRate, delay*time.Millisecond, 0.6), nil)
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
	for i := 0; b.Loop(); i++ {
		block := far[i%190*FrameSamples:][:FrameSamples]
		reference.Played(block)
		copy(pcm, block)
		c.clean(pcm, now.Add(time.Duration(i)*FrameDuration))
	}
}
