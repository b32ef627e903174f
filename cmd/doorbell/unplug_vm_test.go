//go:build vm && browser

package main

import (
	"slices"
	"testing"
	"time"

	"doorbell/device/guest"
)

const (
	// takings is how often each device is taken away.
	takings = 20
	// returnTime is how soon a device that was given back has to work. The machine is emulated, and
	// shares two processors with a browser: it is allowed twice the 2 s.
	returnTime = 4 * time.Second
)

// unplugged takes vivid, the sound card and the button's chip away in a call.
func (m *machine) unplugged(anna *phone) {
	m.stop()
	m.run(guest.VideoDevice)
	anna.until("document.documentElement.dataset.connection === 'online'")
	m.ring(anna)
	anna.seesMotion()
	m.sub("camera", func(t *testing.T) {
		m.takenAway(anna, "camera",
			func() { m.must(m.UnplugCamera(m.within(time.Minute))) },
			func() { m.must(m.PlugCamera(m.within(time.Minute))) },
			func() { anna.seesMotion() })
	})
	m.sub("sound card", func(t *testing.T) {
		m.takenAway(anna, "microphone",
			func() { m.must(m.UnplugSound(m.within(time.Minute))) },
			func() { m.must(m.PlugSound(m.within(time.Minute))) },
			func() {})
		visitor := m.speak()
		anna.listens()
		anna.hearsPitch(visitorPitch)
		m.must(visitor.Kill(m.within(10 * time.Second)))
		m.hearsPhone()
	})
	anna.tap("hangUpBtn")
	anna.state("home")
}

// takenAway takes a device away and gives it back, again and again in one call: the phone is told each
// time, nothing is left behind, and the program rests while the device is away.
func (m *machine) takenAway(anna *phone, device string, away, back, works func()) {
	m.t.Helper()
	works()
	before := m.usage()
	var took []time.Duration
	for i := range takings {
		away()
		anna.lost(device)
		if i == 0 {
			m.rests()
		}
		back()
		began := time.Now()
		anna.devicesAreWell()
		took = append(took, time.Since(began))
		works()
	}
	after := m.usage()
	slices.Sort(took)
	m.t.Logf("back after %v (median), %v (longest); before: %+v, after: %+v", took[len(took)/2], took[len(took)-1], before, after)
	if took[len(took)-1] > returnTime {
		m.t.Errorf("the %s was back after %v, want %v", device, took[len(took)-1], returnTime)
	}
	// A descriptor or goroutine more or less may be the status command's own, and a phone's.
	if after.descriptors > before.descriptors+2 || after.goroutines > before.goroutines+4 {
		m.t.Errorf("left behind: %+v before, %+v after", before, after)
	}
}

// rests sees that a program whose device is away doesn't burn a processor.
func (m *machine) rests() {
	m.t.Helper()
	before := m.usage().cpu
	m.shell("sleep 3")
	if used := m.usage().cpu - before; used > 2*time.Second {
		m.t.Errorf("%v of processor time in 3 s while a device is away", used)
	}
}
