package device

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorbell/device/h264test"
)

// codecNodes is a folder with the device node of the fake encoder, and of nothing.
func codecNodes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"video0", "video11"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// taking is a camera that gives n pictures, 30 in a second of its own time.
type taking struct {
	scene   *scene
	n, left int
}

func takePictures(n, width, height int) *taking { return &taking{newScene(width, height), 0, n} }

func (c *taking) ReadPicture(context.Context) (*image.YCbCr, time.Time, error) {
	if c.n == c.left {
		return nil, time.Time{}, io.EOF
	}
	c.n++
	return c.scene.next(c.n), time.Unix(1e9, 0).Add(time.Duration(c.n) * time.Second / 30), nil
}

func (c *taking) Close() error { return nil }

// What the hardware is told and given, it makes into a stream that shows the pictures, whatever the driver is like.
func TestHardwareEncoder(t *testing.T) {
	for name, change := range map[string]func(c *fakeCodec){
		"plain":                    func(*fakeCodec) {},
		"several planes":           func(c *fakeCodec) { c.planes = true },
		"rows and columns added":   func(c *fakeCodec) { c.planes, c.align = true, 32 },
		"NV12 alone":               func(c *fakeCodec) { c.raw, c.align = []fourCC{pixNV12}, 16 },
		"NV21 alone":               func(c *fakeCodec) { c.raw = []fourCC{pixNV21} },
		"YV12 alone":               func(c *fakeCodec) { c.raw, c.align = []fourCC{pixYV12}, 64 },
		"holds pictures back":      func(c *fakeCodec) { c.hold = 2 },
		"parameter sets by itself": func(c *fakeCodec) { c.separate, c.planes = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakeCodec(t)
			change(c)
			const n, width, height = 40, 324, 242
			camera := takePictures(n, width, height)
			v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }, BitRate: 1e6})
			v.chooser.kernel, v.chooser.nodes = c, codecNodes(t)
			d, err := h264test.New()
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			again, units, keys := newScene(width, height), 0, []int{}
			err = v.Stream(t.Context(), func(unit []byte, key bool, captured time.Time) {
				units++
				p, err := d.Decode(unit)
				if err != nil || p == nil {
					t.Fatalf("unit %d: %v %v", units, p, err)
				}
				want := again.next(units)
				if off := max(meanDifference(want.Y, p.Y), meanDifference(want.Cb, p.Cb), meanDifference(want.Cr, p.Cr)); off > 6 {
					t.Errorf("picture %d is %.1f from what the camera gave", units, off)
				}
				if at := time.Unix(1e9, 0).Add(time.Duration(units) * time.Second / 30); captured.Sub(at).Abs() > time.Millisecond {
					t.Errorf("picture %d is said to be of %v", units, captured.Sub(at))
				}
				if key {
					keys = append(keys, units)
				}
				if units == 20 {
					v.RequestKeyFrame()
				}
			})
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			if units != n-c.hold || len(keys) != 2 || keys[0] != 1 || keys[1] < 21 || keys[1] > 21+c.hold {
				t.Errorf("%d units of %d pictures, key frames at %v", units, n, keys)
			}
			if got := v.State().Path; !strings.Contains(got, "hardware, "+filepath.Join(v.chooser.nodes, "video11")+" (fake-codec)") {
				t.Errorf("the path is %q", got)
			}
			if c.set[v4l2CIDBitRate] != 1e6 || c.set[v4l2CIDGOPSize] != 150 || c.set[v4l2CIDH264Level] != 8 || c.set[v4l2CIDH264Profile] != 1 {
				t.Errorf("controls %v", c.set)
			}
		})
	}
}

// Where the hardware does not do, software does, and it is said why.
func TestSoftwareInsteadOfHardware(t *testing.T) {
	for name, test := range map[string]struct {
		change func(c *fakeCodec)
		says   string
	}{
		"it fails at once":              {func(c *fakeCodec) { c.failAfter = 1 }, "input/output error"},
		"it fails in the middle":        {func(c *fakeCodec) { c.failAfter = 10 }, "input/output error"},
		"nothing comes out":             {func(c *fakeCodec) { c.deaf = true }, "nothing has come out"},
		"it makes no key frames":        {func(c *fakeCodec) { delete(c.controls, v4l2CIDForceKeyFrame) }, "no key frames on demand"},
		"it takes nothing that we have": {func(c *fakeCodec) { c.raw = []fourCC{pixUYVY} }, "no device here encodes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newFakeCodec(t)
			test.change(c)
			const n = 20
			var words []string
			for range 2 { // hardware that failed is not tried again
				camera := takePictures(n, 320, 240)
				v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }})
				v.chooser.kernel, v.chooser.nodes = c, codecNodes(t)
				d, err := h264test.New()
				if err != nil {
					t.Fatal(err)
				}
				units := 0
				err = v.Stream(t.Context(), func(unit []byte, _ bool, _ time.Time) {
					units++
					if p, err := d.Decode(unit); err != nil || p == nil {
						t.Errorf("unit %d: %v %v", units, p, err)
					}
				})
				d.Close()
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				if units < n-m2mBuffers-1 { // what was inside when it failed is lost
					t.Errorf("%d units of %d pictures", units, n)
				}
				words = append(words, v.State().Path)
			}
			if !strings.Contains(words[0], "software") || !strings.Contains(words[0], test.says) {
				t.Errorf("the path is %q, which doesn't say %q", words[0], test.says)
			}
		})
	}
}

// The one that must be the hardware's says why it isn't.
func TestHardwareOrNothing(t *testing.T) {
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return takePictures(3, 320, 240), nil }, Encoder: EncoderHardware})
	v.chooser.kernel, v.chooser.nodes = newFakeCodec(t), t.TempDir()
	if err := v.Stream(t.Context(), func([]byte, bool, time.Time) {}); err == nil || !strings.Contains(err.Error(), "no device here encodes H.264") {
		t.Errorf("error %v", err)
	}
	if _, err := NewVideo(VideoOptions{Open: v.options.Open, Encoder: "gpu"}); err == nil {
		t.Error("an encoder that there isn't was taken")
	}
}

// Draining gives what is inside, and then its end.
func TestHardwareEncoderDrains(t *testing.T) {
	c := newFakeCodec(t)
	c.hold = 2
	e, err := openM2MEncoder(c, "video11", pixH264, encoderSettings{width: 320, height: 240, rate: 30, keyInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	emit := func(u m2mUnit) error { sizes = append(sizes, len(u.data)); return nil }
	pictures := newScene(320, 240)
	for i := range 5 {
		if err := e.encode(pictures.next(i), time.Now(), false, emit); err != nil {
			t.Fatal(err)
		}
	}
	before := len(sizes)
	if err := errors.Join(e.drain(emit), e.close()); err != nil {
		t.Error(err)
	}
	if before != 3 || len(sizes) != 5 {
		t.Errorf("%d units came of 5 pictures, %d with what was inside", before, len(sizes))
	}
}

func TestLayoutFillIsTheInverseOfConvert(t *testing.T) {
	p := newScene(64, 48).next(0)
	for _, format := range m2mRawFormats {
		for _, stride := range []int{64, 96} {
			l := layout{format: format, width: 64, height: 56, stride: stride}
			memory := make([]byte, l.size())
			l.fill(memory, p)
			got := newPicture(64, 56)
			if err := l.convert(got, memory); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Y[:len(p.Y)], p.Y) || !bytes.Equal(got.Cb[:len(p.Cb)], p.Cb) || !bytes.Equal(got.Cr[:len(p.Cr)], p.Cr) {
				t.Errorf("%s with rows of %d bytes comes back changed", format, stride)
			}
		}
	}
}

func TestH264Level(t *testing.T) {
	for _, c := range []struct {
		width, height int
		rate          float64
		want          int
	}{{640, 360, 30, 8}, {1280, 720, 30, 9}, {1280, 720, 60, 10}, {1920, 1080, 30, 11}, {1920, 1080, 60, 13}, {4096, 2304, 30, 16}} {
		if got := h264Level(encoderSettings{width: c.width, height: c.height, rate: c.rate}); got != c.want {
			t.Errorf("%dx%d at %g: %d, want %d", c.width, c.height, c.rate, got, c.want)
		}
	}
}
