package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// attacks are what somebody would try.
var attacks = []attack{
	{"no cookie", "anybody in the network looks at the door", func(t *testing.T, b *besieged) {
		eve := b.stranger()
		for _, path := range []string{"settings.json", "missed.json", "phones.json", "main.js"} {
			eve.do("GET", "https://door.test/"+path, nil).wants(t, path, 401)
		}
		eve.do("GET", "https://door.test/", nil).wants(t, "the page", 303)
		if _, reason := eve.login("eve", ""); reason != "denied" {
			t.Errorf("log-in: %q", reason)
		}
		conn, _ := eve.socket()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"offer","name":"doorbell","offer":{"type":"offer","sdp":"v=0"}}`)); err != nil {
			t.Fatal(err)
		}
		var reply struct{ Code string }
		if err := conn.ReadJSON(&reply); err != nil || reply.Code != "not-logged-in" {
			t.Errorf("an offer without log-in: %+v, %v", reply, err)
		}
	}},
	{"forged cookie", "a session that was never given", func(t *testing.T, b *besieged) {
		for _, cookie := range []string{"__Host-doorbell=", "__Host-doorbell=AAAAAAAAAAAAAAAAAAAAAAAAAA", "__Host-doorbell=null", "doorbell=" + strings.TrimPrefix(b.owner.cookie, "__Host-doorbell=")} {
			eve := b.stranger()
			eve.cookie = cookie
			eve.do("GET", "https://door.test/settings.json", nil).wants(t, cookie, 401)
		}
	}},
	{"invitation used twice", "whoever sees a QR code over a shoulder", func(t *testing.T, b *besieged) {
		words := b.invite()
		if got := b.stranger().join(words, "first"); got.status != 200 {
			t.Fatalf("the guest of honour: %s", got)
		}
		b.stranger().join(words, "second").wants(t, "the second", 403)
	}},
	{"wrong host", "DNS rebinding: a page that the phone visits lets its own name point here", func(t *testing.T, b *besieged) {
		for _, host := range []string{"evil.example", "door.test.evil.example", "evil.example:443", "192.0.2.99", ""} {
			if host != "" {
				b.owner.do("GET", "https://door.test/settings.json", nil, "Host", host).wants(t, host, 421)
				b.stranger().do("GET", "http://door.test/trust.json", nil, "Host", host).wants(t, "plain "+host, 421)
			}
			raw := b.raw(t, "GET /settings.json HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(raw, "HTTP/1.1 4") {
				t.Errorf("raw %q: %.80s", host, raw)
			}
		}
	}},
	{"foreign origin", "a page that the phone visits talks to the door with the phone's session", func(t *testing.T, b *besieged) {
		for _, origin := range []string{"https://evil.example", "null", "http://door.test", "https://door.test.evil.example"} {
			if conn, status := b.member.socket("Origin", origin); conn != nil || status != 403 {
				t.Errorf("WebSocket from %s: %d", origin, status)
			}
			b.owner.do("POST", "https://door.test/invitations", map[string]string{"role": "owner"}, "Origin", origin).wants(t, "POST from "+origin, 403)
		}
		for _, site := range []string{"cross-site", "same-site"} {
			b.owner.do("POST", "https://door.test/invitations", map[string]string{"role": "owner"}, "Sec-Fetch-Site", site).wants(t, site, 403)
			b.owner.do("DELETE", "https://door.test/phones/x", nil, "Sec-Fetch-Site", site).wants(t, site, 403)
		}
	}},
	{"form of another site", "a form needs no permission, and brings the cookie", func(t *testing.T, b *besieged) {
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded"} {
			b.owner.do("POST", "https://door.test/invitations", map[string]string{"role": "owner"}, "Content-Type", kind).wants(t, kind, 415)
		}
	}},
	{"framed page", "a page that is laid invisibly over another takes the taps meant for that", func(t *testing.T, b *besieged) {
		for _, path := range []string{"/", "/join"} {
			header := b.owner.do("GET", "https://door.test"+path, nil).header
			if !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s: %v", path, header)
			}
		}
	}},
	{"the doorbell's name", "a member who is taken for the door sees who answers", func(t *testing.T, b *besieged) {
		for _, name := range []string{"doorbell", "DOORBELL", " doorbell ", "ｄｏｏｒｂｅｌｌ"} {
			b.stranger().join(b.invite(), name).wants(t, "joining as "+name, 409)
			for _, more := range []string{"", `,"kind":"door"`, `,"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","signature":"AAAA","kind":"door"`} {
				if _, reason := b.member.login(strings.TrimSpace(name), more); reason != "reserved" && reason != "denied" {
					t.Errorf("log-in as %s%s: %q", name, more, reason)
				}
			}
		}
	}},
	{"somebody else's name", "a member who is taken for another", func(t *testing.T, b *besieged) {
		for _, name := range []string{"owner", "Owner", "__proto__", "constructor", "toString", ""} {
			if _, reason := b.member.login(name, ""); reason == "" {
				t.Errorf("log-in as %q", name)
			}
		}
		if _, reason := b.member.login("member", `,"kind":"door"`); reason != "denied" {
			t.Errorf("as a door: %q", reason)
		}
		b.stranger().join(b.invite(), "OWNER").wants(t, "a name that looks the same", 409)
	}},
	{"names that are not names", "", func(t *testing.T, b *besieged) {
		words := b.invite()
		for _, name := range []string{"", " ", strings.Repeat("n", 65), "a\nb", "a\x00b", "\u202eevil", "\u3164"} {
			got := b.stranger().join(words, name)
			got.wants(t, fmt.Sprintf("%q", name), 400)
		}
		proto := b.stranger()
		if got := proto.join(words, "__proto__"); got.status != 200 { // a name like any other
			t.Errorf("__proto__: %s", got)
		}
		if _, reason := proto.login("__proto__", ""); reason != "" {
			t.Errorf("log-in as __proto__: %s", reason)
		}
	}},
	{"member manages phones", "a member makes himself owner", func(t *testing.T, b *besieged) {
		b.member.do("GET", "https://door.test/phones.json", nil).wants(t, "list", 403)
		b.member.do("POST", "https://door.test/invitations", map[string]string{"role": "owner"}).wants(t, "invite", 403)
		b.member.do("DELETE", "https://door.test/phones/"+b.id(t, "owner"), nil).wants(t, "remove", 403)
		b.member.do("DELETE", "https://door.test/invitations/x", nil).wants(t, "withdraw", 403)
	}},
	{"the last owner removed", "nobody could invite any more", func(t *testing.T, b *besieged) {
		b.owner.do("DELETE", "https://door.test/phones/"+b.id(t, "owner"), nil).wants(t, "remove", 409)
		b.owner.do("POST", "https://door.test/leave", map[string]string{}).wants(t, "leave", 409)
	}},
	{"guest after the date", "a helper of last summer looks at the door", func(t *testing.T, b *besieged) {
		got := b.owner.do("POST", "https://door.test/invitations", map[string]any{"role": "guest", "until": time.Now().Add(3 * time.Second).UnixMilli()})
		var made struct{ Words string }
		if err := json.Unmarshal(got.body, &made); err != nil {
			t.Fatalf("%s", got)
		}
		guest := b.stranger()
		guest.join(made.Words, "guest").wants(t, "before", 200)
		conn, reason := guest.login("guest", "")
		if reason != "" {
			t.Fatalf("log-in before: %s", reason)
		}
		if code, took := closes(t, conn, 10*time.Second); code != 4003 || took > 5*time.Second {
			t.Errorf("the socket ended with %d after %v", code, took)
		}
		guest.do("GET", "https://door.test/settings.json", nil).wants(t, "after", 401)
		if _, reason := guest.login("guest", ""); reason != "denied" {
			t.Errorf("log-in after: %q", reason)
		}
	}},
	{"path traversal", "keys are read from the disk", func(t *testing.T, b *besieged) {
		for _, path := range []string{
			"/../access", "/..%2f..%2faccess", "/%2e%2e/%2e%2e/etc/passwd", "/lang/../../web.go", "//etc/passwd", "/\\..\\access", "/.git/config", "/tls/authority.pem", "/lang/%00",
		} {
			for _, cookie := range []string{"", b.owner.cookie} {
				raw := b.raw(t, "GET "+path+" HTTP/1.1\r\nHost: door.test\r\nCookie: "+cookie+"\r\nConnection: close\r\n\r\n")
				status, _, _ := strings.Cut(raw, "\r\n")
				if strings.Contains(status, " 200 ") || strings.Contains(raw, "root:") || strings.Contains(raw, "PRIVATE KEY") {
					t.Errorf("%s: %.200s", path, raw)
				}
			}
		}
	}},
	{"huge headers", "memory runs out", func(t *testing.T, b *besieged) {
		if raw := b.raw(t, "GET / HTTP/1.1\r\nHost: door.test\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"); !strings.HasPrefix(raw, "HTTP/1.1 431") && raw != "" {
			t.Errorf("%.80s", raw)
		}
	}},
	{"huge body", "memory runs out", func(t *testing.T, b *besieged) {
		b.stranger().do("POST", "https://door.test/join", map[string]string{"secret": strings.Repeat("x", 1<<20)}).wants(t, "join", 400)
	}},
	{"slow loris", "connections that never end their request keep others out", func(t *testing.T, b *besieged) {
		conn := b.dialTLS(t)
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: door.test\r\n"); err != nil {
			t.Fatal(err)
		}
		ended := make(chan time.Duration, 1)
		begun := time.Now()
		go func() {
			_ = conn.SetReadDeadline(begun.Add(20 * time.Second))
			_, _ = io.Copy(io.Discard, conn)
			ended <- time.Since(begun)
		}()
		for waiting := true; waiting; { // a byte now and then
			select {
			case took := <-ended:
				waiting = false
				if took > 8*time.Second {
					t.Errorf("held for %v", took)
				}
			case <-time.After(500 * time.Millisecond):
				_, _ = io.WriteString(conn, "X-a: b\r\n")
			}
		}
	}},
	{"10,000 idle sockets from one address", "nobody else can connect", func(t *testing.T, b *besieged) {
		var open []net.Conn
		defer func() {
			for _, conn := range open {
				_ = conn.Close()
			}
		}()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.66")}, Timeout: 5 * time.Second}
		for range 10_000 {
			conn, err := dialer.Dial("tcp", b.secure)
			if err != nil {
				t.Fatalf("after %d connections: %v", len(open), err)
			}
			open = append(open, conn)
			if len(open) > 2000 { // those that the door has closed meanwhile
				for _, old := range open[:1000] {
					_ = old.Close()
				}
				open = open[1000:]
			}
		}
		b.owner.do("GET", "https://door.test/settings.json", nil).wants(t, "the owner meanwhile", 200)
		crowd := b.stranger()
		crowd.from = "127.0.0.66"
		if response, err := crowd.client.Get("https://door.test/healthz"); err == nil {
			_ = response.Body.Close()
			t.Error("that address is served beyond its share")
		}
	}},
	{"oversized frame", "memory runs out", func(t *testing.T, b *besieged) {
		conn, reason := b.member.login("member", "")
		if reason != "" {
			t.Fatal(reason)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"offer","name":"doorbell","offer":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`)); err != nil {
			t.Fatal(err)
		}
		if code, _ := closes(t, conn, 10*time.Second); code != 1009 {
			t.Errorf("ended with %d", code)
		}
	}},
	{"message flood", "the relay is busy with one", func(t *testing.T, b *besieged) {
		conn, reason := b.member.login("member", "")
		if reason != "" {
			t.Fatal(reason)
		}
		ended := make(chan int, 1)
		go func() {
			code, _ := closes(t, conn, 20*time.Second)
			ended <- code
		}()
		for range 5000 {
			if conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"status"}`)) != nil {
				break
			}
		}
		if code := <-ended; code != 1008 {
			t.Errorf("ended with %d", code)
		}
	}},
	{"socket without log-in", "sockets are used up by those who never log in", func(t *testing.T, b *besieged) {
		conn, _ := b.stranger().socket()
		if code, took := closes(t, conn, 20*time.Second); code != 1008 || took > 12*time.Second {
			t.Errorf("ended with %d after %v", code, took)
		}
	}},
	{"old TLS", "what was said is read later", func(t *testing.T, b *besieged) {
		conn, err := tls.Dial("tcp", b.secure, &tls.Config{RootCAs: b.roots, ServerName: "door.test", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
		if err == nil {
			_ = conn.Close()
			t.Error("TLS 1.1 is spoken")
		}
	}},
	{"session over plain HTTP", "the session is read on the way", func(t *testing.T, b *besieged) {
		b.owner.do("GET", "http://door.test/settings.json", nil).wants(t, "settings", 303)
		b.stranger().do("POST", "http://door.test/join", map[string]string{"secret": "x"}).wants(t, "joining", 405)
		eve := b.stranger()
		conn, response, err := (&websocket.Dialer{NetDialContext: eve.dial}).Dial("ws://door.test/ws", map[string][]string{"Cookie": {b.owner.cookie}})
		if err == nil || response == nil || response.StatusCode != 303 {
			t.Errorf("WebSocket: %v, %v", conn, err)
		}
	}},
	{"six guesses", "the words are guessed", func(t *testing.T, b *besieged) {
		words := b.invite()
		eve := b.stranger()
		eve.from = "127.0.0.99"
		for range 4 {
			eve.join("wrong words these are", "eve").wants(t, "a guess", 403)
		}
		eve.join("wrong words these are", "eve").wants(t, "the fifth", 429)
		eve.join(words, "eve").wants(t, "the right words as the sixth", 429)
		// The owner is not locked out by that.
		b.stranger().join(words, "meanwhile").wants(t, "from elsewhere", 200)
	}},
}
