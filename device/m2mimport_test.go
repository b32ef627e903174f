package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"doorbell/device/h264test"
)

// fakeMachine is a kernel with a camera, video0, and an encoder, video11, whose drivers can share buffers.
type fakeMachine struct {
	*fakeDriver
	camera *fakeNode
	codec  *fakeCodec
	jpeg   *fakeJPEG // video10; nil: there is none
	dir    string    // of device nodes
}

func newFakeMachine(t *testing.T, camera *fakeNode) *fakeMachine {
	m := &fakeMachine{fakeDriver: newFakeDriver(t, map[string]*fakeNode{"video0": camera}), camera: camera, codec: newFakeCodec(t)}
	m.codec.adopts = m.file
	return m
}

func (m *fakeMachine) Open(path string) (int, error) {
	switch filepath.Base(path) {
	case "video11":
		return m.codec.Open(path)
	case "video10":
		return m.jpeg.Open()
	}
	return m.fakeDriver.Open(path)
}

// nodes is a folder in which encoder and decoder are looked for: not the camera, which the fake driver opens but once.
func (m *fakeMachine) nodes(t *testing.T) string {
	dir := codecNodes(t)
	err := os.Remove(filepath.Join(dir, "video0"))
	if m.jpeg != nil {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "video10"), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	m.dir = dir
	return dir
}

// node is who has that descriptor.
func (m *fakeMachine) node(fd int) interface {
	Ioctl(fd int, request uintptr, argument unsafe.Pointer) error
	Mmap(fd int, offset int64, length int) ([]byte, error)
	Close(fd int) error
} {
	switch {
	case fd == m.codec.fd:
		return m.codec
	case m.jpeg != nil && fd == m.jpeg.fd:
		return m.jpeg
	}
	return m.fakeDriver
}

func (m *fakeMachine) Ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	return m.node(fd).Ioctl(fd, request, argument)
}

func (m *fakeMachine) Mmap(fd int, offset int64, length int) ([]byte, error) {
	return m.node(fd).Mmap(fd, offset, length)
}

func (m *fakeMachine) Munmap(memory []byte) error {
	for _, own := range m.camera.memory {
		if &own[0] == &memory[0] {
			return m.fakeDriver.Munmap(memory)
		}
	}
	if m.jpeg != nil && m.jpeg.has(memory) {
		return m.jpeg.Munmap(memory)
	}
	return m.codec.Munmap(memory)
}

func (m *fakeMachine) Close(fd int) error {
	return m.node(fd).Close(fd)
}

// withNumber writes a number into a picture, in squares that survive encoding.
func withNumber(p *image.YCbCr, n int) *image.YCbCr {
	for bit := range 8 {
		value := byte(30 + 190*(n>>bit&1))
		for y := range 32 {
			row := p.Y[y*p.YStride+32*bit:][:32]
			for x := range row {
				row[x] = value
			}
		}
	}
	return p
}

// numberOf reads it.
func numberOf(p *image.YCbCr) int {
	n := 0
	for bit := range 8 {
		n |= int(p.Y[16*p.YStride+32*bit+16]>>7) << bit
	}
	return n
}

// laid is a picture as a camera's driver lays it out.
func laid(f v4l2PixFormat, p *image.YCbCr) []byte {
	l, _ := newLayout(&f)
	memory := make([]byte, f.SizeImage)
	if f.PixelFormat == pixMJPG {
		return asJPEG(p)
	}
	if f.PixelFormat != pixYUYV {
		l.fill(memory, p)
		return memory
	}
	for y := range l.height {
		for x := 0; x < l.width; x += 2 {
			c := p.COffset(x, y)
			copy(memory[y*l.stride+2*x:], []byte{p.Y[p.YOffset(x, y)], p.Cb[c], p.Y[p.YOffset(x+1, y)], p.Cr[c]})
		}
	}
	return memory
}

// film delivers up to 255 pictures until ctx ends, 60 in a second but each when the one before was taken, and gives
// them by their numbers.
func film(ctx context.Context, m *fakeMachine, width, height int) []*image.YCbCr {
	shot, pacer := newScene(width, height), framePacer{rate: 60}
	var pictures []*image.YCbCr
	for i := 0; i < 255 && ctx.Err() == nil; i++ {
		p := withNumber(shot.next(i), i)
		pictures = append(pictures, newPicture(width, height))
		to420(pictures[i], p)
		for {
			if _, _, err := pacer.wait(ctx); err != nil {
				break
			}
			m.camera.mu.Lock()
			ready := m.camera.on && len(m.camera.filled) == 0 && len(m.camera.queued) > 0
			m.camera.mu.Unlock()
			if b := stamped(0); ready {
				b.Sequence = uint32(i)
				m.camera.deliver(laid(m.camera.format, p), b)
				break
			}
		}
	}
	return pictures
}

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

// filmed is how many pictures run looks at, at least.
const filmed = 24

// output is what came out of an encoder.
type output struct {
	seen map[int]*image.YCbCr // by number, in the range of video
	full bool                 // they came in that of JPEG, and the stream says so
	path string
}

// run encodes what the camera films until so many came out, and sees that every picture is the right one, that
// the camera always has buffers to fill, and that nothing is told as a fault.
func (m *fakeMachine) run(t *testing.T, width, height, least int) output {
	t.Helper()
	var log strings.Builder
	v := mustVideo(t, VideoOptions{
		Open: func(ctx context.Context) (io.Closer, error) {
			return openCamera(ctx, m, "/dev/video0", "", CameraOptions{Width: width, Height: height})
		},
		FrameRate: 60, BitRate: 2e6, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	v.chooser.kernel, v.chooser.nodes = m, m.nodes(t)
	decoder, err := h264test.New()
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pictures := make(chan []*image.YCbCr, 1)
	go func() { pictures <- film(ctx, m, width, height) }()
	out := output{seen: map[int]*image.YCbCr{}}
	full := false
	err = v.Stream(ctx, func(unit []byte, key bool, _ time.Time) {
		p, err := decoder.Decode(unit)
		if err != nil || p == nil {
			t.Errorf("unit %d: %v %v", len(out.seen), p, err)
			return
		}
		if key {
			full = saysFullRange(t, unit)
			out.full = out.full || full
		}
		copied := newPicture(width, height)
		if to420(copied, p); full {
			newToLimited().apply(copied)
		}
		// A machine under load leaves out more of them, and is given more.
		if out.seen[numberOf(p)] = copied; numberOf(p) >= filmed-1 && len(out.seen) >= least {
			cancel()
		}
	})
	if cancel(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	checkSeen(t, <-pictures, out.seen, least)
	if m.camera.least < 2 {
		t.Errorf("the camera had no more than %d buffers", m.camera.least)
	}
	if told := strings.Count(log.String(), "level=WARN"); told > 0 {
		t.Errorf("it is told as a fault: %s", log.String())
	}
	out.path = v.State().Path
	return out
}

// saysFullRange tells what range the SPS of a unit says that the pictures have.
func saysFullRange(t *testing.T, unit []byte) (full bool) {
	t.Helper()
	eachNAL(unit, func(nal []byte) {
		if nal[0]&0x1f == nalSPS {
			info, err := parseSPS(nal)
			if err != nil {
				t.Errorf("SPS % x: %v", nal, err)
			}
			full = info.full
		}
	})
	return full
}

// checkSeen compares what came out, which must be so many, with what went in.
func checkSeen(t *testing.T, pictures []*image.YCbCr, seen map[int]*image.YCbCr, least int) {
	t.Helper()
	if len(seen) < least {
		t.Errorf("%d of %d pictures came out, not %d", len(seen), len(pictures), least)
	}
	for i, got := range seen {
		want := pictures[min(i, len(pictures)-1)]
		if off := max(meanDifference(want.Y, got.Y), meanDifference(want.Cb, got.Cb), meanDifference(want.Cr, got.Cr)); off > 6 {
			t.Errorf("picture %d is %.1f from what the camera gave", i, off)
		}
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
