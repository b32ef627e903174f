package signaling

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// BridgeOptions configures a bridge.
type BridgeOptions struct {
	// AllowOrigin decides which pages may connect; nil is SameOrigin. See
	// RelayOptions.AllowOrigin.
	AllowOrigin func(*http.Request) bool
	// Authorize decides who of the phones may log in over there, and is asked before
	// the relay is; its Grant.House means nothing here. Nil lets in everybody.
	Authorize Authorize
	// Key is the device key of this house's door: the relay elsewhere takes the
	// bridge's word for phones where it knows that key. Nil: the phones' own words go
	// through as they are.
	Key ed25519.PrivateKey
	// TLS is for a relay at a wss URL. Nil is Go's default.
	TLS *tls.Config
	// Limits for the phones' sockets, as the relay has them.
	Limits Limits
	// Dial opens the network connection. Nil is a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Logger: nil is slog.Default().
	Logger *slog.Logger
}

// Bridge is an http.Handler that stands where a Relay would: it copies frames
// between a phone's WebSocket and one of its own to a relay elsewhere, so that a
// page served here works with that relay.
type Bridge struct {
	// Fixed after NewBridge.
	url         string
	host        string // of url
	authorize   Authorize
	key         ed25519.PrivateKey
	allowOrigin func(*http.Request) bool
	limits      Limits
	log         *slog.Logger
	dialer      websocket.Dialer
	sockets     *sockets

	// Guarded by mu.
	mu     sync.Mutex
	phones map[*passage]struct{} // those that are logged in
}

var _ http.Handler = (*Bridge)(nil)

// NewBridge makes a bridge to the relay at a ws or wss URL.
func NewBridge(to string, o BridgeOptions) (*Bridge, error) {
	if err := checkURL(to); err != nil {
		return nil, err
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, err // checkURL has parsed it
	}
	if o.Authorize == nil {
		o.Authorize = Open()
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = SameOrigin
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	limits := o.Limits.withDefaults()
	return &Bridge{
		url: to, host: u.Host, authorize: o.Authorize, key: o.Key, phones: make(map[*passage]struct{}), allowOrigin: o.AllowOrigin, limits: limits, log: o.Logger,
		dialer: dialer(o.TLS, o.Dial), sockets: newSockets(limits, o.Logger),
	}, nil
}

// Run blocks until ctx ends; then it ends all sockets with close code 1001,
// waits for them, 5 s at most before it cuts them, and returns nil. A bridge
// runs once.
func (b *Bridge) Run(ctx context.Context) error { return b.sockets.run(ctx, func() {}) }

// ServeHTTP connects to the relay and then takes the phone's WebSocket in; a
// relay that can't be reached is 502 Bad Gateway.
func (b *Bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	release, ok := b.sockets.admit(w, r, b.allowOrigin)
	if !ok {
		return
	}
	far, err := dialWebSocket(r.Context(), &b.dialer, b.url, nil)
	if err != nil {
		b.log.Warn("signaling: bridge: the relay can't be reached; check signaling.url", "error", err)
		http.Error(w, "the relay of this doorbell can't be reached", http.StatusBadGateway)
		release()
		return
	}
	near, err := b.sockets.upgrader.Upgrade(w, r, nil)
	if err != nil { // Upgrade has answered
		_ = far.Close()
		release()
		return
	}
	limits := b.limits
	limits.MaxMessage += overhead
	login := Login{RemoteAddr: r.RemoteAddr, Header: r.Header, TLS: r.TLS != nil}
	b.sockets.start(near, release, func(phone *wire) { b.join(login, phone, newWire(far, limits)) })
}

// join copies between a phone and the relay until one of them ends, which ends
// the other the same way.
func (b *Bridge) join(login Login, phone, relay *wire) {
	p := &passage{bridge: b, known: login, phone: phone, relay: relay}
	defer b.forget(p)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := relay.run(p.fromRelay)
		phone.shut(sameEnd(err))
	}()
	gate := newBucket(b.limits)
	limit := func(size int) bool {
		switch gate.take(size) {
		case inTime:
			return true
		case tooFast:
			e := Error{Code: CodeTooFast, Message: "too many messages at once: some were thrown away"}
			phone.push(newFrame(e.Reply()))
		case flood:
			phone.shut(closure{code: websocket.ClosePolicyViolation, text: "too many messages", flush: true})
		}
		return false
	}
	phone.control = func() { limit(0) }
	err := phone.run(func(data []byte, err error) {
		if limit(len(data)) {
			p.fromPhone(data, err)
		}
	})
	relay.shut(sameEnd(err))
	cut := time.AfterFunc(endGrace, func() { _ = relay.conn.NetConn().Close() })
	<-ended
	cut.Stop()
	b.log.Debug("signaling: bridge: connection ended", "why", err)
}

// sameEnd is how to end one side when the other ended with err. Codes that never
// go over the wire (RFC 6455, 7.4.1) become 1001.
func sameEnd(err error) closure {
	c := closure{code: websocket.CloseGoingAway, text: "the other end is gone", flush: true}
	var said *websocket.CloseError
	if errors.As(err, &said) && sendable(said.Code) {
		c.code, c.text = said.Code, said.Text
	}
	return c
}

func sendable(code int) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != websocket.CloseNoStatusReceived && code != websocket.CloseAbnormalClosure
	}
	return false
}
