package web

import (
	"net/http"
	"strings"
)

// permissions that the page has (its own origin only) and those that nobody has here.
// https://w3c.github.io/webappsec-permissions-policy/
const permissions = "microphone=(self), camera=(self), autoplay=(self), fullscreen=(self), picture-in-picture=(self), " +
	"screen-wake-lock=(self), speaker-selection=(self), " +
	"accelerometer=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), midi=(), payment=(), " +
	"publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()"

// setSecurityHeaders sets what every answer carries. host is the request's Host.
func setSecurityHeaders(h http.Header, host string) {
	h.Set("Content-Security-Policy", contentSecurityPolicy(host))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// contentSecurityPolicy lets the page load from its own server only. Safari before 15.4 doesn't take 'self' for the WebSocket of
// the same host (WebKit bug 201591), so that is named as well; a Host that isn't plainly one is left out.
// further are other origins that it may speak to.
func contentSecurityPolicy(host string, further ...string) string {
	connect := "'self'"
	if isPlainHost(host) {
		connect += " ws://" + host + " wss://" + host
	}
	for _, origin := range further {
		connect += " " + origin
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; connect-src " +
		connect + "; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// isPlainHost reports whether host is made of the characters of names, addresses and ports only, and so can't add to the policy.
func isPlainHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	return strings.IndexFunc(host, func(c rune) bool {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			return false
		}
		return !strings.ContainsRune(".-_:[]", c)
	}) < 0
}
