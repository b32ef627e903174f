package device

import (
	"sync"
	"time"
)

const (
	// concealLimit is how long lost sound is made up, fading; after that there is silence.
	concealLimit = 100 * time.Millisecond
	// fadeIn softens the first sound after silence.
	fadeIn = 5 * time.Millisecond
)

// Talker is one phone's voice on its way to the loudspeaker. Join makes it, Leave ends it.
type Talker struct {
	// Fixed after Join.
	leave func()

	mu sync.Mutex
	// Guarded by mu.
	jitter jitterBuffer
	left   bool

	// Owned by the mixer's Run.
	decoder   *opusDecoder
	ready     []float32 // decoded sound that isn't played yet
	concealed int       // samples made up in a row
	silent    bool      // silence was the last thing played
}

// Receive takes in the payload of one RTP packet (RFC 7587), which it copies. Packets may
// come late, twice, out of order, or not at all. It never blocks on the loudspeaker; any
// goroutine may call it. After Leave it does nothing.
func (t *Talker) Receive(sequence uint16, timestamp uint32, opus []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.left {
		t.jitter.put(sequence, timestamp, opus, time.Now())
	}
}

// Leave ends the talker. What it said and isn't played yet is lost. It may be called again.
func (t *Talker) Leave() {
	t.mu.Lock()
	again := t.left
	t.left = true
	t.mu.Unlock()
	if !again {
		t.leave()
	}
}

// Counts says what happened to the packets so far.
func (t *Talker) Counts() TalkerCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.jitter.counts
}

// Delay is how much sound is kept in hand now, chosen by how unevenly packets come.
func (t *Talker) Delay() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.jitter.delay.target()
}

// addTo adds the next sound to block, full scale being 1. Called by the mixer's Run only.
func (t *Talker) addTo(block []float32) {
	for len(t.ready) < len(block) {
		if !t.more() {
			break
		}
	}
	n := min(len(t.ready), len(block))
	for i, s := range t.ready[:n] {
		block[i] += s
	}
	t.ready = t.ready[:copy(t.ready, t.ready[n:])]
}

// more decodes the next packet, or makes something up. It returns false for silence.
func (t *Talker) more() bool {
	if t.decoder == nil {
		decoder, err := newOpusDecoder()
		if err != nil {
			return false // out of memory: silence, and another try at the next block
		}
		t.decoder, t.silent = decoder, true
	}
	t.mu.Lock()
	turn, packet, second := t.jitter.take(time.Now())
	t.mu.Unlock()
	switch turn {
	case turnPacket:
		t.play(packet)
	case turnCatchUp:
		t.blend(packet, second)
	case turnLost:
		return t.repair(packet)
	case turnComfort:
		return t.comfort(packet.samples)
	case turnWait:
		return t.conceal(FrameSamples)
	default:
		t.silent = true
		return false
	}
	return true
}

// play appends a packet's sound.
func (t *Talker) play(packet jitterPacket) {
	pcm, err := t.decoder.decode(packet.opus)
	if err != nil {
		t.count(func(c *TalkerCounts) { c.Bad++ })
		t.conceal(packet.samples)
		return
	}
	t.heard(pcm)
}

// blend appends the first packet's sound turning into the second's, to save the time of one.
func (t *Talker) blend(first, second jitterPacket) {
	pcm, err := t.decoder.decode(first.opus)
	if err != nil {
		t.count(func(c *TalkerCounts) { c.Bad++ })
		t.play(second)
		return
	}
	start := len(t.ready)
	t.heard(pcm)
	pcm, err = t.decoder.decode(second.opus)
	if err != nil {
		t.count(func(c *TalkerCounts) { c.Bad++ })
		return
	}
	mixed := t.ready[start:]
	for i := range min(len(mixed), len(pcm)) {
		share := float32(i) / float32(len(mixed))
		mixed[i] += (pcm[i] - mixed[i]) * share
	}
}

// heard appends true sound, with a soft passage from what was made up, or from silence.
func (t *Talker) heard(pcm []float32) {
	start := len(t.ready)
	t.ready = append(t.ready, pcm...)
	from := concealGain(t.concealed)
	if t.silent {
		from = 0
	}
	ramp := t.ready[start:min(len(t.ready), start+samplesIn(fadeIn))]
	for i := range ramp {
		ramp[i] *= from + (1-from)*float32(i)/float32(len(ramp))
	}
	t.silent, t.concealed = false, 0
}

// repair appends the sound of the lost packet before next. After concealLimit it goes on
// with next instead.
func (t *Talker) repair(next jitterPacket) bool {
	if t.concealed >= samplesIn(concealLimit) {
		t.mu.Lock()
		t.jitter.jump()
		t.mu.Unlock()
		return t.more()
	}
	t.mu.Lock()
	adjacent := next.sequence == t.jitter.next
	t.mu.Unlock()
	if !adjacent {
		return t.conceal(next.samples)
	}
	pcm, err := t.decoder.repair(next.opus, next.samples)
	if err != nil {
		return t.conceal(next.samples)
	}
	t.count(func(c *TalkerCounts) { c.Recovered++ })
	t.heard(pcm)
	return true
}

// conceal appends n made-up samples that fade. It returns false once concealLimit is
// reached with nothing left to play, and the talker gathers anew.
func (t *Talker) conceal(n int) bool {
	if t.concealed >= samplesIn(concealLimit) {
		t.mu.Lock()
		t.jitter.pause()
		t.mu.Unlock()
		t.concealed, t.silent = 0, true
		return false
	}
	pcm, err := t.decoder.conceal(n)
	if err != nil {
		return false
	}
	t.count(func(c *TalkerCounts) { c.Concealed++ })
	t.fade(pcm)
	return true
}

// comfort appends n samples of the noise that the phone described before it fell silent.
func (t *Talker) comfort(n int) bool {
	pcm, err := t.decoder.conceal(n)
	if err != nil {
		return false
	}
	t.count(func(c *TalkerCounts) { c.Comfort++ })
	t.heard(pcm)
	return true
}

// fade appends made-up sound, the softer the longer there was nothing else.
func (t *Talker) fade(pcm []float32) {
	for _, s := range pcm {
		t.ready = append(t.ready, s*concealGain(t.concealed))
		t.concealed++
	}
}

// concealGain is the loudness of sound that was made up for n samples already: full
// for 40 ms, nothing at concealLimit.
func concealGain(n int) float32 {
	begin, end := samplesIn(2*FrameDuration), samplesIn(concealLimit)
	return min(1, max(0, float32(end-n)/float32(end-begin)))
}

// count changes the counters.
func (t *Talker) count(change func(*TalkerCounts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.jitter.counts)
}

// resync drops sound that is too old by now, as after the loudspeaker stood still.
// Called by the mixer's Run only.
func (t *Talker) resync() {
	t.ready = t.ready[:0]
	t.concealed, t.silent = 0, true
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jitter.flush()
}
