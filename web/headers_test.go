package web

import (
	"net/http"
	"strings"
	"testing"
)

// checkSecurityHeaders checks what every answer must carry.
func checkSecurityHeaders(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "media-src 'self' blob:",
		"connect-src 'self' ws://door.example:8080 wss://door.example:8080", "manifest-src 'self'", "frame-ancestors 'none'",
		"base-uri 'none'", "form-action 'none'",
	} {
		if !strings.Contains(policy+";", want+";") {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("policy is loose: %s", policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	permissions := h.Get("Permissions-Policy")
	for _, want := range []string{"microphone=(self)", "camera=(self)", "geolocation=()", "display-capture=()"} {
		if !strings.Contains(permissions, want) {
			t.Errorf("permissions lack %s: %s", want, permissions)
		}
	}
}

func TestPolicyTakesOnlyPlainHosts(t *testing.T) {
	for host, named := range map[string]bool{
		"localhost:8080": true, "192.0.2.7": true, "[2001:db8::1]:8080": true, "door-bell.home_lan": true, "": false,
		"a; script-src *": false, "a b": false, "a'b": false, "a,b": false, "bü": false, "a\r\nb": false, strings.Repeat("a", 256): false,
	} {
		policy := contentSecurityPolicy(host)
		if got := strings.Contains(policy, "ws://"+host+" wss://"+host+";"); got != named {
			t.Errorf("%q: %s", host, policy)
		}
		if strings.Count(policy, ";") != 10-1 && !named {
			t.Errorf("%q adds to the policy: %s", host, policy)
		}
	}
}
