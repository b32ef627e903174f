package device

import (
	"fmt"
	"log/slog"
	"math"
	"time"
)

const (
	// cleanRate is the rate at which sound is cleaned: speech has next to nothing
	// above 12 kHz, and an echo canceller at half the rate converges faster.
	cleanRate  = SampleRate / 2
	cleanFrame = cleanRate / 100 // 10 ms
	cleanTail  = cleanRate / 10  // 100 ms of echoes after the first
)

// CleanOptions say what is done to the microphone's sound.
type CleanOptions struct {
	// Echo is what the loudspeaker plays, to be taken out. nil: nothing is.
	Echo *EchoReference
	// Noise takes out what sounds all the time.
	Noise bool
	// Gain brings voices to one loudness.
	Gain bool
	// Logger. Default: nobody hears.
	Logger *slog.Logger
}

// EchoStatus says how the echo does.
type EchoStatus struct {
	Playing bool // the loudspeaker plays, so that there is an echo to cancel
	// Delay is the time from the card through air to the microphone; 0: not measured.
	Delay time.Duration
	// Reduction is by how much the canceller lowers the echo, dB.
	Reduction float64
	// Ducking: the microphone is turned down while the phone's voice is heard, since
	// the echo is not cancelled well enough (yet).
	Ducking bool
}

// cleaner cleans the microphone's sound, block by block. It belongs to one
// goroutine, which also frees it.
type cleaner struct {
	// Fixed after newCleaner.
	options CleanOptions
	aligner *echoAligner // nil: no echo is looked for
	finder  *delayFinder
	speex   *speexCleaner
	guard   *echoGuard
	gain    gainControl

	micDown, farDown, micUp *halfband
	space                   cleanerSpace
	playing                 bool
	delay                   time.Duration // as it was found
	candidate               time.Duration // found once, and to be found again
}

func newCleaner(options CleanOptions) (*cleaner, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	speex, err := newSpeexCleaner(speexSettings{rate: cleanRate, frame: cleanFrame, tail: cleanTail, noise: options.Noise})
	if err != nil {
		return nil, err
	}
	c := &cleaner{
		options: options, speex: speex, guard: &echoGuard{},
		micDown: newHalfband(), farDown: newHalfband(), micUp: newHalfband(),
	}
	if options.Echo != nil {
		c.aligner, c.finder = newEchoAligner(options.Echo), newDelayFinder()
	}
	return c, nil
}

// free frees the cleaner; nothing else may be called then.
func (c *cleaner) free() { c.speex.free() }

// status says how the echo does.
func (c *cleaner) status() EchoStatus {
	return EchoStatus{Playing: c.playing, Delay: c.delay, Reduction: c.guard.reduction(), Ducking: c.playing && c.guard.ducking()}
}

// cleanerSpace has room for a block: what is played, at both rates, and what is heard.
type cleanerSpace struct {
	far                         [FrameSamples]int16
	mic24, far24, out24, past24 [FrameSamples / 2]int16
}

// clean cleans one block of 10 or 20 ms, captured at that time, in place.
func (c *cleaner) clean(pcm []int16, captured time.Time) {
	n := len(pcm)
	far, mic24, far24, out24 := c.space.far[:n], c.space.mic24[:n/2], c.space.far24[:n/2], c.space.out24[:n/2]
	was := c.playing
	if c.aligner != nil {
		var anew bool
		if c.playing, anew = c.aligner.take(captured, len(pcm)); anew {
			c.begin()
		}
	}
	if was != c.playing {
		c.speex.listen(c.playing)
	}
	if !c.playing && !c.options.Noise && !c.options.Gain {
		return // as it was heard, all of its band
	}
	c.micDown.down(mic24, pcm)
	out := mic24
	turn := float32(1)
	if c.playing {
		c.aligner.aligned(far)
		c.farDown.down(far24, far)
		for at := 0; at < len(out); at += cleanFrame {
			c.speex.cancel(mic24[at:], far24[at:], out24[at:])
		}
		out = out24
		c.guard.watch(far24, mic24, out)
		turn = c.guard.turn()
		c.find(far, mic24)
	}
	if c.playing || c.options.Noise {
		for at := 0; at < len(out); at += cleanFrame {
			c.speex.clean(out[at:])
		}
	}
	if c.options.Gain {
		c.gain.apply(out, c.playing && c.guard.loud())
	}
	duck(out, c.guard.turned, turn)
	c.guard.turned = turn
	c.micUp.up(pcm, out)
}

// begin is for a loudspeaker that was opened, or whose clock ran away.
func (c *cleaner) begin() {
	c.speex.reset()
	c.finder.reset()
	c.guard.restart()
}

// find measures the delay from time to time. One that differs is believed when it
// is found twice, but the first at once: until then nothing is known. What far holds is lost.
func (c *cleaner) find(far, mic24 []int16) {
	c.aligner.earlier(far, samplesIn(finderEarly))
	played := c.space.past24[:len(mic24)]
	for i := range played {
		played[i] = int16((int(far[2*i]) + int(far[2*i+1])) / 2)
	}
	c.finder.push(played, mic24, cleanRate)
	if !c.finder.ready() {
		return
	}
	found, sure := c.finder.measure()
	c.guard.echoes(sure >= finderMaybe)
	if sure < finderSure {
		return
	}
	near := func(a, b time.Duration) bool { return (a - b).Abs() < 4*time.Millisecond }
	if c.delay != 0 && near(found, c.delay) {
		c.candidate = 0
		return
	}
	if c.delay != 0 && !near(found, c.candidate) {
		c.candidate = found
		return
	}
	c.options.Logger.Debug("echo found", "delay", found, "sure", math.Round(sure), "before", c.delay)
	c.delay, c.candidate = found, 0
	lag := samplesIn(found)
	// What the canceller sees already it need not learn anew.
	if covered := lag - max(0, c.aligner.lag-samplesIn(echoLead)); covered < 0 || covered > samplesIn(40*time.Millisecond) {
		c.aligner.lag = lag
		c.speex.reset()
		c.guard.restart()
	}
}

// duck turns pcm down or up from one gain to another.
func duck(pcm []int16, from, to float32) {
	if from == 1 && to == 1 {
		return
	}
	for i, s := range pcm {
		share := min(1, float32(i)/float32(len(pcm)/4))
		pcm[i] = rounded(float32(s) * (from + (to-from)*share))
	}
}

// String is for logs and people.
func (s EchoStatus) String() string {
	if !s.Playing {
		return "the loudspeaker is silent"
	}
	text := fmt.Sprintf("echo after %v, lowered by %.0f dB", s.Delay.Round(time.Millisecond), s.Reduction)
	if s.Ducking {
		text += ", and the microphone is turned down while the phone is heard"
	}
	return text
}
