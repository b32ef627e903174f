package device

import (
	"context"
	"log/slog"
	"time"
)

const (
	// microphoneBuffer is the sound kept for a reader that is late; older sound is dropped.
	microphoneBuffer = 60 * time.Millisecond
	// speakerBuffer is the sound that a writer may be ahead.
	speakerBuffer = 40 * time.Millisecond
)

// SoundOptions are what OpenMicrophone and OpenSpeaker can be told.
type SoundOptions struct {
	// Logger hears of devices that don't close and, at debug level, what ALSA says. Default: nobody.
	Logger *slog.Logger
	// Echo is told what a loudspeaker plays. nil: nobody is.
	Echo *EchoReference
}

// Microphone is an ALSA capture device. One goroutine at a time may read it.
type Microphone struct{ *soundPort }

// OpenMicrophone opens a microphone by name: "default", an ALSA name ("hw:Loopback,1",
// "hw:1,0", "plughw:1"), or part of a name that ListMicrophones gives. Its errors wrap
// ErrNoSoundCard, ErrNoSuchSound, ErrSoundBusy, ErrSoundPermission or ErrNullSound where
// that is the cause. The microphone is to be closed after use.
func OpenMicrophone(ctx context.Context, name string, options SoundOptions) (*Microphone, error) {
	port, err := openSound(ctx, soundCapture, name, options.Logger, microphoneBuffer, captureInto)
	if err != nil {
		return nil, err
	}
	return &Microphone{port}, nil
}

// ReadSamples fills pcm with 48 kHz mono sound, waiting for the card, and returns when
// its first sample was heard. Sound that nobody read for 60 ms is dropped, the oldest
// first. When the card stops it returns ErrSoundGone within a second.
func (m *Microphone) ReadSamples(ctx context.Context, pcm []int16) (time.Time, error) {
	return m.read(ctx, pcm)
}

// captureInto returns what a capturing card's thread does with its samples.
func captureInto(port *soundPort) func([]int16) {
	return func(pcm []int16) { port.ring.force(pcm, time.Now()) }
}

// Speaker is an ALSA playback device. One goroutine at a time may write to it.
type Speaker struct{ *soundPort }

// OpenSpeaker opens a loudspeaker; names and errors are OpenMicrophone's. It plays
// silence when there is nothing to play, and is to be closed after use.
func OpenSpeaker(ctx context.Context, name string, options SoundOptions) (*Speaker, error) {
	port, err := openSound(ctx, soundPlayback, name, options.Logger, speakerBuffer, func(port *soundPort) func([]int16) { return playFrom(port, options.Echo) })
	if err != nil {
		return nil, err
	}
	return &Speaker{port}, nil
}

// WriteSamples plays 48 kHz mono sound. It returns when all of pcm is taken, which is at
// most 40 ms before the card gets it. When the card stops it returns ErrSoundGone within
// a second.
func (s *Speaker) WriteSamples(ctx context.Context, pcm []int16) error {
	return s.write(ctx, pcm)
}

// playFrom returns what a playing card's thread does to get its samples.
func playFrom(port *soundPort, echo *EchoReference) func([]int16) {
	return func(pcm []int16) {
		port.ring.drain(pcm, time.Now())
		if echo != nil {
			echo.Played(pcm)
		}
	}
}

var (
	_ soundSource = (*Microphone)(nil)
	_ soundSink   = (*Speaker)(nil)
)
