package rtc

import (
	"math"
	"time"

	"github.com/pion/rtcp"
)

const (
	// playoutMost is how long a phone may keep pictures back where packets are lost, in
	// 10 ms: time for a packet to be sent again before the next picture is shown.
	playoutMost = 40
	// playoutBurst is how many packets have to be missed at once to give phones that time.
	// A single one has to be followed by another, playoutAgain later at least: of a
	// network that lost one packet nothing is known yet.
	playoutBurst = 5
	playoutAgain = 500 * time.Millisecond
	// playoutCalm is how long nothing must be lost for pictures to be shown at once again.
	playoutCalm = 10 * time.Second
)

// playout decides whether a phone may keep pictures back. It is pure: time comes in as
// arguments. The zero value doesn't let it.
type playout struct {
	first time.Time // of the losses that belong together
	last  time.Time // of these; zero: there are none
	wide  bool      // the phone may
}

// missed takes note of so many packets that did not come.
func (p *playout) missed(n int, now time.Time) {
	p.settle(now)
	if p.last.IsZero() {
		p.first = now
	}
	p.last = now
	p.wide = p.wide || n >= playoutBurst || now.Sub(p.first) >= playoutAgain
}

// settle forgets losses that are long ago.
func (p *playout) settle(now time.Time) {
	if !p.last.IsZero() && now.Sub(p.last) >= playoutCalm {
		*p = playout{}
	}
}

// The playout-delay extension's content: 12 bits each of least and most delay, in 10 ms.
var (
	playoutAtOnce = []byte{0, 0, 0}
	playoutWide   = []byte{0, playoutMost >> 8, playoutMost & 0xff}
)

// extension is the playout-delay extension's content, to be read only.
func (p *playout) extension(now time.Time) []byte {
	if p.settle(now); p.wide {
		return playoutWide
	}
	return playoutAtOnce
}

// reported takes in what the phone reports of this outlet's packets.
func (o *outlet) reported(packet rtcp.Packet, now time.Time) {
	defer o.lock()()
	switch packet := packet.(type) {
	case *rtcp.ReceiverReport:
		o.received(packet.Reports, now)
	case *rtcp.SenderReport:
		o.received(packet.Reports, now)
	case *rtcp.TransportLayerNack:
		n := 0
		for _, pair := range packet.Nacks {
			n += len(pair.PacketList())
		}
		if packet.MediaSSRC == o.header.SSRC && n > 0 {
			o.delay.missed(n, now)
		}
	}
}

// received looks for the share of lost packets in reports (RFC 3550 section 6.4.1). It
// is of the packets since the report before, a few seconds at most, so that a low one is
// believed step by step. The caller holds the fanout's mu.
func (o *outlet) received(reports []rtcp.ReceptionReport, now time.Time) {
	for _, r := range reports {
		if r.SSRC != o.header.SSRC {
			continue
		}
		if r.FractionLost > 0 {
			o.delay.missed(1, now)
		}
		o.lost = max(float64(r.FractionLost)/256, o.lost/2)
	}
}

// loss is the share of this outlet's packets that the phone misses, in percent.
func (o *outlet) loss() int {
	defer o.lock()()
	return int(math.Round(100 * o.lost))
}

// fitLoss has the sound carry copies for the phone that misses most of it.
func (d *Door) fitLoss() {
	if d.options.Audio == nil {
		return
	}
	most := 0
	for _, p := range d.peers {
		if p.connected {
			most = max(most, p.audio.loss())
		}
	}
	if most != d.loss {
		d.loss = most
		d.options.Audio.SetLoss(most)
	}
}
