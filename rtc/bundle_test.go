package rtc

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// receive reads packets until there have been so many.
func receive(t *testing.T, conn *net.UDPConn, n int) [][]byte {
	t.Helper()
	var got [][]byte
	buffer := make([]byte, 65536)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(got) < n {
		size, _, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			t.Fatalf("after %d of %d packets: %v", len(got), n, err)
		}
		got = append(got, bytes.Clone(buffer[:size]))
	}
	return got
}

func listen(t *testing.T, address string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// testPort is a port with one socket.
func testPort(t *testing.T, address string) (*mediaPort, *bundleConn) {
	conn, at := listen(t, address)
	p := &mediaPort{conns: map[netip.Addr]*bundleConn{}}
	p.conns[at.Addr()] = newBundleConn(conn, &p.held)
	return p, p.conns[at.Addr()]
}

// Packets arrive as they were, each by itself and in order, however they are bundled; and bundled they are.
func TestBundlesArriveAsPackets(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		p, c := testPort(t, address)
		first, firstAt := listen(t, address)
		second, secondAt := listen(t, address)
		var want [2][][]byte
		sizes := []int{1212, 1200, 1200, 700, 1200, 1200, 30, 30, 31, 1, 1200}
		for range 70 {
			sizes = append(sizes, 1100) // more than the kernel takes at once
		}
		send := p.hold()
		for i, size := range sizes {
			for turn, to := range []netip.AddrPort{firstAt, secondAt} {
				if turn == 1 && i%5 != 0 {
					continue // the other phone's come between
				}
				b := bytes.Repeat([]byte{byte(i)}, size)
				want[turn] = append(want[turn], b)
				if n, err := c.WriteToAddrPort(b, to); n != size || err != nil {
					t.Fatal(n, err)
				}
			}
		}
		send()
		for turn, conn := range []*net.UDPConn{first, second} {
			if got := receive(t, conn, len(want[turn])); !slices.EqualFunc(got, want[turn], bytes.Equal) {
				t.Errorf("%s: the packets of phone %d came otherwise than they were sent", address, turn)
			}
		}
		if c.plain.Load() {
			t.Errorf("%s: bundles are refused", address)
		}
	}
}

// While nobody holds them, packets go at once; and none stays when the last one lets go.
func TestNothingIsKeptForLong(t *testing.T) {
	p, c := testPort(t, "127.0.0.1")
	phone, at := listen(t, "127.0.0.1")
	write := func(text string) {
		if _, err := c.WriteToAddrPort([]byte(text), at); err != nil {
			t.Error(err)
		}
	}
	write("at once")
	receive(t, phone, 1)
	one, two := p.hold(), p.hold()
	write("kept")
	one()
	receive(t, phone, 1)
	write("kept again")
	two()
	receive(t, phone, 1)
	const n = 2000
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for turn := range n / 4 {
				if i == 0 && turn%2 == 0 {
					send := p.hold()
					write(fmt.Sprint(i, turn))
					send()
				} else {
					write(fmt.Sprint(i, turn))
				}
				if turn%20 == 0 {
					time.Sleep(time.Millisecond) // so that the phone's buffer isn't too small
				}
			}
		})
	}
	seen := map[string]bool{}
	for _, packet := range receive(t, phone, n) {
		seen[string(packet)] = true
	}
	writers.Wait()
	if len(seen) != n {
		t.Errorf("%d different packets of %d came", len(seen), n)
	}
}

// Where the kernel refuses bundles, their packets go one by one.
func TestRefusedBundleGoesAsPackets(t *testing.T) {
	p, c := testPort(t, "127.0.0.1")
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// No checksums, no segmentation: udp_send_skb in net/ipv4/udp.c.
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) }); err != nil {
		t.Fatal(err)
	}
	phone, at := listen(t, "127.0.0.1")
	for range 2 {
		send := p.hold()
		for i := range 5 {
			if _, err := c.WriteToAddrPort(bytes.Repeat([]byte{byte(i)}, 500), at); err != nil {
				t.Fatal(err)
			}
		}
		send()
		for i, packet := range receive(t, phone, 5) {
			if len(packet) != 500 || packet[0] != byte(i) {
				t.Errorf("packet %d: %d bytes of %d", i, len(packet), packet[0])
			}
		}
	}
	if !c.plain.Load() {
		t.Error("it is tried again each time")
	}
}
