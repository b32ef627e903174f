//go:build vm && browser

package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
	"doorbell/device/guest/webcam"
)

// watchdog sees that the program stops saying that it is alive when its capture hangs, or all of it, and
// only then, so that it is started again.
func (m *machine) watchdog(anna *phone) {
	bars, err := guest.MovingBars(640, 360, 5) // so that somebody waits for pictures
	m.must(err)
	usb, err := m.PlugUSBCamera(m.within(time.Minute), webcam.Camera{Streams: []webcam.Stream{bars}})
	m.must(err)
	m.stop()
	m.configure(usb.Device, false)
	m.door, err = m.Start(m.within(time.Minute), guest.Command{Args: []string{"guest", "supervise", "8s", vmProgram, "run"}})
	m.must(err)
	m.must(m.door.WaitOutput(m.within(time.Minute), "supervise: ready"))
	anna.online()
	m.sub("well", func(t *testing.T) {
		m.ring(anna)
		anna.seesMotion()
		m.shell("sleep 12") // half as long again as it may be silent
		if strings.Contains(m.door.Output(), "not alive") {
			t.Error("started again though nothing was wrong")
		}
	})
	m.sub("all of it hangs", func(t *testing.T) {
		m.shell("kill -STOP " + strconv.Itoa(m.programs()[0]))
		m.startedAgain(2)
		anna.online()
	})
	m.sub("the camera hangs", func(t *testing.T) {
		if eval[string](anna, "document.documentElement.dataset.state") == "incall" {
			anna.tap("hangUpBtn")
		}
		m.ring(anna)
		anna.seesMotion()
		m.must(usb.Freeze())
		m.must(m.door.WaitOutput(m.within(time.Minute), "the doorbell hangs"))
		if poll(time.Minute, func() bool { return strings.Count(m.door.Output(), "supervise: not alive") == 2 }) != nil {
			t.Error("it is still said to be alive")
		}
		// The kernel waits for the camera's answer before it lets a process end that has it open. (Where none
		// ever comes, the machine's own watchdog has to help.)
		m.must(usb.Thaw())
		m.startedAgain(3)
	})
	m.sub("one thread hangs", func(t *testing.T) {
		anna.online()
		if eval[string](anna, "document.documentElement.dataset.state") == "incall" {
			anna.tap("hangUpBtn")
		}
		m.ring(anna)
		anna.seesMotion()
		held, err := m.HoldThread(m.within(time.Minute), m.programs()[0], usb.Device)
		m.must(err)
		began := time.Now()
		m.startedAgain(4)
		if n := strings.Count(m.door.Output(), "the doorbell hangs"); n != 2 {
			t.Errorf("the program said %d times that it hangs, want 2: all but one thread went on", n)
		}
		m.must(held.Wait(m.within(time.Minute)))
		t.Logf("in all %v", time.Since(began))
	})
	m.must(m.door.Kill(m.within(time.Minute)))
}

// programs are the process numbers of the program's starts, the newest first.
func (m *machine) programs() []int {
	m.t.Helper()
	var all []int
	for line := range strings.Lines(m.door.Output()) {
		if number, is := strings.CutPrefix(line, "supervise: started "); is {
			pid, err := strconv.Atoi(strings.TrimSpace(number))
			m.must(err)
			all = append([]int{pid}, all...)
		}
	}
	return all
}

// startedAgain waits for a start, and for the program to be ready after it.
func (m *machine) startedAgain(starts int) {
	m.t.Helper()
	began := time.Now()
	if poll(90*time.Second, func() bool { return strings.Count(m.door.Output(), "supervise: ready") >= starts }) != nil {
		m.t.Fatalf("not started again after %v", time.Since(began))
	}
	m.t.Logf("started again after %v", time.Since(began))
}
