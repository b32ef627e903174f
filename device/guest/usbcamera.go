package guest

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"doorbell/device/guest/webcam"
)

// USBCamera is a webcam that is plugged in.
type USBCamera struct {
	// Fixed after PlugUSBCamera.
	Device  string // such as /dev/video0; each time it is plugged in it may be another
	process *Process
	guest   *Guest
}

// PlugUSBCamera plugs a USB webcam into the guest and returns when its video device is there. Its name must
// be one that no other camera of the guest has. Default: door camera.
func (g *Guest) PlugUSBCamera(ctx context.Context, c webcam.Camera) (*USBCamera, error) {
	if c.Name == "" {
		c.Name = "door camera"
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(c); err != nil {
		return nil, err
	}
	file := "/run/webcam-" + strings.ReplaceAll(c.Name, " ", "-")
	if err := g.Put(ctx, file, 0o600, b.Bytes()); err != nil {
		return nil, err
	}
	if _, err := g.Shell(ctx, "modprobe vhci-hcd; modprobe uvcvideo"); err != nil {
		return nil, err
	}
	p, err := g.Start(ctx, Command{Args: []string{"guest", "webcam", file}})
	if err != nil {
		return nil, err
	}
	u := &USBCamera{process: p, guest: g}
	wait, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("the kernel has made no video device of it in 20 s"))
	defer cancel()
	if u.Device, err = g.videoDevice(wait, c.Name); err != nil {
		return nil, fmt.Errorf("plug in %s: %w; it said: %s", c.Name, err, p.Output())
	}
	return u, nil
}

// videoDevice waits for the capture node of the camera with a name. (A camera's second node, index 1, is
// for metadata.)
func (g *Guest) videoDevice(ctx context.Context, name string) (string, error) {
	out, err := g.Run(ctx, "sh", "-c", `while :; do
		for d in /sys/class/video4linux/*; do
			read -r n <$d/name && read -r i <$d/index && [ "$i" = 0 ] && case "$n" in "$0"*)
				[ -e /dev/${d##*/} ] && echo /dev/${d##*/} && exit;;
			esac
		done 2>/dev/null
		usleep 5000
	done`, name)
	return strings.TrimSpace(out), err
}

// Unplug pulls the camera out, and returns when its video device is gone.
func (u *USBCamera) Unplug(ctx context.Context) error {
	if err := u.process.Kill(ctx); err != nil {
		return err
	}
	_, err := u.guest.Run(ctx, "sh", "-c", "while [ -e $0 ]; do usleep 5000; done", u.Device)
	return err
}

// Freeze makes the camera hang: it stays plugged in and answers nothing.
func (u *USBCamera) Freeze() error { return u.process.Signal(syscall.SIGSTOP) }

// Thaw ends that.
func (u *USBCamera) Thaw() error { return u.process.Signal(syscall.SIGCONT) }
