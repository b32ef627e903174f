package signaling

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// endGrace is how long the sockets together may take to end.
const endGrace = 5 * time.Second

// sockets lets WebSockets in, within limits, and ends them: what the relay and
// the bridge have in common.
type sockets struct {
	// Fixed after newSockets.
	limits   Limits
	log      *slog.Logger
	upgrader websocket.Upgrader

	wg sync.WaitGroup // the wires in live

	// Guarded by mu.
	mu      sync.Mutex
	running bool
	closed  bool
	count   int            // admitted, from before the upgrade on
	perAddr map[string]int // the same for each address
	live    map[*wire]struct{}
}

func newSockets(l Limits, log *slog.Logger) *sockets {
	return &sockets{
		limits: l, log: log,
		upgrader: websocket.Upgrader{
			HandshakeTimeout: 10 * time.Second,
			// Small, and the write buffers shared: thousands may be open and idle.
			ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: new(sync.Pool),
			CheckOrigin: func(*http.Request) bool { return true }, // admit has checked it
		},
		perAddr: make(map[string]int),
		live:    make(map[*wire]struct{}),
	}
}

// AnyOrigin is an AllowOrigin that lets every web page in: any page that a
// person of the house looks at can then log in here. It is for the listeners of
// base clients, whose page comes from another port.
func AnyOrigin(*http.Request) bool { return true }

// SameOrigin is the AllowOrigin used where none is set: programs, which send no
// Origin, and pages that came from this very host and port; where this is HTTPS, not
// by plain HTTP, since anybody on the way can have written those.
func SameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host) && (r.TLS == nil || u.Scheme == "https")
}

// admit checks a request before its upgrade, and answers it if it is refused.
// Where it isn't, release must be called when the connection has ended.
func (s *sockets) admit(w http.ResponseWriter, r *http.Request, allow func(*http.Request) bool) (release func(), ok bool) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "only a WebSocket connects here", http.StatusMethodNotAllowed)
		return nil, false
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this address speaks WebSocket: open it from the doorbell's page or a client of its protocol",
			http.StatusUpgradeRequired)
		return nil, false
	}
	if !allow(r) {
		s.log.Warn("signaling: refused a page from elsewhere", "origin", r.Header.Get("Origin"), "host", r.Host, "addr", r.RemoteAddr)
		http.Error(w, "pages from that origin may not connect here", http.StatusForbidden)
		return nil, false
	}
	addr := addrKey(r.RemoteAddr)
	if status, text := s.enter(addr); status != 0 {
		s.log.Warn("signaling: refused a connection", "addr", r.RemoteAddr, "why", text)
		w.Header().Set("Retry-After", "10")
		http.Error(w, text, status)
		return nil, false
	}
	return sync.OnceFunc(func() { s.exit(addr) }), true
}

func (s *sockets) enter(addr string) (status int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return http.StatusServiceUnavailable, "the relay is stopping"
	case s.count >= s.limits.MaxConns:
		return http.StatusServiceUnavailable, "too many connections"
	case s.perAddr[addr] >= s.limits.MaxConnsPerAddr:
		return http.StatusTooManyRequests, "too many connections from your address"
	}
	s.count++
	s.perAddr[addr]++
	return 0, ""
}

func (s *sockets) exit(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.perAddr[addr]--; s.perAddr[addr] == 0 {
		delete(s.perAddr, addr)
	}
}

// start runs serve with a wire over conn, in a goroutine that run waits for. The
// HTTP handler can return: that gives back the server's buffers. release is
// called when serve has returned, or at once where the sockets are closed.
func (s *sockets) start(conn *websocket.Conn, release func(), serve func(*wire)) {
	w := newWire(conn, s.limits)
	if !s.remember(w) {
		_ = conn.Close()
		release()
		return
	}
	go func() {
		defer s.wg.Done()
		defer release()
		defer s.forget(w)
		serve(w)
	}()
}

// remember adds w to those that run waits for, unless it is too late for that.
func (s *sockets) remember(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.live[w] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *sockets) forget(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, w)
}

// run blocks until ctx ends, then ends all sockets with close code 1001 and
// waits for them. It calls before first.
func (s *sockets) run(ctx context.Context, before func()) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errors.New("signaling: run: it ran already")
	}
	s.running = true
	s.mu.Unlock()

	<-ctx.Done()
	before()
	s.mu.Lock()
	s.closed = true
	for w := range s.live {
		w.shut(goingAway())
	}
	s.mu.Unlock()
	timer := time.AfterFunc(endGrace, s.cut)
	defer timer.Stop()
	s.wg.Wait()
	return nil
}

// cut ends what didn't end by itself.
func (s *sockets) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.live {
		_ = w.conn.NetConn().Close()
	}
}

// addrKey is what connections are counted by: an IPv4 address or an IPv6 /64,
// which is what one household or one attacker has.
func addrKey(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote // a Unix socket, or a test's pipe
	}
	a := ap.Addr().Unmap()
	if p, err := a.Prefix(64); err == nil && a.Is6() {
		return p.Masked().String()
	}
	return a.String()
}
