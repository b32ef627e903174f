//go:build vm && browser

package main

import (
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
)

// in1970 is when a board without a clock starts, and later1970 a time to which its clock can be set back: the kernel
// takes none at which the board was not running yet (EINVAL of clock_settime(2)).
var (
	in1970    = time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC)
	later1970 = in1970.Add(5 * time.Minute)
)

// TestVMClock starts the appliance in 1970, claims it there, and sets the clock in a ring and in a call.
func TestVMClock(t *testing.T) {
	m := startMachine(t, guest.Config{Clock: in1970, Forward: []guest.Forward{{Guest: vmSecurePort}}})
	m.sub("claimed", func(*testing.T) { m.claimedIn1970() })
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
		m.set(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
		m.shell("sleep 3")
		anna.state("ringing") // its time did not run out
		m.must(m.Release(m.within(time.Minute)))
		anna.tap("acceptBtn")
		anna.state("incall")
		anna.seesMotion()
	})
	m.sub("set in a call, and back", func(t *testing.T) {
		for _, now := range []time.Time{
			time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC), later1970, time.Date(2026, 11, 23, 12, 1, 0, 0, time.UTC),
		} {
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

// set sets the guest's clock, to the second. (busybox's date reports no failure.)
func (m *machine) set(now time.Time) {
	m.t.Helper()
	m.shell("date -u -s '" + now.UTC().Format(time.DateTime) + "'")
	is, err := m.Now(m.within(30 * time.Second))
	m.must(err)
	if is.Sub(now).Abs() > time.Minute {
		m.t.Fatalf("the clock was to be set to %v and is at %v", now, is)
	}
}
