//go:build vm

package guest

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

// TestDevices is one machine with all devices. (cmd/doorbell's TestARM has those of an arm64 one.)
func TestDevices(t *testing.T) {
	g := New(t, Options{}, Config{Camera: &Camera{}, Sound: &Sound{}, GPIO: &GPIO{}})
	t.Run("button", func(t *testing.T) { testButton(t, g) })
	t.Run("camera", func(t *testing.T) { testCamera(t, g) })
	t.Run("sound", func(t *testing.T) { testSound(t, g) })
	t.Run("a package's tests", func(t *testing.T) {
		if out := g.GoTest(t, "doorbell/device/guest/agent", nil, "-test.run=Frame"); !strings.Contains(out, "PASS") {
			t.Errorf("no PASS")
		}
	})
	t.Run("USB camera", func(t *testing.T) { testUSBCamera(t, g) })
}

func testButton(t *testing.T, g *Guest) {
	ctx := bounded(t)
	watch := func() *Process {
		p := must(g.Start(ctx, Command{Args: []string{"guest", "edges", must(g.GPIOChip(ctx))(t), "17"}}))(t)
		if err := p.WaitOutput(ctx, "watching\n"); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, chip := watch(), must(g.GPIOChip(ctx))(t)
	if !must(g.Level(ctx, 17))(t) {
		t.Error("the button is down before it was pressed")
	}
	for _, step := range []func() error{
		func() error { return g.Press(ctx) },
		func() error { return g.Release(ctx) },
		func() error { return g.Bounce(ctx, 3) },
		func() error {
			return p.WaitOutput(ctx, "watching\nfalling\nrising\n"+strings.Repeat("falling\nrising\n", 3)+"falling\n")
		},
		func() error { return g.UnplugGPIO(ctx) },
		func() error { return p.WaitOutput(ctx, "gone\n") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Run(ctx, "test", "-e", chip); err == nil {
		t.Error("the chip is there after it was taken away")
	}
	if err := g.PlugGPIO(ctx); err != nil {
		t.Fatal(err)
	}
	p = watch()
	if err := g.Press(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitOutput(ctx, "falling\n"); err != nil {
		t.Error(err)
	}
	if err := p.Kill(ctx); err != nil {
		t.Error(err)
	}
}

func testCamera(t *testing.T, g *Guest) {
	ctx := bounded(t)
	works := func() {
		t.Helper()
		out := must(g.Capture(ctx, VideoDevice, 5, "YUYV 640x360"))(t)
		if !strings.Contains(out, "driver=vivid card=\"vivid\" format=YUYV size=640x360") || !strings.Contains(out, "frames=5 changed=5 flawed=0") {
			t.Errorf("captured %q", out)
		}
	}
	works()
	for range 3 {
		if err := g.UnplugCamera(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Run(ctx, "test", "-e", VideoDevice); err == nil {
			t.Error("the camera is there after it was taken away")
		}
		if err := g.PlugCamera(ctx); err != nil {
			t.Fatal(err)
		}
		works()
	}
	p := must(g.Start(ctx, Command{Args: []string{"guest", "capture", VideoDevice, "100000"}}))(t)
	if err := p.WaitOutput(ctx, "streaming\n"); err != nil {
		t.Fatal(err)
	}
	if err := g.SetControl(ctx, VideoDevice, "Disconnect", 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx); err == nil || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("capturing while the camera disconnects: %v, want no such device", err)
	}
}

func testSound(t *testing.T, g *Guest) {
	ctx := bounded(t)
	if err := g.Put(ctx, "/tmp/tone", 0o644, tone(440, 4*time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		play := must(g.Start(ctx, Command{Args: []string{"aplay", "-q", "-Dhw:Loopback,0", "-traw", "-fS16_LE", "-c1", "-r48000", "/tmp/tone"}}))(t)
		if _, err := g.Run(ctx, "arecord", "-q", "-Dhw:Loopback,1", "-traw", "-fS16_LE", "-c1", "-r48000", "-d2", "/tmp/heard"); err != nil {
			t.Fatal(err)
		}
		if pitch := pitchOf(must(g.Get(ctx, "/tmp/heard"))(t)); math.Abs(pitch-440) > 5 {
			t.Errorf("played 440 Hz, heard %.1f", pitch)
		}
		if err := play.Kill(ctx); err != nil {
			t.Fatal(err)
		}
		record := must(g.Start(ctx, Command{Args: []string{"arecord", "-q", "-Dhw:Loopback,1", "-traw", "-fS16_LE", "-c1", "-r48000", "/dev/null"}}))(t)
		if _, err := g.Shell(ctx, "while ! grep -q RUNNING /proc/asound/Loopback/pcm1c/sub0/status; do usleep 5000; done"); err != nil {
			t.Fatal(err)
		}
		if err := g.UnplugSound(ctx); err != nil {
			t.Fatal(err)
		}
		if err := record.Wait(ctx); err == nil {
			t.Error("recording went on after the card was taken away")
		}
		if err := g.PlugSound(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// tone is a sine, 48 kHz mono S16.
func tone(hertz float64, length time.Duration) []byte {
	var b []byte
	for i := range int(length.Seconds() * 48000) {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(8000*math.Sin(2*math.Pi*hertz*float64(i)/48000))))
	}
	return b
}

// pitchOf counts rising zero crossings of 48 kHz mono S16, silence left out.
func pitchOf(b []byte) float64 {
	n, first, last, before := 0, 0, 0, int16(0)
	for i := range len(b) / 2 {
		s := int16(binary.LittleEndian.Uint16(b[2*i:]))
		if before < 0 && s >= 0 {
			if n == 0 {
				first = i
			}
			last = i
			n++
		}
		before = s
	}
	if n < 2 {
		return 0
	}
	return float64(n-1) * 48000 / float64(last-first)
}

func TestWatchdog(t *testing.T) {
	g := New(t, Options{}, Config{Watchdog: true, Reboot: true, GPIO: &GPIO{}})
	ctx := bounded(t)
	before := must(g.Boot(ctx))(t)
	feeder := must(g.Start(ctx, Command{Args: []string{"watchdog", "-F", "-T", "2", "-t", "1", "/dev/watchdog"}}))(t)
	if _, err := g.Shell(ctx, "sleep 4"); err != nil {
		t.Fatal("reset though fed:", err)
	}
	began := time.Now()
	if err := feeder.Signal(19); err != nil {
		t.Fatal(err)
	}
	if err := g.WaitReset(ctx, before); err != nil {
		t.Fatal(err)
	}
	t.Logf("feeder stopped, machine reset and up again %v later", time.Since(began))
	if !must(g.Level(ctx, 17))(t) {
		t.Error("the button is not there after the reset")
	}
}
