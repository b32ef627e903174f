// Package lan knows the machine's addresses in the local network, and gives it a name
// there.
package lan

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// link is a network that the machine is in.
type link struct {
	net.Interface
	prefixes []netip.Prefix // its usable addresses, each with the network's size
}

// Addresses returns the addresses by which other devices reach this machine, those
// that phones get on with best first: private IPv4, other IPv4, unique local IPv6,
// public IPv6, and last IPv4 that is good on one cable only (169.254/16). IPv6 of
// that kind can't be typed into a browser, and addresses that change from day to day
// (RFC 8981) or are not to be used any more are no use to anybody either.
func Addresses() []netip.Addr {
	var addresses []netip.Addr
	for _, l := range links() {
		for _, prefix := range l.prefixes {
			if !prefix.Addr().Is6() || !prefix.Addr().IsLinkLocalUnicast() {
				addresses = append(addresses, prefix.Addr())
			}
		}
	}
	slices.SortStableFunc(addresses, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	return addresses
}

// rank is the place of an address among those of its machine.
func rank(a netip.Addr) int {
	switch {
	case a.IsLinkLocalUnicast():
		return 4
	case a.Is4() && a.IsPrivate():
		return 0
	case a.Is4():
		return 1
	case a.IsPrivate():
		return 2
	}
	return 3
}

// links returns the networks in which somebody else could be. Those inside of the
// machine, which containers and virtual machines have, count only where there is no
// other.
func links() []link {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	passing := passingAddresses()
	var outside, inside []link
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		l := link{Interface: i, prefixes: usable(i, passing)}
		switch {
		case len(l.prefixes) == 0:
		case isInside(i.Name):
			inside = append(inside, l)
		default:
			outside = append(outside, l)
		}
	}
	if len(outside) > 0 {
		return outside
	}
	return inside
}

// usable returns an interface's unicast addresses.
func usable(i net.Interface, passing map[netip.Addr]bool) []netip.Prefix {
	given, err := i.Addrs()
	if err != nil {
		return nil
	}
	var prefixes []netip.Prefix
	for _, a := range given {
		ip, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		address, ok := netip.AddrFromSlice(ip.IP)
		if !ok {
			continue
		}
		address = address.Unmap()
		ones, _ := ip.Mask.Size()
		if (address.IsGlobalUnicast() || address.IsLinkLocalUnicast()) && !passing[address] {
			prefixes = append(prefixes, netip.PrefixFrom(address, ones))
		}
	}
	return prefixes
}

// sysNet is where the kernel shows its network interfaces
// (Documentation/ABI/testing/sysfs-class-net).
const sysNet = "/sys/class/net"

// isInside tells whether an interface is a bridge to which no device is connected, as
// Docker, libvirt and their like make it. One with a network card or a radio in it
// leads outside.
func isInside(name string) bool {
	if _, err := os.Stat(filepath.Join(sysNet, name, "bridge")); err != nil {
		return false
	}
	ports, err := os.ReadDir(filepath.Join(sysNet, name, "brif"))
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(ports, func(port os.DirEntry) bool {
		_, err := os.Stat(filepath.Join(sysNet, port.Name(), "device"))
		return err == nil
	})
}

// ownAddresses are all addresses of this machine, whatever they are good for.
func ownAddresses() map[netip.Addr]bool {
	own := make(map[netip.Addr]bool)
	given, err := net.InterfaceAddrs()
	if err != nil {
		return own
	}
	for _, a := range given {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own[prefix.Addr().Unmap()] = true
		}
	}
	return own
}
