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

// firstPicture counts how often the browser begins anew with what it is to show, and tells whether it has begun and is silent.
const firstPicture = `(() => {
	const video = document.getElementById('remoteVideo');
	window.loaded = 0;
	video.addEventListener('loadstart', () => { window.loaded++; });
	return video.srcObject !== null && video.paused && video.muted;
})()`

// TestBrowserStandby rings through a connection that is kept ready, then looks through the next, and loses one.
func TestBrowserStandby(t *testing.T) {
	door, anna := house(t)
	anna.ready(door)
	if !eval[bool](anna, firstPicture) {
		t.Error("the page is not ready for the picture, or plays already")
	}
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
	if loaded := eval[int](anna, "window.loaded"); loaded != 0 {
		t.Errorf("the ring had the browser begin %d times with a picture; those that came before were lost", loaded)
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
