package device

import (
	"slices"
	"time"
)

const (
	// jitterPackets bounds the packets held: 120 ms in the smallest usual packets of 2.5 ms.
	jitterPackets = 48
	// jitterRestart is the step in sequence numbers that can only be another stream.
	jitterRestart = 1000
	// jitterStale is when a packet that nobody played is too old to be played.
	jitterStale = 200 * time.Millisecond
	// jitterLateRun is how many late packets in a row are taken for a stream that began anew.
	jitterLateRun = 25
	// quietLimit is how long a silence is believed in while nothing comes: there is a
	// packet each 400 ms.
	quietLimit = 1200 * time.Millisecond
)

// jitterPacket is one packet in hand.
type jitterPacket struct {
	sequence  uint16
	timestamp uint32
	samples   int // what it decodes to
	came      time.Time
	opus      []byte
}

// quiet tells whether silence begins with the packet, or goes on: what is not sent then
// is not lost (RFC 7587, section 3.1.3).
func (p jitterPacket) quiet() bool { return len(p.opus) <= opusQuiet }

// TalkerCounts counts what happened to one phone's packets.
type TalkerCounts struct {
	Received  int64 `json:"received"`
	Lost      int64 `json:"lost"`      // not there when they were due, while later ones were
	Late      int64 `json:"late"`      // came after they were due, or twice
	Bad       int64 `json:"bad"`       // not Opus
	Skipped   int64 `json:"skipped"`   // dropped to catch up
	Comfort   int64 `json:"comfort"`   // blocks of the phone's silence, which it need not send
	Concealed int64 `json:"concealed"` // 20 ms blocks and packets made up by the decoder
	Recovered int64 `json:"recovered"` // lost packets repaired from the next one's copy
}

// jitterBuffer puts packets back in order and evens out their arrival. It is pure: time
// comes in as arguments, and its owner locks it.
type jitterBuffer struct {
	delay   jitterDelay
	packets []jitterPacket // in order of sequence
	playing bool           // next is being followed; otherwise it gathers
	known   bool           // next has a meaning
	next    uint16         // sequence number due next; older ones come too late
	due     uint32         // timestamp due next
	quiet   bool           // the packet before next began a silence, or kept it up
	quieted time.Time      // when that packet came
	waited  int            // samples made up in place of next while nothing was in hand
	lates   int            // late packets in a row
	roomy   time.Time      // since when more was in hand than needed; zero: it isn't
	counts  TalkerCounts
}

// put takes in a packet, which it copies.
func (j *jitterBuffer) put(sequence uint16, timestamp uint32, opus []byte, now time.Time) {
	j.counts.Received++
	n := opusSamples(opus)
	if n == 0 || len(opus) > opusMaxPacket {
		j.counts.Bad++
		return
	}
	if j.stranger(sequence) {
		j.restart()
	}
	j.delay.arrived(timestamp, now)
	at, found := slices.BinarySearchFunc(j.packets, sequence, func(p jitterPacket, s uint16) int {
		return int(int16(p.sequence - s))
	})
	if found || j.known && int16(sequence-j.next) < 0 {
		j.counts.Late++
		j.lates++
		return
	}
	j.lates = 0
	j.packets = slices.Insert(j.packets, at, jitterPacket{sequence, timestamp, n, now, slices.Clone(opus)})
	j.bound()
}

// stranger tells whether a sequence number can't be of the stream that was going on.
func (j *jitterBuffer) stranger(sequence uint16) bool {
	if j.lates >= jitterLateRun {
		return true
	}
	near := j.next
	if len(j.packets) > 0 {
		near = j.packets[0].sequence
	} else if !j.known {
		return false
	}
	distance := int16(sequence - near)
	return distance > jitterRestart || distance < -jitterRestart
}

// restart forgets the stream.
func (j *jitterBuffer) restart() {
	j.counts.Skipped += int64(len(j.packets))
	*j = jitterBuffer{counts: j.counts}
}

// span is how much time the packets in hand cover, with the gaps between them.
func (j *jitterBuffer) span() time.Duration {
	if len(j.packets) == 0 {
		return 0
	}
	oldest, newest := j.packets[0], j.packets[len(j.packets)-1]
	return durationOf(int(int32(newest.timestamp-oldest.timestamp)) + newest.samples)
}

// bound drops the oldest packets when more is in hand than may ever be played: after a
// pause of the network, or when the loudspeaker stood still.
func (j *jitterBuffer) bound() {
	span := j.span()
	if span <= jitterMax+jitterStep && span >= 0 && len(j.packets) <= jitterPackets {
		return
	}
	target := j.delay.target()
	for len(j.packets) > 1 && (j.span() > target || j.span() < 0 || len(j.packets) > jitterPackets) {
		j.drop()
	}
}

// drop leaves out the oldest packet.
func (j *jitterBuffer) drop() {
	j.pop()
	j.counts.Skipped++
}

// jitterTurn says what is to be played next.
type jitterTurn int

const (
	turnSilence jitterTurn = iota // nothing: no stream, or one that is being gathered
	turnPacket                    // the packet
	turnLost                      // what was lost before the packet
	turnWait                      // nothing came in time: go on from what was heard
	turnComfort                   // as many samples as the packet has, of the silence that the phone described
	turnCatchUp                   // the packet and, blended into it, the one after it
)

// take returns the packet that is due. For turnLost it stays in hand. The second packet
// is for turnCatchUp only.
func (j *jitterBuffer) take(now time.Time) (turn jitterTurn, packet, second jitterPacket) {
	if !j.playing && !j.gathered(now) {
		return j.idle(now)
	}
	if len(j.packets) == 0 && j.quiet {
		j.pause() // what comes next is gathered anew
		return j.idle(now)
	}
	if len(j.packets) == 0 {
		j.waited += FrameSamples
		return turnWait, packet, second
	}
	for head := j.packets[0]; head.sequence != j.next; {
		j.next++
		j.counts.Lost++
		j.due += uint32(head.samples)
		if j.waited < head.samples {
			return turnLost, head, second
		}
		j.waited -= head.samples // it has been made up for already
	}
	if gap := int(int32(j.packets[0].timestamp - j.due)); j.quiet && gap >= opusLeast && gap <= samplesIn(jitterMax) {
		packet.samples = min(gap, FrameSamples) / opusLeast * opusLeast
		j.due += uint32(packet.samples)
		return turnComfort, packet, second
	}
	catchUp := j.tooMuch(now)
	packet = j.pop()
	if catchUp && !j.quiet && len(j.packets) > 0 && j.packets[0].sequence == j.next && j.packets[0].samples == packet.samples {
		j.counts.Skipped++
		return turnCatchUp, packet, j.pop()
	}
	return turnPacket, packet, second
}

// idle is what is to be played while nothing is gathered.
func (j *jitterBuffer) idle(now time.Time) (turn jitterTurn, packet, second jitterPacket) {
	if j.quiet = j.quiet && now.Sub(j.quieted) < quietLimit; j.quiet {
		packet.samples = FrameSamples
		return turnComfort, packet, second
	}
	return turnSilence, packet, second
}

// pop takes out the oldest packet.
func (j *jitterBuffer) pop() jitterPacket {
	packet := j.packets[0]
	j.packets = slices.Delete(j.packets, 0, 1)
	j.known, j.next, j.waited = true, packet.sequence+1, 0
	j.due, j.quiet, j.quieted = packet.timestamp+uint32(packet.samples), packet.quiet(), packet.came
	return packet
}

// gathered tells whether enough is in hand to begin, and if so begins.
func (j *jitterBuffer) gathered(now time.Time) bool {
	for len(j.packets) > 0 && now.Sub(j.packets[0].came) > jitterStale {
		j.drop()
	}
	if len(j.packets) == 0 {
		return false
	}
	target := j.delay.target()
	if j.span() < target && now.Sub(j.packets[0].came) < target {
		return false
	}
	j.playing, j.known, j.next = true, true, j.packets[0].sequence
	j.due, j.waited, j.roomy = j.packets[0].timestamp, 0, time.Time{}
	return true
}

// tooMuch tells whether more has been in hand than needed for two seconds, so that one
// packet can be saved. The loudspeaker's clock may be slower than the phone's, or the
// network has become quieter.
func (j *jitterBuffer) tooMuch(now time.Time) bool {
	if j.span() <= j.delay.target()+jitterStep {
		j.roomy = time.Time{}
		return false
	}
	if j.roomy.IsZero() {
		j.roomy = now
	}
	if now.Sub(j.roomy) < jitterMemory/2 {
		return false
	}
	j.roomy = time.Time{}
	return true
}

// jump gives up what is missing before the packets in hand.
func (j *jitterBuffer) jump() {
	if len(j.packets) > 0 {
		j.counts.Lost += int64(j.packets[0].sequence - j.next)
		j.next = j.packets[0].sequence
	}
}

// pause ends playing: it gathers anew. Packets in hand stay.
func (j *jitterBuffer) pause() { j.playing = false }

// flush drops all but the newest packets, as after the loudspeaker stood still.
func (j *jitterBuffer) flush() {
	for len(j.packets) > 1 && j.span() > jitterMin {
		j.drop()
	}
	j.pause()
}
