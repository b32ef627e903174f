//go:build vm

package guest

import (
	"strings"
	"testing"
	"time"

	"doorbell/device/guest/webcam"
)

func TestUSBCamera(t *testing.T) {
	g := New(t, Options{}, Config{})
	ctx := bounded(t)
	camera := webcam.Camera{Streams: []webcam.Stream{
		must(MovingBars(640, 360, 30))(t),
		{Format: webcam.H264, Width: 640, Height: 360, FrameRate: 30, Frames: [][]byte{{0, 0, 0, 1, 9, 16}}},
	}}
	for range 3 {
		began := time.Now()
		u := must(g.PlugUSBCamera(ctx, camera))(t)
		t.Logf("plugged in after %v", time.Since(began))
		began = time.Now()
		out := must(g.Capture(ctx, u.Device, 60))(t)
		t.Logf("60 pictures after %v", time.Since(began))
		if !strings.Contains(out, `driver=uvcvideo card="door camera`) || !strings.Contains(out, "format=MJPG size=640x360\nframes=60 changed=60 flawed=0") {
			t.Errorf("captured %q", out)
		}
		p := must(g.Start(ctx, Command{Args: []string{"guest", "capture", u.Device, "100000"}}))(t)
		if err := p.WaitOutput(ctx, "driver="); err != nil {
			t.Fatal(err)
		}
		if err := u.Unplug(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(ctx); err == nil || !strings.Contains(err.Error(), "no such device") {
			t.Errorf("capturing while it is pulled out: %v, want no such device", err)
		}
	}
}
