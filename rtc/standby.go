package rtc

import "slices"

// A phone whose page is open keeps a connection ready: offer, answer, ICE and DTLS
// are done, and nothing but consent checks flows (RFC 7675). A press then needs one
// message, and the picture is one key frame away; so does a look at the door.

// keep answers an offer of a connection that is to be kept ready. A phone has one,
// and none beside a call.
func (c *Call) keep(old *link, e Offered) []Command {
	if old != nil && old.role == standby && e.Same {
		return []Command{Renegotiate{Peer: old.id}}
	}
	var commands []Command
	for _, l := range slices.Clone(c.links) {
		switch {
		case l.name != e.Name:
		case l.role == standby:
			commands = append(commands, c.drop(l, "", ""))
		default:
			return append(commands, e.refuse(ReasonBusy))
		}
	}
	switch {
	case c.solo || c.options.NoStandby:
		return append(commands, e.refuse(ReasonDeclined))
	case c.count(true) >= c.options.MaxPeers:
		return append(commands, e.refuse(ReasonBusy))
	}
	l := c.add(e.Name, e.Call, standby)
	return append(commands, Answer{Peer: l.id, Name: l.name, Call: l.call, Standby: true})
}

// look lets the phone look through the connection that it kept ready.
func (c *Call) look(l *link) []Command {
	if c.full() {
		return []Command{c.drop(l, ReasonBusy, "")}
	}
	l.role = viewing
	commands := []Command{Show{Peer: l.id}, Renegotiate{Peer: l.id}, Talk{Peer: l.id, On: true}}
	if c.Ringing() {
		commands = append(commands, c.ring(l.name)...)
	}
	return commands
}
