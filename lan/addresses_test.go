package lan

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestRank(t *testing.T) {
	want := addrs("192.168.1.5", "172.16.0.1", "100.64.0.1", "203.0.113.1", "fd00::5", "2001:db8::5", "169.254.1.1")
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortStableFunc(got, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	for i, a := range got {
		if rank(a) != rank(want[i]) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestInet6(t *testing.T) {
	passing := parseInet6(strings.NewReader(`00000000000000000000000000000001 01 80 10 80       lo
fd770000000000000000000000000001 02 40 00 80     eth0
20010db8000000000000000000000001 02 40 00 01     eth0
20010db8000000000000000000000002 02 40 00 20     eth0
fe800000000000000000000000000001 02 40 20 40     eth0
nonsense
zz 02 40 20 40     eth0
`))
	if len(passing) != 3 || !passing[addrs("2001:db8::1")[0]] || !passing[addrs("2001:db8::2")[0]] || !passing[addrs("fe80::1")[0]] {
		t.Errorf("%v", passing)
	}
}

// TestAddresses looks at a machine with networks of all kinds.
func TestAddresses(t *testing.T) {
	n := newNet(t)
	m := n.add("many", "203.0.113.1/24", "fd77::1/64", "2001:db8::1/64", "192.168.77.1/24", "169.254.7.7/16")
	m.run("ip", "link", "add", "docker0", "type", "bridge")
	m.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
	m.run("ip", "link", "set", "docker0", "up")
	m.run("ip", "link", "add", "down0", "type", "bridge")
	m.run("ip", "address", "add", "10.9.9.9/8", "dev", "down0")
	p := m.respond("doorbell", "")
	p.expect("addresses [192.168.77.1 203.0.113.1 fd77::1 2001:db8::1 169.254.7.7]")
	p.stop("doorbell.local")

	m.run("ip", "link", "set", "eth0", "down")
	q := m.respond("doorbell", "")
	q.expect("addresses [172.17.0.1]")
	q.stop("doorbell.local")
}
