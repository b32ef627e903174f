package device

import (
	"sync"
	"time"
)

// soundRing is a bounded queue of samples between a card's thread, which must never
// wait, and a goroutine, which may. Its critical sections copy at most one period.
type soundRing struct {
	// Fixed after newSoundRing.
	// moved holds a token when samples moved, or a callback came, since it was last read.
	moved chan struct{}

	mu sync.Mutex
	// Guarded by mu.
	samples []int16   // storage, a circle
	start   int       // index of the oldest sample
	count   int       // samples held
	dropped int64     // samples that were pushed out unread
	missed  int64     // samples asked for that weren't there
	newest  time.Time // when the sample after the newest one was, or will be, heard
	beat    time.Time // when the card's thread last came by
}

// newSoundRing returns a ring for the given duration of sound.
func newSoundRing(size time.Duration) *soundRing {
	return &soundRing{
		moved:   make(chan struct{}, 1),
		samples: make([]int16, samplesIn(size)),
		beat:    time.Now(),
	}
}

// force puts pcm in, which ended at now, and pushes out the oldest samples where
// there is no room: the capturing card's side.
func (r *soundRing) force(pcm []int16, now time.Time) {
	r.mu.Lock()
	if over := len(pcm) - len(r.samples); over > 0 {
		r.dropped += int64(over)
		pcm = pcm[over:]
	}
	if over := r.count + len(pcm) - len(r.samples); over > 0 {
		r.dropped += int64(over)
		r.skip(over)
	}
	r.copyIn(pcm)
	r.newest, r.beat = now, now
	r.mu.Unlock()
	r.wake()
}

// put puts in as much of pcm as there is room for, and says how much: the writer's side.
func (r *soundRing) put(pcm []int16) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	pcm = pcm[:min(len(pcm), len(r.samples)-r.count)]
	r.copyIn(pcm)
	return len(pcm)
}

// get takes out len(pcm) samples, or fewer if there are fewer. It returns how many,
// and when the first was heard: the reader's side.
func (r *soundRing) get(pcm []int16) (int, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.newest.Add(-durationOf(r.count))
	return r.copyOut(pcm), first
}

// drain fills pcm, with silence where samples are missing: the playing card's side.
func (r *soundRing) drain(pcm []int16, now time.Time) {
	r.mu.Lock()
	n := r.copyOut(pcm)
	r.missed += int64(len(pcm) - n)
	r.beat = now
	r.mu.Unlock()
	clear(pcm[n:])
	r.wake()
}

// lastBeat returns when the card's thread last came by.
func (r *soundRing) lastBeat() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beat
}

// losses returns how many samples were pushed out unread, and how many were missing.
func (r *soundRing) losses() (dropped, missed int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped, r.missed
}

// wake leaves a token for whoever waits. It never waits itself.
func (r *soundRing) wake() {
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

// copyIn appends pcm, for which there must be room. The caller holds mu.
func (r *soundRing) copyIn(pcm []int16) {
	at := (r.start + r.count) % len(r.samples)
	n := copy(r.samples[at:], pcm)
	copy(r.samples, pcm[n:])
	r.count += len(pcm)
}

// copyOut takes out up to len(pcm) of the oldest samples. The caller holds mu.
func (r *soundRing) copyOut(pcm []int16) int {
	pcm = pcm[:min(len(pcm), r.count)]
	n := copy(pcm, r.samples[r.start:])
	copy(pcm[n:], r.samples)
	r.skip(len(pcm))
	return len(pcm)
}

// skip forgets the n oldest samples. The caller holds mu.
func (r *soundRing) skip(n int) {
	r.start = (r.start + n) % len(r.samples)
	r.count -= n
}
