package rtc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"doorbell/rtc/badnet"
	"doorbell/signaling"
)

// exchange is the relay of these tests: it hands messages over, and says who
// they are from.
type exchange struct {
	door *Door

	mu     sync.Mutex
	phones map[string]*phone
}

func (x *exchange) toPhone(m signaling.Message) error {
	x.mu.Lock()
	p := x.phones[m.Name]
	x.mu.Unlock()
	if p != nil {
		m.Name = "door"
		p.inbox <- m
	}
	return nil
}

// phone is a browser without a page: pion's own peer connection, driven by the
// test.
type phone struct {
	t        *testing.T
	name     string
	exchange *exchange
	inbox    chan signaling.Message
	through  *badnet.Relay // between phone and door; nil: they are on one network
	pc       *webrtc.PeerConnection
	mic      *webrtc.TrackLocalStaticSample
	frames   chan struct{} // a video packet with the marker has come
	sounds   chan struct{}
	packet   func(*webrtc.TrackRemote, *rtp.Packet) // sees each packet; nil: nobody does. Set before call
}

// startDoor runs a door over loopback until the test ends.
func startDoor(t *testing.T, options Options) (*Door, *exchange) {
	t.Helper()
	x := &exchange{phones: map[string]*phone{}}
	options.ICE = ICEOptions{Loopback: true}
	options.Send = x.toPhone
	options.Logger = slog.New(slog.DiscardHandler)
	d := New(options)
	x.door = d
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	d.Message(signaling.Message{Type: signaling.TypeLogin, Success: ptr(true), Here: []signaling.Peer{}})
	return d, x
}

func ptr[T any](v T) *T { return &v }

// newPhone logs a phone in.
func (x *exchange) newPhone(t *testing.T, name string) *phone { return x.newPhoneThrough(t, name, nil) }

// newPhoneThrough is the same for a phone on a network of its own.
func (x *exchange) newPhoneThrough(t *testing.T, name string, r *badnet.Relay) *phone {
	t.Helper()
	p := &phone{
		t: t, name: name, exchange: x, through: r,
		inbox:  make(chan signaling.Message, 1000),
		frames: make(chan struct{}, 10000),
		sounds: make(chan struct{}, 10000),
	}
	p.connect()
	x.mu.Lock()
	x.phones[name] = p
	x.mu.Unlock()
	x.door.Message(signaling.Message{Type: signaling.TypePresence, Name: name, Kind: "phone", Present: ptr(true)})
	return p
}

// connect makes a fresh RTCPeerConnection, as a page that is loaded does.
func (p *phone) connect() {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
	if p.through != nil {
		api = reportingAPI(p.t, settings)
	}
	p.connectWith(api)
}

func (p *phone) connectWith(api *webrtc.API) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = pc.GracefulClose() })
	p.pc = pc
	p.mic, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "mic", "phone")
	if err != nil {
		p.t.Fatal(err)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		heard := p.sounds
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			heard = p.frames
		}
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if p.packet != nil {
				p.packet(track, packet)
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	})
}

// reportingAPI is for phones on bad networks. They take retransmissions on the stream itself: pion's receiver, unlike
// browsers, neither counts those that come on a stream of their own nor stops asking for what they bring.
func reportingAPI(t *testing.T, settings webrtc.SettingEngine) *webrtc.API {
	t.Helper()
	settings.SetSRTPReplayProtectionWindow(1024) // as browsers have it: pion's own 64 refuses what is sent again late
	engine, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	for _, codec := range []struct {
		kind webrtc.RTPCodecType
		what webrtc.RTPCodecParameters
	}{
		{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecParameters{PayloadType: 102, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: videoClock, SDPFmtpLine: h264, RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
		}}},
		{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2,
		}}},
	} {
		if err := engine.RegisterCodec(codec.what, codec.kind); err != nil {
			t.Fatal(err)
		}
	}
	for _, uri := range []string{captureTimeURI, playoutDelayURI} {
		if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(webrtc.ConfigureNack(engine, registry), webrtc.ConfigureRTCPReports(registry), webrtc.ConfigureTWCCSender(engine, registry)); err != nil {
		t.Fatal(err)
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry))
}

func (p *phone) send(m signaling.Message) {
	m.Name = p.name
	p.exchange.door.Message(m)
}

// await returns the next message of that type, and takes the candidates that
// come before it.
func (p *phone) await(kind string) signaling.Message {
	p.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case m := <-p.inbox:
			if m.Type == kind {
				return m
			}
			if m.Type == signaling.TypeCandidate {
				p.take(m)
			}
		case <-timeout:
			p.t.Fatalf("%s waited for %q in vain", p.name, kind)
		}
	}
}

func (p *phone) take(m signaling.Message) {
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal(m.Candidate, &candidate); err != nil {
		p.t.Fatal(err)
	}
	if p.through != nil {
		port := fmt.Sprintf(" %d ", p.through.DoorPort())
		if !strings.Contains(candidate.Candidate, " udp 2") || !strings.Contains(candidate.Candidate, " 127.0.0.1"+port) {
			return // another way than through the relay
		}
		candidate.Candidate = strings.Replace(candidate.Candidate, port, fmt.Sprintf(" %d ", p.through.Port()), 1)
	}
	if p.pc.RemoteDescription() != nil {
		if err := p.pc.AddICECandidate(candidate); err != nil {
			p.t.Fatal(err)
		}
	}
}

// answer answers the door's offer with all candidates in it.
func (p *phone) answer(m signaling.Message, preview bool) {
	p.t.Helper()
	var offer webrtc.SessionDescription
	if err := json.Unmarshal(m.Offer, &offer); err != nil {
		p.t.Fatal(err)
	}
	if err := p.pc.SetRemoteDescription(offer); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.pc.AddTrack(p.mic); err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	raw := p.describe(answer)
	p.send(signaling.Message{Type: signaling.TypeAnswer, Call: m.Call, Answer: raw, Preview: preview})
}

// call offers, and takes the door's answer.
func (p *phone) call(id string, options *webrtc.OfferOptions) {
	p.t.Helper()
	p.offer(signaling.Message{Type: signaling.TypeOffer, Call: id}, options)
}

// offer is the same with more in the message than that.
func (p *phone) offer(message signaling.Message, options *webrtc.OfferOptions) {
	p.t.Helper()
	if len(p.pc.GetTransceivers()) == 0 {
		if _, err := p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			p.t.Fatal(err)
		}
		if _, err := p.pc.AddTrack(p.mic); err != nil {
			p.t.Fatal(err)
		}
	}
	offer, err := p.pc.CreateOffer(options)
	if err != nil {
		p.t.Fatal(err)
	}
	message.Offer = p.describe(offer)
	p.send(message)
	m := p.await(signaling.TypeAnswer)
	if m.Call != message.Call || m.Standby != message.Standby || m.Exchange != message.Exchange {
		p.t.Fatalf("the answer %+v is none to %+v", m, message)
	}
	var answer webrtc.SessionDescription
	if err := json.Unmarshal(m.Answer, &answer); err != nil {
		p.t.Fatal(err)
	}
	if err := p.pc.SetRemoteDescription(answer); err != nil {
		p.t.Fatal(err)
	}
	if p.pc.ICEConnectionState() == webrtc.ICEConnectionStateConnected {
		return
	}
	m = p.await(signaling.TypeCandidate)
	p.take(m)
	if p.through != nil { // it may be another one's
		for range 20 {
			select {
			case m := <-p.inbox:
				if m.Type == signaling.TypeCandidate {
					p.take(m)
				}
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func (p *phone) describe(description webrtc.SessionDescription) json.RawMessage {
	p.t.Helper()
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(description); err != nil {
		p.t.Fatal(err)
	}
	<-gathered
	raw := mustJSON(p.pc.LocalDescription())
	if p.through != nil {
		return json.RawMessage(withoutCandidates(string(raw)))
	}
	return raw
}

// sees waits for new video packets, hears for new sound.
func (p *phone) sees()  { p.t.Helper(); p.fresh(p.frames, "picture") }
func (p *phone) hears() { p.t.Helper(); p.fresh(p.sounds, "sound") }

func (p *phone) fresh(from chan struct{}, what string) {
	p.t.Helper()
	for len(from) > 0 {
		<-from
	}
	for range 5 {
		select {
		case <-from:
		case <-time.After(10 * time.Second):
			p.t.Fatalf("%s gets no %s", p.name, what)
		}
	}
}

// says sends one packet of sound.
func (p *phone) says() {
	if err := p.mic.WriteSample(media.Sample{Data: []byte{0xf8, 0xff, 0xfe}, Duration: 20 * time.Millisecond}); err != nil {
		p.t.Error(err)
	}
}
