package device

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func testFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// numbered is a Y4M recording whose picture i has the luma i.
func numbered(count int) []byte {
	var b bytes.Buffer
	b.WriteString("YUV4MPEG2 W16 H16 F10:1\n")
	for i := range count {
		b.WriteString("FRAME\n")
		b.Write(append(bytes.Repeat([]byte{byte(i)}, 256), bytes.Repeat([]byte{128}, 128)...))
	}
	return b.Bytes()
}

func TestY4MFileLoopsAtItsRate(t *testing.T) {
	for name, content := range map[string][]byte{"whole": numbered(5), "last one cut off": numbered(6)[:len(numbered(6))-9]} {
		path := testFile(t, content)
		synctest.Test(t, func(t *testing.T) {
			camera, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c := camera.(*Y4MFile)
			defer c.Close()
			if got := c.String(); got != "file:"+path+" Y4M 16x16 at 10" || c.FrameRate() != 10 {
				t.Errorf("it says %q", got)
			}
			start := time.Now()
			for i := range 23 {
				p, captured, err := c.ReadPicture(t.Context())
				if err != nil || p.Y[0] != byte(i%5) || captured.Sub(start) != time.Duration(i)*100*time.Millisecond || !time.Now().Equal(captured) {
					t.Fatalf("%s: picture %d is number %d after %v, %v", name, i, p.Y[0], captured.Sub(start), err)
				}
			}
			time.Sleep(570 * time.Millisecond)
			if p, _, err := c.ReadPicture(t.Context()); err != nil || p.Y[0] != 27%5 || c.Drops() != 4 {
				t.Errorf("%s: late by five, comes number %d, %d dropped, %v", name, p.Y[0], c.Drops(), err)
			}
			time.Sleep(time.Hour)
			if _, captured, err := c.ReadPicture(t.Context()); err != nil || time.Since(captured) > 100*time.Millisecond {
				t.Errorf("%s: an hour later: %v old, %v", name, time.Since(captured), err)
			}
		})
	}
}

func TestH264FileLoopsAtItsRate(t *testing.T) {
	units := encoded(t, 7, 160, 120)
	path := testFile(t, bytes.Join(units, nil))
	synctest.Test(t, func(t *testing.T) {
		camera, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := camera.(*H264File)
		defer c.Close()
		rate := c.FrameRate()
		if !strings.HasPrefix(c.String(), "file:"+path+" H.264 160x120 at ") || rate < 1 {
			t.Errorf("it says %q", c)
		}
		start := time.Now()
		for i := range 16 {
			unit, key, captured, err := c.ReadAccessUnit(t.Context())
			want := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			if err != nil || !bytes.Equal(unit, units[i%7]) || key != (i%7%5 == 0) || !captured.Equal(want) {
				t.Fatalf("unit %d, key %v, %v after the start, %v", i, key, captured.Sub(start), err)
			}
		}
		time.Sleep(time.Duration(3.5 / rate * float64(time.Second))) // late ones are made up for, not left out
		for i := 16; i < 22; i++ {
			if unit, _, _, err := c.ReadAccessUnit(t.Context()); err != nil || !bytes.Equal(unit, units[i%7]) {
				t.Fatalf("unit %d differs, %v", i, err)
			}
		}
		due := start.Add(time.Duration(21 / rate * float64(time.Second)))
		if late := time.Since(due); math.Abs(late.Seconds()) > 0.5/rate {
			t.Errorf("%v late at the end", late)
		}
	})
}

func TestFileEnds(t *testing.T) {
	paths := []string{testFile(t, numbered(3)), testFile(t, bytes.Join(encoded(t, 3, 32, 32), nil))}
	synctest.Test(t, func(t *testing.T) {
		for _, path := range paths {
			camera, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			read, err := readerOf(camera)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := read(ctx); err != nil {
				t.Error(err)
			}
			if _, err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
			time.AfterFunc(10*time.Millisecond, func() { _ = camera.Close() })
			if _, err := read(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if _, err := read(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if err := camera.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestOpenFileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		kind error
		says string
	}{
		"missing":        {filepath.Join(t.TempDir(), "none"), ErrNotFound, "look at the path"},
		"empty":          {testFile(t, nil), ErrNotCapture, "neither Y4M nor H.264"},
		"another format": {testFile(t, []byte("RIFF....AVI LIST")), ErrNotCapture, "yuv420p"},
		"Y4M, no frames": {testFile(t, []byte("YUV4MPEG2 W64 H48\n")), ErrNotCapture, "no whole picture"},
		"Y4M, 10 bits":   {testFile(t, []byte("YUV4MPEG2 W64 H48 C420p10\nFRAME\n")), ErrNotCapture, "8 bits"},
		"no key frame":   {testFile(t, []byte(sc4+"\x41\x9aslice"+sc4+"\x41\x9aslice")), ErrNotCapture, "key frame"},
		"a directory":    {t.TempDir(), ErrNotCapture, "not a regular file"},
	} {
		if _, err := OpenFile(c.path); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "camera file:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
