//go:build vm && browser

package main

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"doorbell/device/guest"
	"doorbell/device/guest/webcam"
)

// armRelease is what make arm64 builds.
const armRelease = "../../bin/arm64/doorbell"

// TestARM is the arm64 release on the kernel's own devices in a machine of its architecture, with a browser as
// the phone: the button rings, both cameras are seen, and sound goes both ways.
func TestARM(t *testing.T) {
	if _, err := os.Stat(armRelease); err != nil {
		t.Fatalf("%v: make arm64", err)
	}
	began := time.Now()
	m := startMachineWith(t, guest.Options{Arch: "arm64"}, guest.Config{}, armRelease,
		"width: 320, height: 180, frame_rate: 5, bit_rate: 200000")
	m.run(guest.VideoDevice, true)
	t.Logf("the appliance is up after %v", time.Since(began))
	anna := openPhone(t, startBrowser(t, chromedp.Flag("use-file-for-fake-audio-capture", toneFile(t, phonePitch))), m.page(), "anna")
	anna.login()
	m.sub("button", func(t *testing.T) { m.button(anna) })
	m.sub("vivid and sound", func(t *testing.T) { m.pictureAndSound(anna) })
	m.sub("USB camera", func(t *testing.T) {
		bars, err := guest.MovingBars(320, 180, 5)
		m.must(err)
		usb, err := m.PlugUSBCamera(m.within(time.Minute), webcam.Camera{Streams: []webcam.Stream{bars}})
		m.must(err)
		m.restart(anna, usb.Device, false)
		anna.seesBars(guest.Bars(), 0.5)
		anna.tap("hangUpBtn")
		anna.state("home")
	})
	m.stop()
}
