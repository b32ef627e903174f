package device

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
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

// room is a porch with a loudspeaker and a microphone, whose cards go by time. What the loudspeaker plays is heard by
// the microphone through the response, beside near, who speaks there.
type room struct {
	packet    time.Duration // of sound; 0: FrameDuration
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
		at := int(float64(m.next+i) * (1 - m.drift))
		heard := m.arrives(at)
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

// arrives is what of the air is at the microphone at a sample. Who calls it holds mu; the race detector would look a
// thousand times for each sample, which took most of a minute.
//
//go:norace
func (r *room) arrives(at int) float64 {
	heard := 0.0
	for n, k := range r.taps {
		if at-k >= 0 && at-k < len(r.air) {
			heard += r.gains[n] * r.air[at-k]
		}
	}
	return heard
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
	m := NewMixer(MixerOptions{Block: r.packet, Open: func(context.Context) (io.Closer, error) { return &roomSpeaker{room: r}, nil }})
	v := NewVoice(VoiceOptions{
		Open:    func(context.Context) (io.Closer, error) { return &roomMicrophone{room: r}, nil },
		BitRate: 96000, Complexity: 8, Clean: clean, Packet: r.packet,
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
		sequence := uint16(0)
		for i := 0; (i+1)*FrameSamples <= len(far) && ctx.Err() == nil; i++ {
			packet, err := encoder.encode(far[i*FrameSamples : (i+1)*FrameSamples])
			if err != nil {
				t.Error(err)
				return
			}
			if len(packet) > 0 {
				talker.Receive(sequence, uint32(i*FrameSamples), packet)
				sequence++
			}
			_ = sleepUntil(ctx, r.begin.Add(time.Duration(i+1)*FrameDuration))
		}
		<-ctx.Done()
	})
	decoder, err := newOpusDecoder()
	if err != nil {
		t.Fatal(err)
	}
	err = v.Stream(ctx, func(packet []byte, _ time.Duration, captured time.Time) {
		pcm, err := heardOf(decoder, packet, samplesIn(cmp.Or(r.packet, FrameDuration)))
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
