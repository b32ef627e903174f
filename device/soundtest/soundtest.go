// Package soundtest checks that microphones and loudspeakers, simulated and real, keep
// what the rest of the house relies on. It is one suite for all of them.
package soundtest

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// frame is 20 ms of 48 kHz mono sound, in samples.
const frame = 960

// slack is how far from real time one second of sound may be taken or given: a real
// card's buffers, and a busy machine. An emulated machine (DOORBELL_TEST_EMULATED is set)
// stands still at times, and its card with it.
func slack() time.Duration {
	if os.Getenv("DOORBELL_TEST_EMULATED") != "" {
		return time.Second
	}
	return 250 * time.Millisecond
}

// microphone is what is tested as one.
type microphone interface {
	ReadSamples(ctx context.Context, pcm []int16) (time.Time, error)
	io.Closer
}

// speaker is what is tested as one.
type speaker interface {
	WriteSamples(ctx context.Context, pcm []int16) error
	io.Closer
}

// Microphone runs the suite on microphones that open opens. Opening must be possible
// again after each close. What the microphone hears doesn't matter.
func Microphone(t *testing.T, open func(ctx context.Context) (io.Closer, error)) {
	t.Run("reads at the pace of time", func(t *testing.T) {
		m := opened[microphone](t, open)
		paced(t, func(pcm []int16) error { return read(t, m, pcm) })
	})
	t.Run("capture times follow each other", func(t *testing.T) { captureTimes(t, opened[microphone](t, open)) })
	t.Run("blocks of any size", func(t *testing.T) {
		m := opened[microphone](t, open)
		for _, n := range []int{0, 1, 7, frame, 5 * frame} {
			if err := read(t, m, make([]int16, n)); err != nil {
				t.Errorf("reading %d samples: %v", n, err)
			}
		}
	})
	t.Run("late reader", func(t *testing.T) { lateReader(t, opened[microphone](t, open)) })
	t.Run("ends", func(t *testing.T) {
		ends(t, open, func(m microphone, ctx context.Context) error {
			_, err := m.ReadSamples(ctx, make([]int16, 48000))
			return err
		})
	})
}

// Speaker runs the suite on loudspeakers that open opens. It plays silence.
func Speaker(t *testing.T, open func(ctx context.Context) (io.Closer, error)) {
	t.Run("writes at the pace of time", func(t *testing.T) {
		s := opened[speaker](t, open)
		paced(t, func(pcm []int16) error { return s.WriteSamples(t.Context(), pcm) })
	})
	t.Run("blocks of any size", func(t *testing.T) {
		s := opened[speaker](t, open)
		for _, n := range []int{0, 1, 7, frame, 5 * frame} {
			if err := s.WriteSamples(t.Context(), make([]int16, n)); err != nil {
				t.Errorf("writing %d samples: %v", n, err)
			}
		}
	})
	t.Run("late writer", func(t *testing.T) {
		s := opened[speaker](t, open)
		for range 2 {
			pause(t, 300*time.Millisecond)
			paced(t, func(pcm []int16) error { return s.WriteSamples(t.Context(), pcm) })
		}
	})
	t.Run("ends", func(t *testing.T) {
		ends(t, open, func(s speaker, ctx context.Context) error {
			return s.WriteSamples(ctx, make([]int16, 48000))
		})
	})
}

// opened opens a device that is closed when the test ends.
func opened[D io.Closer](t *testing.T, open func(context.Context) (io.Closer, error)) D {
	t.Helper()
	device, err := open(t.Context())
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() {
		if err := device.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	d, ok := device.(D)
	if !ok {
		t.Fatalf("%T lacks a method", device)
	}
	return d
}

// read reads with a limit of time, as a hanging card should not hang the suite.
func read(t *testing.T, m microphone, pcm []int16) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := m.ReadSamples(ctx, pcm)
	return err
}

// paced moves a second of sound and looks at the clock, after two blocks to warm up.
func paced(t *testing.T, move func([]int16) error) {
	t.Helper()
	pcm := make([]int16, frame)
	var begin time.Time
	for i := range 52 {
		if i == 2 {
			begin = time.Now()
		}
		if err := move(pcm); err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
	}
	if took := time.Since(begin); took < time.Second-slack() || took > time.Second+slack() {
		t.Errorf("one second of sound took %v", took)
	}
}

// captureTimes checks that blocks in a row have times in a row that are not in the future.
func captureTimes(t *testing.T, m microphone) {
	t.Helper()
	pcm := make([]int16, frame)
	bound := slack() - 190*time.Millisecond
	var first time.Time
	for i := range 26 {
		at, err := m.ReadSamples(t.Context(), pcm)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		if i == 0 {
			first = at
		}
		want := first.Add(time.Duration(i) * 20 * time.Millisecond)
		if off := at.Sub(want); off < -bound || off > bound {
			t.Errorf("block %d was captured %v off", i, off)
		}
		if ahead := time.Until(at); ahead > 0 {
			t.Errorf("block %d was captured %v in the future", i, ahead)
		}
	}
}

// lateReader checks that a reader that paused gets fresh sound, not all that it missed.
func lateReader(t *testing.T, m microphone) {
	t.Helper()
	pcm := make([]int16, frame)
	for range 3 {
		if err := read(t, m, pcm); err != nil {
			t.Fatal(err)
		}
	}
	pause(t, 500*time.Millisecond)
	at, err := m.ReadSamples(t.Context(), pcm)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(at); age > slack() {
		t.Errorf("after a pause of 500 ms the sound is %v old", age)
	}
}

// ends checks how moving a second of sound ends: with the context, and with Close.
func ends[D io.Closer](t *testing.T, open func(context.Context) (io.Closer, error), move func(D, context.Context) error) {
	t.Helper()
	t.Run("with the context", func(t *testing.T) {
		d := opened[D](t, open)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := move(d, ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("with Close", func(t *testing.T) {
		d := opened[D](t, open)
		moved := make(chan error, 1)
		go func() { moved <- move(d, t.Context()) }()
		pause(t, 50*time.Millisecond)
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		select {
		case err := <-moved:
			if err == nil {
				t.Error("no error though it was closed")
			}
		case <-time.After(3 * time.Second):
			t.Fatal("Close didn't end it")
		}
		if err := d.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if err := move(d, t.Context()); err == nil {
			t.Error("no error after Close")
		}
	})
}

// pause lets time go by, which is what is tested.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
