//go:build vm && browser

package main

import (
	"slices"
	"testing"
	"time"

	"doorbell/device/guest"
	"doorbell/device/guest/webcam"
)

const (
	// takings is how often each device is taken away, and jpegTakings a webcam of which the emulated processor has to
	// decode and encode all pictures: the one that makes H.264, on the same bus, is taken away as often as all else.
	takings, jpegTakings = 20, 5
	// returnTime is how soon a device that was given back has to work, that many times in a row. The machine is emulated,
	// and shares two processors with a browser and all other tests: what it waited for a processor is not counted, and
	// where something else took the time (8.2 s were seen once, 1.4 s without other tests) the row begins anew, so often
	// that it is not more than maxRows times as long.
	returnTime, maxRows = 2 * time.Second, 3
)

// soundCard takes the sound card away in a call without a picture, which is what the emulated processor has most work with.
func (m *machine) soundCard(anna *phone) {
	m.restart(anna, "none", true)
	m.takenAway(anna, "microphone", takings,
		func() { m.must(m.UnplugSound(m.within(time.Minute))) },
		func() { m.must(m.PlugSound(m.within(time.Minute))) },
		func() { anna.device("microphone", "ok"); anna.device("speaker", "ok") })
	m.visitorIsHeard(anna)
	m.hearsPhone()
	anna.tap("hangUpBtn")
	anna.state("home")
}

// restart starts the program anew with that camera, and without sound, or without a camera: so it can be seen to rest. It
// returns in a call, which shows the camera's picture.
func (m *machine) restart(anna *phone, camera string, sound bool) {
	m.stop()
	m.run(camera, sound)
	anna.online()
	m.ring(anna)
	if camera != "none" {
		anna.seesMotion()
	}
}

// vivid is taken away in a call: the device from its driver, and by its own control; then the button's chip.
func (m *machine) vivid(anna *phone) {
	m.restart(anna, guest.VideoDevice, false)
	m.sub("camera", func(t *testing.T) {
		m.takenAway(anna, "camera", takings,
			func() { m.must(m.UnplugCamera(m.within(time.Minute))) },
			func() { m.must(m.PlugCamera(m.within(time.Minute))) },
			anna.seesMotion)
	})
	m.sub("camera that says that it is gone", func(t *testing.T) {
		m.must(m.SetControl(m.within(time.Minute), guest.VideoDevice, "Disconnect", 1))
		anna.device("camera", "lost")
		m.must(m.UnplugCamera(m.within(time.Minute)))
		m.must(m.PlugCamera(m.within(time.Minute)))
		anna.device("camera", "ok")
		anna.seesMotion()
	})
	m.sub("button", func(t *testing.T) {
		presses := m.rings()
		m.takenAway(anna, "button", takings,
			func() { m.must(m.UnplugGPIO(m.within(time.Minute))) },
			func() { m.must(m.PlugGPIO(m.within(time.Minute))) },
			func() {})
		if n := m.rings(); n != presses {
			t.Errorf("%d presses were taken though nobody pressed", n-presses)
		}
	})
	anna.tap("hangUpBtn")
	m.ring(anna) // the button that came back
	anna.tap("hangUpBtn")
	anna.state("home")
}

// usbCamera is the webcam: its picture, and pulling it out in a call.
func (m *machine) usbCamera(anna *phone) {
	// No more than an emulated processor can decode and encode beside all else.
	bars, err := guest.MovingBars(640, 360, 8)
	m.must(err)
	camera := webcam.Camera{Streams: []webcam.Stream{bars}}
	usb, err := m.PlugUSBCamera(m.within(time.Minute), camera)
	m.must(err)
	m.restart(anna, usb.Device, false)
	anna.seesBars(guest.Bars(), 0.5)
	usb = m.pulledOut(anna, usb, camera, jpegTakings)
	anna.tap("hangUpBtn")
	anna.state("home")
	m.must(usb.Unplug(m.within(time.Minute)))
}

// pulledOut pulls a webcam out and plugs the same one in again, so many times. It returns the last.
func (m *machine) pulledOut(anna *phone, usb *guest.USBCamera, camera webcam.Camera, times int) *guest.USBCamera {
	m.t.Helper()
	m.takenAway(anna, "camera", times, func() { m.must(usb.Unplug(m.within(time.Minute))) }, func() {
		var err error
		usb, err = m.PlugUSBCamera(m.within(time.Minute), camera)
		m.must(err)
	}, anna.seesMotion)
	return usb
}

// takenAway takes a device away and gives it back in one call, until it was back in time so many times in a row: the
// phone is told each time, nothing is left behind, and the program rests while the device is away.
func (m *machine) takenAway(anna *phone, device string, times int, away, back, works func()) {
	m.t.Helper()
	works()
	returned := func() time.Time {
		anna.device(device, "ok")
		works()
		return time.Now()
	}
	before := m.usage()
	var took []time.Duration
	var alone time.Duration
	for row := 0; row < times; row++ {
		away()
		anna.device(device, "lost")
		if device == "camera" {
			returned = anna.covered()
		}
		if len(took) == 0 && device != "button" { // without it the camera goes on
			alone = m.spends()
		}
		back()
		began, waited := time.Now(), m.waited()
		d := returned().Sub(began)
		took = append(took, d)
		if d -= m.waited() - waited; d > returnTime {
			m.t.Logf("%s: back after %v, which is late: the row begins anew", device, d)
			row = -1
		}
		if len(took) == maxRows*times && row+1 < times {
			m.t.Fatalf("the %s was not back within %v so often as %d times in a row: %v", device, returnTime, times, took)
		}
	}
	works()
	after := m.usage()
	m.rests(alone)
	slices.Sort(took)
	m.t.Logf("%d times, back after %v (median), %v (longest); before: %+v, after: %+v",
		len(took), took[len(took)/2], took[len(took)-1], before, after)
	// A descriptor or goroutine more or less may be the status command's own, and a phone's.
	if after.descriptors > before.descriptors+2 || after.goroutines > before.goroutines+4 {
		m.t.Errorf("left behind: %+v before, %+v after", before, after)
	}
}

// waited is for how long the machine's processor has waited for one of the host's.
func (m *machine) waited() time.Duration {
	m.t.Helper()
	waited, err := m.Waited(m.within(10 * time.Second))
	m.must(err)
	return waited
}

// covered waits until the page shows a card in place of the picture. What it returns waits until the picture is
// back and moves, and tells since when: the third one was shown then.
func (p *phone) covered() (returned func() time.Time) {
	p.t.Helper()
	p.until("getComputedStyle(document.getElementById('poster')).display !== 'none'")
	eval[bool](p, `(() => {
		const video = document.getElementById('remoteVideo'), card = document.getElementById('poster');
		const shown = window.shown = [];
		const look = () => {
			if (getComputedStyle(card).display === 'none') shown.push(performance.timeOrigin + performance.now());
			if (shown.length < 3) video.requestVideoFrameCallback(look);
		};
		video.requestVideoFrameCallback(look);
		return true;
	})()`)
	return func() time.Time {
		p.t.Helper()
		p.until("window.shown.length === 3")
		return time.UnixMicro(int64(1000 * eval[float64](p, "window.shown[2]")))
	}
}

// rests sees that a program whose device was away didn't burn a processor, but spent little in 3 s, or no more than
// now that it is back: much is emulated here, the encoder too.
func (m *machine) rests(alone time.Duration) {
	m.t.Helper()
	m.t.Logf("processor time in 3 s without it, emulated: %v", alone)
	if alone <= 2*time.Second {
		return
	}
	if with := m.spends(); alone > with {
		m.t.Errorf("%v of processor time in 3 s while a device was away, %v with it", alone, with)
	}
}

// spends is the processor time that the program takes in 3 s.
func (m *machine) spends() time.Duration {
	m.t.Helper()
	before := m.usage().cpu
	m.shell("sleep 3")
	return m.usage().cpu - before
}
