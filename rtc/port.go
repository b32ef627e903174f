package rtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
)

// blockedPorts are the UDP ports to which Chromium sends nothing, while its
// statistics count (found by trying; the list is net/base/port_util.cc's for
// what lies above 1023).
var blockedPorts = [...]int{
	1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}

// CheckPort says why a browser would not send media to that UDP port, or nil.
// 0 stands for any free port.
func CheckPort(port int) error {
	switch {
	case port == 0:
		return nil
	case port < 1024 || port > 65535:
		return fmt.Errorf("media port %d: browsers send no media to ports below 1024, and 65535 is the last; take 8555", port)
	case slices.Contains(blockedPorts[:], port):
		return fmt.Errorf("media port %d: browsers refuse to send to it, since another protocol is at home there; take 8555", port)
	}
	return nil
}

// mediaPort is one UDP port on every address of this machine. Addresses that
// come later (the network was not up at start, a new lease) are found at the
// next call: pion asks for the addresses when it gathers.
//
// Each address has a socket of its own, so that an answer leaves from the
// address that was asked; one wildcard socket would let the kernel choose.
type mediaPort struct {
	// Fixed after newMediaPort.
	port     int
	loopback bool
	log      logging.LeveledLogger

	held   atomic.Int32 // so many want packets to be bundled
	mu     sync.Mutex   // guards what follows
	muxes  map[netip.Addr]*ice.UDPMuxDefault
	conns  map[netip.Addr]*bundleConn // the muxes' own
	closed bool
}

var _ ice.UDPMux = (*mediaPort)(nil)

// newMediaPort opens the port on all addresses that there are. It fails if the
// port is taken on one of them.
func newMediaPort(port int, loopback bool, log logging.LeveledLogger) (*mediaPort, error) {
	p := &mediaPort{port: port, loopback: loopback, log: log, muxes: map[netip.Addr]*ice.UDPMuxDefault{}, conns: map[netip.Addr]*bundleConn{}}
	if err := p.refresh(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// usable reports whether phones may reach the door under that address.
func usable(addr netip.Addr, loopback bool) bool {
	if addr.IsLoopback() {
		return loopback
	}
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && !addr.IsLinkLocalUnicast()
}

func localAddrs(loopback bool) ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of this machine: %w", err)
	}
	var found []netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && usable(prefix.Addr().Unmap(), loopback) {
			found = append(found, prefix.Addr().Unmap())
		}
	}
	return found, nil
}

// refresh opens a socket for each new address and closes those of addresses
// that have gone. With port 0 the first socket's port serves for all.
func (p *mediaPort) refresh() error {
	addrs, err := localAddrs(p.loopback)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	var failed error
	for _, addr := range addrs {
		if p.muxes[addr] != nil {
			continue
		}
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(p.port))))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("opening UDP port %d for media on %s: %w", p.port, addr, err))
			continue
		}
		if p.port == 0 {
			p.port = conn.LocalAddr().(*net.UDPAddr).Port
		}
		p.conns[addr] = newBundleConn(conn, &p.held)
		p.muxes[addr] = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: p.conns[addr], Logger: p.log})
	}
	for addr, mux := range p.muxes {
		if !slices.Contains(addrs, addr) {
			delete(p.muxes, addr)
			delete(p.conns, addr)
			failed = errors.Join(failed, mux.Close())
		}
	}
	return failed
}

// hold lets packets to one phone be bundled until the function is called that it returns.
// Packets of others go along meanwhile, so that must be soon.
func (p *mediaPort) hold() (send func()) {
	p.held.Add(1)
	return func() {
		p.held.Add(-1)
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.conns {
			c.flush()
		}
	}
}

// GetListenAddresses lists the port on each address ([ice.UDPMux]).
func (p *mediaPort) GetListenAddresses() []net.Addr {
	if err := p.refresh(); err != nil {
		p.log.Warnf("Failed to follow the addresses of this machine: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var addrs []net.Addr
	for _, mux := range p.muxes {
		addrs = append(addrs, mux.GetListenAddresses()...)
	}
	return addrs
}

// GetConn returns the connection of one ICE agent on one address ([ice.UDPMux]).
func (p *mediaPort) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("media port: %v is no UDP address", addr)
	}
	p.mu.Lock()
	mux := p.muxes[udp.AddrPort().Addr().Unmap()]
	p.mu.Unlock()
	if mux == nil {
		return nil, fmt.Errorf("media port: %v is no address of this machine any more", addr)
	}
	return mux.GetConn(ufrag, mux.LocalAddr())
}

// RemoveConnByUfrag ends what one ICE agent has ([ice.UDPMux]).
func (p *mediaPort) RemoveConnByUfrag(ufrag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, mux := range p.muxes {
		mux.RemoveConnByUfrag(ufrag)
	}
}

// Close closes every socket ([ice.UDPMux]).
func (p *mediaPort) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var err error
	for addr, mux := range p.muxes {
		delete(p.muxes, addr)
		err = errors.Join(err, mux.Close())
	}
	return err
}
