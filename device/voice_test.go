package device

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/sim"
)

func TestVoiceEnds(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		open  func(context.Context) (io.Closer, error)
		want  error
		state SoundState
	}{
		{"none", nil, context.DeadlineExceeded, SoundNone},
		{"with the context", func(context.Context) (io.Closer, error) { return sim.NewMicrophone(), nil }, context.DeadlineExceeded, SoundIdle},
		{"can't open", func(context.Context) (io.Closer, error) { return nil, broken }, broken, SoundLost},
		{"breaks", func(context.Context) (io.Closer, error) { return &brokenMicrophone{sim.NewMicrophone(), broken}, nil }, broken, SoundLost},
		{"not a microphone", func(context.Context) (io.Closer, error) { return io.NopCloser(nil), nil }, nil, SoundLost},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				voice := NewVoice(VoiceOptions{Open: test.open})
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					err := voice.Stream(ctx, func([]byte, time.Duration, time.Time) {})
					cancel()
					if err == nil || test.want != nil && !errors.Is(err, test.want) {
						t.Errorf("got %v, want %v", err, test.want)
					}
					if s := voice.State(); s.State != test.state || s.LevelDBFS != SilenceDBFS || (s.Err != nil) != (s.State == SoundLost) {
						t.Errorf("%+v, want %s", s, test.state)
					}
				}
			})
		})
	}
}

// brokenMicrophone breaks after its first block.
type brokenMicrophone struct {
	*sim.Microphone
	err error
}

func (m *brokenMicrophone) ReadSamples(ctx context.Context, pcm []int16) (time.Time, error) {
	if at, err := m.Microphone.ReadSamples(ctx, pcm); err != nil || at.Nanosecond()%int(time.Second) == 0 {
		return at, err
	}
	return time.Time{}, m.err
}

func TestVoiceOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		voice := NewVoice(VoiceOptions{Open: func(context.Context) (io.Closer, error) { return sim.NewMicrophone(), nil }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		packets := 0
		go func() { done <- voice.Stream(ctx, func([]byte, time.Duration, time.Time) { packets++ }) }()
		synctest.Wait()
		if err := voice.Stream(ctx, nil); !errors.Is(err, ErrSoundInUse) {
			t.Errorf("a second Stream returned %v", err)
		}
		if s := voice.State(); s.State != SoundOpen {
			t.Errorf("%+v", s)
		}
		<-done
		if packets < 49 || packets > 50 {
			t.Errorf("%d packets in a second", packets)
		}
	})
}

func TestVoiceGivesUpStuckMicrophones(t *testing.T) {
	opened := 0
	voice := NewVoice(VoiceOptions{Open: func(context.Context) (io.Closer, error) {
		opened++
		return closeError{ErrSoundStuck}, nil
	}})
	for range 5 {
		_ = voice.Stream(t.Context(), nil)
	}
	if opened != maxStuckSound || !errors.Is(voice.State().Err, ErrSoundStuck) {
		t.Errorf("opened %d, %+v", opened, voice.State())
	}
}

// closeError does nothing but fail to close.
type closeError struct{ error }

func (c closeError) Close() error { return c.error }
