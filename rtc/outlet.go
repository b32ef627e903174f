package rtc

import (
	"encoding/binary"
	"math/rand/v2"
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

// outlet is a [fanout]'s end at one peer connection.
type outlet struct {
	// Fixed after newOutlet.
	fanout *fanout
	offset uint32 // added to the stream's timestamps (RFC 3550 section 5.1: random)

	// Guarded by fanout.mu.
	writer  webrtc.TrackLocalWriter // nil until bound
	header  rtp.Header              // of the last packet
	waits   bool                    // for a key frame
	starved bool                    // only key frames are sent
	counted bool                    // the phone reports what arrives (transport-wide congestion control)
	playout uint8                   // id of the playout-delay extension; 0: not negotiated
	capture uint8                   // id of the abs-capture-time extension; 0: not negotiated
	delay   playout                 // that the phone may take
	lost    float64                 // share of packets that the phone misses
}

var _ webrtc.TrackLocal = (*outlet)(nil)

func newOutlet(f *fanout) *outlet {
	return &outlet{fanout: f, offset: rand.Uint32()}
}

// Bind is called when the codecs are negotiated ([webrtc.TrackLocal]).
func (o *outlet) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, codec := range ctx.CodecParameters() {
		if !o.fanout.match(codec) {
			continue
		}
		o.fanout.mu.Lock()
		defer o.fanout.mu.Unlock()
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
				o.counted = true
			}
		}
		return codec, nil
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind is called when the connection ends ([webrtc.TrackLocal]).
func (o *outlet) Unbind(webrtc.TrackLocalContext) error {
	o.fanout.mu.Lock()
	defer o.fanout.mu.Unlock()
	o.writer = nil
	return nil
}

// measured tells whether the phone reports what arrives.
func (o *outlet) measured() bool {
	o.fanout.mu.Lock()
	defer o.fanout.mu.Unlock()
	return o.counted
}

// starve lets a phone with too little bandwidth get key frames alone, and one with
// enough all again; between the two it stays as it is. It reports which it is.
func (o *outlet) starve(little, enough bool) (starved bool) {
	o.fanout.mu.Lock()
	defer o.fanout.mu.Unlock()
	switch {
	case little && !o.starved:
		o.starved, o.waits = true, true
	case enough && o.starved:
		o.starved = false // what moves follows with the next key frame
	}
	return o.starved
}

// ID is the track's id in SDP ([webrtc.TrackLocal]).
func (o *outlet) ID() string { return o.fanout.kind.String() }

// RID is empty, as there is no simulcast ([webrtc.TrackLocal]).
func (o *outlet) RID() string { return "" }

// StreamID puts picture and sound into one MediaStream ([webrtc.TrackLocal]).
func (o *outlet) StreamID() string { return "door" }

// Kind is audio or video ([webrtc.TrackLocal]).
func (o *outlet) Kind() webrtc.RTPCodecType { return o.fanout.kind }

// send writes the packets of one frame; the caller holds fanout.mu. A phone
// whose network refuses a packet loses that packet: NACK and the next key frame
// repair it, and a connection that is gone is noticed by ICE.
func (o *outlet) send(payloads [][]byte, at moment) {
	if o.writer == nil {
		return
	}
	for i, payload := range payloads {
		o.header.SequenceNumber++
		header := o.header
		header.Timestamp = at.timestamp + o.offset
		// A picture's last packet; the first of sound after silence (RFC 3551 section 4.1).
		header.Marker = at.begins || o.fanout.kind == webrtc.RTPCodecTypeVideo && i == len(payloads)-1
		if o.playout != 0 {
			// SetExtension fails only for a payload that isn't 1 to 16 bytes.
			_ = header.SetExtension(o.playout, o.delay.extension(time.Now()))
		}
		if o.capture != 0 && i == 0 {
			_ = header.SetExtension(o.capture, binary.BigEndian.AppendUint64(nil, ntpTime(at.captured)))
		}
		_, _ = o.writer.WriteRTP(&header, payload)
	}
}

// ntpTime is a time in seconds since 1900, of which the lower half are fractions
// (RFC 5905 section 6).
func ntpTime(t time.Time) uint64 {
	const from1900 = 2208988800 // seconds to 1970
	return uint64(t.Unix()+from1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
