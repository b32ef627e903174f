package rtc

import (
	"encoding/json"

	"github.com/pion/webrtc/v4"

	"doorbell/signaling"
)

// received is a message from the relay.
type received struct{ message signaling.Message }

func (n received) handle(d *Door) {
	m := n.message
	switch m.Type {
	case signaling.TypeLogin:
		d.loggedIn(m)
	case signaling.TypePresence:
		d.presence(m)
	case signaling.TypeOffer:
		d.offered(m)
	case signaling.TypeAnswer:
		d.answered(m)
	case signaling.TypeCandidate:
		d.candidate(m)
	case signaling.TypeAccept:
		if p := d.lookup(m); p != nil {
			d.handle(Accepted{Peer: p.id})
		}
	case signaling.TypeLeave:
		d.left(m)
	case signaling.TypeError:
		d.failed(m)
	}
}

// lookup finds the connection that a message is about. A base client names no
// call, a base relay no sender; then there is only one that it can be.
func (d *Door) lookup(m signaling.Message) *peer {
	var found *peer
	for _, p := range d.peers {
		switch {
		case m.Name != "" && p.name != m.Name, m.Call != "" && p.call != m.Call:
		case found != nil:
			return nil // ambiguous
		default:
			found = p
		}
	}
	return found
}

// left ends the call that a leave is about. A phone whose right has ended loses
// all that it has with the door.
func (d *Door) left(m signaling.Message) {
	if m.Reason == signaling.ReasonRevoked && m.Call == "" {
		for _, p := range d.peers { // a map may lose entries meanwhile
			if p.name == m.Name {
				d.handle(Left{Peer: p.id, Reason: m.Reason})
			}
		}
		return
	}
	if p := d.lookup(m); p != nil {
		d.handle(Left{Peer: p.id, Reason: m.Reason})
	}
}

func (d *Door) loggedIn(m signaling.Message) {
	if m.Success == nil || !*m.Success {
		d.log.Error("the relay does not let the door in; it is tried again", "reason", m.Reason, "message", m.Message,
			"hint", "another door may have this name: set name")
		return
	}
	d.online = true
	solo := m.Here == nil
	d.log.Info("logged in to the relay", "tells who is here", !solo)
	if solo && len(d.options.Call.RingTo) != 1 {
		d.log.Warn("this relay does not tell who is here, and takes one call at a time: a press rings only the first name in ring.to", "ring.to", d.options.Call.RingTo)
	}
	d.handle(Relay{Solo: solo})
	here := map[string]bool{}
	for _, peer := range m.Here {
		if peer.Kind != "door" {
			here[peer.Name] = true
		}
	}
	for name := range d.call.here {
		if !here[name] {
			d.handle(Disappeared{Name: name})
		}
	}
	for name := range here {
		d.handle(Appeared{Name: name})
	}
}

func (d *Door) presence(m signaling.Message) {
	switch {
	case m.Kind == "door" || m.Present == nil:
	case *m.Present:
		d.handle(Appeared{Name: m.Name})
	default:
		d.handle(Disappeared{Name: m.Name})
	}
}

func (d *Door) offered(m signaling.Message) {
	d.offer = &m
	defer func() { d.offer = nil }()
	event := Offered{Name: m.Name, Call: m.Call, Standby: m.Standby}
	if offer, err := parseDescription(m.Offer, webrtc.SDPTypeOffer); err == nil {
		for _, p := range d.peers {
			if p.name == m.Name && p.call == m.Call {
				event.Same = p.described && p.fingerprint == fingerprintOf(offer.SDP)
			}
		}
	}
	d.handle(event)
}

func (d *Door) answered(m signaling.Message) {
	p := d.lookup(m)
	if p == nil {
		return
	}
	answer, err := parseDescription(m.Answer, webrtc.SDPTypeAnswer)
	if err != nil {
		d.mail.put(peerFailed{p, err})
		return
	}
	p.fingerprint = fingerprintOf(answer.SDP)
	p.work.put(func() error { return p.setRemote(answer) })
	if !m.Preview {
		d.handle(Accepted{Peer: p.id})
	}
}

func (d *Door) candidate(m signaling.Message) {
	p := d.lookup(m)
	if p == nil {
		return
	}
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal(m.Candidate, &candidate); err != nil {
		p.log.Debug("leaving a candidate out", "error", err)
		return
	}
	p.work.put(func() error { return p.candidate(candidate) })
}

// failed hears that the relay could not pass something on.
func (d *Door) failed(m signaling.Message) {
	d.log.Debug("the relay refused a message", "code", m.Code, "about", m.About, "name", m.Name, "message", m.Message)
	if m.Code == "not-found" && m.About == signaling.TypeOffer {
		d.handle(Disappeared{Name: m.Name})
	}
}
