package device

import (
	"math"
	"time"
)

const (
	// echoLead is how much earlier than the echo the reference is, so that the
	// canceller sees the echo come.
	echoLead = 10 * time.Millisecond
	// echoGuess is the way from the card through air to the microphone while it has
	// not been measured: what is shorter, and up to the canceller's tail longer, is
	// covered.
	echoGuess = 25 * time.Millisecond
	// echoSlip is how far the two cards' clocks may drift apart before the reference
	// is moved; micGap is what a missing piece of the microphone's sound is told by.
	echoSlip = 4 * time.Millisecond
	micGap   = 15 * time.Millisecond
)

// echoAligner finds for each block of the microphone what the loudspeaker played
// when that must have been heard. Samples of both are counted, since times of
// single blocks are some milliseconds off; times only begin the counting, and
// correct it where the cards' clocks drift apart.
type echoAligner struct {
	reference *EchoReference

	heard   int64     // the microphone's sample that comes next
	due     time.Time // when it will have been captured
	opening int       // of the loudspeaker, that base is for
	base    int64     // the sample played when the microphone's sample 0 was captured
	slip    float64   // how far base is off, smoothed, samples
	lag     int       // from the card to the microphone, samples
}

func newEchoAligner(reference *EchoReference) *echoAligner {
	return &echoAligner{reference: reference, opening: -1, lag: samplesIn(echoGuess)}
}

// take counts a block of n samples of the microphone, and reports whether the
// loudspeaker plays, and whether the counting began anew.
func (a *echoAligner) take(captured time.Time, n int) (playing, anew bool) {
	if gap := captured.Sub(a.due); a.due.IsZero() || gap.Abs() > micGap {
		if !a.due.IsZero() {
			a.heard += int64(gap * SampleRate / time.Second)
		}
		a.due = captured
	}
	at, opening, playing := a.reference.place(captured)
	if playing {
		base := at - a.heard
		off := float64(base - a.base)
		a.slip += (off - a.slip) * durationOf(n).Seconds() / 2 // over two seconds
		if opening != a.opening || math.Abs(off) > float64(samplesIn(echoGap)) {
			a.opening, a.base, a.slip, anew = opening, base, 0, true
		} else if math.Abs(a.slip) > float64(samplesIn(echoSlip)) {
			a.base += int64(a.slip)
			a.slip, anew = 0, true
		}
	}
	a.heard += int64(n)
	a.due = a.due.Add(durationOf(n))
	return playing, anew
}

// aligned reads what was played so long before the block that take was called for
// last as it takes to be heard, and a little less.
func (a *echoAligner) aligned(pcm []int16) {
	a.reference.read(a.block(len(pcm))-int64(max(0, a.lag-samplesIn(echoLead))), pcm)
}

// earlier reads what was played n samples before the block was captured.
func (a *echoAligner) earlier(pcm []int16, n int) { a.reference.read(a.block(len(pcm))-int64(n), pcm) }

func (a *echoAligner) block(n int) int64 { return a.heard - int64(n) + a.base }
