package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// port is that of multicast DNS (RFC 6762 section 3).
const port = 5353

// The groups of multicast DNS (RFC 6762 section 3).
func group4() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 251}) }
func group6() netip.Addr { return netip.MustParseAddr("ff02::fb") }

// socket sends and hears multicast DNS in one of the two families.
type socket struct {
	conn net.PacketConn
	v4   *ipv4.PacketConn // one of the two is nil
	v6   *ipv6.PacketConn

	joined map[int]bool // by interface; owned by the responder's loop
}

// packet is one that was heard.
type packet struct {
	via  *socket
	link int // the interface's index
	from netip.AddrPort
	data []byte
}

// listen opens a socket that others on this machine, such as avahi-daemon, may open
// as well (RFC 6762 section 15.1). It is bound to the group, not to all addresses, so
// that it takes no answer away from them.
func listen(group netip.Addr) (*socket, error) {
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: group4().As4()})
	if group.Is6() {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: group.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "mdns")
	defer func() { _ = file.Close() }() // conn has a copy
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, fmt.Errorf("sharing port %d: %w", port, err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return nil, fmt.Errorf("restricting a socket to IPv6: %w", err)
		}
	}
	if err := unix.Bind(fd, to); err != nil {
		return nil, fmt.Errorf("taking port %d of %s, for names under .local: %w", port, group, err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	s := &socket{conn: conn, joined: make(map[int]bool)}
	if err := s.prepare(family); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing a socket for %s: %w", group, err), conn.Close())
	}
	return s, nil
}

// prepare makes the socket tell where packets came in, reach no further than the link
// (RFC 6762 section 11), and be heard on this machine.
func (s *socket) prepare(family int) error {
	if family == unix.AF_INET {
		s.v4 = ipv4.NewPacketConn(s.conn)
		return errors.Join(s.v4.SetControlMessage(ipv4.FlagInterface, true), s.v4.SetMulticastLoopback(true),
			s.v4.SetMulticastTTL(255), s.v4.SetTTL(255))
	}
	s.v6 = ipv6.NewPacketConn(s.conn)
	return errors.Join(s.v6.SetControlMessage(ipv6.FlagInterface, true), s.v6.SetMulticastLoopback(true),
		s.v6.SetMulticastHopLimit(255), s.v6.SetHopLimit(255))
}

func (s *socket) group() netip.Addr {
	if s.v4 != nil {
		return group4()
	}
	return group6()
}

// join makes the socket hear these networks, and no other.
func (s *socket) join(links []link) error {
	var errs []error
	now := make(map[int]bool)
	group := &net.UDPAddr{IP: s.group().AsSlice()}
	for _, l := range links {
		now[l.Index] = true
		if s.joined[l.Index] {
			continue
		}
		var err error
		if s.v4 != nil {
			err = s.v4.JoinGroup(&l.Interface, group)
		} else {
			err = s.v6.JoinGroup(&l.Interface, group)
		}
		if err != nil && !errors.Is(err, unix.EADDRINUSE) {
			errs = append(errs, fmt.Errorf("joining %s on %s: %w", s.group(), l.Name, err))
			delete(now, l.Index)
		}
	}
	for index := range s.joined {
		if !now[index] { // fails where the interface is gone, and the kernel has left already
			if s.v4 != nil {
				_ = s.v4.LeaveGroup(&net.Interface{Index: index}, group)
			} else {
				_ = s.v6.LeaveGroup(&net.Interface{Index: index}, group)
			}
		}
	}
	s.joined = now
	return errors.Join(errs...)
}

// send sends to everybody on a link.
func (s *socket) send(data []byte, link int) error {
	return s.sendTo(data, link, netip.AddrPortFrom(s.group(), port))
}

// sendTo sends to one host on a link.
func (s *socket) sendTo(data []byte, link int, to netip.AddrPort) error {
	if s.v4 != nil {
		_, err := s.v4.WriteTo(data, &ipv4.ControlMessage{IfIndex: link}, net.UDPAddrFromAddrPort(to))
		return err
	}
	_, err := s.v6.WriteTo(data, &ipv6.ControlMessage{IfIndex: link}, net.UDPAddrFromAddrPort(to))
	return err
}

// run hears packets until close.
func (s *socket) run(heard func(packet)) {
	buffer := make([]byte, 9000) // the largest allowed (RFC 6762 section 17)
	for {
		n, link, from, err := s.receive(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		address, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			continue
		}
		source := address.AddrPort()
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		heard(packet{via: s, link: link, from: source, data: append([]byte(nil), buffer[:n]...)})
	}
}

func (s *socket) receive(buffer []byte) (n, link int, from net.Addr, err error) {
	if s.v4 != nil {
		n, message, from, err := s.v4.ReadFrom(buffer)
		if message != nil {
			link = message.IfIndex
		}
		return n, link, from, err
	}
	n, message, from, err := s.v6.ReadFrom(buffer)
	if message != nil {
		link = message.IfIndex
	}
	return n, link, from, err
}

func (s *socket) close() { _ = s.conn.Close() }
