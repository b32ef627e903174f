package rtc

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

func TestSentLog(t *testing.T) {
	begin := time.Now()
	const ms, first = time.Millisecond, 65500 // so that numbers wrap
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * 10 * ms) }
	number := func(i int) uint16 { return uint16(first + i) }
	for _, test := range []struct {
		name      string
		sent      int // packets, one in 10 ms
		asked     []int
		later     time.Duration // than the last
		old, next bool          // is it too old; and when it is asked for once more after the others are given up
	}{
		{"the last", 10, []int{9}, 0, false, true},
		{"a lost request", 100, []int{60, 61}, 400 * ms, false, true},
		{"all of a young stream", 20, []int{0, 19}, 500 * ms, false, true},
		{"an old one", 300, []int{100}, 0, true, true},
		{"an old one among others", 300, []int{290, 100, 295}, 0, true, true},
		{"all old", 300, []int{299}, 2000 * ms, false, true}, // nothing was sent since: it isn't the past
		{"after a long time", 40000, []int{39990}, 0, false, true},
		{"long before", 40000, []int{39000}, 0, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log sentLog
			for i := range test.sent {
				log.note(number(i), at(i))
				log.note(number(i/2), at(i)) // sent again: changes nothing
			}
			var pairs []rtcp.NackPair
			for _, i := range test.asked {
				pairs = append(pairs, rtcp.NackPair{PacketID: number(i)})
			}
			now := at(test.sent - 1).Add(test.later)
			if got := log.anyOld(pairs, now); got != test.old {
				t.Errorf("old %v", got)
			}
			log.giveUp()
			if got := log.anyOld(pairs, now); got != test.next {
				t.Errorf("given up, old %v", got)
			}
			log.note(number(test.sent), now)
			if log.anyOld([]rtcp.NackPair{{PacketID: number(test.sent)}}, now) {
				t.Error("what follows is old too")
			}
		})
	}
}

// A phone that was cut off gets what is now, not what it has missed.
func TestOutageBringsNoPast(t *testing.T) {
	t.Parallel()
	camera := &elastic{full: 300_000}
	d, x := startDoor(t, Options{Video: camera})
	r := startBadNetwork(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	var oldest atomic.Int64 // of the pictures that come, in nanoseconds
	anna.packet = func(_ *webrtc.TrackRemote, packet *rtp.Packet) {
		for _, id := range packet.GetExtensionIDs() {
			if raw := packet.GetExtension(id); len(raw) == 8 {
				oldest.Store(max(oldest.Load(), int64(sinceNTP(binary.BigEndian.Uint64(raw)))))
			}
		}
	}
	anna.call("c1", nil)
	anna.sees()
	r.Cut.Store(true)
	<-time.After(3 * time.Second)
	keys := camera.keys.Load()
	oldest.Store(0)
	r.Cut.Store(false)
	anna.sees()
	waitUntil(t, 5*time.Second, "a key frame", func() bool { return camera.keys.Load() > keys })
	<-time.After(time.Second) // what is sent again comes in the meantime
	if got := time.Duration(oldest.Load()); got == 0 || got > resendWithin+time.Second/2 {
		t.Errorf("a picture came that was %v old", got)
	}
}

// sinceNTP is how long ago a time of [ntpTime] was, to the millisecond.
func sinceNTP(stamp uint64) time.Duration {
	return time.Duration(ntpTime(time.Now())/(1<<22)-stamp/(1<<22)) * time.Second / 1024
}
