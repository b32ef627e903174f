package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MixerOptions are what NewMixer is told. Open is needed; the rest has defaults.
type MixerOptions struct {
	// Open opens the loudspeaker: something with WriteSamples (see Speaker). nil: there is none.
	Open func(ctx context.Context) (io.Closer, error)
	// Block is how much is mixed at once: 10 or 20 ms. Default: FrameDuration.
	Block time.Duration
	// Changed is told each new state, in order. It must not block, nor ask the Mixer. nil:
	// nobody cares.
	Changed func(SoundState)
	// Arrivals tells when to try a lost loudspeaker at once. nil: it is tried now and then.
	Arrivals *Arrivals
	// Logger. Default: nobody hears.
	Logger *slog.Logger
}

// Mixer plays what phones say, and chimes, through the door's loudspeaker. The
// loudspeaker is open while anybody has joined or something is to be played.
type Mixer struct {
	// Fixed after NewMixer.
	options MixerOptions
	changed chan struct{} // holds a token when somebody joined or left, or a clip came
	player  player

	running atomic.Bool // Run is running

	mu sync.Mutex
	// Guarded by mu.
	talkers []*Talker
	status  MixerStatus

	// Owned by Run.
	limiter limiter
	block   []float32
	pcm     []int16
	stuck   int // loudspeakers that did not close
}

// MixerStatus says how the loudspeaker is doing.
type MixerStatus struct {
	State       SoundState `json:"state"`
	Description string     `json:"description,omitempty"` // what is or was open last
	LevelDBFS   float64    `json:"levelDBFS"`             // loudness of the last block, see LevelDBFS
	Talkers     int        `json:"talkers"`               // who has joined
	Err         error      `json:"-"`                     // why it is lost
}

const (
	// mixerRetry and mixerRetryMax are the pauses between tries to open the loudspeaker.
	mixerRetry    = 500 * time.Millisecond
	mixerRetryMax = time.Second
	// mixerStall is when a write took so long that what phones said meanwhile is stale.
	mixerStall = 200 * time.Millisecond
	// mixerSteady is how long a loudspeaker must have worked for the pauses to begin anew.
	mixerSteady = 5 * time.Second
)

// NewMixer returns a Mixer. It opens nothing yet.
func NewMixer(options MixerOptions) *Mixer {
	if options.Block == 0 {
		options.Block = FrameDuration
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Changed == nil {
		options.Changed = func(SoundState) {}
	}
	n := samplesIn(options.Block)
	m := &Mixer{options: options, changed: make(chan struct{}, 1), block: make([]float32, n), pcm: make([]int16, n)}
	m.status = MixerStatus{State: SoundIdle, LevelDBFS: SilenceDBFS}
	if options.Open == nil {
		m.status.State = SoundNone
	}
	return m
}

// Join adds a talker, who is to leave in the end. Any goroutine may call it, before Run too.
func (m *Mixer) Join() *Talker {
	t := &Talker{silent: true}
	t.leave = func() {
		m.mu.Lock()
		m.talkers = slices.DeleteFunc(m.talkers, func(other *Talker) bool { return other == t })
		m.mu.Unlock()
		m.wake()
	}
	m.mu.Lock()
	m.talkers = append(m.talkers, t)
	m.mu.Unlock()
	m.wake()
	return t
}

// Play plays a clip, in place of another that sounds. It never blocks; any goroutine
// may call it. Where the loudspeaker does not work within 3 s, it is not played.
func (m *Mixer) Play(c *Clip) {
	m.player.start(c, time.Now())
	m.wake()
}

// State says how the loudspeaker is doing. Any goroutine may ask.
func (m *Mixer) State() MixerStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := m.status
	status.Talkers = len(m.talkers)
	return status
}

// Run plays what talkers say until ctx ends, and returns ctx's error. A loudspeaker that
// can't be opened or stops working is tried again, when a device came, and after 0.5 s at first and 1 s at most,
// for as long as anybody has joined. At the same time as another Run it fails with
// ErrSoundInUse.
func (m *Mixer) Run(ctx context.Context) error {
	if !m.running.CompareAndSwap(false, true) {
		return fmt.Errorf("loudspeaker: %w", ErrSoundInUse)
	}
	defer m.running.Store(false)
	pause := mixerRetry
	for {
		if err := m.await(ctx); err != nil {
			m.note(SoundIdle, nil)
			return err
		}
		begin, arrival := time.Now(), m.options.Arrivals.Next()
		err := m.play(ctx)
		switch {
		case ctx.Err() != nil:
			m.note(SoundIdle, nil)
			return ctx.Err()
		case err == nil:
			pause = mixerRetry
			m.note(SoundIdle, nil)
			continue
		case time.Since(begin) > mixerSteady:
			pause, arrival = mixerRetry, m.options.Arrivals.Next() // what came while it worked is not this one
		}
		m.lost(ctx, err, pause)
		m.rest(ctx, pause, arrival)
		pause = min(2*pause, mixerRetryMax)
	}
}

// await returns when there is something to play and something to play it on, or ctx's error.
func (m *Mixer) await(ctx context.Context) error {
	for ctx.Err() == nil && (m.options.Open == nil || !m.busy()) {
		select {
		case <-m.changed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// busy tells whether anybody has joined, or something is to be played.
func (m *Mixer) busy() bool { return m.State().Talkers > 0 || m.player.busy(time.Now()) }

// rest waits before another try, until a device came, or until nobody needs it.
func (m *Mixer) rest(ctx context.Context, pause time.Duration, arrival <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for m.busy() {
		select {
		case <-m.changed:
		case <-arrival:
			return
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
	m.note(SoundIdle, nil)
}

// play opens the loudspeaker and plays until all have left (nil), or it fails, or ctx ends.
func (m *Mixer) play(ctx context.Context) error {
	if m.stuck >= maxStuckSound {
		return fmt.Errorf("loudspeaker: %w: %d times now: restart doorbell", ErrSoundStuck, m.stuck)
	}
	opened, err := m.options.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening the loudspeaker: %w", err)
	}
	defer func() {
		if err := opened.Close(); err != nil {
			m.options.Logger.Warn("closing the loudspeaker", "error", err)
			if errors.Is(err, ErrSoundStuck) {
				m.stuck++
			}
		}
	}()
	sink, ok := opened.(soundSink)
	if !ok {
		return fmt.Errorf("loudspeaker: %T has no WriteSamples", opened)
	}
	m.opened(describeSound(opened))
	return m.pump(ctx, sink)
}

// pump mixes at the loudspeaker's pace.
func (m *Mixer) pump(ctx context.Context, sink soundSink) error {
	m.limiter = limiter{}
	stale := true // what came while the loudspeaker was closed
	for {
		talkers := m.joined()
		if len(talkers) == 0 && !m.player.busy(time.Now()) {
			return nil
		}
		m.mix(talkers, stale)
		before := time.Now()
		if err := sink.WriteSamples(ctx, m.pcm); err != nil {
			return fmt.Errorf("playing: %w", err)
		}
		stale = time.Since(before) > mixerStall
		level := LevelDBFS(m.pcm)
		m.mu.Lock()
		m.status.LevelDBFS = level
		m.mu.Unlock()
	}
}

// mix makes the next block of all talkers.
func (m *Mixer) mix(talkers []*Talker, stale bool) {
	clear(m.block)
	for _, t := range talkers {
		if stale {
			t.resync()
		}
		t.addTo(m.block)
	}
	m.player.addTo(m.block)
	m.limiter.limit(m.block, m.pcm)
}

// joined returns the talkers of now.
func (m *Mixer) joined() []*Talker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.talkers)
}

// opened notes that the loudspeaker works.
func (m *Mixer) opened(description string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = MixerStatus{State: SoundOpen, Description: description, LevelDBFS: SilenceDBFS}
	m.options.Changed(SoundOpen)
}

// lost notes that the loudspeaker doesn't work, and logs the first of many equal failures as a warning.
func (m *Mixer) lost(ctx context.Context, err error, pause time.Duration) {
	level := slog.LevelWarn
	if before := m.State(); before.Err != nil && before.Err.Error() == err.Error() {
		level = slog.LevelDebug
	}
	m.options.Logger.Log(ctx, level, "loudspeaker does not work; trying again", "error", err, "pause", pause)
	m.note(SoundLost, err)
}

// note notes that the loudspeaker is closed.
func (m *Mixer) note(state SoundState, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.options.Open == nil {
		return // there is none, which isn't idle
	}
	if m.status.State != state {
		m.options.Changed(state)
	}
	m.status.State, m.status.Err, m.status.LevelDBFS = state, err, SilenceDBFS
}

// wake has Run look who is there.
func (m *Mixer) wake() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}
