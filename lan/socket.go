package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// port is that of multicast DNS (RFC 6762 section 3).
const port = 5353

// The groups of multicast DNS (RFC 6762 section 3).
func group4() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 251}) }
func group6() netip.Addr { return netip.MustParseAddr("ff02::fb") }

// socket sends and hears multicast DNS on one link, in one family of addresses.
type socket struct {
	net.PacketConn
	link  int // the interface's index
	group netip.AddrPort
}

// packet is one that was heard.
type packet struct {
	via  *socket
	from netip.AddrPort
	data []byte
}

// listen opens a socket that others on this machine, such as avahi-daemon, may open
// as well (RFC 6762 section 15.1). It is bound to the group, so that it takes no
// answer away from them that is meant for them alone.
func listen(l link, group netip.Addr) (*socket, error) {
	family, join := unix.AF_INET, join4
	bound := unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: group4().As4()})
	if group.Is6() {
		family, join = unix.AF_INET6, join6
		bound = &unix.SockaddrInet6{Port: port, Addr: group.As16(), ZoneId: uint32(l.Index)}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "mdns")
	defer func() { _ = file.Close() }() // the connection has a copy
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, fmt.Errorf("sharing port %d: %w", port, err)
	}
	if err := unix.Bind(fd, bound); err != nil {
		return nil, fmt.Errorf("taking port %d of %s on %s: %w", port, group, l.Name, err)
	}
	if err := join(fd, l.Index); err != nil {
		return nil, fmt.Errorf("joining %s on %s: %w", group, l.Name, err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	if family == unix.AF_INET6 {
		group = group.WithZone(l.Name)
	}
	return &socket{PacketConn: conn, link: l.Index, group: netip.AddrPortFrom(group, port)}, nil
}

// join4 joins the group on a link, hears no other link's (IP_MULTICAST_ALL, ip(7)),
// and reaches no further than the link (RFC 6762 section 11).
func join4(fd, link int) error {
	membership := &unix.IPMreqn{Multiaddr: group4().As4(), Ifindex: int32(link)}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, membership),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, membership),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 255))
}

// join6 does the same; the link is in the address that the socket is bound to.
func join6(fd, link int) error {
	membership := &unix.IPv6Mreq{Multiaddr: group6().As16(), Interface: uint32(link)}
	return errors.Join(
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, membership),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, link),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 255))
}

// send sends to everybody on the link.
func (s *socket) send(data []byte) error { return s.sendTo(data, s.group) }

// sendTo sends to one host.
func (s *socket) sendTo(data []byte, to netip.AddrPort) error {
	_, err := s.WriteTo(data, net.UDPAddrFromAddrPort(to))
	return err
}

// run hears packets until the socket is closed.
func (s *socket) run(heard func(packet)) {
	buffer := make([]byte, 9000) // the largest allowed (RFC 6762 section 17)
	for {
		n, from, err := s.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if address, ok := from.(*net.UDPAddr); ok && err == nil {
			source := address.AddrPort()
			source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
			heard(packet{via: s, from: source, data: append([]byte(nil), buffer[:n]...)})
		}
	}
}
