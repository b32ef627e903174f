package lan

import (
	"testing"
	"time"
)

// TestTwoDoors has two doors in one house: the second takes the next number, and keeps
// it when it comes back alone.
func TestTwoDoors(t *testing.T) {
	n := newNet(t)
	front, back := n.add("front", "192.168.77.1/24"), n.add("back", "192.168.77.2/24")
	first := front.respond("doorbell", "")
	first.expect("claimed doorbell")
	second := back.respond("doorbell", "")
	second.expect("claimed doorbell-2")
	third := n.add("shed", "192.168.77.3/24").respond("doorbell", "")
	third.expect("claimed doorbell-3")
	first.stop("doorbell.local")
	second.stop("doorbell-2.local")
	again := back.respond("doorbell", "doorbell-2")
	again.expect("addresses [192.168.77.2]")
	again.stop("doorbell-2.local")
}

// TestSameInstant starts two at once: they agree who has the name.
func TestSameInstant(t *testing.T) {
	n := newNet(t)
	low, high := n.add("low", "192.168.77.1/24"), n.add("high", "192.168.77.2/24")
	first, second := low.respond("doorbell", ""), high.respond("doorbell", "")
	names := map[string]bool{first.claimed(): true, second.claimed(): true}
	if !names["doorbell"] || !names["doorbell-2"] {
		t.Errorf("the two have %v", names)
	}
}

// TestConflict connects two networks that have a doorbell each: they notice when one
// of them is asked for, and agree.
func TestConflict(t *testing.T) {
	n := newNet(t)
	low, high := n.add("low", "192.168.77.1/24"), n.add("high", "192.168.77.2/24")
	n.unplug("high")
	first, second := low.respond("doorbell", ""), high.respond("doorbell", "")
	first.expect("claimed doorbell")
	second.expect("claimed doorbell")
	n.plug("high")
	a := startAvahi(n.add("phone", "192.168.77.3/24"), "phone")
	if _, err := a.resolve("-4", "doorbell.local"); err != nil {
		t.Error(err)
	}
	// Which of them gives way depends on who hears the other first.
	lower, higher := "doorbell.local", "doorbell-2.local"
	select {
	case line := <-first.lines:
		lower, higher = higher, lower
		first.want(line, "claimed doorbell-2")
	case line := <-second.lines:
		second.want(line, "claimed doorbell-2")
	case <-time.After(20 * time.Second):
		t.Fatal("none gives way")
	}
	a.until("both names", func() bool {
		one, _ := a.resolve("-4", lower)
		two, _ := a.resolve("-4", higher)
		return one == "192.168.77.1" && two == "192.168.77.2"
	})
}

// TestNetworkComesLate starts before there is any network.
func TestNetworkComesLate(t *testing.T) {
	n := newNet(t)
	door := n.add("door")
	p := door.respond("doorbell", "")
	p.expect("addresses []")
	door.address("add", "192.168.77.1/24")
	p.expect("claimed doorbell")
	startAvahi(n.add("phone", "192.168.77.2/24"), "phone").expect("-4", "doorbell.local", "192.168.77.1")
}
