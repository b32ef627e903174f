package rtc

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"doorbell/signaling"
)

// vp8Lens is a camera's picture in VP8: every tenth frame is a key frame, and no
// frame is a picture.
type vp8Lens struct {
	lens
	runs atomic.Int32 // that go on
}

func (l *vp8Lens) Stream(ctx context.Context, sink func([]byte, bool, time.Time)) error {
	l.opens.Add(1)
	l.runs.Add(1)
	defer l.runs.Add(-1)
	return each(ctx, 5*time.Millisecond, func(i int, now time.Time) error {
		if l.broken.Load() {
			return failure("no pictures")
		}
		// RFC 6386 section 9.1: the lowest bit is 0 in key frames.
		frame := make([]byte, 3000)
		if frame[0] = 0x11; i%10 == 0 {
			frame[0] = 0x10
		}
		sink(frame, i%10 == 0, now)
		return nil
	})
}

// vp8Phone is a phone that takes nothing but VP8.
func (x *exchange) vp8Phone(t *testing.T, name string) *phone {
	t.Helper()
	p := x.newPhone(t, name)
	p.connectWith(vp8API(t))
	return p
}

// asksForKeyFrame sends a picture loss indication (RFC 4585 section 6.3.1).
func (p *phone) asksForKeyFrame() {
	for _, receiver := range p.pc.GetReceivers() {
		if track := receiver.Track(); track != nil && track.Kind() == webrtc.RTPCodecTypeVideo {
			if err := p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}); err != nil {
				p.t.Error(err)
			}
		}
	}
}

// carries is a network that carries so much, bit/s, and how it bears what is sent, in
// pion's words.
type carries struct {
	cc.BandwidthEstimator
	rate  int
	usage string
	loss  float64 // share of packets
}

func (c carries) GetTargetBitrate() int { return c.rate }

func (c carries) GetStats() map[string]any {
	return map[string]any{"usage": c.usage, "averageLoss": c.loss}
}

// ratedPeer is a phone that gets what a fan-out sends, over such a network.
func ratedPeer(d *Door, id PeerID, f *fanout, rate int) *peer {
	p := &peer{id: id, connected: true, video: newOutlet(d.choices()...)}
	p.shown.Store(true)
	p.video.fanout.Store(f)
	p.video.counted.Store(true)
	p.on(carries{rate: rate})
	return p
}

// on puts the phone onto a network.
func (p *peer) on(network cc.BandwidthEstimator) { p.estimator.Store(&network) }

// vp8API is Firefox's before it has its plug-in, as far as it matters here.
func vp8API(t *testing.T) *webrtc.API {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	for _, codec := range []struct {
		kind webrtc.RTPCodecType
		what webrtc.RTPCodecParameters
	}{
		{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecParameters{PayloadType: 120, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock, RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
		}}},
		{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecParameters{PayloadType: 109, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2,
		}}},
	} {
		if err := engine.RegisterCodec(codec.what, codec.kind); err != nil {
			t.Fatal(err)
		}
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings))
}

// seen notes which codec came, whether its first frame was a key frame and whether
// picture ids grow.
type seen struct {
	codec   atomic.Pointer[string]
	wrong   atomic.Pointer[string]
	started bool
	last    uint16
}

func (s *seen) packet(track *webrtc.TrackRemote, packet *rtp.Packet) {
	if track.Kind() != webrtc.RTPCodecTypeVideo {
		return
	}
	mime := track.Codec().MimeType
	s.codec.Store(&mime)
	if mime != webrtc.MimeTypeVP8 {
		return
	}
	var frame codecs.VP8Packet
	payload, err := frame.Unmarshal(packet.Payload)
	complain := func(what string) { s.wrong.CompareAndSwap(nil, &what) }
	switch {
	case err != nil:
		complain(err.Error())
	case frame.I == 0:
		complain("no picture id")
	case !s.started && (frame.S == 0 || len(payload) == 0 || payload[0]&1 != 0):
		complain("the first packet begins no key frame")
	case s.started && frame.S == 1 && frame.PictureID <= s.last && s.last < 0x7f00:
		complain("a picture id went back")
	}
	s.started, s.last = true, frame.PictureID
}

func (s *seen) is(t *testing.T, who, codec string) {
	t.Helper()
	if got := s.codec.Load(); got == nil || *got != codec {
		t.Errorf("%s gets %v, not %s", who, got, codec)
	}
	if wrong := s.wrong.Load(); wrong != nil {
		t.Errorf("%s: %s", who, *wrong)
	}
}

// TestEachPhoneItsCodec rings a phone that takes both codecs and one that takes VP8
// alone, and lets both look, each after the other.
func TestEachPhoneItsCodec(t *testing.T) {
	camera, second := &lens{}, &vp8Lens{}
	d, x := startDoor(t, Options{Video: camera, VP8: second, Audio: ear{}})
	var annaSees, fritzSees, bertSees seen
	anna, fritz := x.newPhone(t, "anna"), x.vp8Phone(t, "fritz")
	anna.packet, fritz.packet = annaSees.packet, fritzSees.packet
	d.Press(time.Now())
	offer := anna.await(signaling.TypeOffer)
	if h264, vp8 := strings.Index(string(offer.Offer), "H264/90000"), strings.Index(string(offer.Offer), "VP8/90000"); h264 < 0 || vp8 < h264 {
		t.Errorf("the offer has H.264 at %d, VP8 at %d", h264, vp8)
	}
	anna.answer(offer, true)
	anna.sees()
	if n := second.opens.Load(); n != 0 {
		t.Fatalf("VP8 was made %d times, and nobody needs it", n)
	}
	fritz.answer(fritz.await(signaling.TypeOffer), true)
	fritz.sees()
	fritz.hears()
	anna.sees()
	fritz.send(signaling.Message{Type: signaling.TypeLeave, Call: offer.Call, Reason: ReasonDeclined})
	waitFor(t, "the end of VP8", func() bool { return second.runs.Load() == 0 })
	anna.sees()

	bert := x.vp8Phone(t, "bert")
	bert.packet = bertSees.packet
	bert.call("c1", nil)
	bert.sees()
	annaSees.is(t, "anna", webrtc.MimeTypeH264)
	fritzSees.is(t, "fritz", webrtc.MimeTypeVP8)
	bertSees.is(t, "bert", webrtc.MimeTypeVP8)
	if n, m := camera.opens.Load(), second.opens.Load(); n != 1 || m != 2 {
		t.Errorf("the camera was opened %d times, VP8 %d times", n, m)
	}
}

// restingLens is a camera that encodes nothing while nobody takes it.
type restingLens struct {
	lens
	resting atomic.Bool
}

func (l *restingLens) Rest(on bool) { l.resting.Store(on) }

func (l *restingLens) Stream(ctx context.Context, sink func([]byte, bool, time.Time)) error {
	return l.lens.Stream(ctx, func(unit []byte, key bool, captured time.Time) {
		if l.resting.Load() {
			unit, key = nil, false
		}
		sink(unit, key, captured)
	})
}

// TestVP8Alone lets H.264 rest while only a phone looks that doesn't take it.
func TestVP8Alone(t *testing.T) {
	camera, second := &restingLens{}, &vp8Lens{}
	d, x := startDoor(t, Options{Video: camera, VP8: second})
	fritz := x.vp8Phone(t, "fritz")
	fritz.call("c1", nil)
	fritz.sees()
	waitFor(t, "H.264 to rest", camera.resting.Load)
	fritz.sees()
	if s := status(t, d); s.Devices["camera"] != DeviceOK {
		t.Errorf("the camera is %s", s.Devices["camera"])
	}
	anna := x.newPhone(t, "anna")
	anna.call("c2", nil)
	anna.sees()
	if camera.resting.Load() {
		t.Error("H.264 rests, and anna looks")
	}
	anna.send(signaling.Message{Type: signaling.TypeLeave, Call: "c2"})
	waitFor(t, "H.264 to rest again", camera.resting.Load)
	waitFor(t, "the newest key frame to be forgotten", func() bool {
		d.h264.fanout.mu.Lock()
		defer d.h264.fanout.mu.Unlock()
		return d.h264.fanout.key == nil
	})
	fritz.sees()
	fritz.send(signaling.Message{Type: signaling.TypeLeave, Call: "c1"})
	waitFor(t, "the end of rest", func() bool { return !camera.resting.Load() })
	if n := camera.opens.Load(); n != 1 {
		t.Errorf("the camera was opened %d times", n)
	}
}

// TestKeptOpen has a camera that is open all the time, whose newest key frame is for
// whoever comes: it doesn't rest.
func TestKeptOpen(t *testing.T) {
	camera, second := &restingLens{}, &vp8Lens{}
	_, x := startDoor(t, Options{Video: camera, VP8: second, KeepVideo: true})
	fritz := x.vp8Phone(t, "fritz")
	fritz.call("c1", nil)
	fritz.sees()
	if camera.resting.Load() {
		t.Error("it rests")
	}
}

// TestKeyFramesOfTheRightCodec asks for key frames of one picture, and not of the
// other.
func TestKeyFramesOfTheRightCodec(t *testing.T) {
	camera, second := &lens{}, &vp8Lens{}
	_, x := startDoor(t, Options{Video: camera, VP8: second})
	fritz := x.vp8Phone(t, "fritz")
	fritz.call("c1", nil)
	fritz.sees()
	before := second.keys.Load()
	waitFor(t, "a key frame in VP8", func() bool { fritz.asksForKeyFrame(); return second.keys.Load() > before })
	if n := camera.keys.Load(); n != 0 {
		t.Errorf("%d key frames in H.264 were asked for, which nobody sees", n)
	}
}

// TestNoVP8ToBeHad has a camera whose own H.264 is passed on: the phone is told so,
// and the others go on.
func TestNoVP8ToBeHad(t *testing.T) {
	camera, second := &lens{}, &vp8Lens{}
	second.broken.Store(true)
	d, x := startDoor(t, Options{Video: camera, VP8: second})
	anna, fritz := x.newPhone(t, "anna"), x.vp8Phone(t, "fritz")
	anna.call("c1", nil)
	anna.sees()
	fritz.call("c2", nil)
	if leave := fritz.await(signaling.TypeLeave); leave.Reason != ReasonCodec || !strings.Contains(leave.Message, "H.264") || !strings.Contains(leave.Message, "no pictures") {
		t.Errorf("fritz was told %+v", leave)
	}
	anna.sees()
	if s := status(t, d); len(s.Connections) != 1 {
		t.Errorf("connections: %+v", s.Connections)
	}
}

// TestRateOfEachCodec has the weak phone alone bring its picture down.
func TestRateOfEachCodec(t *testing.T) {
	camera, second := &lens{}, &vp8Lens{}
	d := New(Options{Video: camera, VP8: second})
	strong, weak := ratedPeer(d, 1, d.h264.fanout, 3_000_000), ratedPeer(d, 2, d.vp8.fanout, 400_000)
	d.peers[strong.id], d.peers[weak.id] = strong, weak
	d.fitRate()
	for _, c := range []struct {
		what      string
		got, want int64
	}{{"H.264", camera.limit.Load(), 3_000_000*95/100 - rateSound}, {"VP8", second.limit.Load(), 400_000*95/100 - rateSound}} {
		if c.got != c.want {
			t.Errorf("%s is bound to %d bit/s, not %d", c.what, c.got, c.want)
		}
	}
	delete(d.peers, weak.id)
	d.fitRate()
	if limit := second.limit.Load(); limit != 0 {
		t.Errorf("VP8, which nobody sees, is bound to %d bit/s", limit)
	}
}
