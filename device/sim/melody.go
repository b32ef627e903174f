package sim

import (
	"math"
	"time"
)

// Note is one pure tone.
type Note struct {
	Frequency float64 // Hz
	Duration  time.Duration
}

// MelodyDBFS is the level of the melody's tones: the root mean square relative to full scale.
const MelodyDBFS = -13.5

const (
	sampleRate = 48000
	// melodyAmplitude gives MelodyDBFS for a sine.
	melodyAmplitude = 0.3
	// noteEdge is the soft beginning and end of each note, against clicks.
	noteEdge = 10 * time.Millisecond
)

// Melody is what the simulated microphone hears, over and over: four tones of half a
// second each, at least 110 Hz apart, so that a spectrum finds them.
func Melody() []Note {
	const note = 500 * time.Millisecond
	return []Note{{440, note}, {550, note}, {660, note}, {880, note}}
}

// NoteAt returns the melody's note at a time since its beginning.
func NoteAt(since time.Duration) Note {
	note, _ := noteAt(since)
	return note
}

// noteAt returns the note and how far into it the time is.
func noteAt(since time.Duration) (Note, time.Duration) {
	melody := Melody()
	since %= melodyLength()
	for _, n := range melody {
		if since < n.Duration {
			return n, since
		}
		since -= n.Duration
	}
	return melody[0], 0
}

// melodyLength is the time after which it begins again.
func melodyLength() (total time.Duration) {
	for _, n := range Melody() {
		total += n.Duration
	}
	return total
}

// melodySample returns the melody's sample number n.
func melodySample(n int64) int16 {
	note, at := noteAt(durationOf(n))
	gain := melodyAmplitude
	if edge := min(at, note.Duration-at); edge < noteEdge {
		gain *= 0.5 - 0.5*math.Cos(math.Pi*float64(edge)/float64(noteEdge))
	}
	return int16(math.MaxInt16 * gain * math.Sin(2*math.Pi*note.Frequency*at.Seconds()))
}

// durationOf returns how long n samples last.
func durationOf(n int64) time.Duration {
	return time.Duration(n/sampleRate)*time.Second + time.Duration(n%sampleRate)*time.Second/sampleRate
}
