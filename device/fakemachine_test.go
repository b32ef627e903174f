package device

import (
	"context"
	"errors"
	"image"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

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
