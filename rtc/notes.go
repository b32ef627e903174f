package rtc

import (
	"errors"
	"time"

	"github.com/pion/webrtc/v4"

	"doorbell/signaling"
)

type (
	pressed       struct{ at time.Time }
	hungUp        struct{}
	deviceChanged struct {
		name  string
		state DeviceState
	}
	peerHolds     struct{ peer *peer }
	peerDescribed struct {
		peer        *peer
		description webrtc.SessionDescription
		exchange    string // id of the phone's offer that is answered
	}
	peerCandidate struct {
		peer      *peer
		candidate webrtc.ICECandidateInit
	}
	peerConnected   struct{ peer *peer }
	peerInterrupted struct{ peer *peer }
	peerAway        struct{ peer *peer }
	peerFailed      struct {
		peer *peer
		err  error
	}
)

func (n pressed) handle(d *Door) {
	d.chime(false)
	d.handle(Pressed{Call: newCallID(), At: n.at})
}

func (hungUp) handle(d *Door) { d.handle(HungUp{Reason: ReasonHangup}) }

// handle tells the phones what the device does, where it is worth telling.
func (n deviceChanged) handle(d *Door) {
	if d.devices[n.name] == n.state {
		return
	}
	d.devices[n.name] = n.state
	d.log.Debug("device", "device", n.name, "state", n.state)
	if n.state == DeviceIdle {
		return
	}
	for _, p := range d.peers {
		if p.described && p.shown.Load() {
			d.tellStatus(p)
		}
	}
}

// tellStatus says what the door's devices do; an idle one is about to work.
func (d *Door) tellStatus(p *peer) {
	state := func(name string) string {
		if d.devices[name] == DeviceIdle {
			return string(DeviceOK)
		}
		return string(d.devices[name])
	}
	_ = d.send(signaling.Message{
		Type: signaling.TypeStatus, Name: p.name, Call: p.call,
		Camera: state(camera), Microphone: state(microphone), Speaker: state(speaker), Button: state(button),
	})
}

// handle keeps candidates back until the description that they belong to is sent.
func (n peerHolds) handle(*Door) { n.peer.holding = true }

// handle sends the door's own offer or answer to the phone.
func (n peerDescribed) handle(d *Door) {
	if d.peers[n.peer.id] == nil {
		return
	}
	m := signaling.Message{Name: n.peer.name, Call: n.peer.call}
	n.description.SDP = soundWishes(n.description.SDP, d.options.SoundPacket)
	if n.description.Type == webrtc.SDPTypeOffer {
		m.Type, m.Offer, m.Ring = signaling.TypeOffer, mustJSON(n.description), true
	} else {
		m.Type, m.Answer, m.Exchange = signaling.TypeAnswer, mustJSON(n.description), n.exchange
		m.Standby = !n.peer.shown.Load()
	}
	if err := d.send(m); err != nil {
		d.handle(Failed{Peer: n.peer.id})
		return
	}
	n.peer.described, n.peer.holding = true, false
	d.demand()
	n.peer.log.Debug("description sent", "type", n.description.Type)
	for _, candidate := range n.peer.found {
		d.sendCandidate(n.peer, candidate)
	}
	n.peer.found = nil
	if n.peer.shown.Load() && d.unwell() {
		d.tellStatus(n.peer)
	}
}

// unwell reports whether a phone has to be told of a device.
func (d *Door) unwell() bool {
	for _, state := range d.devices {
		if state == DeviceLost || state == DeviceNone {
			return true
		}
	}
	return false
}

// handle sends a way to the door; the description goes first.
func (n peerCandidate) handle(d *Door) {
	switch {
	case d.peers[n.peer.id] == nil:
	case n.peer.described && !n.peer.holding:
		d.sendCandidate(n.peer, n.candidate)
	default:
		n.peer.found = append(n.peer.found, n.candidate)
	}
}

func (d *Door) sendCandidate(p *peer, candidate webrtc.ICECandidateInit) {
	_ = d.send(signaling.Message{Type: signaling.TypeCandidate, Name: p.name, Call: p.call, Candidate: mustJSON(candidate)})
}

func (n peerConnected) handle(d *Door) {
	if d.peers[n.peer.id] == nil {
		return
	}
	if !n.peer.connected {
		n.peer.connected = true
		if n.peer.shown.Load() {
			n.peer.log.Info("phone connected")
		} else {
			n.peer.log.Debug("phone stands by")
		}
	}
	d.handle(Connected{Peer: n.peer.id})
}

func (n peerInterrupted) handle(d *Door) { d.handle(Interrupted{Peer: n.peer.id}) }

// awayTime is how long a phone that closed its media without a leave may take to
// come back: a page that is loaded anew takes about a second.
const awayTime = 6 * time.Second

var errAway = errors.New("the phone closed the media connection and did not come back")

func (n peerAway) handle(d *Door) {
	if d.peers[n.peer.id] == nil || n.peer.away != nil {
		return
	}
	n.peer.log.Debug("the phone closed the media connection")
	n.peer.away = time.AfterFunc(awayTime, func() { d.mail.put(peerFailed{n.peer, errAway}) })
	d.handle(Away{Peer: n.peer.id})
}

func (n peerFailed) handle(d *Door) {
	if d.peers[n.peer.id] == nil {
		return
	}
	n.peer.failure = n.err
	n.peer.log.Warn("connection to the phone failed", "error", n.err)
	d.handle(Failed{Peer: n.peer.id})
}

// relayDown is the loss of the relay.
type relayDown struct{ err error }

func (n relayDown) handle(d *Door) {
	if d.online {
		d.log.Warn("the relay is lost; calls go on, and it is tried again", "error", n.err)
	}
	d.online = false
}
