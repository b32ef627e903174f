//go:build vm

package device_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
	"doorbell/device/guest/webcam"
)

// The devices of the machine below: vivid as a webcam, vivid with a scaler that makes any size, and what
// vivid plays pictures out on, which is no camera.
const (
	vividOptions = "n_devs=2 node_types=0x1,0x101 num_inputs=1,1 input_types=0x0,0x3 ccs_cap_mode=-1,4"
	scaled       = "/dev/video1"
	output       = "/dev/video2"
)

// TestMachine runs this package's tests of real devices in a virtual machine that has them.
func TestMachine(t *testing.T) {
	began := time.Now()
	g := guest.New(t, guest.Options{}, guest.Config{
		Camera: &guest.Camera{Options: vividOptions}, Sound: &guest.Sound{}, GPIO: &guest.GPIO{},
	})
	t.Logf("the machine is up after %v", time.Since(began))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("five minutes have passed"))
	defer cancel()
	for _, device := range []string{guest.VideoDevice, scaled} {
		if err := g.SetControl(ctx, device, "OSD Text Mode", 2); err != nil { // no text over the bars
			t.Fatal(err)
		}
	}
	bars, err := guest.MovingBars(640, 360, 15)
	if err != nil {
		t.Fatal(err)
	}
	usb, err := g.PlugUSBCamera(ctx, webcam.Camera{Streams: []webcam.Stream{bars}})
	if err != nil {
		t.Fatal(err)
	}
	chip, err := g.Shell(ctx, "cd /sys/kernel/config/gpio-sim/door; echo -n /sys/devices/platform/$(cat dev_name)/$(cat bank0/chip_name)")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"DOORBELL_TEST_EMULATED=1",
		"DOORBELL_TEST_CAMERA=" + guest.VideoDevice,
		"DOORBELL_TEST_CAMERA_BARS=" + guest.VideoDevice,
		"DOORBELL_TEST_CAMERA_SCALED=" + scaled,
		"DOORBELL_TEST_CAMERA_MJPEG=" + usb.Device,
		"DOORBELL_TEST_CAMERA_NOT=" + output,
		"DOORBELL_TEST_CAMERA_DRIVER=/sys/bus/platform/drivers/vivid", "DOORBELL_TEST_CAMERA_DEVICE=vivid.0",
		"DOORBELL_TEST_MICROPHONE=hw:Loopback,1", "DOORBELL_TEST_SPEAKER=hw:Loopback,0", "DOORBELL_TEST_LOOPBACK=1",
		"DOORBELL_TEST_SOUND_DRIVER=/sys/bus/platform/drivers/snd_aloop", "DOORBELL_TEST_SOUND_DEVICE=snd_aloop.0",
		"DOORBELL_TEST_BUTTON=" + guest.ButtonName,
		"DOORBELL_TEST_BUTTON_PULL=" + chip + "/sim_gpio17/pull",
		"DOORBELL_TEST_BUTTON_CONFIG=/sys/kernel/config/gpio-sim/door",
		"DOORBELL_TEST_BUTTON_LIVE=/sys/kernel/config/gpio-sim/door/live",
		"DOORBELL_TEST_LIGHT=GPIO22", "DOORBELL_TEST_LIGHT_VALUE=" + chip + "/sim_gpio22/value",
	}
	began = time.Now()
	g.GoTest(t, "doorbell/device", env, "-test.run=V4L2|Real", "-test.timeout=5m")
	t.Logf("the tests took %v", time.Since(began))
}

// TestMachineCodec runs the tests of hardware encoders on the kernel's test driver for them, in both of V4L2's APIs, by
// itself and with the pictures of a camera.
func TestMachineCodec(t *testing.T) {
	g := guest.New(t, guest.Options{Vicodec: true}, guest.Config{Camera: &guest.Camera{Options: vividOptions}})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("five minutes have passed"))
	defer cancel()
	for _, planes := range []string{"N", "Y"} {
		out, err := g.Run(ctx, "sh", "-c", `rmmod vicodec 2>/dev/null; modprobe vicodec multiplanar=$0 || exit 1
			for kind in stateful-encoder stateful-decoder; do
				for d in /sys/class/video4linux/*; do read -r n <$d/name; case $n in *$kind*) echo /dev/${d##*/};; esac; done
			done`, planes)
		if err != nil {
			t.Fatal(err)
		}
		nodes := strings.Fields(out)
		if len(nodes) != 2 {
			t.Fatalf("vicodec's nodes: %q", out)
		}
		t.Run("multiplanar="+planes, func(t *testing.T) {
			env := []string{
				"DOORBELL_TEST_ENCODER=" + nodes[0], "DOORBELL_TEST_DECODER=" + nodes[1],
				"DOORBELL_TEST_IMPORT=" + guest.VideoDevice, "DOORBELL_TEST_IMPORT_SCALED=" + scaled,
				"DOORBELL_TEST_CAMERA_DRIVER=/sys/bus/platform/drivers/vivid", "DOORBELL_TEST_CAMERA_DEVICE=vivid.0",
			}
			g.GoTest(t, "doorbell/device", env, "-test.run=RealEncoder", "-test.bench=RealEncoder", "-test.benchtime=3x", "-test.timeout=4m")
		})
	}
}
