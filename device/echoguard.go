package device

import (
	"math"
	"time"
)

const (
	// guardActive is the level from which on the loudspeaker counts as heard, dBFS,
	// and guardHold how long its echo goes on after that.
	guardActive = -50.0
	guardHold   = 160 * time.Millisecond
	// guardGood is the reduction from which on the canceller is left alone, and
	// guardPoor the one below which it is not, dB.
	guardGood = 20.0
	guardPoor = 4.0
	// guardDuck is how far the microphone is turned down at most meanwhile, dB; the
	// more the canceller lowers the echo, the less.
	guardDuck  = 26.0
	guardSlope = 1.5
	// guardMemory is how long the measured reduction remembers, and guardPatience for how
	// long there may be hardly any before the canceller has lost the echo.
	guardMemory   = 800 * time.Millisecond
	guardPatience = 4 * time.Second
	// guardDeaf is how often nothing was found of what was played before it is taken
	// that the microphone doesn't hear the loudspeaker.
	guardDeaf = 3
)

// echoGuard decides whether the echo canceller does its work. While it does not, only
// one side is let through: the microphone is turned down while the loudspeaker is
// heard.
type echoGuard struct {
	in, out   float64       // energy of the microphone before and after, while the loudspeaker was heard
	hold      time.Duration // for which the echo goes on
	measured  time.Duration // so far
	poor      time.Duration // of hardly any reduction, in a row
	converged bool
	deaf      int // measurements in a row in which nothing of the loudspeaker was heard
	turned    float32
}

// watch looks at a block: what was played, what was heard, what was made of it.
func (g *echoGuard) watch(far, in, out []int16) {
	if g.turned == 0 {
		g.turned = 1
	}
	block := time.Duration(len(far)) * time.Second / cleanRate
	g.hold -= block
	if LevelDBFS(far) > guardActive {
		g.hold = guardHold
	}
	if g.hold <= 0 {
		return
	}
	g.measured += block
	share := float64(block) / float64(guardMemory)
	g.in += (energy(in) - g.in) * share
	g.out += (energy(out) - g.out) * share
	switch r := g.reduction(); {
	case g.measured < guardMemory/2:
	case r >= guardGood:
		g.converged, g.poor = true, 0
	case r < guardPoor:
		// Both may talk at once for some seconds; a canceller that has lost the echo
		// stays poor.
		if g.poor += block; g.poor > guardPatience {
			g.converged = false
		}
	default:
		g.poor = 0
	}
}

// echoes takes the result of a measurement: whether the loudspeaker is heard at all.
func (g *echoGuard) echoes(heard bool) {
	if g.deaf++; heard {
		g.deaf = 0
	}
}

// loud tells whether the loudspeaker is heard now.
func (g *echoGuard) loud() bool { return g.hold > 0 }

// ducking tells whether the canceller is helped out.
func (g *echoGuard) ducking() bool { return !g.converged && g.deaf < guardDeaf }

// turn is how loud the microphone may be now.
func (g *echoGuard) turn() float32 {
	if !g.loud() || !g.ducking() {
		return 1
	}
	missing := max(0, min(guardDuck, guardSlope*(guardGood+4-g.reduction())))
	return float32(math.Pow(10, -missing/20))
}

// reduction is by how much the canceller lowers the echo, dB.
func (g *echoGuard) reduction() float64 {
	if g.in <= 0 || g.out <= 0 {
		return 0
	}
	return decibels(g.in / g.out)
}

// restart forgets what was measured of another echo path.
func (g *echoGuard) restart() { *g = echoGuard{turned: g.turned, deaf: g.deaf} }

func energy(pcm []int16) float64 {
	sum := 1e-3
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum
}
