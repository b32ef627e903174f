package device

import "time"

const (
	// jitterStep is how finely the delay is chosen: one usual packet.
	jitterStep = FrameDuration
	// jitterMin and jitterMax bound how much sound is kept in hand.
	jitterMin = 20 * time.Millisecond
	jitterMax = 120 * time.Millisecond
	// jitterMemory is how long the quickest packet is remembered, in two halves, and
	// roughly how long the slowest is.
	jitterMemory = 4 * time.Second
	// jitterJump is the travel time relative to the first packet's that tells that clocks or
	// timestamps jumped or drifted apart: measuring begins anew. It does so each hour too,
	// long before a 32-bit timestamp comes round (24.8 hours).
	jitterJump = 2 * time.Second
)

// jitterDelay chooses how much sound to keep in hand from how unevenly packets come. It
// is pure: time comes in as arguments.
type jitterDelay struct {
	set      bool
	first    time.Time     // when the first packet came
	firstTS  uint32        // its timestamp
	fastest  time.Duration // least travel time relative to the first packet, in this half of memory
	previous time.Duration // the same in the half before
	half     time.Time     // when this half began
	late     time.Duration // how late packets come at worst; fades
	seen     time.Time     // when the last packet came
}

// arrived takes note of a packet with the given timestamp (48 kHz) that came at now.
func (d *jitterDelay) arrived(timestamp uint32, now time.Time) {
	if !d.set {
		*d = jitterDelay{set: true, first: now, firstTS: timestamp, half: now, seen: now}
		return
	}
	sent := durationOf(int(int32(timestamp - d.firstTS)))
	travel := now.Sub(d.first) - sent
	if sent > time.Hour || travel.Abs() > jitterJump {
		kept := d.late
		*d = jitterDelay{set: true, first: now, firstTS: timestamp, half: now, seen: now, late: kept}
		return
	}
	if now.Sub(d.half) > jitterMemory/2 {
		d.previous, d.fastest, d.half = d.fastest, travel, now
	}
	d.fastest = min(d.fastest, travel)
	late := min(jitterMax, travel-min(d.fastest, d.previous))
	faded := d.late - time.Duration(float64(d.late)*min(1, float64(now.Sub(d.seen))/float64(jitterMemory)))
	d.late, d.seen = max(late, faded), now
}

// target is how much sound to keep in hand before playing: what the worst packet needs
// in whole steps, and one step, since a block is taken at once.
func (d *jitterDelay) target() time.Duration {
	steps := (d.late + jitterStep - 1 - time.Millisecond) / jitterStep // under a millisecond is the scheduler's
	return min(jitterMax, max(jitterMin, jitterStep*(1+max(0, steps))))
}
