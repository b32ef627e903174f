package rtc

import (
	"context"
	"time"
)

// VideoSource is a camera that gives H.264, or its picture in another codec.
type VideoSource interface {
	// Stream opens the camera and passes each frame (H.264: an access unit in Annex
	// B, Constrained Baseline, parameter sets before each key frame) to sink until ctx ends or
	// the camera fails. The slice is valid only during the call. Stream may be
	// called again after it has returned.
	Stream(ctx context.Context, sink func(frame []byte, key bool, captured time.Time)) error
	// RequestKeyFrame asks for a key frame soon. It never blocks.
	RequestKeyFrame()
	// SetBitRate bounds the bit rate (bit/s); 0 is no bound. It never blocks.
	SetBitRate(limit int)
}

// Rester is a VideoSource that need not encode while nobody takes its codec, though
// its pictures are needed for another one. Its Stream then calls sink with an empty
// frame for each picture, and with a key frame first afterwards.
type Rester interface {
	// Rest says whether nobody takes it. It never blocks.
	Rest(on bool)
}

// AudioSource is a microphone that gives Opus at 48 kHz.
type AudioSource interface {
	// Stream passes each packet to sink until ctx ends or the microphone fails. An
	// empty one stands for silence that is not sent (RFC 7587 section 3.1.3).
	Stream(ctx context.Context, sink func(packet []byte, duration time.Duration, captured time.Time)) error
	// SetLoss says what share of the packets is lost on the way to the phone that
	// misses most, in percent. It never blocks.
	SetLoss(percent int)
}

// JoinVoice adds one phone's voice to the loudspeaker. The first function takes
// its RTP packets (Opus, 48 kHz timestamps) and never blocks; the second takes
// it off again.
type JoinVoice func() (receive func(sequence uint16, timestamp uint32, opus []byte), leave func())

// DeviceState is what a device does, in the words of the `status` message.
type DeviceState string

// The states of a device.
const (
	DeviceNone DeviceState = "none" // there is none in the configuration
	DeviceIdle DeviceState = "idle" // nobody needs it
	DeviceOK   DeviceState = "ok"   // it delivers
	DeviceLost DeviceState = "lost" // it failed and is tried again
)
