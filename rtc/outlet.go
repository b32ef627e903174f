package rtc

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// playoutDelayURI names the RTP header extension by which a sender bounds the
// receiver's jitter buffer
// (webrtc.googlesource.com, docs/native-code/rtp-hdrext/playout-delay).
const playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

// captureTimeURI names the one that says when a frame was captured, by the sender's
// clock (docs/native-code/rtp-hdrext/abs-capture-time): with the sender reports a
// page knows how old the picture is that it shows.
const captureTimeURI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

// outlet is a [fanout]'s end at one peer connection. Where there are several to
// choose from, the codecs that are negotiated decide.
type outlet struct {
	// Fixed after newOutlet.
	choices []*fanout // the best first
	offset  uint32    // added to the stream's timestamps (RFC 3550 section 5.1: random)

	fanout  atomic.Pointer[fanout] // of the choices: the first until bound
	counted atomic.Bool            // the phone reports what arrives (transport-wide congestion control)

	// Guarded by the fanout's mu.
	writer  webrtc.TrackLocalWriter // nil until bound
	header  rtp.Header              // of the last packet, with what interceptors added to it
	waits   bool                    // for a key frame
	starved bool                    // only key frames are sent
	playout uint8                   // id of the playout-delay extension; 0: not negotiated
	capture uint8                   // id of the abs-capture-time extension; 0: not negotiated
	delay   playout                 // that the phone may take
	lost    float64                 // share of packets that the phone misses
	sent    int                     // bytes of payload since sentRate
}

var _ webrtc.TrackLocal = (*outlet)(nil)

func newOutlet(choices ...*fanout) *outlet {
	o := &outlet{choices: choices, offset: rand.Uint32()}
	o.fanout.Store(choices[0])
	return o
}

// takes tells whether an offer has a codec for the outlet, or nothing of its kind.
func (o *outlet) takes(sdp string) bool {
	sdp = strings.ToUpper(sdp)
	for _, f := range o.choices {
		if strings.Contains(sdp, " "+f.codec+"/") {
			return true
		}
	}
	return !strings.Contains(sdp, "M="+strings.ToUpper(o.Kind().String()))
}

// sends tells whether it is that fan-out's.
func (o *outlet) sends(f *fanout) bool { return o.fanout.Load() == f }

// open lets it send, close takes it off.
func (o *outlet) open()  { o.fanout.Load().open(o) }
func (o *outlet) close() { o.fanout.Load().close(o) }

// lock takes the mu of the fan-out that it sends for, and returns what gives it back.
func (o *outlet) lock() (unlock func()) {
	f := o.fanout.Load()
	f.mu.Lock()
	return f.mu.Unlock
}

// wantKey asks for a key frame of what it sends.
func (o *outlet) wantKey() { o.fanout.Load().wantKey() }

// Bind is called when the codecs are negotiated ([webrtc.TrackLocal]).
func (o *outlet) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, f := range o.choices {
		for _, codec := range ctx.CodecParameters() {
			if f.matches(codec) {
				o.bind(f, codec, ctx)
				return codec, nil
			}
		}
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

func (o *outlet) bind(f *fanout, codec webrtc.RTPCodecParameters, ctx webrtc.TrackLocalContext) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.writer = ctx.WriteStream()
	o.header = rtp.Header{
		Version:        2,
		PayloadType:    uint8(codec.PayloadType),
		SequenceNumber: uint16(rand.Uint32()),
		SSRC:           uint32(ctx.SSRC()),
	}
	for _, extension := range ctx.HeaderExtensions() {
		switch extension.URI {
		case playoutDelayURI:
			o.playout = uint8(extension.ID)
		case captureTimeURI:
			o.capture = uint8(extension.ID)
		case sdp.TransportCCURI:
			o.counted.Store(true)
		}
	}
	o.fanout.Store(f)
}

// Unbind is called when the connection ends ([webrtc.TrackLocal]).
func (o *outlet) Unbind(webrtc.TrackLocalContext) error {
	defer o.lock()()
	o.writer = nil
	return nil
}

// measured tells whether the phone reports what arrives.
func (o *outlet) measured() bool { return o.counted.Load() }

// sentRate is what was sent in the [ratePeriod] since it was asked for last, bit/s, and
// whether that is key frames alone.
func (o *outlet) sentRate() (rate int, starved bool) {
	defer o.lock()()
	sent := o.sent
	o.sent = 0
	return 8 * sent * int(time.Second/ratePeriod), o.starved
}

// starve lets a phone with too little bandwidth get key frames alone, and one with
// enough all again; between the two it stays as it is. It reports which it is.
func (o *outlet) starve(little, enough bool) (starved bool) {
	defer o.lock()()
	switch {
	case little && !o.starved:
		o.starved, o.waits = true, true
	case enough && o.starved:
		o.starved = false // what moves follows with the next key frame
	}
	return o.starved
}

// ID is the track's id in SDP ([webrtc.TrackLocal]).
func (o *outlet) ID() string { return o.Kind().String() }

// RID is empty, as there is no simulcast ([webrtc.TrackLocal]).
func (o *outlet) RID() string { return "" }

// StreamID puts picture and sound into one MediaStream ([webrtc.TrackLocal]).
func (o *outlet) StreamID() string { return "door" }

// Kind is audio or video ([webrtc.TrackLocal]).
func (o *outlet) Kind() webrtc.RTPCodecType { return o.choices[0].kind }

// send writes the packets of one frame; the caller holds the fanout's mu. A phone
// whose network refuses a packet loses that packet: NACK and the next key frame
// repair it, and a connection that is gone is noticed by ICE.
func (o *outlet) send(payloads [][]byte, at moment) {
	if o.writer == nil {
		return
	}
	delay := o.delay.extension(time.Now())
	// One header for all packets, since there are thousands in a second: who wants to keep one copies it.
	header := &o.header
	for i, payload := range payloads {
		header.SequenceNumber++
		header.Timestamp = at.timestamp + o.offset
		// A picture's last packet; the first of sound after silence (RFC 3551 section 4.1).
		header.Marker = at.begins || o.Kind() == webrtc.RTPCodecTypeVideo && i == len(payloads)-1
		header.Extension, header.Extensions = false, header.Extensions[:0]
		if o.playout != 0 {
			// SetExtension fails only for a payload that isn't 1 to 16 bytes.
			_ = header.SetExtension(o.playout, delay)
		}
		if o.capture != 0 && i == 0 {
			_ = header.SetExtension(o.capture, binary.BigEndian.AppendUint64(nil, ntpTime(at.captured)))
		}
		o.sent += len(payload)
		_, _ = o.writer.WriteRTP(header, payload)
	}
}

// ntpTime is a time in seconds since 1900, of which the lower half are fractions
// (RFC 5905 section 6).
func ntpTime(t time.Time) uint64 {
	const from1900 = 2208988800 // seconds to 1970
	return uint64(t.Unix()+from1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
