package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"doorbell/access"
)

// TestStrangers asks for everything without a key.
func TestStrangers(t *testing.T) {
	h := newHousehold(t, nil)
	for _, claimed := range []bool{false, true} {
		if claimed {
			h.join(access.RoleOwner, "anna")
		}
		for path, status := range map[string]int{
			"/": 303, "/index.html": 303, "/join": 200, "/join.json": 200, "/trusted": 200, "/healthz": 200, "/style.css": 200,
			"/main.js": 401, "/settings.json": 401, "/missed.json": 401, "/phones.json": 401, "/nothing": 404, "/welcome.html": 404, "/trust.json": 404,
		} {
			got := h.ask(visit{url: "https://doorbell.local" + path})
			if got.Code != status {
				t.Errorf("%s: %d, want %d", path, got.Code, status)
			}
		}
		for _, v := range []visit{
			{method: "POST", url: "https://doorbell.local/invitations", body: `{"role":"owner"}`},
			{method: "DELETE", url: "https://doorbell.local/phones/x"}, {method: "POST", url: "https://doorbell.local/leave", body: `{}`},
		} {
			if got := h.ask(v); got.Code != 401 {
				t.Errorf("%s %s: %d", v.method, v.url, got.Code)
			}
		}
		var state struct{ Claimed bool }
		if err := json.Unmarshal(h.ask(visit{url: "https://doorbell.local/join.json"}).Body.Bytes(), &state); err != nil || state.Claimed != claimed {
			t.Errorf("claimed: %+v, %v", state, err)
		}
	}
}

func TestSession(t *testing.T) {
	h := newHousehold(t, nil)
	cookie := h.join(access.RoleOwner, "anna")
	if cookie.Name != "__Host-doorbell" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("cookie: %+v", cookie)
	}
	got := h.ask(visit{url: "https://doorbell.local/settings.json", cookie: cookie})
	if got.Code != 200 || !strings.Contains(got.Body.String(), `"name":"anna","role":"owner"`) {
		t.Errorf("settings: %d %s", got.Code, got.Body)
	}
	if again := h.ask(visit{url: "https://doorbell.local/", cookie: cookie}).Result().Cookies(); len(again) != 1 || again[0].MaxAge != sessionMaxAge {
		t.Errorf("the session's time does not begin anew: %+v", again)
	}
	// The cookie's other name is for plain HTTP on this machine.
	other := *cookie
	other.Name = "doorbell"
	for _, v := range []visit{
		{url: "https://doorbell.local/settings.json", cookie: &other},
		{url: "https://doorbell.local/settings.json", cookie: &http.Cookie{Name: cookie.Name, Value: cookie.Value + "A"}},
	} {
		if got := h.ask(v); got.Code != 401 {
			t.Errorf("%v: %d", v.cookie, got.Code)
		}
	}
	if got := h.ask(visit{url: "http://localhost:8080/settings.json", cookie: &other, remote: "127.0.0.1:9"}); got.Code != 200 {
		t.Errorf("on this machine: %d", got.Code)
	}
	if got := h.ask(visit{method: "POST", url: "https://doorbell.local/join", body: `{}`, cookie: cookie}); got.Code != 409 {
		t.Errorf("join twice: %d", got.Code)
	}
	member := h.join(access.RoleMember, "bert")
	got = h.ask(visit{method: "POST", url: "https://doorbell.local/leave", body: `{}`, cookie: member})
	if got.Code != 204 || got.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("leave: %d %v", got.Code, got.Result().Cookies())
	}
	if got := h.ask(visit{url: "https://doorbell.local/", cookie: member}); got.Code != 303 {
		t.Errorf("after leaving: %d", got.Code)
	}
	if got := h.ask(visit{method: "POST", url: "https://doorbell.local/leave", body: `{}`, cookie: cookie}); got.Code != 409 {
		t.Errorf("the last owner leaves: %d", got.Code)
	}
}

func TestHosts(t *testing.T) {
	h := newHousehold(t, nil)
	for url, status := range map[string]int{
		"https://doorbell.local/healthz": 200, "https://DOORBELL.local.:443/healthz": 200, "https://localhost/healthz": 200,
		"https://127.0.0.1:8443/healthz": 200, "https://[::1]:8443/healthz": 200,
		"https://evil.example/healthz": 421, "https://192.0.2.99/healthz": 421, "https://doorbell.local.evil.example/healthz": 421,
		"https://127.0.0.1.evil.example/healthz": 421, "http://evil.example/": 421,
	} {
		if got := h.ask(visit{url: url}); got.Code != status {
			t.Errorf("%s: %d, want %d", url, got.Code, status)
		}
	}
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Host", "evil.example"}
	if got := h.ask(visit{url: "https://evil.example/ws", headers: upgrade}); got.Code != 421 {
		t.Errorf("a WebSocket of a name that was pointed here: %d", got.Code)
	}
	// The address at which a connection came in is ours, whatever else.
	request := httptest.NewRequest("GET", "http://192.0.2.1/", nil)
	request = request.WithContext(withLocal(request, "192.0.2.1:80"))
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	if recorder.Code == 421 {
		t.Error("the address at which it listens is refused")
	}
}

func TestForeignSites(t *testing.T) {
	h := newHousehold(t, nil)
	cookie := h.join(access.RoleOwner, "anna")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		got := h.ask(visit{method: "POST", url: "https://doorbell.local/invitations", body: `{"role":"owner"}`, cookie: cookie, headers: headers})
		if got.Code != 403 {
			t.Errorf("%v: %d", headers, got.Code)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		got := h.ask(visit{method: "POST", url: "https://doorbell.local/invitations", body: `{"role":"owner"}`, cookie: cookie, headers: []string{"Content-Type", kind}})
		if got.Code != 415 {
			t.Errorf("%s: %d", kind, got.Code)
		}
	}
	if n := len(h.keys.Invitations("")); n != 0 {
		t.Errorf("%d invitations were made", n)
	}
}

func TestPlainHTTP(t *testing.T) {
	h := newHousehold(t, nil)
	for _, test := range []struct {
		path     string
		status   int
		contains string
	}{
		{"/", 200, "<!doctype html>"}, {"/trust.json", 200, `"fingerprint":"AB:CD"`}, {"/doorbell.crt", 200, "certificate"},
		{"/doorbell.mobileconfig", 200, "profile"}, {"/style.css", 200, "--accent"}, {"/settings.json", 303, ""}, {"/join", 303, ""},
		{"/main.js", 303, ""}, {"/ws", 303, ""},
	} {
		got := h.ask(visit{url: "http://doorbell.local" + test.path})
		if got.Code != test.status || !strings.Contains(got.Body.String(), test.contains) {
			t.Errorf("%s: %d %.60s", test.path, got.Code, got.Body)
		}
	}
	if policy := h.ask(visit{url: "http://doorbell.local/"}).Header().Get("Content-Security-Policy"); !strings.Contains(policy, " https://192.0.2.1:8443;") {
		t.Errorf("the welcome page may not ask whether it is trusted: %s", policy)
	}
	if got := h.ask(visit{method: "POST", url: "http://doorbell.local/join", body: `{}`}); got.Code != 405 {
		t.Errorf("joining over plain HTTP: %d", got.Code)
	}
	// What only says that it is this machine is not.
	if got := h.ask(visit{url: "http://localhost/settings.json"}); got.Code != 303 {
		t.Errorf("another machine as localhost: %d", got.Code)
	}

	real := newHousehold(t, func(o *Options) { o.Trust = nil })
	got := real.ask(visit{url: "http://doorbell.local/join?x=y"})
	if got.Code != 307 || got.Header().Get("Location") != "https://doorbell.local/join?x=y" {
		t.Errorf("with a certificate that all trust: %d %s", got.Code, got.Header().Get("Location"))
	}
	none := newHousehold(t, func(o *Options) { o.Secure = nil })
	if got := none.ask(visit{url: "http://doorbell.local/"}); got.Code != 403 {
		t.Errorf("without HTTPS: %d", got.Code)
	}
}

func TestStrictTransport(t *testing.T) {
	h := newHousehold(t, func(o *Options) {
		o.Hosts = func(string) bool { return true }
		o.Public = func(host string) bool { return host == "door.example.org" }
	})
	for url, want := range map[string]bool{
		"https://door.example.org/": true, "https://doorbell.local/": false, "https://192.0.2.1/": false, "http://door.example.org/": false,
	} {
		if got := h.ask(visit{url: url}).Header().Get("Strict-Transport-Security") != ""; got != want {
			t.Errorf("%s: %t", url, got)
		}
	}
}

func TestOwner(t *testing.T) {
	h := newHousehold(t, func(o *Options) { o.Here = func(_, name string) bool { return name == "anna" } })
	owner := h.join(access.RoleOwner, "anna")
	for _, role := range []access.Role{access.RoleMember, access.RoleGuest} {
		cookie := h.join(role, string(role))
		for _, v := range []visit{
			{url: "https://doorbell.local/phones.json"}, {method: "POST", url: "https://doorbell.local/invitations", body: `{"role":"owner"}`},
			{method: "DELETE", url: "https://doorbell.local/phones/x"}, {method: "DELETE", url: "https://doorbell.local/invitations/x"},
		} {
			v.cookie = cookie
			if got := h.ask(v); got.Code != 403 || !strings.Contains(got.Body.String(), "not-owner") {
				t.Errorf("%s: %s %s: %d", role, v.method, v.url, got.Code)
			}
		}
	}
	var list struct {
		Phones      []phoneView
		Invitations []invitationView
	}
	read := func() {
		t.Helper()
		if err := json.Unmarshal(h.ask(visit{url: "https://doorbell.local/phones.json", cookie: owner}).Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
	}
	if read(); len(list.Phones) != 3 || !list.Phones[0].Me || !list.Phones[0].Here || list.Phones[1].Here || list.Phones[2].Until == 0 {
		t.Fatalf("phones: %+v", list)
	}
	made := h.ask(visit{method: "POST", url: "https://doorbell.local/invitations", body: `{"role":"member"}`, cookie: owner})
	var invitation struct{ ID, Words, Link, QR string }
	if err := json.Unmarshal(made.Body.Bytes(), &invitation); err != nil || made.Code != 201 || !strings.HasPrefix(invitation.QR, "data:image/svg+xml;base64,") ||
		!strings.HasSuffix(invitation.Link, "#"+invitation.Words) {
		t.Fatalf("%d %s, %v", made.Code, made.Body, err)
	}
	if read(); len(list.Invitations) != 1 || list.Invitations[0].ID != invitation.ID {
		t.Errorf("invitations: %+v", list.Invitations)
	}
	for range 2 {
		if got := h.ask(visit{method: "DELETE", url: "https://doorbell.local/invitations/" + invitation.ID, cookie: owner}); got.Code != 204 && got.Code != 404 {
			t.Errorf("withdraw: %d", got.Code)
		}
	}
	for _, body := range []string{``, `{`, `[]`, `{"role":"king"}`, `{"role":"guest"}`, `{"role":"member"} {}`, `{"role":"member","x":1}`, strings.Repeat(" ", 5000) + `{}`} {
		got := h.ask(visit{method: "POST", url: "https://doorbell.local/invitations", body: body, cookie: owner, headers: []string{"Content-Type", "application/json"}})
		if got.Code != 400 {
			t.Errorf("%.40q: %d", body, got.Code)
		}
	}
	if got := h.ask(visit{method: "DELETE", url: "https://doorbell.local/phones/" + list.Phones[1].ID, cookie: owner}); got.Code != 204 {
		t.Errorf("remove: %d", got.Code)
	}
	if got := h.ask(visit{method: "DELETE", url: "https://doorbell.local/phones/" + list.Phones[0].ID, cookie: owner}); got.Code != 409 {
		t.Errorf("remove the last owner: %d", got.Code)
	}
}

func TestWrongWords(t *testing.T) {
	h := newHousehold(t, nil)
	var last *httptest.ResponseRecorder
	for range 6 {
		last = h.ask(visit{method: "POST", url: "https://doorbell.local/join", body: `{"secret":"not these four words","name":"eve"}`})
	}
	var told problem
	if err := json.Unmarshal(last.Body.Bytes(), &told); err != nil || last.Code != 429 || told.RetryAfter < 1 || last.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", last.Code, last.Body)
	}
}

// TestPublicFiles proves that what strangers get is what the pages for them are made of.
func TestPublicFiles(t *testing.T) {
	h := newHousehold(t, nil)
	s := h.handler.(*site)
	for _, name := range []string{"/join.html", "/join.js", "/welcome.html", "/welcome.js", "/style.css", "/i18n.js", "/lang/de.js", "/icons.svg"} {
		if !s.public[name] {
			t.Errorf("strangers lack %s", name)
		}
	}
	for _, name := range []string{"/index.html", "/main.js", "/phone.js", "/call.js", "/protocol.js", "/phones.js"} {
		if s.public[name] {
			t.Errorf("strangers get %s", name)
		}
	}
}

// TestOneAddress fills what one address may have.
func TestOneAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	l := limit(listener)
	accepted := make(chan net.Conn, maxPerAddress+1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var held []net.Conn
	for range maxPerAddress {
		dial()
		held = append(held, <-accepted)
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("one more than an address may have is let in")
	}
	_ = held[0].Close()
	_ = held[0].Close() // twice gives one place back
	dial()
	held[0] = <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a place was given back twice")
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	_ = listener.Close()
	<-ended
	if len(l.count) != 0 {
		t.Errorf("left: %v", l.count)
	}
}
