package device

import (
	"math"
	"math/cmplx"
	"time"
)

const (
	finderRate   = 8000 // Hz
	finderWindow = 8192 // samples that are compared at once, 1.02 s
	// finderLongest is the longest way from loudspeaker to microphone that is found.
	finderLongest = 500 * time.Millisecond
	// finderSure is by how much the best match has to stand out, times the root mean
	// square of all: what is heard reaches 15 to 40, chance 8.
	finderSure = 11
	// finderMaybe is from where on it may be that something is heard.
	finderMaybe = 8
	// finderEarly is how much later than it was played the sound may be pushed: so
	// much of it is there already when the microphone's comes.
	finderEarly = 40 * time.Millisecond
	// finderFloor is how loud a frequency has to be among what was played for its phase to count, as a share of the
	// loudest one's amplitude. What is below is mostly the traces of edges: where two steady tones both
	// break off, as when a busy machine misses a piece, those of the one would match those of the other.
	finderFloor = 0.01
	// finderQuiet is the level below which nothing is compared, dBFS.
	finderQuiet = -50.0
)

// delayFinder measures how long it takes what is played to be heard, by generalized
// cross-correlation with phase transform (Knapp and Carter, 1976): of each
// frequency only the phase counts, so that neither the voice's nor the room's
// colour blurs the result.
type delayFinder struct {
	fft          *fft
	played, mic  []float64 // the newest finderWindow samples at finderRate
	a, b         []complex128
	fresh        int // samples since the last measurement
	measurements int
}

func newDelayFinder() *delayFinder {
	const n = 2 * finderWindow
	return &delayFinder{
		fft: newFFT(n), a: make([]complex128, n), b: make([]complex128, n),
		played: make([]float64, finderWindow), mic: make([]float64, finderWindow),
	}
}

// push takes blocks of the same length of both, at a multiple of finderRate: the
// microphone's, and what was played finderEarly before.
func (f *delayFinder) push(played, mic []int16, rate int) {
	by := rate / finderRate
	n := len(mic) / by
	copy(f.played, f.played[n:])
	copy(f.mic, f.mic[n:])
	for i := range n {
		var p, m int
		for k := range by {
			p, m = p+int(played[i*by+k]), m+int(mic[i*by+k])
		}
		f.played[finderWindow-n+i], f.mic[finderWindow-n+i] = float64(p)/float64(by), float64(m)/float64(by)
	}
	f.fresh += n
}

// reset forgets what came so far.
func (f *delayFinder) reset() {
	clear(f.played)
	clear(f.mic)
	f.fresh = 0
}

// ready tells whether a whole window is new, and something was played in it.
func (f *delayFinder) ready() bool {
	if f.fresh < finderWindow {
		return false
	}
	f.fresh = 0
	return levelOf(f.played) > finderQuiet
}

// measure returns how much later the microphone hears what is played, and by how
// much that stands out. Below finderSure nothing of it is heard.
func (f *delayFinder) measure() (delay time.Duration, sure float64) {
	f.measurements++
	clear(f.a)
	clear(f.b)
	for i := range finderWindow {
		window := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/finderWindow)
		f.a[i], f.b[i] = complex(f.played[i]*window, 0), complex(f.mic[i]*window, 0)
	}
	f.fft.transform(f.a)
	f.fft.transform(f.b)
	const low, high = 200 * 2 * finderWindow / finderRate, 3600 * 2 * finderWindow / finderRate
	loudest := 0.0
	for i := low; i <= high; i++ {
		loudest = max(loudest, cmplx.Abs(f.a[i]))
	}
	for i := range f.a {
		at := min(i, len(f.a)-i)
		cross := f.a[i] * cmplx.Conj(f.b[i])
		if size := cmplx.Abs(cross); size > 0 && at >= low && at <= high && cmplx.Abs(f.a[i]) >= loudest*finderFloor {
			f.a[i] = cross / complex(size, 0)
		} else {
			f.a[i] = 0
		}
	}
	f.fft.transform(f.a) // of the conjugate spectrum: the inverse, but for a factor
	early, longest := int(finderEarly.Seconds()*finderRate), int(finderLongest.Seconds()*finderRate)
	best, at, sum := 0.0, 0, 0.0
	for i := range longest {
		v := real(f.a[(i-early+len(f.a))%len(f.a)])
		sum += v * v
		if v = math.Abs(v); v > best {
			best, at = v, i
		}
	}
	if sum == 0 {
		return 0, 0
	}
	return time.Duration(at) * time.Second / finderRate, best / math.Sqrt(sum/float64(longest))
}

// levelOf is LevelDBFS of samples in a wider type.
func levelOf(samples []float64) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += s * s
	}
	return max(SilenceDBFS, 10*math.Log10(sum/float64(len(samples))/(1<<30)))
}
