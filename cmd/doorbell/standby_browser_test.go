//go:build browser

package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// ready waits until the phone keeps a connection to the door ready.
func (p *phone) ready(door *process) {
	p.t.Helper()
	door.wait("a connection that is kept ready", func() bool {
		s := door.status()
		for _, name := range s.Door.Standby {
			if name == p.name {
				return true
			}
		}
		return false
	})
}

// connections counts the RTCPeerConnections that the page has made.
const connections = `(() => {
	const Real = RTCPeerConnection;
	window.made = 0;
	window.RTCPeerConnection = class extends Real { constructor(...args) { super(...args); window.made++; } };
	return true;
})()`

// TestBrowserStandby rings through a connection that is kept ready, then looks through the next, and loses one.
func TestBrowserStandby(t *testing.T) {
	door, anna := house(t)
	anna.ready(door)
	if s := door.status(); s.Door.Devices["camera"] != "idle" {
		t.Errorf("the camera is %s while nobody looks", s.Door.Devices["camera"])
	}
	eval[bool](anna, connections)
	door.do("press")
	anna.state("ringing")
	anna.seesMotion()
	anna.silent()
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.hearsMelody()
	if made := eval[int](anna, "window.made"); made != 0 {
		t.Errorf("the ring made %d connections", made)
	}
	anna.tap("hangUpBtn")
	anna.state("home")

	anna.ready(door)
	eval[bool](anna, "window.made = 0, true")
	anna.tap("doors button")
	anna.seesMotion()
	anna.hearsMelody()
	if made := eval[int](anna, "window.made"); made != 0 {
		t.Errorf("the look made %d connections", made)
	}
	anna.tap("hangUpBtn")
	anna.state("home")

	anna.ready(door)
	anna.do(chromedp.Reload())
	anna.state("home")
	anna.ready(door)
	if standby := door.status().Door.Standby; len(standby) != 1 {
		t.Errorf("after a reload these are kept ready: %q", standby)
	}
}
