package device

import (
	"sync"
	"time"
)

const (
	// echoMemory is how much of what was played is kept, for the microphone to be
	// compared with.
	echoMemory = 1500 * time.Millisecond
	// echoGap is a pause of the loudspeaker after which its samples are no longer
	// counted on from those before: it was closed.
	echoGap = 200 * time.Millisecond
)

// EchoReference is what the loudspeaker plays, sample for sample, silence included,
// for the microphone's echo to be found by. The loudspeaker writes it; one Voice
// reads it.
type EchoReference struct {
	mu sync.Mutex
	// Guarded by mu.
	samples []int16   // a circle
	total   int64     // samples since the loudspeaker was opened
	first   int64     // the first sample of the newest block
	last    time.Time // when that was handed to the card
	opening int       // how often the loudspeaker was opened
}

// NewEchoReference returns one that has heard nothing.
func NewEchoReference() *EchoReference {
	return &EchoReference{samples: make([]int16, samplesIn(echoMemory))}
}

// Played takes the sound that a card was just given. It copies it and never blocks
// for long, so that the card's own thread may call it.
func (r *EchoReference) Played(pcm []int16) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == 0 || now.Sub(r.last) > echoGap {
		r.total = 0
		r.opening++
		clear(r.samples)
	}
	r.first = r.total
	for len(pcm) > 0 {
		n := copy(r.samples[r.total%int64(len(r.samples)):], pcm)
		r.total += int64(n)
		pcm = pcm[n:]
	}
	r.last = now
}

// place tells which sample was handed to the card at a time, and in which opening of
// the loudspeaker. It is not ok while nothing is played.
func (r *EchoReference) place(at time.Time) (sample int64, opening int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == 0 || at.Sub(r.last) > echoGap {
		return 0, r.opening, false
	}
	return r.first - int64(r.last.Sub(at)*SampleRate/time.Second), r.opening, true
}

// read fills pcm from a sample on, with silence where that is not known.
func (r *EchoReference) read(from int64, pcm []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := max(0, r.total-int64(len(r.samples)))
	for i := range pcm {
		at := from + int64(i)
		if at < oldest || at >= r.total {
			pcm[i] = 0
			continue
		}
		pcm[i] = r.samples[at%int64(len(r.samples))]
	}
}
