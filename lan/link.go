package lan

import (
	"net"
	"net/netip"
	"slices"
)

// isMute tells whether a network has no multicast, or nothing to say in it.
func (l link) isMute() bool {
	return l.Flags&net.FlagMulticast == 0 || l.Flags&net.FlagPointToPoint != 0 || len(l.addresses()) == 0
}

// addresses are those that others in this network are told: public and private ones,
// or those good on this link only, where there are no others of the family.
func (l link) addresses() []netip.Addr {
	var all []netip.Addr
	for _, is4 := range []bool{true, false} {
		var wide, narrow []netip.Addr
		for _, prefix := range l.prefixes {
			switch address := prefix.Addr(); {
			case address.Is4() != is4:
			case address.IsLinkLocalUnicast():
				narrow = append(narrow, address)
			default:
				wide = append(wide, address)
			}
		}
		if len(wide) == 0 && is4 {
			wide = narrow
		}
		all = append(all, wide...)
	}
	return all
}

// reaches tells whether an address is in this network.
func (l link) reaches(address netip.Addr) bool {
	address = address.WithZone("")
	return address.Is6() && address.IsLinkLocalUnicast() ||
		slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// has tells whether an address is this machine's.
func (l link) has(address netip.Addr) bool {
	address = address.WithZone("")
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr() == address })
}

// equals tells whether nothing has changed.
func (l link) equals(other link) bool {
	return l.Index == other.Index && l.Name == other.Name && l.Flags == other.Flags && slices.Equal(l.prefixes, other.prefixes)
}
