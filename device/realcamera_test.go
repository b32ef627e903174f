package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests look at the kernel's own drivers, where the environment names them. In a virtual machine with
// vivid (n_devs=2 node_types=0x1,0x101 num_inputs=1,1 input_types=0x0,0x3 ccs_cap_mode=-1,4, its text switched off):
//
//	DOORBELL_TEST_CAMERA_BARS=/dev/video0 DOORBELL_TEST_CAMERA_SCALED=/dev/video1 DOORBELL_TEST_CAMERA_NOT=/dev/video2
//	DOORBELL_TEST_CAMERA_DRIVER=/sys/bus/platform/drivers/vivid DOORBELL_TEST_CAMERA_DEVICE=vivid.0

// vividBars are vivid's colours from left to right, at 75 % (vivid-tpg-colors.c).
func vividBars() []color.RGBA {
	const v = 191
	return []color.RGBA{{v, v, v, 255}, {v, v, 0, 255}, {0, v, v, 255}, {0, v, 0, 255}, {v, 0, v, 255}, {v, 0, 0, 255}, {0, 0, v, 255}, {0, 0, 0, 255}}
}

// colourTolerance is for what vivid's colour space and our integers do to 191.
const colourTolerance = 20

// Every format that is offered and that we say we support, in several sizes, has the right colours.
func TestRealCameraColours(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_CAMERA_BARS", "DOORBELL_TEST_CAMERA_SCALED")
	seen := map[string]bool{}
	for i, path := range env {
		sizes, matrix := []image.Point{{640, 360}, {320, 180}}, rgb601
		if i == 1 { // HDMI at 720p: Rec. 709, and any size
			// Not those whose half is odd: vivid rounds their chroma rows down when it counts the bytes.
			sizes, matrix = []image.Point{{640, 360}, {356, 198}, {353, 199}, {68, 50}, {1001, 563}}, rgb709
		}
		for _, f := range inspectCamera(linux{}, path).Formats {
			if !f.Usable {
				continue
			}
			seen[f.FourCC] = true
			for _, size := range sizes {
				t.Run(fmt.Sprintf("%s %s %dx%d", path, f.FourCC, size.X, size.Y), func(t *testing.T) {
					c, err := OpenCamera(t.Context(), path, CameraOptions{Width: size.X, Height: size.Y, Format: f.FourCC})
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					hasBars(t, c, size, matrix)
				})
			}
		}
	}
	for _, format := range []string{"YUYV", "UYVY", "NV12", "NV21", "YU12", "YV12"} {
		if !seen[format] {
			t.Errorf("%s was not tried: vivid offers %v", format, seen)
		}
	}
}

// hasBars reads a picture and compares the middle of each bar, high and low.
func hasBars(t *testing.T, c io.Closer, size image.Point, rgb func(y, cb, cr byte) [3]float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p, _, err := c.(pictureReader).ReadPicture(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Rect.Size().Sub(image.Pt(size.X&^1, size.Y&^1)); d.X < -2 || d.X > 2 || d.Y < -2 || d.Y > 2 {
		t.Errorf("%v gives %v, wanted %v", c, p.Rect.Size(), size)
	}
	bars := vividBars()
	for i, want := range bars {
		x := (2*i + 1) * p.Rect.Dx() / (2 * len(bars))
		for _, y := range []int{2, p.Rect.Dy() / 3, p.Rect.Dy() - 2} {
			got := rgb(p.Y[p.YOffset(x, y)], p.Cb[p.COffset(x, y)], p.Cr[p.COffset(x, y)])
			for k, v := range []uint8{want.R, want.G, want.B} {
				if d := got[k] - float64(v); d < -colourTolerance || d > colourTolerance {
					t.Errorf("%v: bar %d at %d,%d is %.0f, want %v", c, i, x, y, got, want)
					break
				}
			}
		}
	}
}

// rgb601 and rgb709 undo limited-range Y'CbCr (BT.601 section 2.5.1, BT.709 section 3).
func rgb601(y, cb, cr byte) [3]float64 { return rgbOf(y, cb, cr, 0.299, 0.114) }
func rgb709(y, cb, cr byte) [3]float64 { return rgbOf(y, cb, cr, 0.2126, 0.0722) }

func rgbOf(y, cb, cr byte, kr, kb float64) [3]float64 {
	luma := (float64(y) - 16) * 255 / 219
	b, r := (float64(cb)-128)*255/224, (float64(cr)-128)*255/224
	return [3]float64{
		luma + 2*(1-kr)*r,
		luma - (2*kr*(1-kr)*r+2*kb*(1-kb)*b)/(1-kr-kb),
		luma + 2*(1-kb)*b,
	}
}

// What is wrong with a device is told as the kernel itself says it.
func TestRealCameraRefused(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_CAMERA_BARS", "DOORBELL_TEST_CAMERA_NOT")
	for _, c := range []struct {
		path string
		kind error
	}{{env[1], ErrNotCapture}, {"/dev/null", ErrNotCapture}, {"/dev/video99", ErrNotFound}} {
		if _, err := OpenCamera(t.Context(), c.path, CameraOptions{}); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", c.path, err, c.kind)
		}
	}
	refused := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its rights
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			refused <- err
			return
		}
		_, err := OpenCamera(t.Context(), env[0], CameraOptions{})
		refused <- err
	}()
	if err := <-refused; !errors.Is(err, ErrPermission) {
		t.Errorf("as nobody: %v", err)
	} else {
		t.Log(err)
	}
}

// A camera that is taken away while it streams, and given back.
func TestRealCameraUnplugged(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_CAMERA_BARS", "DOORBELL_TEST_CAMERA_DRIVER", "DOORBELL_TEST_CAMERA_DEVICE")
	before := descriptors(t)
	for range 10 {
		c, err := OpenCamera(t.Context(), env[0], CameraOptions{Width: 320, Height: 180})
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan error, 1)
		go func() {
			for {
				if _, _, err := c.(pictureReader).ReadPicture(t.Context()); err != nil {
					gone <- err
					return
				}
			}
		}()
		<-time.After(50 * time.Millisecond)
		unbound := make(chan error, 1)
		go func() { unbound <- os.WriteFile(filepath.Join(env[1], "unbind"), []byte(env[2]), 0) }()
		if err := <-gone; !errors.Is(err, ErrUnplugged) {
			t.Errorf("unplugged: %v", err)
		}
		if err := errors.Join(c.Close(), <-unbound); err != nil {
			t.Error(err)
		}
		if _, err := OpenCamera(t.Context(), env[0], CameraOptions{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("while it is away: %v", err)
		}
		sysfs(t, filepath.Join(env[1], "bind"), env[2])
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}
