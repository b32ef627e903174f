package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"doorbell/access"
)

// hostOf is the host that a request names, without port, in small letters and without the dot at the end of a full name.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// ours tells whether the host is a name or address of this machine.
func (s *site) ours(r *http.Request, host string) bool {
	if isLoopbackHost(host) {
		return true
	}
	if address, err := netip.ParseAddr(host); err == nil && address.WithZone("") == addressOf(localAddress(r)) {
		return true
	}
	return s.Hosts != nil && s.Hosts(host)
}

// isLoopbackHost tells whether a host means the machine itself wherever it is written (RFC 6761, section 6.3; W3C Secure
// Contexts, section 3.1).
func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// localAddress is the address, host:port, at which the connection came in.
func localAddress(r *http.Request) string {
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return address.String()
	}
	return ""
}

// addressOf is the IP address in host:port, invalid where there is none.
func addressOf(hostPort string) netip.Addr {
	address, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap().WithZone("")
}

// isWeakerOrigin tells whether a page that came by plain HTTP asks the site that comes by HTTPS: anybody on the way can have
// written that page, and http.CrossOriginProtection compares hosts only.
func isWeakerOrigin(r *http.Request) bool {
	return r.TLS != nil && r.Method != http.MethodGet && r.Method != http.MethodHead && strings.HasPrefix(r.Header.Get("Origin"), "http:")
}

// secure tells whether the site itself may be served on this connection: over TLS, from this machine to itself, which browsers
// take for a secure context, or to somebody who needs no key.
func (s *site) secure(r *http.Request, host string) bool {
	remote := addressOf(r.RemoteAddr)
	return r.TLS != nil || remote.IsLoopback() && isLoopbackHost(host) || s.open(remote)
}

func (s *site) open(remote netip.Addr) bool { return s.Open != nil && s.Open(remote) }

// sessionMaxAge is how long a browser keeps a session that isn't used: 400 days, the most that they take (RFC 6265bis,
// section 5.5). Each visit of the page begins it anew.
const sessionMaxAge = 400 * 24 * 60 * 60

// sessionCookie is the cookie's name: over TLS with the prefix that keeps it from being set by another host or over plain HTTP
// (RFC 6265bis, section 4.1.3.2).
func sessionCookie(secure bool) string {
	if secure {
		return "__Host-doorbell"
	}
	return "doorbell"
}

// setSession gives a phone its session; maxAge below zero takes it away.
func setSession(w http.ResponseWriter, r *http.Request, token string, maxAge int) {
	secure := r.TLS != nil
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(secure), Value: token, Path: "/", MaxAge: maxAge,
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Token is the secret of the session that a request belongs to; empty without one. header is the request's, and secure tells
// whether it came over TLS.
func Token(header http.Header, secure bool) string {
	cookie, err := (&http.Request{Header: header}).Cookie(sessionCookie(secure))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// phone is the phone that a request comes from.
func (s *site) phone(r *http.Request) (access.Phone, bool) {
	if s.Keys == nil {
		return access.Phone{}, false
	}
	return s.Keys.Identify(Token(r.Header, r.TLS != nil))
}

// mayCome tells whether a request gets more than strangers do.
func (s *site) mayCome(r *http.Request) bool {
	_, known := s.phone(r)
	return known || s.open(addressOf(r.RemoteAddr))
}

// keepSession begins a session's time anew.
func (s *site) keepSession(w http.ResponseWriter, r *http.Request) {
	if _, known := s.phone(r); known {
		setSession(w, r, Token(r.Header, r.TLS != nil), sessionMaxAge)
	}
}

// handler answers a request of a phone; the zero phone is somebody who needs no key.
type handler func(w http.ResponseWriter, r *http.Request, phone access.Phone)

// insider lets in who may come in.
func (s *site) insider(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		phone, known := s.phone(r)
		if !known && !s.open(addressOf(r.RemoteAddr)) {
			refuseStranger(w)
			return
		}
		next(w, r, phone)
	}
}

// owner lets in owners only.
func (s *site) owner(next handler) http.HandlerFunc {
	return s.insider(func(w http.ResponseWriter, r *http.Request, phone access.Phone) {
		if phone.Role != access.RoleOwner {
			refuse(w, http.StatusForbidden, "not-owner", "Forbidden: only an owner may do that.")
			return
		}
		next(w, r, phone)
	})
}

// refuseStranger answers somebody who has no key.
func refuseStranger(w http.ResponseWriter) {
	refuse(w, http.StatusUnauthorized, "no-session", "Unauthorized: this phone doesn't belong to the house. It can join at /join.")
}

// Address is what tries are counted by: an IPv4 address or an IPv6 /64, which is what one household or one attacker has.
func Address(remote string) string {
	address := addressOf(remote)
	if prefix, err := address.Prefix(64); err == nil && address.Is6() {
		return prefix.String()
	}
	return address.String()
}

// clip shortens what a stranger sent, for the log.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
