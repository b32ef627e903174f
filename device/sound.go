package device

import (
	"context"
	"errors"
	"math"
	"time"
)

// All sound in the house has one form: 48 kHz, mono, signed 16 bit. What a card
// has instead is converted at the card.
const (
	// SampleRate is the samples per second of all sound (Hz).
	SampleRate = 48000
	// FrameDuration is how much sound one Opus packet and one mixed block hold, unless
	// half of it was asked for.
	FrameDuration = 20 * time.Millisecond
	// FrameSamples is FrameDuration in samples.
	FrameSamples = SampleRate / 1000 * 20
	// SilenceDBFS stands for silence wherever a level is given, and is the lowest level given.
	SilenceDBFS = -100.0
)

// Errors of microphones and loudspeakers. What comes out of this package wraps one of
// them where it applies, with the device's name and what to do about it.
var (
	// ErrNoSoundCard: the machine has no sound card at all.
	ErrNoSoundCard = errors.New("there is no sound card")
	// ErrNoSuchSound: there are sound cards, but none of that name.
	ErrNoSuchSound = errors.New("there is no such sound device")
	// ErrSoundBusy: another program has the device.
	ErrSoundBusy = errors.New("another program is using it")
	// ErrSoundPermission: this process may not open the device.
	ErrSoundPermission = errors.New("permission denied")
	// ErrSoundGone: the device stopped working while it was open, as when it is unplugged.
	ErrSoundGone = errors.New("the sound device is gone")
	// ErrSoundStuck: the device could not be closed. Its thread stays until the process ends.
	ErrSoundStuck = errors.New("the sound device does not close")
	// ErrNullSound: ALSA's null device was asked for, which hears and says nothing.
	ErrNullSound = errors.New("the null device hears and says nothing")
	// ErrSoundInUse: Stream or Run was called while another call of it was running.
	ErrSoundInUse = errors.New("already running")
	// errSoundClosed is returned by reads and writes after Close.
	errSoundClosed = errors.New("sound device is closed")
)

// SoundState says how a microphone or a loudspeaker is doing.
type SoundState string

// The states of a microphone or a loudspeaker.
const (
	// SoundNone: there is none, by configuration.
	SoundNone SoundState = "none"
	// SoundIdle: nobody needs it now, so it is closed.
	SoundIdle SoundState = "idle"
	// SoundOpen: it works.
	SoundOpen SoundState = "open"
	// SoundLost: it is needed and does not work.
	SoundLost SoundState = "lost"
)

// soundSource is what a microphone is to Voice.
type soundSource interface {
	// ReadSamples fills pcm at the device's pace and returns when its first sample was heard.
	ReadSamples(ctx context.Context, pcm []int16) (time.Time, error)
	Close() error
}

// soundSink is what a loudspeaker is to Mixer.
type soundSink interface {
	// WriteSamples takes pcm at the device's pace.
	WriteSamples(ctx context.Context, pcm []int16) error
	Close() error
}

// describeSound gives the words that an opened device has for itself, or "".
func describeSound(device any) string {
	if d, ok := device.(interface{ Description() string }); ok {
		return d.Description()
	}
	return ""
}

// LevelDBFS returns the root mean square of pcm relative to full scale, in decibels:
// 0 for a square wave as loud as can be, -3 for such a sine, SilenceDBFS for silence.
func LevelDBFS(pcm []int16) float64 {
	if len(pcm) == 0 {
		return SilenceDBFS
	}
	var sum float64
	for _, s := range pcm {
		v := float64(s) / (math.MaxInt16 + 1)
		sum += v * v
	}
	return max(SilenceDBFS, 10*math.Log10(sum/float64(len(pcm))))
}

// samplesIn returns how many samples last d.
func samplesIn(d time.Duration) int {
	return int(d * SampleRate / time.Second)
}

// durationOf returns how long n samples last.
func durationOf(n int) time.Duration {
	return time.Duration(n) * time.Second / SampleRate
}
