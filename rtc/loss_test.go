package rtc

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

func TestPlayout(t *testing.T) {
	begin := time.Now()
	type loss struct {
		at time.Duration
		n  int
	}
	const s, ms = time.Second, time.Millisecond
	for _, test := range []struct {
		name   string
		losses []loss
		wide   []time.Duration
		narrow []time.Duration
	}{
		{"clean", nil, nil, []time.Duration{0, s}},
		{"one packet", []loss{{s, 1}}, nil, []time.Duration{s, 2 * s, 60 * s}},
		{"one packet, asked for again and again", []loss{{s, 1}, {s + 100*ms, 1}, {s + 200*ms, 1}}, nil, []time.Duration{2 * s}},
		{"many at once", []loss{{s, 5}}, []time.Duration{s, 10 * s}, []time.Duration{11 * s}},
		{"again", []loss{{s, 1}, {3 * s, 1}}, []time.Duration{3 * s, 12 * s}, []time.Duration{13 * s}},
		{"again, but much later", []loss{{s, 1}, {12 * s, 1}}, nil, []time.Duration{12 * s}},
		{"goes on", []loss{{s, 5}, {10 * s, 1}, {19 * s, 1}}, []time.Duration{28 * s}, []time.Duration{29 * s}},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := func(when time.Duration) []byte {
				var p playout
				for _, l := range test.losses {
					if l.at <= when {
						p.missed(l.n, begin.Add(l.at))
					}
				}
				return p.extension(begin.Add(when))
			}
			for _, when := range test.wide {
				if got := at(when); !bytes.Equal(got, []byte{0, 0, 40}) {
					t.Errorf("after %v % x", when, got)
				}
			}
			for _, when := range test.narrow {
				if got := at(when); !bytes.Equal(got, []byte{0, 0, 0}) {
					t.Errorf("after %v % x", when, got)
				}
			}
		})
	}
}

// countingEar is told how much is lost.
type countingEar struct {
	ear
	loss atomic.Int64
}

func (e *countingEar) SetLoss(percent int) { e.loss.Store(int64(percent)) }

// A phone that misses packets may keep pictures back, and the sound is made ready for
// losses; not so the phone beside it, and both as before when the network is good again.
func TestLossWidensPlayout(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	camera, sound := &elastic{full: 800_000}, &countingEar{}
	d, x := startDoor(t, Options{Video: camera, Audio: sound})
	r := startBadNetwork(t, status(t, d).MediaPort)
	var widest [2]atomic.Int64
	phones := []*phone{x.newPhoneThrough(t, "anna", r), x.newPhoneThrough(t, "bert", startBadNetwork(t, status(t, d).MediaPort))}
	for i, p := range phones {
		p.packet = func(track *webrtc.TrackRemote, packet *rtp.Packet) {
			if track.Kind() != webrtc.RTPCodecTypeVideo {
				return
			}
			for _, id := range packet.GetExtensionIDs() {
				if raw := packet.GetExtension(id); len(raw) == 3 {
					widest[i].Store(int64(raw[1])<<8&0xf00 | int64(raw[2]))
				}
			}
		}
		widest[i].Store(-1)
		p.call("c"+p.name, nil)
		p.sees()
	}
	now := func(i int, want int64) func() bool { return func() bool { return widest[i].Load() == want } }
	waitUntil(t, 10*time.Second, "the delay on a clean path", func() bool { return now(0, 0)() && now(1, 0)() })
	r.Loss.Store(100)
	waitUntil(t, 10*time.Second, "pictures to be kept back", now(0, playoutMost))
	waitUntil(t, 20*time.Second, "sound to be made ready for losses", func() bool { return sound.loss.Load() >= 5 })
	if !now(1, 0)() {
		t.Error("the other phone's pictures are kept back")
	}
	r.Loss.Store(0)
	waitUntil(t, 30*time.Second, "pictures to be shown at once again", now(0, 0))
	waitUntil(t, 20*time.Second, "sound as before", func() bool { return sound.loss.Load() == 0 })
}

// pausing is a microphone that hears something in every other 400 ms.
type pausing struct{ ear }

func (pausing) Stream(ctx context.Context, sink func([]byte, time.Duration, time.Time)) error {
	begin := time.Now() // a sound card counts samples, however late they are read
	return each(ctx, 20*time.Millisecond, func(i int, _ time.Time) error {
		packet := []byte{0xf8, 0xff, 0xfe}
		if i/20%2 == 1 {
			packet = nil
		}
		sink(packet, 20*time.Millisecond, begin.Add(time.Duration(i)*20*time.Millisecond))
		return nil
	})
}

// What isn't sent is no loss: sequence numbers go on, timestamps count the silence, and
// the marker is on the first packet after it.
func TestSilenceIsNoLoss(t *testing.T) {
	_, x := startDoor(t, Options{Video: &lens{}, Audio: pausing{}})
	anna := x.newPhone(t, "anna")
	packets := make(chan *rtp.Packet, 100)
	anna.packet = func(track *webrtc.TrackRemote, packet *rtp.Packet) {
		if track.Kind() == webrtc.RTPCodecTypeAudio {
			select {
			case packets <- packet:
			default:
			}
		}
	}
	anna.call("c1", nil)
	anna.hears()
	last, silences := <-packets, 0
	for silences < 2 {
		packet := <-packets
		if packet.SequenceNumber != last.SequenceNumber+1 {
			t.Fatalf("sequence number %d follows %d", packet.SequenceNumber, last.SequenceNumber)
		}
		switch step := packet.Timestamp - last.Timestamp; {
		case step == 960 && !packet.Marker:
		case step == 21*960 && packet.Marker:
			silences++
		default:
			t.Fatalf("timestamps move by %d, marker %v", step, packet.Marker)
		}
		last = packet
	}
}

func TestSoundWishes(t *testing.T) {
	const before = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=20;stereo=1;useinbandfec=0\r\na=ptime:60\r\na=sendrecv\r\n"
	const after = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\na=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1;minptime=10;useinbandfec=1;usedtx=1\r\na=ptime:10\r\na=sendrecv\r\n"
	if got := soundWishes(before, 10*time.Millisecond); got != after {
		t.Errorf("got %q", got)
	}
	for _, other := range []string{"", "v=0", "m=audio 9 RTP 0\r\na=rtpmap:0 PCMU/8000\r\na=fmtp: x\r\n"} {
		if got := soundWishes(other, 10*time.Millisecond); got != other {
			t.Errorf("%q became %q", other, got)
		}
	}
	if got := withParameters("", "a=1"); !slices.Equal([]byte(got), []byte("a=1")) {
		t.Errorf("got %q", got)
	}
}
