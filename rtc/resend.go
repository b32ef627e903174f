package rtc

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const (
	// resendWithin bounds how long ago a packet may have been sent that is sent again. Of
	// older ones a phone would show the past, and the later the longer it was cut off:
	// it gets a key frame instead, and what is now.
	resendWithin = time.Second
	// resendStep is how finely that is measured.
	resendStep = 50 * time.Millisecond
	// resendPackets is how many packets are kept for each phone, a power of two: 2.4 s of a picture of 2 Mbit/s, and
	// 0.6 s of one of 8. Each takes 1.5 kB.
	resendPackets = 512
)

// resendLimit keeps requests for old packets (RFC 4585 section 6.2.1) from pion's
// responder: it makes them requests for a key frame (section 6.3.1).
type resendLimit struct{}

var _ interceptor.Factory = resendLimit{}

// NewInterceptor is for one peer connection ([interceptor.Factory]).
func (resendLimit) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &resendLimiter{streams: map[uint32]*sentLog{}}, nil
}

// resendLimiter is the [resendLimit] of one peer connection.
type resendLimiter struct {
	interceptor.NoOp

	mu      sync.Mutex
	streams map[uint32]*sentLog // by SSRC
}

// BindLocalStream notes when packets are sent ([interceptor.Interceptor]). Those that
// are sent again pass too, on a stream of their own or with an old number.
func (r *resendLimiter) BindLocalStream(info *interceptor.StreamInfo, writer interceptor.RTPWriter) interceptor.RTPWriter {
	if !slices.Contains(info.RTCPFeedback, interceptor.RTCPFeedback{Type: "nack"}) {
		return writer
	}
	sent := &sentLog{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams[info.SSRC] = sent
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
		if header.SSRC == info.SSRC {
			r.mu.Lock()
			sent.note(header.SequenceNumber, time.Now())
			r.mu.Unlock()
		}
		return writer.Write(header, payload, attributes)
	})
}

// UnbindLocalStream forgets them ([interceptor.Interceptor]).
func (r *resendLimiter) UnbindLocalStream(info *interceptor.StreamInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.streams, info.SSRC)
}

// BindRTCPReader replaces requests for old packets ([interceptor.Interceptor]), both
// where interceptors find what was read, and in the bytes.
func (r *resendLimiter) BindRTCPReader(reader interceptor.RTCPReader) interceptor.RTCPReader {
	return interceptor.RTCPReaderFunc(func(b []byte, attributes interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, attributes, err := reader.Read(b, attributes)
		if err != nil {
			return n, attributes, err
		}
		if attributes == nil {
			attributes = interceptor.Attributes{}
		}
		packets, err := attributes.GetRTCPPackets(b[:n])
		if err != nil || !r.replace(packets, time.Now()) {
			return n, attributes, nil // who reads on finds out what is wrong with it
		}
		raw, err := rtcp.Marshal(packets)
		if err != nil {
			return 0, nil, err
		}
		return copy(b, raw), attributes, nil // shorter than it was
	})
}

// replace puts requests for key frames in place of those for old packets, and tells
// whether there were any.
func (r *resendLimiter) replace(packets []rtcp.Packet, now time.Time) (replaced bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, packet := range packets {
		nack, ok := packet.(*rtcp.TransportLayerNack)
		if !ok {
			continue
		}
		sent := r.streams[nack.MediaSSRC]
		if sent == nil || !sent.anyOld(nack.Nacks, now) {
			continue
		}
		sent.giveUp()
		packets[i] = &rtcp.PictureLossIndication{SenderSSRC: nack.SenderSSRC, MediaSSRC: nack.MediaSSRC}
		replaced = true
	}
	return replaced
}

// sentLog knows which of a stream's packets were sent too long ago to send them again.
// It is pure: time comes in as arguments.
type sentLog struct {
	newest uint16     // sequence number
	marks  []sentMark // at least resendStep apart, the oldest first
}

// sentMark says that what came before a packet was sent before a time.
type sentMark struct {
	sequence uint16
	at       time.Time
}

// before tells whether a packet precedes another (RFC 3550 appendix A.1: numbers wrap).
func before(a, b uint16) bool { return int16(a-b) < 0 }

// note takes down that a packet is sent.
func (s *sentLog) note(sequence uint16, now time.Time) {
	if len(s.marks) > 0 && !before(s.newest, sequence) {
		return // again
	}
	s.newest = sequence
	if n := len(s.marks); n == 0 || now.Sub(s.marks[n-1].at) >= resendStep {
		s.marks = append(s.marks, sentMark{sequence, now})
	}
	s.settle(now)
}

// settle forgets all marks that are too long ago, but the last of them.
func (s *sentLog) settle(now time.Time) {
	for len(s.marks) > 1 && now.Sub(s.marks[1].at) > resendWithin {
		s.marks = s.marks[1:]
	}
}

// anyOld tells whether one of the packets is too old.
func (s *sentLog) anyOld(pairs []rtcp.NackPair, now time.Time) bool {
	s.settle(now)
	if len(s.marks) == 0 || now.Sub(s.marks[0].at) <= resendWithin {
		return false
	}
	for _, pair := range pairs {
		for _, sequence := range pair.PacketList() {
			if before(sequence, s.marks[0].sequence) {
				return true
			}
		}
	}
	return false
}

// giveUp makes all packets old that were sent so far.
func (s *sentLog) giveUp() {
	s.marks = []sentMark{{sequence: s.newest + 1}}
}
