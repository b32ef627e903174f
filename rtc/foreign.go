package rtc

import (
	"net"
	"net/netip"
	"strings"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// A phone says itself to which addresses the door is to send connectivity checks
// (RFC 8445 section 7.2.4), and could name anybody's: the router's own page, or a
// stranger on the internet (RFC 8828, RFC 8445 section 19.5.1). So what it says
// counts only where that address is in a network of this machine. Nothing is lost:
// from wherever its own checks come, it is found by them (section 7.3.1.3). Only
// where STUN or TURN servers are configured, which are for phones elsewhere, checks
// have to go out first.

// permits tells whether checks may be sent to an address that a phone names.
func (n *network) permits(address netip.Addr) bool {
	return usable(address, n.loopback) && (n.afar || onLink(address))
}

// onLink tells whether an address is in a network that this machine is connected to.
func onLink(address netip.Addr) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Masked().Contains(address) {
			return true
		}
	}
	return false
}

// permitsCandidate tells it of a candidate's attribute (RFC 8839 section 5.1). The
// end of candidates is permitted. What can't be read, or names a host that would
// have to be looked up, is not.
func (n *network) permitsCandidate(attribute string) bool {
	attribute = strings.TrimPrefix(attribute, "a=")
	if strings.TrimSpace(strings.TrimPrefix(attribute, "candidate:")) == "" {
		return true
	}
	candidate, err := ice.UnmarshalCandidate(attribute)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(candidate.Address())
	return err == nil && n.permits(address.Unmap())
}

// permitted is a description without the candidates that aren't.
func (n *network) permitted(description webrtc.SessionDescription) webrtc.SessionDescription {
	// Parsers differ in what they take for the end of a line; here all of it is one.
	ends := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	var kept strings.Builder
	for line := range strings.Lines(ends.Replace(description.SDP)) {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "a=candidate:") && !n.permitsCandidate(text) {
			continue
		}
		kept.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
	}
	return webrtc.SessionDescription{Type: description.Type, SDP: kept.String()}
}
