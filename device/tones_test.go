package device

import (
	"context"
	"io"
	"math"
	"sync"
	"time"
)

// tone returns n samples of a sine from sample number start on; amplitude 1 is full scale.
func tone(frequency, amplitude float64, start, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.MaxInt16 * amplitude * math.Sin(2*math.Pi*frequency*float64(start+i)/SampleRate))
	}
	return pcm
}

// strength is how much of pcm's energy is at a frequency, 0 to 1 (Goertzel).
func strength(pcm []int16, frequency float64) float64 {
	w := 2 * math.Pi * frequency / SampleRate
	var re, im, energy float64
	for i, s := range pcm {
		v := float64(s)
		re += v * math.Cos(w*float64(i))
		im += v * math.Sin(w*float64(i))
		energy += v * v
	}
	if energy == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / energy / float64(len(pcm))
}

// tonePackets encodes 20 ms packets of a tone.
func tonePackets(frequency, amplitude float64, n int) [][]byte {
	encoder, err := newOpusEncoder(32000, 5, 5)
	if err != nil {
		panic(err)
	}
	packets := make([][]byte, n)
	for i := range packets {
		packet, err := encoder.encode(tone(frequency, amplitude, i*FrameSamples, FrameSamples))
		if err != nil {
			panic(err)
		}
		packets[i] = append([]byte(nil), packet...)
	}
	return packets
}

// heardOf is what a phone plays of what Voice hands out: a packet, or n samples of silence.
func heardOf(decoder *opusDecoder, packet []byte, n int) ([]float32, error) {
	if len(packet) == 0 {
		return decoder.conceal(n)
	}
	return decoder.decode(packet)
}

// recordingSpeaker takes 20 ms blocks in real time, is one block ahead, and keeps all.
type recordingSpeaker struct {
	mu     sync.Mutex
	pcm    []int16
	next   time.Time
	fail   error // returned by writes from now on
	closed bool
}

func (s *recordingSpeaker) WriteSamples(ctx context.Context, pcm []int16) error {
	s.mu.Lock()
	if s.next.IsZero() {
		s.next = time.Now()
	}
	due := s.next
	s.next = s.next.Add(durationOf(len(pcm)))
	err := s.fail
	if err == nil {
		s.pcm = append(s.pcm, pcm...)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *recordingSpeaker) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *recordingSpeaker) Description() string { return "recorder" }

// recorded returns what was written between two times of the recording.
func (s *recordingSpeaker) recorded(from, to time.Duration) []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int16(nil), s.pcm[min(len(s.pcm), samplesIn(from)):min(len(s.pcm), samplesIn(to))]...)
}

// breakDown has writes fail.
func (s *recordingSpeaker) breakDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

var (
	_ soundSink = (*recordingSpeaker)(nil)
	_ io.Closer = (*recordingSpeaker)(nil)
)
