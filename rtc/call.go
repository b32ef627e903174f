package rtc

import (
	"slices"
	"time"
)

// PeerID tells one peer connection from every other of this process, so that a
// late event of a connection that is gone can't touch its successor.
type PeerID uint64

// role says what a phone's connection is for.
type role int

const (
	ringing role = iota // the door made the offer; nobody has accepted on that phone
	talking             // a person accepted the visit on that phone
	viewing             // the phone called the door by itself
	standby             // the phone keeps a connection ready, and nothing flows
)

func (r role) String() string { return [...]string{"ringing", "talking", "viewing", "standby"}[r] }

// link is one phone's connection as the call sees it.
type link struct {
	id        PeerID
	name      string
	call      string
	role      role
	connected bool // media has flowed
	away      bool // the phone closed the media and may come back: its page is being loaded anew
	alerted   bool // viewing, and told that the button was pressed
	kept      bool // was a standby until the button was pressed
}

// visit is what a press of the button started.
type visit struct {
	id       string
	pressed  time.Time
	taken    bool   // a person accepted
	by       PeerID // who, while taken
	declined map[string]bool
}

// CallOptions are the rules of ringing.
type CallOptions struct {
	// RingTo lists the phones that ring. Empty: every phone that is here.
	RingTo []string
	// MaxPeers bounds the phones connected at one time, and apart from these the
	// connections that phones keep ready. 0: 16.
	MaxPeers int
	// NoStandby turns connections away that phones want to keep ready.
	NoStandby bool
}

// Call is the state of one door: who is here, who rings, talks, looks and stands by. It
// does nothing by itself: Handle takes what happened and returns what has to be
// done about it. It is not safe for concurrent use; [Door] owns it.
type Call struct {
	options CallOptions
	next    PeerID
	links   []*link // in the order in which they came
	visit   *visit  // nil while nobody rang
	here    map[string]bool
	// solo: the relay does not say who an answer is from, so that there may be
	// only one link (the base dialect).
	solo   bool
	closed bool
}

// NewCall returns a door at which nothing happens yet.
func NewCall(options CallOptions) *Call {
	if options.MaxPeers == 0 {
		options.MaxPeers = 16
	}
	return &Call{options: options, here: map[string]bool{}}
}

// Handle moves the call on by one event and returns the commands that follow
// from it, in the order in which they are to be carried out.
func (c *Call) Handle(event Event) []Command {
	if c.closed {
		return nil
	}
	return event.apply(c)
}

// Ringing reports whether a visit waits for a person.
func (c *Call) Ringing() bool { return c.visit != nil && !c.visit.taken }

// Busy reports whether any phone is connected or rung: whether the devices
// are needed.
func (c *Call) Busy() bool { return c.count(false) > 0 || c.Ringing() }

// count returns how many phones stand by, or how many do more than that.
func (c *Call) count(standingBy bool) int {
	n := 0
	for _, l := range c.links {
		if (l.role == standby) == standingBy {
			n++
		}
	}
	return n
}

// full reports whether no further phone may ring, look or talk.
func (c *Call) full() bool { return c.count(false) >= c.capacity() }

// Visit returns the id of the running visit, or "".
func (c *Call) Visit() string {
	if c.visit == nil {
		return ""
	}
	return c.visit.id
}

func (c *Call) find(id PeerID) *link {
	for _, l := range c.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (c *Call) lookup(name, call string) *link {
	for _, l := range c.links {
		if l.name == name && l.call == call {
			return l
		}
	}
	return nil
}

// add makes a link; the commands that use it come from the caller.
func (c *Call) add(name, call string, r role) *link {
	c.next++
	l := &link{id: c.next, name: name, call: call, role: r}
	c.links = append(c.links, l)
	return l
}

func (c *Call) remove(l *link) {
	c.links = slices.DeleteFunc(c.links, func(other *link) bool { return other == l })
}

// drop removes the link and returns the command that closes its connection. An
// empty reason closes it without a word to the phone.
func (c *Call) drop(l *link, reason, by string) Command {
	c.remove(l)
	return Close{Peer: l.id, Reason: reason, By: by}
}

// wants reports whether the phone of that name is to ring.
func (c *Call) wants(name string) bool {
	if c.visit.declined[name] {
		return false
	}
	return len(c.options.RingTo) == 0 || slices.Contains(c.options.RingTo, name)
}

// ring makes the offer of the running visit to one phone, or tells it where it
// has a connection already.
func (c *Call) ring(name string) []Command {
	if !c.wants(name) {
		return nil
	}
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		switch {
		case l.name != name, l.role == standby && c.full():
		case l.role == standby && l.connected:
			l.role, l.kept = ringing, true
			return []Command{Show{Peer: l.id}, Press{Peer: l.id, Ring: true, Visit: c.visit.id}}
		case l.role == standby: // not ready: an ordinary ring is as quick
			commands = append(commands, c.drop(l, "", ""))
		case l.role == viewing && !l.alerted:
			l.alerted = true
			return []Command{Press{Peer: l.id, Ring: true, Visit: c.visit.id}}
		default:
			return nil
		}
	}
	if c.full() {
		return commands
	}
	l := c.add(name, c.visit.id, ringing)
	return append(commands, Offer{Peer: l.id, Name: name, Call: l.call})
}

func (c *Call) capacity() int {
	if c.solo {
		return 1
	}
	return c.options.MaxPeers
}

// candidates returns the phones that a press rings, in a fixed order.
func (c *Call) candidates() []string {
	if c.solo { // such a relay doesn't tell who is here: the first of the list
		return c.options.RingTo[:min(1, len(c.options.RingTo))]
	}
	names := make([]string, 0, len(c.here))
	for name := range c.here {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// endRinging closes every connection that only rang, and tells those who look
// that the ring is over. The visit itself is left to the caller.
func (c *Call) endRinging(reason, by string) []Command {
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		switch {
		case l.role == ringing:
			commands = append(commands, c.drop(l, reason, by))
		case l.role == viewing && l.alerted:
			l.alerted = false
			commands = append(commands, Press{Peer: l.id, Reason: reason, By: by})
		}
	}
	return append(commands, StopTimer{})
}

// end closes the visit as it came out.
func (c *Call) end(outcome, by string) Command {
	ended := Ended{Call: c.visit.id, Outcome: outcome, By: by, Pressed: c.visit.pressed}
	c.visit = nil
	return ended
}

// settle ends a ringing visit that nobody can accept any more because all who
// were asked have declined.
func (c *Call) settle() []Command {
	if !c.Ringing() || len(c.visit.declined) == 0 {
		return nil
	}
	for _, l := range c.links {
		if l.role == ringing || l.alerted {
			return nil
		}
	}
	if c.solo {
		return append(c.endRinging(ReasonDeclined, ""), c.end(ReasonDeclined, ""))
	}
	for name := range c.here {
		if c.wants(name) {
			return nil // still reachable: it went and may ring again
		}
	}
	return append(c.endRinging(ReasonDeclined, ""), c.end(ReasonDeclined, ""))
}
