package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// VoiceOptions are what NewVoice is told. Open is needed; the rest has defaults.
type VoiceOptions struct {
	// Open opens the microphone: something with ReadSamples (see Microphone). nil: there is none.
	Open func(ctx context.Context) (io.Closer, error)
	// BitRate is the target in bit/s. Default: 32000.
	BitRate int
	// Complexity is the encoder's effort, 1 to 10. Default: 5, which is half of the CPU time of 10.
	Complexity int
	// ExpectedLoss is the share of lost packets to prepare for at least, in percent; see
	// SetLoss. Default: 5. A negative number stands for 0.
	ExpectedLoss int
	// Packet is how much sound a packet holds, 10 or 20 ms. Default: FrameDuration.
	Packet time.Duration
	// Clean is what is done to the sound before it is encoded. The zero value: nothing.
	Clean CleanOptions
	// Logger. Default: nobody hears.
	Logger *slog.Logger
}

// Voice is the door's microphone as Opus packets of 10 or 20 ms.
type Voice struct {
	// Fixed after NewVoice.
	options VoiceOptions

	running atomic.Bool  // a Stream is running
	loss    atomic.Int64 // as SetLoss was told, percent

	mu sync.Mutex
	// Guarded by mu.
	status VoiceStatus
	stuck  int // microphones that did not close
}

// VoiceStatus says how the microphone is doing.
type VoiceStatus struct {
	State       SoundState `json:"state"`
	Description string     `json:"description,omitempty"` // what is or was open last
	LevelDBFS   float64    `json:"levelDBFS"`             // loudness of the last packet, see LevelDBFS
	Echo        EchoStatus `json:"-"`                     // of the loudspeaker
	Err         error      `json:"-"`                     // why it is lost
}

// maxStuckSound is how many devices that don't close are put up with before no more are
// opened: each may burn one core.
const maxStuckSound = 2

// NewVoice returns a Voice. It opens nothing yet.
func NewVoice(options VoiceOptions) *Voice {
	if options.BitRate == 0 {
		options.BitRate = 32000
	}
	if options.Complexity == 0 {
		options.Complexity = 5
	}
	switch {
	case options.ExpectedLoss == 0:
		options.ExpectedLoss = 5
	case options.ExpectedLoss < 0:
		options.ExpectedLoss = 0
	}
	if options.Packet == 0 {
		options.Packet = FrameDuration
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Voice{options: options}
	v.status = VoiceStatus{State: SoundIdle, LevelDBFS: SilenceDBFS}
	if options.Open == nil {
		v.status.State = SoundNone
	}
	return v
}

// State says how the microphone is doing. Any goroutine may ask.
func (v *Voice) State() VoiceStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.status
}

// mostLoss bounds the share of lost packets that is prepared for, in percent: beyond it
// the copies would leave too little of the bit rate to the sound itself.
const mostLoss = 30

// SetLoss says what share of the packets gets lost on the way, in percent. It never
// blocks; any goroutine may call it.
func (v *Voice) SetLoss(percent int) { v.loss.Store(int64(min(percent, mostLoss))) }

// Stream opens the microphone and hands its sound to sink, 48 kHz mono, packet by packet,
// until ctx ends (it then returns ctx's error) or the microphone fails. Captured
// is when the packet's first sample was heard. The packet is valid during the call only;
// an empty one stands for silence, for which nothing is to be sent (discontinuous
// transmission).
// Stream may be called again after it returned; at the same time as another it fails
// with ErrSoundInUse. Without a microphone it sends nothing and waits for ctx.
func (v *Voice) Stream(ctx context.Context, sink func(packet []byte, duration time.Duration, captured time.Time)) error {
	if !v.running.CompareAndSwap(false, true) {
		return fmt.Errorf("microphone: %w", ErrSoundInUse)
	}
	defer v.running.Store(false)
	if v.options.Open == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	err := v.stream(ctx, sink)
	if ctx.Err() != nil {
		v.ended(SoundIdle, nil)
		return ctx.Err()
	}
	v.ended(SoundLost, err)
	return err
}

// stream opens the microphone, copies, and closes it.
func (v *Voice) stream(ctx context.Context, sink func([]byte, time.Duration, time.Time)) (err error) {
	v.mu.Lock()
	stuck := v.stuck
	v.mu.Unlock()
	if stuck >= maxStuckSound {
		return fmt.Errorf("microphone: %w: %d times now: restart doorbell", ErrSoundStuck, stuck)
	}
	encoder, err := newOpusEncoder(v.options.BitRate, v.options.Complexity, v.options.ExpectedLoss)
	if err != nil {
		return err
	}
	cleaner, err := newCleaner(v.options.Clean)
	if err != nil {
		return err
	}
	defer cleaner.free()
	opened, err := v.options.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening the microphone: %w", err)
	}
	defer func() {
		if closing := opened.Close(); closing != nil {
			v.options.Logger.Warn("closing the microphone", "error", closing)
			v.closedBadly(closing)
		}
	}()
	source, ok := opened.(soundSource)
	if !ok {
		return fmt.Errorf("microphone: %T has no ReadSamples", opened)
	}
	v.opened(describeSound(opened))
	return v.pump(ctx, source, cleaner, encoder, sink)
}

// pump cleans and encodes what the microphone hears.
func (v *Voice) pump(ctx context.Context, source soundSource, cleaner *cleaner, encoder *opusEncoder, sink func([]byte, time.Duration, time.Time)) error {
	pcm := make([]int16, samplesIn(v.options.Packet))
	for {
		captured, err := source.ReadSamples(ctx, pcm)
		if err != nil {
			return fmt.Errorf("reading the microphone: %w", err)
		}
		cleaner.clean(pcm, captured)
		if err := encoder.expect(max(v.options.ExpectedLoss, int(v.loss.Load()))); err != nil {
			return err
		}
		packet, err := encoder.encode(pcm)
		if err != nil {
			return err
		}
		level := LevelDBFS(pcm)
		v.mu.Lock()
		v.status.LevelDBFS, v.status.Echo = level, cleaner.status()
		v.mu.Unlock()
		sink(packet, v.options.Packet, captured)
	}
}

// opened notes that the microphone works.
func (v *Voice) opened(description string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status = VoiceStatus{State: SoundOpen, Description: description, LevelDBFS: SilenceDBFS}
}

// ended notes that the microphone is closed.
func (v *Voice) ended(state SoundState, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.State, v.status.Err, v.status.LevelDBFS = state, err, SilenceDBFS
}

// closedBadly counts microphones that don't close.
func (v *Voice) closedBadly(err error) {
	if !errors.Is(err, ErrSoundStuck) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stuck++
}
