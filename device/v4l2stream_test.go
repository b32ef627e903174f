package device

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func yuyv(width, height uint32) fakeFormat {
	return fakeFormat{format: pixYUYV, sizes: []v4l2FrmSizeEnum{discrete(width, height)}}
}

// openFake opens node as /dev/video0 and closes it at the end of the test.
func openFake(t *testing.T, n *fakeNode, o CameraOptions) io.Closer {
	t.Helper()
	c, err := openCamera(t.Context(), newFakeDriver(t, map[string]*fakeNode{"video0": n}), "/dev/video0", "", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func openRaw(t *testing.T, n *fakeNode) *RawCamera {
	t.Helper()
	return openFake(t, n, CameraOptions{Width: 64, Height: 48}).(*RawCamera)
}

// plain is a YUYV picture of 64x48 of one colour, with rows of 64*2+padding bytes.
func plain(y byte, padding int) []byte {
	row := append(bytes.Repeat([]byte{y, 90, y, 200}, 32), make([]byte, padding)...)
	return bytes.Repeat(row, 48)
}

func TestRawCameraReads(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	n.padding = 32
	c := openRaw(t, n)
	if got := c.String(); got != "/dev/video0 YUYV 64x48 at 30" {
		t.Errorf("it says %q", got)
	}
	n.deliver(plain(77, 32), stamped(0))
	p, _, err := c.ReadPicture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]int{{0, 0}, {63, 0}, {31, 24}, {0, 47}, {63, 47}} {
		if got := p.YCbCrAt(at[0], at[1]); got.Y != 77 || got.Cb != 90 || got.Cr != 200 {
			t.Errorf("at %v is %v", at, got)
		}
	}
}

func TestRawCameraTakesTheNewest(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	for round := range uint32(5) { // more than there are buffers: they are given back
		for i := range uint32(3) {
			b := stamped(0)
			b.Sequence = 3*round + i
			if !n.deliver(plain(byte(10*round+i), 0), b) {
				t.Fatal("the driver had no buffer to fill")
			}
		}
		p, _, err := c.ReadPicture(t.Context())
		if err != nil || p.Y[0] != byte(10*round+2) {
			t.Fatalf("round %d: picture %d, %v", round, p.Y[0], err)
		}
	}
	if c.Drops() != 10 {
		t.Errorf("%d dropped, not 10", c.Drops())
	}
}

func TestRawCameraPassesOverDamage(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	go func() {
		for i, bad := range []struct {
			data []byte
			b    v4l2Buffer
		}{
			{plain(1, 0), v4l2Buffer{Flags: v4l2BufFlagError}},
			{plain(2, 0)[:100], v4l2Buffer{}},
			{nil, v4l2Buffer{}},
			{plain(3, 0), v4l2Buffer{Sequence: 5}},
		} {
			if i < 3 {
				bad.b.Sequence = uint32(i)
			}
			n.deliver(bad.data, bad.b)
			for waiting := true; waiting && i < 3; { // each is to be looked at by itself
				n.mu.Lock()
				waiting = len(n.filled) > 0
				n.mu.Unlock()
			}
		}
	}()
	p, _, err := c.ReadPicture(t.Context())
	if err != nil || p.Y[0] != 3 {
		t.Fatalf("picture %v, %v", p, err)
	}
	if c.Drops() != 3+2 {
		t.Errorf("%d dropped; 3 were damaged and 2 missing in the sequence", c.Drops())
	}
}

func TestRawCameraKeepsTheGoodOne(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	n.deliver(plain(1, 0), v4l2Buffer{})
	n.deliver(plain(2, 0), v4l2Buffer{Flags: v4l2BufFlagError, Sequence: 1})
	if p, _, err := c.ReadPicture(t.Context()); err != nil || p.Y[0] != 1 {
		t.Errorf("picture %v, %v: a damaged newer one was preferred", p, err)
	}
}

func TestCaptureTimes(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	for _, at := range []struct {
		name      string
		b         v4l2Buffer
		low, high time.Duration // of the age that is reported
	}{
		{"10 ms old", stamped(10 * time.Millisecond), 10 * time.Millisecond, 2 * time.Second},
		{"33 ms ahead, as vivid stamps", stamped(-time.Hour), 0, 5 * time.Millisecond},
		{"of another clock", v4l2Buffer{Seconds: 1}, 0, 5 * time.Millisecond},
		{"absurdly old", v4l2Buffer{Flags: v4l2BufFlagStampMonotone}, 0, 5 * time.Millisecond},
	} {
		n.deliver(plain(1, 0), at.b)
		before := time.Now()
		_, captured, err := c.ReadPicture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slack := time.Since(before)
		if age := time.Since(captured); age < at.low || age > at.high+slack {
			t.Errorf("%s: reported as %v old", at.name, age)
		}
	}
}

func TestCameraUnplugged(t *testing.T) {
	for name, pull := range map[string]func(n *fakeNode){
		"ENODEV": func(n *fakeNode) { n.dqErr = []error{unix.ENODEV}; n.signal() },
		"EINVAL, as the queue was stopped": func(n *fakeNode) {
			n.dqErr, n.capErr = []error{unix.EINVAL}, unix.ENODEV
			n.signal()
		},
		"EIO, as its transfers failed": func(n *fakeNode) {
			n.dqErr, n.capErr = []error{unix.EIO}, unix.ENODEV
			n.signal()
		},
		"POLLERR": func(n *fakeNode) {
			var ends [2]int
			if err := unix.Pipe(ends[:]); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(ends[0]) // polling the other end now gives POLLERR
			_ = unix.Dup2(ends[1], n.fd)
			_ = unix.Close(ends[1])
			n.dqErr = []error{unix.EIO}
		},
	} {
		n := newFakeNode(yuyv(64, 48))
		c := openRaw(t, n)
		n.mu.Lock()
		pull(n)
		n.mu.Unlock()
		for range 2 {
			_, _, err := c.ReadPicture(t.Context())
			if !errors.Is(err, ErrUnplugged) || !strings.Contains(err.Error(), "camera /dev/video0: camera was unplugged") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestCameraErrorsThatPass(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	n.dqErr = []error{unix.EIO, unix.EAGAIN, unix.EIO}
	n.deliver(plain(9, 0), v4l2Buffer{})
	if p, _, err := c.ReadPicture(t.Context()); err != nil || p.Y[0] != 9 {
		t.Errorf("picture %v, %v", p, err)
	}
	for range 20 {
		n.dqErr = append(n.dqErr, unix.EIO)
	}
	n.signal()
	if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, unix.EIO) {
		t.Errorf("after 20 EIO in a row: %v", err)
	}
}

func TestCameraStalls(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	c.stall = 30 * time.Millisecond
	if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrStalled) || !strings.Contains(err.Error(), "stopped delivering") {
		t.Errorf("error %v", err)
	}
	n.deliver(nil, v4l2Buffer{})
	if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrStalled) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("with a damaged picture: %v", err)
	}
	n.deliver(plain(5, 0), v4l2Buffer{})
	if _, _, err := c.ReadPicture(t.Context()); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}

func TestReadEndsAtOnce(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	for name, end := range map[error]func(){context.Canceled: cancel} {
		before := time.Now()
		time.AfterFunc(20*time.Millisecond, end)
		if _, _, err := c.ReadPicture(ctx); !errors.Is(err, name) || time.Since(before) > time.Second {
			t.Errorf("error %v after %v", err, time.Since(before))
		}
	}
	n.deliver(plain(6, 0), v4l2Buffer{})
	if p, _, err := c.ReadPicture(t.Context()); err != nil || p.Y[0] != 6 {
		t.Errorf("after a read that was cancelled: %v", err)
	}
	closed := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { closed <- c.Close() })
	if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed while reading: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
