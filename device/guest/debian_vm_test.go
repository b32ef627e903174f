//go:build vm

package guest

import (
	"strings"
	"testing"
	"time"
)

func TestDebian(t *testing.T) {
	began := time.Now()
	g := New(t, Options{Debian: "bookworm"}, Config{GPIO: &GPIO{}, Sound: &Sound{}, Camera: &Camera{}, Watchdog: true})
	t.Logf("built or found, and up, after %v", time.Since(began))
	ctx := bounded(t)
	out := must(g.Shell(ctx, "cat /proc/1/comm; systemctl is-system-running --wait; apt-get --version | head -1; id -un"))(t)
	if !strings.HasPrefix(out, "systemd\nrunning\napt ") || !strings.HasSuffix(out, "root\n") {
		failed, _ := g.Run(ctx, "systemctl", "--failed", "--no-legend")
		t.Errorf("%s\nfailed: %s", out, failed)
	}
	if out := must(g.Shell(ctx, "ls -l /dev/video0 /dev/snd/controlC0"))(t); !strings.Contains(out, "video") || !strings.Contains(out, "audio") {
		t.Errorf("devices as udev has them: %s", out)
	}
	if err := g.Press(ctx); err != nil {
		t.Fatal(err)
	}
	if high := must(g.Level(ctx, 17))(t); high {
		t.Error("the pressed button's line is high")
	}
}
