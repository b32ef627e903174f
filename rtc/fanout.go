package rtc

import (
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// mtu bounds an RTP payload so that the packet fits an Ethernet frame with
// IPv6, UDP, TURN and SRTP around it.
const mtu = 1200

// fanout sends one encoded stream to every phone. It packetizes each access
// unit once; each phone has an [outlet] with sequence numbers of its own, so
// that a newcomer can be given a picture of its own.
//
// webrtc.TrackLocalStaticSample shares one sequence among all: a phone that
// comes late would see the stream begin amid a group of pictures.
type fanout struct {
	// Fixed after newFanout.
	kind      webrtc.RTPCodecType
	codec     string // as SDP names it, in capitals
	payloader rtp.Payloader
	// wantKey is called, without mu, when somebody needs a key frame.
	wantKey func()
	// hold lets packets of one frame be bundled until send is called. Fixed before the first frame.
	hold func() (send func())

	mu      sync.Mutex // guards what follows, and the outlets' own
	outlets map[*outlet]struct{}
	key     [][]byte // payloads of the newest key frame; video only
	stale   bool     // delta frames have followed it
	last    moment   // of the newest frame
}

// moment is when a frame was captured.
type moment struct {
	timestamp uint32 // in the codec's clock
	captured  time.Time
	begins    bool // sound begins again after a silence in which nothing was sent
}

// ticks counts a time in a codec's clock of so many Hz, modulo 2^32 as RTP does. (The
// product of nanoseconds and the clock would outgrow an int64 after 28 hours.)
func ticks(since time.Duration, clock int64) uint32 {
	seconds, rest := int64(since/time.Second), int64(since%time.Second)
	return uint32(seconds*clock + rest*clock/int64(time.Second))
}

func newFanout(kind webrtc.RTPCodecType, codec string, payloader rtp.Payloader, wantKey func()) *fanout {
	return &fanout{
		kind:      kind,
		codec:     codec,
		payloader: payloader,
		wantKey:   wantKey,
		hold:      func() func() { return func() {} },
		outlets:   map[*outlet]struct{}{},
	}
}

// matches tells whether that is its codec.
func (f *fanout) matches(codec webrtc.RTPCodecParameters) bool {
	return strings.EqualFold(codec.MimeType, f.kind.String()+"/"+f.codec)
}

// write sends one access unit or packet to everybody who is open.
func (f *fanout) write(frame []byte, key bool, at moment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	payloads := f.payloader.Payload(mtu, frame)
	defer f.hold()()
	f.last = at
	if f.kind == webrtc.RTPCodecTypeVideo {
		f.stale = !key
		if key {
			f.key = payloads
		}
	}
	for o := range f.outlets {
		if o.waits && !key {
			continue
		}
		o.waits = o.starved
		o.send(payloads, at)
	}
}

// stopped forgets the newest key frame: after a pause it would show the past.
func (f *fanout) stopped() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.key = nil
	for o := range f.outlets {
		o.waits = f.kind == webrtc.RTPCodecTypeVideo
	}
}

// flows tells whether frames come.
func (f *fanout) flows() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.last.captured) < 2*ratePeriod
}

// open lets the outlet send, now that its connection stands. A picture is
// there at once if one is known; what moves follows with the next key frame.
func (f *fanout) open(o *outlet) {
	f.mu.Lock()
	f.outlets[o] = struct{}{}
	video := f.kind == webrtc.RTPCodecTypeVideo
	o.waits = video
	if video && f.key != nil {
		send := f.hold()
		o.send(f.key, f.last)
		send()
		o.waits = f.stale
	}
	waits := o.waits
	f.mu.Unlock()
	if waits {
		f.wantKey()
	}
}

// close takes the outlet off.
func (f *fanout) close(o *outlet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.outlets, o)
}
