package rtc

import (
	"slices"
	"time"
)

// Event is something that happened to the door.
type Event interface {
	apply(*Call) []Command
}

// Pressed is a press of the button. Call is a fresh id for the visit that it
// may start.
type Pressed struct {
	Call string
	At   time.Time
}

func (e Pressed) apply(c *Call) []Command {
	if c.visit == nil {
		return c.begin(e)
	}
	if l := c.find(c.visit.by); c.visit.taken && l != nil && l.away { // there is nobody to show it to
		return append(c.lose(l, ""), c.begin(e)...)
	}
	var commands []Command
	for _, l := range c.links {
		if !c.visit.taken && (l.role == ringing || l.alerted) {
			commands = append(commands, Press{Peer: l.id, Ring: true, Visit: c.visit.id})
		}
		if c.visit.taken && l.role != standby {
			commands = append(commands, Press{Peer: l.id})
		}
	}
	if c.visit.taken {
		return commands
	}
	return append(commands, StartTimer{Call: c.visit.id})
}

func (c *Call) begin(e Pressed) []Command {
	c.visit = &visit{id: e.Call, pressed: e.At, declined: map[string]bool{}}
	commands := []Command{Began{Call: e.Call}, StartTimer{Call: e.Call}}
	for _, name := range c.candidates() {
		commands = append(commands, c.ring(name)...)
	}
	return commands
}

// Appeared says that a phone has logged in.
type Appeared struct{ Name string }

func (e Appeared) apply(c *Call) []Command {
	c.here[e.Name] = true
	if !c.Ringing() {
		return nil
	}
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		if l.name == e.Name && l.role == ringing { // its page was loaded anew: the old offer is lost
			commands = append(commands, c.drop(l, "", ""))
		}
	}
	return append(commands, c.ring(e.Name)...)
}

// Disappeared says that a phone has gone from the relay. Media that flows goes
// on: only the signaling is known to be away. A connection kept ready is none
// any more, since its phone can't be told of a press.
type Disappeared struct{ Name string }

func (e Disappeared) apply(c *Call) []Command {
	delete(c.here, e.Name)
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		if l.name == e.Name && (l.role == ringing || l.role == standby || !l.connected) {
			commands = append(commands, c.lose(l, "")...)
		}
	}
	return append(commands, c.settle()...)
}

// Relay says what kind of relay the door has logged in to, after each log-in.
type Relay struct {
	// Solo: the base dialect, which allows one connection at a time.
	Solo bool
}

func (e Relay) apply(c *Call) []Command {
	c.solo = e.Solo
	if !c.solo || !c.Ringing() {
		return nil
	}
	var commands []Command
	for _, name := range c.candidates() {
		commands = append(commands, c.ring(name)...)
	}
	return commands
}

// Offered is an offer that a phone made. Same says that it continues the
// connection that already has this name and call id (an ICE restart), and isn't
// a page that was loaded anew. Standby says that the phone wants the connection
// kept ready; without it, it wants to look, through a connection kept ready if it
// is the Same.
type Offered struct {
	Name, Call    string
	Same, Standby bool
}

func (e Offered) apply(c *Call) []Command {
	old := c.lookup(e.Name, e.Call)
	switch {
	case e.Standby:
		return c.keep(old, e)
	case old != nil && e.Same && old.role == standby:
		return c.look(old)
	case old != nil && e.Same:
		return []Command{Renegotiate{Peer: old.id}}
	case old != nil:
		return c.replace(old, e)
	}
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		if l.name == e.Name { // one phone, one connection: the phone's own offer wins
			commands = append(commands, c.supersede(l)...)
		}
	}
	if c.full() {
		return append(commands, e.refuse(ReasonBusy))
	}
	l := c.add(e.Name, e.Call, viewing)
	commands = append(commands, Answer{Peer: l.id, Name: e.Name, Call: e.Call}, Talk{Peer: l.id, On: true})
	if c.Ringing() {
		commands = append(commands, c.ring(e.Name)...)
	}
	return commands
}

func (e Offered) refuse(reason string) Command {
	return Refuse{Name: e.Name, Call: e.Call, Reason: reason, Standby: e.Standby}
}

// supersede closes a link because its phone has made an offer of its own.
func (c *Call) supersede(l *link) []Command {
	if l.role == talking {
		return append([]Command{c.drop(l, ReasonHangup, "")}, c.end(ReasonHangup, l.name))
	}
	switch l.role {
	case ringing:
		return []Command{c.drop(l, ReasonAnswered, l.name)}
	case standby: // the phone has forgotten it
		return []Command{c.drop(l, "", "")}
	}
	return []Command{c.drop(l, ReasonHangup, "")}
}

// replace gives a page that was loaded anew its place in the call back.
func (c *Call) replace(old *link, e Offered) []Command {
	c.remove(old)
	r := old.role
	if r == ringing || r == standby { // the phone answered the ring with an offer: it looks, and rings
		r = viewing
	}
	l := c.add(e.Name, e.Call, r)
	l.alerted = old.alerted
	if r == talking {
		c.visit.by = l.id
	}
	commands := []Command{Close{Peer: old.id}, Answer{Peer: l.id, Name: e.Name, Call: e.Call}, Talk{Peer: l.id, On: true}}
	switch {
	case l.alerted:
		commands = append(commands, Press{Peer: l.id, Ring: true, Visit: c.visit.id})
	case c.Ringing():
		commands = append(commands, c.ring(e.Name)...)
	}
	return commands
}

// Accepted says that a person took the visit on that phone.
type Accepted struct{ Peer PeerID }

func (e Accepted) apply(c *Call) []Command {
	l := c.find(e.Peer)
	if l == nil || !c.Ringing() || !(l.role == ringing || l.alerted) {
		return nil
	}
	l.role, l.alerted = talking, false
	c.visit.taken, c.visit.by = true, l.id
	return append([]Command{Talk{Peer: l.id, On: true}}, c.endRinging(ReasonAnswered, l.name)...)
}

// Connected says that media flows.
type Connected struct{ Peer PeerID }

func (e Connected) apply(c *Call) []Command {
	if l := c.find(e.Peer); l != nil {
		l.connected = true
	}
	return nil
}

// Away says that the phone closed the media without a leave, as a page does that
// is loaded anew. The link stays for it to come back, until Failed.
type Away struct{ Peer PeerID }

func (e Away) apply(c *Call) []Command {
	l := c.find(e.Peer)
	if l != nil && l.role == standby {
		return []Command{c.drop(l, "", "")}
	}
	if l != nil {
		l.away = true
	}
	return nil
}

// Interrupted says that nothing has been heard from the phone for a while. Until it
// is Connected again, a connection kept ready isn't.
type Interrupted struct{ Peer PeerID }

func (e Interrupted) apply(c *Call) []Command {
	if l := c.find(e.Peer); l != nil && l.role == standby {
		l.connected = false
	}
	return nil
}

// Left is a leave from the phone.
type Left struct {
	Peer   PeerID
	Reason string
}

func (e Left) apply(c *Call) []Command {
	l := c.find(e.Peer)
	switch {
	case l == nil:
		return nil
	case l.role == standby:
		return []Command{c.drop(l, "", "")}
	case e.Reason == ReasonGone && l.connected && l.role != ringing:
		return nil // its signaling is away; the media decides
	case l.role == ringing && l.kept && e.Reason == ReasonBusy: // the press and its leave of the standby crossed
		return append([]Command{c.drop(l, "", "")}, c.ring(l.name)...)
	}
	if (l.role == ringing || l.alerted) && e.Reason != ReasonGone && e.Reason != ReasonRevoked {
		c.visit.declined[l.name] = true
	}
	return append(c.lose(l, ""), c.settle()...)
}

// Failed says that the media connection could not be made or is lost for good.
type Failed struct{ Peer PeerID }

func (e Failed) apply(c *Call) []Command {
	l := c.find(e.Peer)
	if l == nil {
		return nil
	}
	return append(c.lose(l, ReasonFailed), c.settle()...)
}

// lose removes a link and ends the visit if it was the one that talked.
func (c *Call) lose(l *link, reason string) []Command {
	commands := []Command{c.drop(l, reason, "")}
	if l.role == talking {
		commands = append(commands, c.end(ReasonHangup, l.name))
	}
	return commands
}

// TimedOut says that nobody has accepted within the ring's time.
type TimedOut struct{ Call string }

func (e TimedOut) apply(c *Call) []Command {
	if !c.Ringing() || c.visit.id != e.Call {
		return nil
	}
	return append(c.endRinging(ReasonMissed, ""), c.end(ReasonMissed, ""))
}

// HungUp ends the ring or the call and every look at the door, from the
// appliance's own side.
type HungUp struct {
	// Reason is told to the phones.
	Reason string
}

func (e HungUp) apply(c *Call) []Command {
	var commands []Command
	if c.Ringing() {
		commands = append(commands, c.endRinging(e.Reason, "")...)
	}
	if c.visit != nil {
		by := ""
		if l := c.find(c.visit.by); l != nil {
			by = l.name
		}
		commands = append(commands, c.end(e.Reason, by))
	}
	for _, l := range slices.Clone(c.links) {
		if l.role != standby {
			commands = append(commands, c.drop(l, e.Reason, ""))
		}
	}
	return commands
}

// Closed is HungUp with nothing after it: the door goes away.
type Closed struct{}

func (Closed) apply(c *Call) []Command {
	commands := HungUp{Reason: ReasonShutdown}.apply(c)
	for _, l := range slices.Clone(c.links) {
		commands = append(commands, c.drop(l, ReasonShutdown, ""))
	}
	c.closed = true
	return commands
}
