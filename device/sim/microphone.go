package sim

import (
	"context"
	"time"
)

// microphoneBuffer is how late a reader may be before sound is dropped, as with a real card.
const microphoneBuffer = 60 * time.Millisecond

// Microphone hears the Melody in real time, as if it had been played since 1970: each note
// begins at a whole half second, so that who hears it by the same clock knows how old it is.
// One goroutine at a time may read it.
type Microphone struct {
	pace *pace
	// Owned by the one goroutine that reads.
	from int64 // the melody's sample at the first read
}

// NewMicrophone returns a microphone. It starts with the first read.
func NewMicrophone() *Microphone { return &Microphone{pace: newPace()} }

// Description is the microphone's name for people.
func (m *Microphone) Description() string { return "simulated microphone" }

// ReadSamples fills pcm with 48 kHz mono sound at the pace of a real card, and returns
// when its first sample was heard. A reader that is more than 60 ms late misses sound.
func (m *Microphone) ReadSamples(ctx context.Context, pcm []int16) (time.Time, error) {
	p := m.pace
	if err := p.check(ctx); err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if p.begin.IsZero() {
		p.begin = now
		m.from = int64(time.Duration(now.UnixNano()%int64(melodyLength())) * sampleRate / time.Second)
	}
	if late := now.Sub(p.due(p.next)) - microphoneBuffer; late > 0 {
		p.next += int64(late * sampleRate / time.Second)
	}
	first := p.next
	if err := p.until(ctx, p.due(first+int64(len(pcm)))); err != nil {
		return time.Time{}, err
	}
	for i := range pcm {
		pcm[i] = melodySample(m.from + first + int64(i))
	}
	p.next += int64(len(pcm))
	return p.due(first), nil
}

// Close ends reads. It may be called again.
func (m *Microphone) Close() error {
	m.pace.close()
	return nil
}
