//go:build vm

package guest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest/webcam"
)

func testUSBCamera(t *testing.T, g *Guest) {
	ctx := bounded(t)
	camera := webcam.Camera{Streams: []webcam.Stream{
		must(MovingBars(640, 360, 30))(t),
		{Format: webcam.H264, Width: 640, Height: 360, FrameRate: 30, Frames: [][]byte{{0, 0, 0, 1, 9, 16}}},
	}}
	for n := range 3 {
		began := time.Now()
		u := must(g.PlugUSBCamera(ctx, camera))(t)
		t.Logf("plugged in after %v", time.Since(began))
		began = time.Now()
		out := must(g.Capture(ctx, u.Device, 60, "MJPG 640x360"))(t)
		t.Logf("60 pictures after %v", time.Since(began))
		if !strings.Contains(out, `driver=uvcvideo card="door camera`) || !strings.Contains(out, "format=MJPG size=640x360\nstreaming\nframes=60 changed=60 flawed=0") {
			t.Errorf("captured %q", out)
		}
		if n == 0 {
			freezes(t, g, u)
		}
		if out := must(g.Capture(ctx, u.Device, 5, "H264 640x360"))(t); !strings.Contains(out, "format=H264 size=640x360\nstreaming\nframes=5 changed=1 flawed=0 bytes=6\n") {
			t.Errorf("captured %q", out)
		}
		p := must(g.Start(ctx, Command{Args: []string{"guest", "capture", u.Device, "100000", "MJPG", "640x360"}}))(t)
		if err := p.WaitOutput(ctx, "streaming\n"); err != nil {
			t.Fatal(err)
		}
		if err := u.Unplug(ctx); err != nil {
			t.Fatal(err)
		}
		// No such device, an input/output error, or an invalid argument: the kernel may stop the queue first.
		exit := &ExitError{}
		if err := p.Wait(ctx); !errors.As(err, &exit) || exit.Code != 1 {
			t.Errorf("capturing while it is pulled out: %v, want an error", err)
		}
	}
}

// freezes sees that a frozen camera stays there and gives nothing.
func freezes(t *testing.T, g *Guest, u *USBCamera) {
	ctx := bounded(t)
	p := must(g.Start(ctx, Command{Args: []string{"guest", "capture", u.Device, "60"}}))(t)
	if err := errors.Join(p.WaitOutput(ctx, "streaming\n"), u.Freeze()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Shell(ctx, "sleep 3; test -e "+u.Device); err != nil {
		t.Error("a frozen camera has gone:", err)
	}
	select {
	case <-p.Done():
		t.Errorf("60 pictures came from a frozen camera: %s", p.Output())
	default:
	}
	if err := errors.Join(u.Thaw(), p.Wait(ctx)); err != nil {
		t.Error(err)
	}
}
