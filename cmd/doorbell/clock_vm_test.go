//go:build vm && browser

package main

import (
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
)

// TestVMClock starts the appliance in 1970, as a board without a clock does, and sets the clock in a ring and
// in a call.
func TestVMClock(t *testing.T) {
	m := startMachine(t, guest.Config{Clock: time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC)})
	m.run(guest.VideoDevice, false)
	if err := m.door.WaitOutput(m.within(time.Minute), "time=1970-01-01T"); err != nil {
		t.Errorf("the log does not begin in 1970: %v\n%s", err, m.door.Output())
	}
	anna := openPhone(t, startBrowser(t), m.page(), "anna")
	anna.login()
	m.sub("in 1970", func(t *testing.T) {
		m.ring(anna)
		anna.seesMotion()
		anna.tap("hangUpBtn")
		anna.state("home")
	})
	m.sub("set in a ring", func(t *testing.T) {
		m.must(m.Press(m.within(time.Minute)))
		anna.state("ringing")
		m.set("2026-11-23 12:00:00")
		m.shell("sleep 3")
		anna.state("ringing") // its time did not run out
		m.must(m.Release(m.within(time.Minute)))
		anna.tap("acceptBtn")
		anna.state("incall")
		anna.seesMotion()
	})
	m.sub("set in a call, and back", func(t *testing.T) {
		for _, now := range []string{"2027-05-01 12:00:00", "1970-01-01 00:05:00", "2026-11-23 12:01:00"} {
			m.set(now)
			m.shell("sleep 1")
			anna.seesMotion()
			if s := m.status(); s.Door.Visit == nil || s.Door.Visit.By != "anna" || len(s.Door.Connections) != 1 {
				t.Errorf("at %s: %+v", now, s.Door)
			}
		}
		anna.tap("hangUpBtn")
		anna.state("home")
	})
	m.sub("afterwards", func(t *testing.T) {
		m.ring(anna)
		anna.seesMotion()
		anna.tap("hangUpBtn")
		anna.state("home")
		if s := m.status(); s.Door.Visit != nil || len(s.Door.Connections) != 0 {
			t.Errorf("something is left of the calls: %+v", s.Door)
		}
		for _, trouble := range []string{"level=ERROR", "panic", "expired"} {
			if strings.Contains(m.door.Output(), trouble) {
				t.Errorf("the log says %s", trouble)
			}
		}
		m.stop()
	})
}

// set sets the guest's clock, UTC.
func (m *machine) set(now string) {
	m.t.Helper()
	m.shell("date -u -s '" + now + "'")
}
