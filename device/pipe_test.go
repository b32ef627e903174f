package device

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testPipe(t *testing.T) (*PipeCamera, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "camera")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := OpenPipe(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	return c, path
}

func writer(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func mustWrite(t *testing.T, f *os.File, data []byte) {
	t.Helper()
	if _, err := f.Write(data); err != nil {
		t.Error(err)
	}
}

func mustRead(t *testing.T, c *PipeCamera) Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	f, err := c.ReadFrame(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPipeWriterComesAndGoes(t *testing.T) {
	c, path := testPipe(t)
	units := encoded(t, 6, 160, 120)
	for round := range 3 {
		if !c.Waiting() || !strings.HasSuffix(c.String(), "waiting for a writer") {
			t.Errorf("round %d: %s", round, c)
		}
		f := writer(t, path)
		done := make(chan struct{})
		go func() {
			defer close(done)
			mustWrite(t, f, y4m(64, 48, "420", "", 2))
			_ = f.Close()
		}()
		for range 2 {
			p := mustRead(t, c)
			checkColours(t, "through the pipe", p.Picture, 64, 48)
		}
		<-done
		if c.Waiting() || !strings.HasSuffix(c.String(), "Y4M 64x48 at 30") || c.FrameRate() != 30 {
			t.Errorf("round %d: %s", round, c)
		}
		cancelled(t, c) // notices that the writer has gone, and waits

		f = writer(t, path)
		mustWrite(t, f, bytes.Join(units, nil))
		_ = f.Close()
		for i, want := range units {
			if got := mustRead(t, c); !bytes.Equal(got.Unit, want) || got.Key != (i%5 == 0) {
				t.Errorf("round %d: unit %d differs, key %v", round, i, got.Key)
			}
		}
		if got := c.String(); !strings.HasSuffix(got, "H.264 160x120") {
			t.Errorf("round %d: %s", round, got)
		}
		cancelled(t, c)
	}
}

// cancelled reads where nothing is to come.
func cancelled(t *testing.T, c *PipeCamera) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if f, err := c.ReadFrame(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read %+v, %v", f, err)
	}
}

// A unit is delivered when it is written, not when the next one begins.
func TestPipeDeliversAtOnce(t *testing.T) {
	c, path := testPipe(t)
	f := writer(t, path)
	var delays []time.Duration
	for i, unit := range encoded(t, 15, 160, 120) {
		before := time.Now()
		mustWrite(t, f, unit)
		got := mustRead(t, c)
		delays = append(delays, time.Since(before))
		if !bytes.Equal(got.Unit, unit) {
			t.Errorf("unit %d differs", i)
		}
		if got.Captured.Before(before) || got.Captured.After(time.Now()) {
			t.Errorf("unit %d is said to be of %v after it was written", i, got.Captured.Sub(before))
		}
	}
	slices.Sort(delays)
	t.Logf("median %v, longest %v", delays[7], delays[14])
	if delays[7] > 15*time.Millisecond {
		t.Errorf("median delay %v", delays[7])
	}
}

func TestPipeLargeUnit(t *testing.T) {
	c, path := testPipe(t)
	f := writer(t, path)
	unit := append([]byte("\x00\x00\x00\x01\x67sps\x00\x00\x00\x01\x68pps\x00\x00\x00\x01\x65\x88"), bytes.Repeat([]byte{0x55, 0xaa}, 300<<10)...)
	go func() {
		mustWrite(t, f, unit)
		mustWrite(t, f, []byte("\x00\x00\x00\x01\x41\x9aend"))
	}()
	if got := mustRead(t, c); !bytes.Equal(got.Unit, unit) {
		t.Errorf("a unit of %d bytes came as %d", len(unit), len(got.Unit))
	}
	if got := mustRead(t, c); string(got.Unit) != "\x00\x00\x00\x01\x41\x9aend" {
		t.Errorf("then came %d bytes", len(got.Unit))
	}
}

// A writer that pauses within its units is waited for longer, in the end until
// the next unit begins.
func TestPipeLearnsFromASlowWriter(t *testing.T) {
	c, path := testPipe(t)
	f := writer(t, path)
	units := encoded(t, 10, 160, 120)
	slow, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; slow.Err() == nil; i++ {
			unit := units[i%len(units)]
			mustWrite(t, f, unit[:len(unit)/2])
			_ = sleepUntil(slow, time.Now().Add(60*time.Millisecond))
			mustWrite(t, f, unit[len(unit)/2:])
		}
	}()
	whole := 0
	for range 60 {
		got := mustRead(t, c)
		whole++
		if !slices.ContainsFunc(units, func(unit []byte) bool { return bytes.Equal(unit, got.Unit) }) {
			whole = 0
		}
		if whole >= 5 {
			break
		}
	}
	stop()
	<-done
	if whole < 5 {
		t.Error("units keep being torn")
	}
}

func TestPipeRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		kind error
		says string
	}{
		plain: {ErrNotCapture, "camera: file:PATH"}, plain + "s": {ErrNotFound, "mkfifo"}, t.TempDir(): {ErrNotCapture, "not a named pipe"},
	} {
		if _, err := OpenPipe(path); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPipeWithSomethingElse(t *testing.T) {
	for name, head := range map[string]string{"noise": "noise", "half a Y4M": "YUV4MPEG2 W64 H48 C420p10\n", "Y4M without FRAME": "YUV4MPEG2 W64 H48\nxxxx\n"} {
		c, path := testPipe(t)
		f := writer(t, path)
		go func() {
			_, _ = f.Write([]byte(head))
			for range 20 { // until the reader has had enough
				if _, err := f.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := c.ReadFrame(ctx)
		cancel()
		if !errors.Is(err, ErrNotCapture) || !strings.Contains(err.Error(), "yuv4mpegpipe") {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
}

func TestPipeCloseEndsRead(t *testing.T) {
	c, _ := testPipe(t)
	time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
	if _, err := c.ReadFrame(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := c.ReadFrame(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
