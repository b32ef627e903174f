package device

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestArrivals makes nodes in a folder like /dev, as the kernel and udev do.
func TestArrivals(t *testing.T) {
	dir := t.TempDir()
	sound := filepath.Join(dir, "snd")
	video := filepath.Join(dir, "video0")
	a := &Arrivals{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.watch(ctx, dir, sound) }()
	told := func(why string, act func() error) {
		t.Helper()
		next := a.Next()
		if err := act(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-next:
		case <-time.After(10 * time.Second):
			t.Fatalf("nobody was told of %s", why)
		}
	}
	// The watch begins at some time after watch was called.
	for began := a.Next(); ; {
		if err := os.WriteFile(filepath.Join(dir, "null"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "null")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-began:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	told("a camera", func() error { return os.WriteFile(video, nil, 0) })
	told("its permissions", func() error { return os.Chmod(video, 0o660) })
	told("the first sound card", func() error { return os.Mkdir(sound, 0o755) })
	// The folder of sound is watched after it was seen; what came before is found by who was told of the folder.
	told("a sound card's node", func() error { return makeUntil(a, filepath.Join(sound, "pcmC0D0c")) })
	told("no more sound cards, and one again", func() error {
		if err := os.RemoveAll(sound); err != nil {
			return err
		}
		return os.Mkdir(sound, 0o755)
	})
	told("its node", func() error { return makeUntil(a, filepath.Join(sound, "pcmC0D0p")) })

	settled(a)
	next := a.Next()
	if err := os.WriteFile(video, []byte("as a program does that uses it"), 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-next:
		t.Error("a device that is written to has not come")
	case <-time.After(5 * arrivalPause):
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := a.watch(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

// makeUntil makes a node anew until that is told.
func makeUntil(a *Arrivals, name string) error {
	for next := a.Next(); ; {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return err
		}
		select {
		case <-next:
			return nil
		case <-time.After(10 * time.Millisecond):
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
}

// settled returns when all was told.
func settled(a *Arrivals) {
	for {
		select {
		case <-a.Next():
		case <-time.After(25 * arrivalPause):
			return
		}
	}
}

// TestArrivalsNobody: who has no Arrivals is told nothing.
func TestArrivalsNobody(t *testing.T) {
	if (*Arrivals)(nil).Next() != nil {
		t.Error("nil tells something")
	}
}

// A loudspeaker that is back is opened when it has come, and not only when its time has.
func TestMixerTriesWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, start := &Arrivals{}, time.Now()
		var opened []time.Duration
		m := NewMixer(MixerOptions{Arrivals: a, Open: func(context.Context) (io.Closer, error) {
			opened = append(opened, time.Since(start))
			return nil, ErrNoSoundCard
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		m.Join()
		time.Sleep(700 * time.Millisecond)
		a.tell()
		time.Sleep(time.Millisecond)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := len(opened); n != 3 || opened[2] != 700*time.Millisecond {
			t.Errorf("opened at %v, want at 700ms too", opened)
		}
	})
}
