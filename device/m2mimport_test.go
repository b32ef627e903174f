package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whether the encoder reads the camera's buffers or gets copies, and whenever that turns out, every picture is the
// right one, the camera always has buffers to fill, and it is said how it is and why.
func TestHardwareEncoderImports(t *testing.T) {
	const width, height = 320, 112
	camera := func(format fourCC) *fakeNode {
		n := newFakeNode(fakeFormat{format: format, sizes: []v4l2FrmSizeEnum{discrete(width, height)}})
		n.padding = 1 // as the encoder has it
		return n
	}
	const imported = "which reads the pictures in the camera's buffers"
	const tooMany = "it keeps more than the 2 that the camera can spare"
	for name, test := range map[string]struct {
		format fourCC
		change func(m *fakeMachine)
		says   string
	}{
		"one plane":                 {pixYU12, func(*fakeMachine) {}, imported},
		"several planes":            {pixYU12, func(m *fakeMachine) { m.codec.planes = true }, imported},
		"NV12":                      {pixNV12, func(m *fakeMachine) { m.codec.planes = true }, imported},
		"YUYV":                      {pixYUYV, func(m *fakeMachine) { m.codec.raw = append(m.codec.raw, pixYUYV) }, imported},
		"one kept":                  {pixYU12, func(m *fakeMachine) { m.codec.hold = 1 }, imported},
		"four buffers":              {pixYU12, func(m *fakeMachine) { m.camera.few = 4 }, imported},
		"an old kernel":             {pixYU12, func(m *fakeMachine) { m.codec.silent = true }, imported},
		"too many kept":             {pixYU12, func(m *fakeMachine) { m.codec.hold = 2 }, tooMany},
		"three buffers":             {pixYU12, func(m *fakeMachine) { m.camera.few = 3 }, "which gets copies of the pictures: they do not lie in a camera's buffers"},
		"encoder has its own":       {pixYU12, func(m *fakeMachine) { m.codec.adopts = nil }, "copies of the pictures: it takes no buffers but its own"},
		"an old kernel, own":        {pixYU12, func(m *fakeMachine) { m.codec.silent, m.codec.adopts = true, nil }, "no buffers but its own: invalid argument"},
		"camera keeps its own":      {pixYU12, func(m *fakeMachine) { m.camera.exportErr = unix.ENOTTY }, "camera /dev/video0 does not share its buffers"},
		"rows of another length":    {pixYU12, func(m *fakeMachine) { m.camera.padding = 32 }, "rows of 321 bytes, the camera gives YU12 in 112 of 352"},
		"rows of another, NV12":     {pixNV12, func(m *fakeMachine) { m.camera.padding = 32 }, "rows of 321 bytes, the camera gives NV12 in 112 of 352"},
		"more rows":                 {pixYU12, func(m *fakeMachine) { m.codec.align = 32 }, "in 128 rows of 352 bytes"},
		"another format":            {pixNV12, func(m *fakeMachine) { m.codec.raw = []fourCC{pixYU12} }, "it wants YU12"},
		"another format, not YU12":  {pixYUYV, func(m *fakeMachine) { m.codec.raw = []fourCC{pixNV12} }, "it wants NV12"},
		"another format, packed":    {pixYUYV, func(*fakeMachine) {}, "it wants YU12"},
		"packed, of another length": {pixYUYV, func(m *fakeMachine) { m.codec.raw, m.codec.align = []fourCC{pixYUYV, pixNV12}, 16 }, "it wants YUYV"},
		"the first is refused":      {pixYU12, func(m *fakeMachine) { m.codec.refuses = 1 }, "copies of the pictures: giving it a buffer: bad address"},
		"a later one is refused":    {pixYU12, func(m *fakeMachine) { m.codec.refuses = 7; m.codec.planes = true }, "copies of the pictures: giving it a buffer: bad address"},
		"refused, one kept":         {pixYU12, func(m *fakeMachine) { m.codec.refuses, m.codec.hold = 7, 1 }, "copies of the pictures: giving it a buffer: bad address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newFakeMachine(t, camera(test.format))
			test.change(m)
			missing := filmed / 4 // those that come too soon after the one before are left out
			if test.says == tooMany {
				missing = filmed * 3 / 4
			}
			out := m.run(t, width, height, filmed-missing)
			if !strings.Contains(out.path, test.says) {
				t.Errorf("the path is %q, which doesn't say %q", out.path, test.says)
			}
			if test.says == imported && m.codec.adopted < len(out.seen) {
				t.Errorf("%d of %d pictures were read in the camera's buffers", m.codec.adopted, len(out.seen))
			}
		})
	}
}

// What is changed on its way does not lie in the camera's buffer any more; and who wants VP8 too gets the same
// pictures as the encoder.
func TestImportBesideOtherUses(t *testing.T) {
	for name, test := range map[string]struct {
		turn Transform
		says string
	}{
		"mirrored":    {Transform{Mirror: true}, "which gets copies of the pictures: they do not lie in a camera's buffers"},
		"as they are": {Transform{}, "which reads the pictures in the camera's buffers"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(fakeFormat{format: pixYU12, sizes: []v4l2FrmSizeEnum{discrete(320, 240)}})
			n.padding = 1
			m := newFakeMachine(t, n)
			v := mustVideo(t, VideoOptions{
				Open: func(ctx context.Context) (io.Closer, error) {
					return openCamera(ctx, m, "/dev/video0", "", CameraOptions{Width: 320, Height: 240})
				},
				Transform: test.turn,
			})
			v.chooser.kernel, v.chooser.nodes = m, m.nodes(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan string, 3)
			go func() { film(ctx, m, 320, 240); ended <- "film" }()
			go func() {
				frames := 0
				err := v.VP8().Stream(ctx, func(frame []byte, key bool, _ time.Time) {
					if frames++; frames == 5 {
						cancel()
					}
				})
				ended <- fmt.Sprint("VP8: ", err)
			}()
			units := 0
			err := v.Stream(ctx, func([]byte, bool, time.Time) { units++ })
			if cancel(); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			for range 2 {
				if what := <-ended; what != "film" && what != "VP8: "+context.Canceled.Error() {
					t.Error(what)
				}
			}
			if path := v.State().Path; !strings.Contains(path, test.says) || units == 0 {
				t.Errorf("%d units; the path is %q, which doesn't say %q", units, path, test.says)
			}
		})
	}
}

// What it costs to bring a picture of 1280x720 from a camera's buffer to an encoder's, which sharing them saves.
func BenchmarkToEncoder(b *testing.B) {
	const width, height = 1280, 720
	for _, format := range []fourCC{pixYU12, pixNV12, pixYUYV} {
		from := layout{format: format, width: width, height: height}
		from.stride = from.leastStride()
		src, p := make([]byte, from.size()), newPicture(width, height)
		to := layout{format: pixYU12, width: width, height: height, stride: width}
		dst := make([]byte, to.size())
		for name, carry := range map[string]func() error{
			"by a picture": func() error {
				err := from.convert(p, src)
				to.fill(dst, p)
				return err
			},
			"in one pass": func() error { return from.convert(to.view(dst, height), src) },
		} {
			b.Run(format.String()+" "+name, func(b *testing.B) {
				for b.Loop() {
					if err := carry(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A buffer that is lent outlives neither the camera nor the frame in which it came.
func TestLentBuffers(t *testing.T) {
	n := newFakeNode(yuyv(64, 48))
	c := openRaw(t, n)
	with := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.queued)
	}
	read := func(y byte) Frame {
		t.Helper()
		n.deliver(plain(y, 0), stamped(0))
		f, err := c.readFrame(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p, err := f.picture(); err != nil || p.Y[0] != y {
			t.Fatalf("picture %v, %v", p, err)
		}
		return f
	}
	all := with()
	first := read(1)
	if err := first.buffer.hold(); err != nil || with() != all-1 {
		t.Errorf("%v, %d of %d buffers are the driver's", err, with(), all)
	}
	second := read(2)
	if with() != all-2 || second.buffer == first.buffer {
		t.Errorf("%d of %d buffers are the driver's while two are held", with(), all)
	}
	first.buffer.release()
	if with() != all-1 {
		t.Errorf("%d of %d buffers are the driver's while one is held", with(), all)
	}
	if third := read(3); third.buffer == second.buffer || with() != all-1 {
		t.Errorf("%d of %d buffers are the driver's, the frame before is not given back", with(), all)
	}
	if err := second.buffer.hold(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	second.buffer.release()
	if _, err := second.buffer.picture(); !errors.Is(err, ErrClosed) {
		t.Errorf("a picture of a camera that is closed: %v", err)
	}
	if err := second.buffer.hold(); !errors.Is(err, ErrClosed) {
		t.Errorf("a buffer of a camera that is closed: %v", err)
	}
}
