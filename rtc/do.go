package rtc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pion/webrtc/v4"

	"doorbell/signaling"
)

// do carries out one command of the call.
func (d *Door) do(command Command) {
	switch c := command.(type) {
	case Offer:
		p := d.open(c.Peer, c.Name, c.Call)
		p.shown.Store(true)
		p.work.put(p.offer)
	case Answer:
		p := d.open(c.Peer, c.Name, c.Call)
		p.shown.Store(!c.Standby)
		d.answer(p)
	case Show:
		d.show(c)
	case Renegotiate:
		if p := d.peers[c.Peer]; p != nil {
			d.answer(p)
		}
	case Refuse:
		level := slog.LevelWarn
		if c.Standby {
			level = slog.LevelDebug
		}
		d.log.Log(d.ctx, level, "turned a phone away", "phone", c.Name, "reason", c.Reason, "standby", c.Standby)
		_ = d.send(signaling.Message{Type: signaling.TypeLeave, Name: c.Name, Call: c.Call, Reason: c.Reason})
	case Talk:
		if p := d.peers[c.Peer]; p != nil {
			p.talk.Store(c.On)
		}
	case Press:
		if p := d.peers[c.Peer]; p != nil {
			_ = d.send(signaling.Message{
				Type: signaling.TypePress, Name: p.name, Call: p.call, Ring: c.Ring, Reason: c.Reason, By: c.By, Visit: c.Visit,
			})
		}
	case Close:
		d.close(c)
	case StartTimer:
		d.timed = c.Call
		d.timer.Reset(d.options.RingTimeout)
	case StopTimer:
		d.timer.Stop()
	case Began:
		d.log.Info("the button was pressed", "visit", c.Call, "phones", len(d.call.here))
	case Ended:
		d.log.Info("the visit is over", "visit", c.Call, "outcome", c.Outcome, "by", c.By)
		if d.options.Visit != nil {
			d.options.Visit(c)
		}
	}
}

// show lets picture and sound flow to a phone that stood by.
func (d *Door) show(c Show) {
	p := d.peers[c.Peer]
	if p == nil {
		return
	}
	p.shown.Store(true)
	p.work.put(p.flow)
	p.log.Info("phone connected", "standby", true)
	if d.unwell() {
		d.tellStatus(p)
	}
}

// open makes a peer and starts its goroutine.
func (d *Door) open(id PeerID, name, call string) *peer {
	log := d.log.With("phone", name, "call", call)
	if visit := d.call.Visit(); visit != "" {
		log = log.With("visit", visit)
	}
	p := &peer{
		id: id, name: name, call: call,
		network: d.network,
		join:    d.options.Join,
		post:    func(n note) { d.mail.put(n) },
		log:     log,
		work:    newQueue[func() error](),
		video:   newOutlet(d.choices()...),
		audio:   newOutlet(d.audio),
	}
	ctx, cancel := context.WithCancel(d.ctx)
	d.peers[id], d.stops[id] = p, cancel
	d.running.Go(func() { p.run(ctx) })
	log.Debug("connection opened")
	return p
}

// answer lets the peer answer the offer that is being handled.
func (d *Door) answer(p *peer) {
	offer, err := parseDescription(d.offer.Offer, webrtc.SDPTypeOffer)
	if err != nil {
		d.mail.put(peerFailed{p, err})
		return
	}
	p.fingerprint = fingerprintOf(offer.SDP)
	exchange := d.offer.Exchange
	p.work.put(func() error { return p.answer(offer, exchange) })
}

// close ends a peer; its goroutine closes the connection behind the loop's back.
func (d *Door) close(c Close) {
	p := d.peers[c.Peer]
	if p == nil {
		return
	}
	delete(d.peers, c.Peer)
	d.stops[c.Peer]()
	delete(d.stops, c.Peer)
	if p.away != nil {
		p.away.Stop()
	}
	level := slog.LevelInfo
	if !p.shown.Load() {
		level = slog.LevelDebug
	}
	p.log.Log(d.ctx, level, "connection closed", "reason", c.Reason, "by", c.By)
	if c.Reason == "" {
		return
	}
	m := signaling.Message{Type: signaling.TypeLeave, Name: p.name, Call: p.call, Reason: c.Reason, By: c.By}
	if p.failure != nil {
		m.Message = fmt.Sprintf("%v", p.failure)
		if errors.Is(p.failure, errNoH264) {
			m.Reason = ReasonCodec
		}
	}
	_ = d.send(m)
}
