package rtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/pion/ice/v4"
	"golang.org/x/sys/unix"
)

const (
	// mostBundled is how many bytes one bundle holds at most: a UDP packet's 65507,
	// which the kernel takes it for, less something.
	mostBundled = 60_000
	// mostSegments is how many packets (UDP_MAX_SEGMENTS, linux/udp.h; 128 since 6.x).
	mostSegments = 64
)

// bundleConn is a UDP socket that gives the kernel the packets of a picture to one phone
// at once (generic segmentation offload: UDP_SEGMENT, linux/udp.h since Linux 4.18), while
// somebody holds them: it takes the way through routing and firewall once, and network
// cards cut it up that can. Where the kernel can't for this socket's network, they go one
// by one.
type bundleConn struct {
	*net.UDPConn

	// held is how many want packets to be bundled. Shared with the port's other sockets.
	held  *atomic.Int32
	plain atomic.Bool // bundles are refused here

	mu     sync.Mutex // guards what follows
	to     netip.AddrPort
	bundle []byte // packets, one after the other
	size   int    // of each packet, but for the last
	count  int
	short  bool // the last is shorter than the others: no other may follow
	oob    []byte
}

var _ ice.AddrPortReaderWriter = (*bundleConn)(nil)

func newBundleConn(conn *net.UDPConn, held *atomic.Int32) *bundleConn {
	c := &bundleConn{UDPConn: conn, held: held}
	c.plain.Store(!knowsSegments(conn))
	return c
}

// knowsSegments tells whether the kernel does. One that doesn't would make one packet of
// a bundle, without a word.
func knowsSegments(conn *net.UDPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	unknown := err
	err = raw.Control(func(fd uintptr) { _, unknown = unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT) })
	return err == nil && unknown == nil
}

// ReadFromAddrPort receives a packet ([ice.AddrPortReaderWriter]).
func (c *bundleConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return c.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort sends a packet, or keeps it until it can go with others of its bundle
// ([ice.AddrPortReaderWriter]). Then what the network says is not known yet, and a packet
// that it refuses is lost like any other.
func (c *bundleConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.held.Load() == 0 || c.plain.Load() || len(b) == 0 {
		return c.WriteToUDPAddrPort(b, to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count > 0 && (c.to != to || c.short || len(b) > c.size || c.count == mostSegments || len(c.bundle)+len(b) > mostBundled) {
		c.send()
	}
	if c.count == 0 {
		c.to, c.size = to, len(b)
	}
	c.bundle = append(c.bundle, b...)
	c.count++
	c.short = len(b) < c.size
	if c.held.Load() == 0 { // those who held have flushed before this came
		c.send()
	}
	return len(b), nil
}

// flush sends what is kept.
func (c *bundleConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send()
}

// send is flush for those who hold mu.
func (c *bundleConn) send() {
	if c.count == 0 {
		return
	}
	if c.count == 1 || !c.sendBundle() {
		for rest := c.bundle; len(rest) > 0; {
			n := min(c.size, len(rest))
			_, _ = c.WriteToUDPAddrPort(rest[:n], c.to) // as WriteToAddrPort says
			rest = rest[n:]
		}
	}
	c.bundle, c.count, c.short = c.bundle[:0], 0, false
}

// sendBundle gives the kernel all packets at once. It reports false where they are to go
// one by one: the network's device computes no checksums (EIO), or packets on this way
// have to be smaller (EMSGSIZE, EINVAL).
func (c *bundleConn) sendBundle() bool {
	if c.oob == nil {
		c.oob = make([]byte, unix.CmsgSpace(2))
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(c.oob)))
		h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		h.SetLen(unix.CmsgLen(2))
	}
	binary.NativeEndian.PutUint16(c.oob[unix.CmsgLen(0):], uint16(c.size))
	_, _, err := c.WriteMsgUDPAddrPort(c.bundle, c.oob, c.to)
	for _, refused := range []error{unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP} {
		if errors.Is(err, refused) {
			c.plain.Store(true)
			return false
		}
	}
	return true // sent, or lost
}
