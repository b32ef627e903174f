package rtc

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// house carries out the commands of a call as the loop would, and notices what
// must never be asked for.
type house struct {
	open   map[PeerID]string // phones that are connected
	shown  map[PeerID]bool   // those to which something flows
	timer  string
	visits map[string]bool // id → ended
}

func (h *house) do(t *rapid.T, command Command) {
	switch c := command.(type) {
	case Offer:
		h.add(t, c.Peer, c.Name)
		h.shown[c.Peer] = true
	case Answer:
		h.add(t, c.Peer, c.Name)
		h.shown[c.Peer] = !c.Standby
	case Close:
		h.must(t, c.Peer, command)
		delete(h.open, c.Peer)
	case Talk:
		h.must(t, c.Peer, command)
	case Show:
		h.must(t, c.Peer, command)
		if h.shown[c.Peer] {
			t.Fatalf("peer %d is shown twice", c.Peer)
		}
		h.shown[c.Peer] = true
	case Press:
		h.must(t, c.Peer, command)
	case Renegotiate:
		h.must(t, c.Peer, command)
	case StartTimer:
		h.timer = c.Call
	case StopTimer:
		h.timer = ""
	case Began:
		h.visits[c.Call] = false
	case Ended:
		if h.visits[c.Call] {
			t.Fatalf("visit %s ended twice", c.Call)
		}
		h.visits[c.Call] = true
	}
}

func (h *house) add(t *rapid.T, id PeerID, name string) {
	if _, there := h.open[id]; there {
		t.Fatalf("peer %d opened twice", id)
	}
	h.open[id] = name
}

func (h *house) must(t *rapid.T, id PeerID, command Command) {
	if _, there := h.open[id]; !there {
		t.Fatalf("%#v is about a peer that isn't there", command)
	}
}

// TestCallNeverMixesUp runs random orders of everything that can happen.
func TestCallNeverMixesUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := CallOptions{MaxPeers: 3}
		if rapid.Bool().Draw(t, "list") {
			options.RingTo = []string{"anna", "bert"}
		}
		c := NewCall(options)
		h := &house{open: map[PeerID]string{}, shown: map[PeerID]bool{}, visits: map[string]bool{}}
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for i := range steps {
			for _, command := range c.Handle(drawEvent(t, i)) {
				h.do(t, command)
			}
			h.check(t, c)
		}
		for _, command := range c.Handle(Closed{}) {
			h.do(t, command)
		}
		if len(h.open) != 0 || c.Busy() || h.timer != "" {
			t.Fatalf("left behind: %v, busy %t, timer %q", h.open, c.Busy(), h.timer)
		}
		for id, ended := range h.visits {
			if !ended {
				t.Fatalf("visit %s never ended", id)
			}
		}
	})
}

func drawEvent(t *rapid.T, i int) Event {
	name := rapid.SampledFrom([]string{"anna", "bert", "carl"}).Draw(t, "name")
	id := PeerID(rapid.IntRange(1, 12).Draw(t, "peer"))
	switch rapid.IntRange(0, 12).Draw(t, "event") {
	case 0, 1:
		return Pressed{Call: fmt.Sprint("v", i)}
	case 2:
		return Appeared{name}
	case 3:
		return Disappeared{name}
	case 4:
		call := rapid.SampledFrom([]string{"", "c1", "c2", "v0", "v1", "v2"}).Draw(t, "call")
		return Offered{name, call, rapid.Bool().Draw(t, "same"), rapid.Bool().Draw(t, "standby")}
	case 5:
		return Accepted{id}
	case 6:
		return Connected{id}
	case 7:
		reason := rapid.SampledFrom([]string{"", ReasonGone, ReasonDeclined, ReasonHangup, ReasonBusy}).Draw(t, "reason")
		return Left{id, reason}
	case 8:
		return Failed{id}
	case 9:
		return Away{id}
	case 10:
		return TimedOut{fmt.Sprint("v", rapid.IntRange(0, i).Draw(t, "visit"))}
	case 11:
		return Interrupted{id}
	default:
		return HungUp{ReasonHangup}
	}
}

// check holds after every event.
func (h *house) check(t *rapid.T, c *Call) {
	talkers := 0
	for _, l := range c.links {
		switch l.role {
		case talking:
			talkers++
			if c.visit == nil || !c.visit.taken || c.visit.by != l.id {
				t.Fatalf("%s talks without a call", l.name)
			}
		case ringing:
			if !c.Ringing() {
				t.Fatalf("%s is left ringing", l.name)
			}
		}
		if l.alerted && !c.Ringing() {
			t.Fatalf("%s is left alerted", l.name)
		}
		if h.shown[l.id] == (l.role == standby) {
			t.Fatalf("%s is %s, and shown is %t", l.name, l.role, h.shown[l.id])
		}
		if h.open[l.id] != l.name {
			t.Fatalf("peer %d of %s was never opened", l.id, l.name)
		}
	}
	if talkers > 1 {
		t.Fatalf("%d phones talk", talkers)
	}
	if c.visit != nil && c.visit.taken != (talkers == 1) {
		t.Fatal("a call that was taken has nobody who talks")
	}
	if len(h.open) != len(c.links) {
		t.Fatalf("%d connections for %d links", len(h.open), len(c.links))
	}
	if c.Ringing() != (h.timer != "") {
		t.Fatalf("ringing %t with timer %q", c.Ringing(), h.timer)
	}
	if c.count(false) > 3 || c.count(true) > 3 {
		t.Fatalf("%d connections and %d kept ready, where 3 are allowed", c.count(false), c.count(true))
	}
	names := map[string]int{}
	for _, l := range c.links {
		if names[l.name]++; names[l.name] > 1 {
			t.Fatalf("%s has %d connections", l.name, names[l.name])
		}
	}
}
