package rtc

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// ownAddress is an address of this machine that isn't loopback; nil where it has none.
func ownAddress(t *testing.T) (own, neighbour netip.Addr) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && usable(prefix.Addr(), false) && prefix.Addr().Is4() && prefix.Bits() < 31 {
			return prefix.Addr(), prefix.Masked().Addr().Next()
		}
	}
	t.Skip("this machine has no network: nothing is a neighbour")
	return
}

func TestForeignCandidates(t *testing.T) {
	own, neighbour := ownAddress(t)
	candidate := func(address string) string {
		return "candidate:1 1 udp 2130706431 " + address + " 5000 typ host"
	}
	home, afar, trial := &network{}, &network{afar: true}, &network{loopback: true}
	for _, test := range []struct {
		attribute         string
		home, afar, trial bool
	}{
		{candidate(own.String()), true, true, true},
		{candidate(neighbour.String()), true, true, true},
		{candidate("198.51.100.7"), false, true, false}, // TEST-NET-2 (RFC 5737): elsewhere
		{candidate("2001:db8:ffff::7"), false, true, false},
		{candidate("127.0.0.1"), false, false, true},
		{candidate("::ffff:127.0.0.1"), false, false, true},
		{candidate("224.0.0.1"), false, false, false},
		{candidate("0.0.0.0"), false, false, false},
		{candidate("169.254.169.254"), false, false, false},
		{candidate("4f1c2e0a-0d7c-4a38-8e8f-cafe00000001.local"), false, false, false},
		{candidate("evil.example"), false, false, false},
		{"candidate:1 1 udp 2130706431 198.51.100.7 5000 typ srflx raddr " + own.String() + " rport 9", false, true, false},
		{"candidate:1 1 tcp 1 198.51.100.7 22 typ host tcptype passive", false, true, false},
		{"", true, true, true}, // the end of candidates
		{"candidate:", true, true, true},
		{"candidate:nonsense", false, false, false},
	} {
		for n, want := range map[*network]bool{home: test.home, afar: test.afar, trial: test.trial} {
			if got := n.permitsCandidate(test.attribute); got != want {
				t.Errorf("%q: %t (afar %t, loopback %t)", test.attribute, got, n.afar, n.loopback)
			}
		}
	}
}

func TestForeignDescription(t *testing.T) {
	own, _ := ownAddress(t)
	sdp := "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 udp 1 198.51.100.7 5000 typ host\r\n" +
		"a=candidate:2 1 udp 1 " + own.String() + " 5000 typ host\r\n a=candidate:3 1 udp 1 198.51.100.8 5000 typ host\r\na=x\ra=candidate:4 1 udp 1 198.51.100.9 5 typ host\r\na=mid:0\r\n"
	got := (&network{}).permitted(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp})
	if strings.Contains(got.SDP, "198.51.100") || !strings.Contains(got.SDP, own.String()) || !strings.HasSuffix(got.SDP, "a=mid:0\r\n") || got.Type != webrtc.SDPTypeOffer {
		t.Errorf("%q", got.SDP)
	}
}

func FuzzCandidate(f *testing.F) {
	f.Add("candidate:1 1 udp 2130706431 198.51.100.7 5000 typ host", "a=candidate:1 1 udp 1 198.51.100.7 5000 typ host\r\n")
	f.Fuzz(func(t *testing.T, candidate, sdp string) {
		n := &network{}
		_ = n.permitsCandidate(candidate)
		got := n.permitted(webrtc.SessionDescription{SDP: sdp}).SDP
		for line := range strings.FieldsFuncSeq(got, func(c rune) bool { return c == '\r' || c == '\n' }) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "a=candidate:") && !n.permitsCandidate(line) {
				t.Fatalf("%q kept %q", sdp, got)
			}
		}
	})
}
