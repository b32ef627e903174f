package rtc

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// TestUsable says which addresses of a phone's candidates the door may be sent
// to: a candidate is what somebody else claims.
func TestUsable(t *testing.T) {
	for text, want := range map[string]struct{ usable, inTrials bool }{
		"192.168.1.5":      {true, true},
		"10.0.0.1":         {true, true},
		"fd00::5":          {true, true},
		"2001:db8::5":      {true, true},
		"203.0.113.5":      {true, true},
		"127.0.0.1":        {false, true},
		"::1":              {false, true},
		"::ffff:127.0.0.1": {false, true},
		"169.254.1.1":      {false, false},
		"fe80::1":          {false, false},
		"224.0.0.251":      {false, false},
		"ff02::fb":         {false, false},
		"0.0.0.0":          {false, false},
		"::":               {false, false},
	} {
		ip := net.IP(netip.MustParseAddr(text).AsSlice())
		if got := usableIP(ip, false); got != want.usable {
			t.Errorf("%s: usable %t, want %t", text, got, want.usable)
		}
		if got := usableIP(ip, true); got != want.inTrials {
			t.Errorf("%s in trials: usable %t, want %t", text, got, want.inTrials)
		}
	}
	if usableIP(nil, true) {
		t.Error("no address is usable")
	}
}

// TestMediaPortIsTheSameEverywhere opens one port on all addresses, for UDP and
// TCP alike.
func TestMediaPortIsTheSameEverywhere(t *testing.T) {
	n, err := newNetwork(ICEOptions{Loopback: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	var hosts []string
	for _, addr := range n.udp.GetListenAddresses() {
		udp := addr.(*net.UDPAddr)
		if udp.Port != n.udp.port {
			t.Errorf("%v is not port %d", addr, n.udp.port)
		}
		hosts = append(hosts, udp.IP.String())
	}
	if !slices.Contains(hosts, "127.0.0.1") {
		t.Errorf("phones on this machine don't find the door at %v", hosts)
	}
	if conn, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n.udp.port)).String()); err != nil {
		t.Errorf("the same port over TCP: %v", err)
	} else {
		_ = conn.Close()
	}
	if err := n.udp.refresh(); err != nil { // nothing has changed, nothing is opened twice
		t.Error(err)
	}
}

func TestProbePort(t *testing.T) {
	addrs, err := ProbePort(0, true)
	if err != nil || len(addrs) == 0 {
		t.Errorf("addresses %v, error %v", addrs, err)
	}
}
