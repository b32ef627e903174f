package rtc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// peer is one phone's WebRTC connection. All that may take time runs in its own
// goroutine, one thing after another, so that a slow phone holds up nobody; what
// comes of it is posted to the [Door].
type peer struct {
	// Fixed after newPeer.
	id         PeerID
	name, call string
	network    *network
	join       JoinVoice
	post       func(note)
	log        *slog.Logger
	work       *queue[func() error]
	video      *outlet
	audio      *outlet

	talk      atomic.Bool                           // what the phone says may be heard
	shown     atomic.Bool                           // picture and sound may flow; not while the phone stands by
	estimator atomic.Pointer[cc.BandwidthEstimator] // of its network; nil until connect

	// Owned by the Door's loop.
	fingerprint string // of the phone's certificate, "" until it has described itself
	connected   bool
	described   bool                      // the phone has a description of the door's
	holding     bool                      // a further one is being made, and candidates wait for it
	found       []webrtc.ICECandidateInit // those that wait
	failure     error
	bandwidth   bandwidth   // what its network is taken to carry
	weak        time.Time   // since when its network carries less than the least picture; zero: it doesn't
	strained    time.Time   // when that was seen last
	keyed       time.Time   // when a key frame was last asked for since the phone gets nothing else
	away        *time.Timer // until the phone must be back; nil while it is here

	// Owned by run.
	pc         *webrtc.PeerConnection
	candidates []webrtc.ICECandidateInit // that came before the remote description
	named      int                       // how many candidates came since the last one
	up         bool                      // the connection has stood
	open       bool                      // the outlets send
	readers    sync.WaitGroup
}

// run does the peer's work until ctx ends, then closes the connection and waits
// for everything that it started.
func (p *peer) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.work.ready:
			for _, job := range p.work.take() {
				if err := job(); err != nil {
					p.post(peerFailed{p, err})
				}
			}
		}
	}
	p.close()
}

func (p *peer) close() {
	p.video.close()
	p.audio.close()
	if p.pc != nil {
		if err := p.pc.GracefulClose(); err != nil {
			p.log.Debug("closing the peer connection", "error", err)
		}
	}
	p.readers.Wait()
}

// connect makes the peer connection with its two tracks.
func (p *peer) connect() error {
	pc, estimator, err := p.network.connect()
	if err != nil {
		return fmt.Errorf("making a peer connection: %w", err)
	}
	p.pc = pc
	p.estimator.Store(&estimator)
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			p.post(peerCandidate{p, c.ToJSON()})
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		p.work.put(func() error { return p.changed(state) })
	})
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if remote.Kind() == webrtc.RTPCodecTypeAudio {
			p.work.put(func() error { p.readers.Go(func() { p.listen(remote) }); return nil })
		}
	})
	for o, direction := range map[*outlet]webrtc.RTPTransceiverDirection{
		p.video: webrtc.RTPTransceiverDirectionSendonly,
		p.audio: webrtc.RTPTransceiverDirectionSendrecv,
	} {
		transceiver, err := pc.AddTransceiverFromTrack(o, webrtc.RTPTransceiverInit{Direction: direction})
		if err != nil {
			return fmt.Errorf("adding the %s track: %w", o.Kind(), err)
		}
		p.readers.Go(func() { p.feedback(transceiver.Sender(), o) })
	}
	return nil
}

// changed follows the connection's state (W3C webrtc-pc, RTCPeerConnectionState).
func (p *peer) changed(state webrtc.PeerConnectionState) error {
	p.log.Debug("connection", "state", state)
	switch state {
	case webrtc.PeerConnectionStateConnected:
		p.up = true
		p.post(peerConnected{p})
		return p.flow()
	case webrtc.PeerConnectionStateDisconnected:
		p.post(peerInterrupted{p})
	case webrtc.PeerConnectionStateFailed:
		return errors.New("the media connection is lost")
	case webrtc.PeerConnectionStateClosed:
		p.video.close()
		p.audio.close()
		p.post(peerAway{p})
	}
	return nil
}

// flow lets picture and sound flow, once the connection stands and they may.
func (p *peer) flow() error {
	if p.up && p.shown.Load() && !p.open {
		p.open = true
		p.audio.open()
		p.video.open()
	}
	return nil
}

// feedback reads what the phone reports of a track. Reading also drives
// retransmission, which pion does on the way.
func (p *peer) feedback(sender *webrtc.RTPSender, o *outlet) {
	for failures := 0; ; {
		packets, _, err := sender.ReadRTCP()
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), failures >= mostBadReports:
			return
		default: // a report that makes no sense is no reason to hear no others
			failures++
			continue
		}
		for _, packet := range packets {
			o.reported(packet, time.Now())
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				o.wantKey()
			}
		}
	}
}

// mostBadReports bounds the reports in a row that can't be read.
const mostBadReports = 100

// listen passes on what the phone says, while it may be heard. The loudspeaker
// is joined with the first packet: a phone without a microphone sends none.
func (p *peer) listen(remote *webrtc.TrackRemote) {
	receive, leave := func(uint16, uint32, []byte) {}, func() {}
	joined := false
	defer func() { leave() }()
	for {
		packet, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		if !p.talk.Load() || len(packet.Payload) == 0 {
			continue
		}
		if !joined && p.join != nil {
			receive, leave = p.join()
			joined = true
		}
		receive(packet.SequenceNumber, packet.Timestamp, packet.Payload)
	}
}

// offer rings the phone.
func (p *peer) offer() error {
	if err := p.connect(); err != nil {
		return err
	}
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("making the offer: %w", err)
	}
	return p.describe(offer, "")
}

// answer answers an offer of the phone: the first one or, where the connection
// stands, a further one (an ICE restart). The exchange is the offer's id, by which
// the phone knows which of its offers is answered.
func (p *peer) answer(offer webrtc.SessionDescription, exchange string) error {
	if !p.video.takes(offer.SDP) {
		return errNoH264
	}
	if p.pc == nil {
		if err := p.connect(); err != nil {
			return err
		}
	}
	p.post(peerHolds{p}) // where ICE begins anew, candidates come from here on
	if err := p.setRemote(offer); err != nil {
		return err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("answering the offer: %w", err)
	}
	return p.describe(answer, exchange)
}

func (p *peer) describe(description webrtc.SessionDescription, exchange string) error {
	p.post(peerHolds{p})
	if err := p.pc.SetLocalDescription(description); err != nil {
		return fmt.Errorf("applying the own %s: %w", description.Type, err)
	}
	p.post(peerAgreed{})
	p.post(peerDescribed{p, description, exchange})
	return nil
}

// setRemote applies the phone's description, and the candidates that waited for
// it in their order.
func (p *peer) setRemote(description webrtc.SessionDescription) error {
	if err := p.pc.SetRemoteDescription(p.network.permitted(description)); err != nil {
		if errors.Is(err, webrtc.ErrUnsupportedCodec) {
			err = errNoH264
		}
		return fmt.Errorf("applying the phone's %s: %w", description.Type, err)
	}
	p.post(peerAgreed{})
	for _, candidate := range p.candidates {
		p.addCandidate(candidate)
	}
	p.candidates, p.named = nil, 0
	return nil
}

// candidate takes a way to the phone. One that can't or may not be used is no
// failure: there are others.
func (p *peer) candidate(candidate webrtc.ICECandidateInit) error {
	if p.named++; p.named > maxCandidates || !p.network.permitsCandidate(candidate.Candidate) {
		p.log.Debug("leaving a candidate out", "candidate", candidate.Candidate)
		return nil
	}
	if p.pc == nil || p.pc.RemoteDescription() == nil {
		p.candidates = append(p.candidates, candidate)
		return nil
	}
	p.addCandidate(candidate)
	return nil
}

// maxCandidates bounds what a phone may name beside each description; browsers
// send about a dozen.
const maxCandidates = 100

func (p *peer) addCandidate(candidate webrtc.ICECandidateInit) {
	if err := p.pc.AddICECandidate(candidate); err != nil {
		p.log.Debug("leaving a candidate out", "error", err)
	}
}

// parseDescription reads an RTCSessionDescriptionInit.
func parseDescription(raw json.RawMessage, want webrtc.SDPType) (webrtc.SessionDescription, error) {
	var description webrtc.SessionDescription
	if err := json.Unmarshal(raw, &description); err != nil {
		return description, fmt.Errorf("reading the %s: %w", want, err)
	}
	if description.Type != want {
		return description, fmt.Errorf("reading the %s: its type is %s", want, description.Type)
	}
	if _, err := description.Unmarshal(); err != nil {
		return description, fmt.Errorf("reading the %s's SDP: %w", want, err)
	}
	return description, nil
}

// fingerprintOf returns the DTLS fingerprint in SDP (RFC 8122 section 5): the
// same as long as it is the same RTCPeerConnection of the page.
func fingerprintOf(sdp string) string {
	const attribute = "a=fingerprint:"
	_, rest, found := strings.Cut(sdp, attribute)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}
