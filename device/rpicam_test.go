package device_test

import (
	"context"
	"errors"
	"image"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorbell/device"
	"doorbell/device/devicetest"
	"doorbell/device/h264test"
	"doorbell/device/sim"
)

// standIn builds the stand-in for rpicam-vid.
func standIn(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rpicam-vid")
	if out, err := exec.Command("go", "build", "-o", program, "doorbell/device/rpicamtest").CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in for rpicam-vid: %v\n%s", err, out)
	}
	return program
}

func openRpicam(t *testing.T, o device.RpicamOptions) *device.RpicamCamera {
	t.Helper()
	c, err := device.OpenRpicam(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// rpicamPictures and rpicamUnits are cameras of which it is known what comes.
type rpicamPictures struct{ *device.RpicamCamera }

func (c rpicamPictures) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	f, err := c.ReadFrame(ctx)
	return f.Picture, f.Captured, err
}

type rpicamUnits struct{ *device.RpicamCamera }

func (c rpicamUnits) ReadAccessUnit(ctx context.Context) ([]byte, bool, time.Time, error) {
	f, err := c.ReadFrame(ctx)
	return f.Unit, f.Key, f.Captured, err
}

func TestRpicamConforms(t *testing.T) {
	program := standIn(t)
	image := []device.ImageControl{{Name: "brightness", Value: -0.1}, {Name: "contrast", Value: 1.1}, {Name: "saturation", Value: 0.5}, {Name: "backlight", Value: -1}, {Name: "power_line", Value: 50}, {Name: "exposure", Value: 100}}
	t.Run("pictures", func(t *testing.T) {
		devicetest.Camera(t, func(t *testing.T) io.Closer {
			return rpicamPictures{openRpicam(t, device.RpicamOptions{Program: program, Width: 320, Height: 240, Pictures: true, Image: image})}
		})
	})
	t.Run("H.264", func(t *testing.T) {
		devicetest.Camera(t, func(t *testing.T) io.Closer {
			return rpicamUnits{openRpicam(t, device.RpicamOptions{Program: program, Width: 320, Height: 240})}
		})
	})
}

// The picture that is drawn now is what a phone would decode now, in both of the forms in which it comes.
func TestRpicamShowsNow(t *testing.T) {
	program := standIn(t)
	for _, pictures := range []bool{false, true} {
		v, err := device.NewVideo(device.VideoOptions{Encoder: device.EncoderSoftware, Open: func(context.Context) (io.Closer, error) {
			return openRpicam(t, device.RpicamOptions{Program: program, Width: 640, Height: 360, Pictures: pictures}), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := h264test.New()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		n := 0
		err = v.Stream(ctx, func(unit []byte, _ bool, captured time.Time) {
			p, err := d.Decode(unit)
			if err != nil || p == nil {
				t.Errorf("unit %d: %v %v", n, p, err)
				return
			}
			code, err := sim.ReadTimeCode(p)
			if err != nil {
				t.Errorf("unit %d: %v", n, err)
			}
			if age := uint32(captured.UnixMilli()) - code.Millis; age > 1000 {
				t.Errorf("unit %d is said to be %d ms younger than its picture", n, int32(age))
			}
			if n++; n == 45 {
				cancel()
			}
		})
		cancel()
		d.Close()
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if s := v.State(); !strings.Contains(s.Source, "rpicam") || !strings.Contains(s.Path, "rpicam-vid") {
			t.Errorf("it says %q, %q", s.Source, s.Path)
		}
	}
}

// What goes wrong with the program is told in the words that it said itself.
func TestRpicamFailures(t *testing.T) {
	program := standIn(t)
	for wrong, c := range map[string]struct {
		kind error
		says string
	}{
		"none":    {device.ErrNotFound, "cable"},
		"busy":    {device.ErrBusy, "failed to acquire camera"},
		"die:20":  {device.ErrUnplugged, "frontend has timed out"},
		"hang:20": {device.ErrStalled, "none for 3s"},
	} {
		for _, pictures := range []bool{false, true} {
			t.Setenv("RPICAMTEST", wrong)
			camera := openRpicam(t, device.RpicamOptions{Program: program, Width: 320, Height: 240, Pictures: pictures})
			var err error
			n := 0
			for ; err == nil; n++ {
				_, err = camera.ReadFrame(t.Context())
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %v that says %q", wrong, err, c.kind, c.says)
			}
			if strings.HasSuffix(wrong, ":20") && n < 20 {
				t.Errorf("%s: only %d pictures came", wrong, n)
			}
		}
	}
	if _, err := device.OpenRpicam(device.RpicamOptions{Program: "no-such-rpicam-vid"}); !errors.Is(err, device.ErrNotFound) || !strings.Contains(err.Error(), "apt install") {
		t.Errorf("a program that is not there: %v", err)
	}
	t.Setenv("RPICAMTEST", "")
	second := openRpicam(t, device.RpicamOptions{Program: program, Index: 1, Width: 320, Height: 240})
	if _, err := second.ReadFrame(t.Context()); !errors.Is(err, device.ErrNotFound) {
		t.Errorf("a second camera that is not there: %v", err)
	}
}
