package rtc

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	// ratePeriod is how often the picture's bit rate is fitted to the phones.
	ratePeriod = 500 * time.Millisecond
	// rateFirst is what a phone's network is taken for until it shows otherwise,
	// bit/s: more than a picture takes, so that it is as good as it can be at once.
	rateFirst = 8_000_000
	// rateFloor is the lowest bit rate that all phones are brought down to for the
	// weakest, bit/s. Where others watch too, a phone for which that is too much for
	// starveTime sees key frames alone, and comes back from that with rateReturn.
	rateFloor  = 120_000
	rateReturn = 180_000
	starveTime = 3 * time.Second
	// crowdedLoss is the share of packets lost from which on what is sent is too much
	// (draft-ietf-rmcat-gcc-02 section 6), and crowdedTime how long a sign of that counts.
	crowdedLoss = 0.1
	crowdedTime = 3 * ratePeriod
	// rateSound is kept free for sound, with its headers, bit/s.
	rateSound = 40_000
	// rateShare is the share of what a network carries that is used.
	rateShare = 0.95
	// starvedKeys is how often a phone that gets key frames alone gets one.
	starvedKeys = 2 * time.Second
)

// estimators hands each new connection its estimate of what its network carries
// (draft-ietf-rmcat-gcc-02, by pion).
type estimators struct {
	mu     sync.Mutex // held while a connection is made
	newest cc.BandwidthEstimator
}

// register adds transport-wide congestion control
// (draft-holmer-rmcat-transport-wide-cc-extensions-01) to what connections do.
func (e *estimators) register(media *webrtc.MediaEngine, registry *interceptor.Registry) error {
	factory, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(gcc.SendSideBWEInitialBitrate(rateFirst), gcc.SendSideBWEPacer(&atOnce{}))
	})
	if err != nil {
		return fmt.Errorf("setting up congestion control: %w", err)
	}
	factory.OnNewPeerConnection(func(_ string, estimator cc.BandwidthEstimator) { e.newest = estimator })
	registry.Add(picturesOnly{factory})
	numbers, err := twcc.NewHeaderExtensionInterceptor()
	if err == nil {
		registry.Add(numbers)
		err = media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}, webrtc.RTPCodecTypeVideo)
	}
	if err != nil {
		return fmt.Errorf("setting up transport-wide sequence numbers: %w", err)
	}
	return nil
}

// picturesOnly keeps sound out of congestion control: its rate is not fitted to
// anything, and half of all packets are its.
type picturesOnly struct{ interceptor.Factory }

// NewInterceptor makes the connection's ([interceptor.Factory]).
func (f picturesOnly) NewInterceptor(id string) (interceptor.Interceptor, error) {
	made, err := f.Factory.NewInterceptor(id)
	return uncountedSound{made}, err
}

type uncountedSound struct{ interceptor.Interceptor }

// BindLocalStream leaves sound as it is ([interceptor.Interceptor]).
func (i uncountedSound) BindLocalStream(info *interceptor.StreamInfo, writer interceptor.RTPWriter) interceptor.RTPWriter {
	if strings.HasPrefix(info.MimeType, "audio/") {
		return writer
	}
	return i.Interceptor.BindLocalStream(info, writer)
}

// atOnce is a pacer that sends pictures as they come: waiting would only add to the
// delay. Unlike pion's own it lets retransmissions through, which have a stream of
// their own (RFC 4588) that pion doesn't announce.
type atOnce struct {
	mu      sync.Mutex
	streams map[uint32]interceptor.RTPWriter
	any     interceptor.RTPWriter
}

var _ gcc.Pacer = (*atOnce)(nil)

// AddStream lets a stream be sent ([gcc.Pacer]).
func (a *atOnce) AddStream(ssrc uint32, writer interceptor.RTPWriter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.streams == nil {
		a.streams, a.any = map[uint32]interceptor.RTPWriter{}, writer
	}
	a.streams[ssrc] = writer
}

// Write sends a packet ([interceptor.RTPWriter]).
func (a *atOnce) Write(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	a.mu.Lock()
	writer := a.streams[header.SSRC]
	if writer == nil { // all of them end at the same transport
		writer = a.any
	}
	a.mu.Unlock()
	if writer == nil {
		return 0, io.ErrClosedPipe
	}
	return writer.Write(header, payload, attributes)
}

// SetTargetBitrate does nothing ([gcc.Pacer]).
func (*atOnce) SetTargetBitrate(int) {}

// Close does nothing ([gcc.Pacer]).
func (*atOnce) Close() error { return nil }

// connect makes a peer connection, and returns it with its estimator.
func (n *network) connect() (*webrtc.PeerConnection, cc.BandwidthEstimator, error) {
	n.estimators.mu.Lock()
	defer n.estimators.mu.Unlock()
	pc, err := n.api.NewPeerConnection(n.config)
	return pc, n.estimators.newest, err
}

// watching tells whether picture and sound flow to the phone.
func (p *peer) watching() bool { return p.connected && p.shown.Load() }

// signs are what is known of the phone's network; not ok where that is nothing.
func (p *peer) signs() (found signs, ok bool) {
	e := p.estimator.Load()
	if e == nil || !p.video.measured() {
		return found, false
	}
	stats := (*e).GetStats()
	found.estimate = (*e).GetTargetBitrate()
	found.sent, found.starved = p.video.sentRate()
	found.late = stats["usage"] == "overuse"
	found.lost, _ = stats["averageLoss"].(float64)
	return found, true
}

// crowded tells whether what is sent is too much for the phone's network. A low
// estimate alone doesn't tell that (see [bandwidth]).
func (s signs) crowded() bool { return s.late || s.lost > crowdedLoss }

// starves decides whether a phone with so much for its picture (bit/s) sees key
// frames alone, and sees to it that there are some. While no picture flows, nothing is
// learnt of the network.
func (d *Door) starves(p *peer, rate int, crowded, flows bool) bool {
	now := time.Now()
	if flows && rate < rateFloor && crowded {
		p.strained = now
	}
	if !flows || rate >= rateFloor || now.Sub(p.strained) > crowdedTime {
		p.weak = time.Time{}
	} else if p.weak.IsZero() {
		p.weak = now
	}
	starved := p.video.starve(!p.weak.IsZero() && now.Sub(p.weak) >= starveTime, rate > rateReturn)
	if starved && now.Sub(p.keyed) >= starvedKeys {
		p.keyed = now
		p.video.wantKey()
	}
	return starved
}

// fitRate fits the bit rate of each picture.
func (d *Door) fitRate() {
	for _, one := range []*picture{d.h264, d.vp8} {
		if one.source != nil {
			d.fitRateOf(one)
		}
	}
}

// fitRateOf brings a picture to the weakest phone that watches it, down to the floor;
// a phone that gets less than that must not spoil the picture of the others.
func (d *Door) fitRateOf(one *picture) {
	var watching []*peer
	for _, p := range d.peers {
		if p.watching() && p.video.sends(one.fanout) {
			watching = append(watching, p)
		}
	}
	flows := one.fanout.flows()
	lowest := 0 // no limit
	for _, p := range watching {
		signs, ok := p.signs()
		if !ok {
			continue
		}
		rate := pictureRate(p.bandwidth.update(time.Now(), signs))
		if len(watching) > 1 && d.starves(p, rate, signs.crowded(), flows) {
			continue
		}
		if len(watching) == 1 {
			p.video.starve(false, true)
		}
		if lowest == 0 || rate < lowest {
			lowest = rate
		}
	}
	if lowest != 0 {
		lowest = max(lowest, rateFloor)
	}
	if lowest != one.limit {
		one.limit = lowest
		one.source.SetBitRate(lowest)
	}
}
