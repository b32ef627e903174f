package rtc

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Each picture says when it was captured, by the door's clock.
func TestCaptureTimeIsSent(t *testing.T) {
	d, x := startDoor(t, Options{Video: &lens{}, Audio: ear{}})
	anna := x.newPhoneThrough(t, "anna", startBadNetwork(t, status(t, d).MediaPort))
	ages := make(chan time.Duration, 100)
	anna.packet = func(track *webrtc.TrackRemote, packet *rtp.Packet) {
		for _, id := range packet.GetExtensionIDs() {
			if raw := packet.GetExtension(id); track.Kind() == webrtc.RTPCodecTypeVideo && len(raw) == 8 {
				ntp := binary.BigEndian.Uint64(raw)
				captured := time.Unix(int64(ntp>>32)-2208988800, int64(ntp&0xffffffff*uint64(time.Second)>>32))
				select {
				case ages <- time.Since(captured):
				default:
				}
			}
		}
	}
	anna.call("c1", nil)
	anna.sees()
	for range 5 {
		select {
		case age := <-ages:
			if age < 0 || age > time.Second {
				t.Errorf("a picture is said to be %v old", age)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no picture says when it was captured")
		}
	}
}

func TestNTPTime(t *testing.T) {
	for at, want := range map[time.Time]uint64{
		time.Unix(0, 0):             2208988800 << 32,
		time.Unix(1, 500_000_000):   2208988801<<32 | 1<<31,
		time.Unix(2e9, 999_999_999): (2e9+2208988800)<<32 | 0xfffffffb,
	} {
		if got := ntpTime(at); got != want {
			t.Errorf("%v is %#x, want %#x", at, got, want)
		}
	}
}
