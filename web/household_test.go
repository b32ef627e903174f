package web

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"doorbell/access"
)

// memory is an access.File that forgets.
type memory struct{ state access.State }

func (m *memory) Load() (access.State, bool, error) { return m.state, true, nil }
func (m *memory) Save(s access.State) error         { m.state = s; return nil }

// household is a closed site, and its keys.
type household struct {
	t       *testing.T
	keys    *access.Keyring
	handler http.Handler
}

func newHousehold(t *testing.T, more func(*Options)) *household {
	t.Helper()
	keys, err := access.Open(&memory{}, access.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Relay: relay, Settings: Settings{Door: "doorbell"}, Keys: keys,
		Hosts:  func(host string) bool { return host == "doorbell.local" },
		Link:   func(words string) string { return "https://doorbell.local/join#" + words },
		Secure: func() []string { return []string{"https://doorbell.local", "https://192.0.2.1:8443"} },
		Trust:  &Trust{Certificate: []byte("certificate"), Profile: []byte("profile"), Fingerprint: "AB:CD"},
		Missed: func() []Visit { return []Visit{} },
	}
	if more != nil {
		more(&options)
	}
	handler, err := NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	return &household{t: t, keys: keys, handler: handler}
}

// invite makes an invitation.
func (h *household) invite(role access.Role) string {
	h.t.Helper()
	var until time.Time
	if role == access.RoleGuest {
		until = time.Now().Add(time.Hour)
	}
	_, words, err := h.keys.Invite(role, "", until)
	if err != nil {
		h.t.Fatal(err)
	}
	return words
}

// join lets a phone in, and returns its cookie.
func (h *household) join(role access.Role, name string) *http.Cookie {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{"secret": h.invite(role), "name": name})
	if err != nil {
		h.t.Fatal(err)
	}
	got := h.ask(visit{method: "POST", url: "https://doorbell.local/join", body: string(body)})
	if got.Code != 200 || len(got.Result().Cookies()) != 1 {
		h.t.Fatalf("join as %s: %d %s", name, got.Code, got.Body)
	}
	return got.Result().Cookies()[0]
}

// visit is one request. By default it comes from another machine, and has the
// content type of JSON where it has a body.
type visit struct {
	method, url, body string
	cookie            *http.Cookie
	remote            string
	headers           []string // name, value, ...
}

func (h *household) ask(v visit) *httptest.ResponseRecorder {
	h.t.Helper()
	if v.method == "" {
		v.method = "GET"
	}
	request := httptest.NewRequest(v.method, v.url, strings.NewReader(v.body))
	request.RemoteAddr = "192.0.2.7:5000"
	if v.remote != "" {
		request.RemoteAddr = v.remote
	}
	if !strings.HasPrefix(v.url, "https:") {
		request.TLS = nil
	} else {
		request.TLS = &tls.ConnectionState{}
	}
	if v.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if v.cookie != nil {
		request.AddCookie(v.cookie)
	}
	for pair := range slices.Chunk(v.headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	return recorder
}

// withLocal is the request's context as the server makes it for a connection that came in at an address.
func withLocal(r *http.Request, address string) context.Context {
	local, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return context.WithValue(r.Context(), http.LocalAddrContextKey, local)
}
