package signaling

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// Login is what a client says about itself and what the relay knows about it.
type Login struct {
	Name       string // valid, as ValidName gives it
	Credential string // as sent; empty without one
	Kind       string // KindDoor or KindPhone
	// Key is the device key that the client proved to hold (Ed25519, base64 as
	// KeyText writes it); empty without one.
	Key        string
	RemoteAddr string // host:port; "local" in the same process
	// Header is that of the request that opened the WebSocket; nil in the same process.
	Header http.Header
	TLS    bool // the WebSocket came over TLS
	Local  bool // in the same process

	host string // that the request named; what a device key signs is for it alone
}

// Authorize decides who may log in under which name, and as what; a *Refusal
// says why not. Whatever it answers, a name that is taken stays taken, unless it
// is the same client's. It is called from many goroutines and may take 10 s; ctx
// ends then and when the relay stops.
type Authorize func(ctx context.Context, l Login) (Grant, error)

// Grant is what somebody is let in as. The zero Grant is a stranger in the only
// house.
type Grant struct {
	// Client names the client for good: who logs in as the same client takes the
	// name over from its older connection. Empty: a client that can't be told from
	// others, which takes nothing over.
	Client string
	// House is whose relay it is where one serves several households: nobody sees
	// or reaches anybody of another. Empty is a house too.
	House string
	// Still tells, at the moment of the log-in, whether the grant holds: it may have
	// ended since Authorize looked, and Expel can't find who isn't in yet. It must
	// not block. Nil: it holds.
	Still func() bool
}

// Open is the policy that lets anybody in under any name but the reserved ones
// and those that look the same, which only a Local may use. A client is known by
// the device key that it proved to hold, else by the credential that it sent.
func Open(reserved ...string) Authorize {
	reserved = slices.Clone(reserved)
	return func(_ context.Context, l Login) (Grant, error) {
		like := func(name string) bool { return LikeName(name, l.Name) }
		if !l.Local && slices.ContainsFunc(reserved, like) {
			return Grant{}, &Refusal{Reason: ReasonReserved, Message: "that name is kept for the doorbell itself"}
		}
		switch {
		case l.Key != "":
			return Grant{Client: "key " + l.Key}, nil
		case l.Credential != "":
			return Grant{Client: "credential " + l.Credential}, nil
		}
		return Grant{}, nil
	}
}

// RelayOptions configures a relay.
type RelayOptions struct {
	// Authorize decides who may log in. Nil lets in nobody but a Local.
	Authorize Authorize
	// ICEServers are told to everybody who logs in. Default none. Whoever may
	// log in learns the credentials in it.
	ICEServers []ICEServer
	// AllowOrigin decides which pages may connect. Nil is SameOrigin. It sees the
	// whole request: compare Host with the names of the door too, or a foreign
	// page gets in by letting its own name point here (DNS rebinding).
	AllowOrigin func(*http.Request) bool
	// Limits has a default for each limit.
	Limits Limits
	// Logger gets who comes and goes at level info, and what is refused. Nil is
	// slog.Default().
	Logger *slog.Logger
}

// Relay passes messages between those who are logged in. It is an http.Handler
// that takes WebSockets, on any path.
type Relay struct {
	// Fixed after NewRelay.
	authorize   Authorize
	iceServers  []ICEServer
	allowOrigin func(*http.Request) bool
	limits      Limits
	log         *slog.Logger
	sockets     *sockets
	houses      *houses
	// ctx ends when Run's does: it is for those whom a handler lets in.
	ctx    context.Context
	cancel context.CancelFunc
}

var _ http.Handler = (*Relay)(nil)

// NewRelay makes a relay. It takes connections from the start, but only Run ends them.
func NewRelay(o RelayOptions) *Relay {
	if o.Authorize == nil {
		o.Authorize = localOnly
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = SameOrigin
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	r := &Relay{
		authorize: o.Authorize, iceServers: slices.Clone(o.ICEServers), allowOrigin: o.AllowOrigin,
		limits: o.Limits.withDefaults(), log: o.Logger,
	}
	r.sockets = newSockets(r.limits, r.log)
	r.houses = newHouses(r.limits.MaxCalls, r.log)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func localOnly(_ context.Context, l Login) (Grant, error) {
	if l.Local {
		return Grant{}, nil
	}
	return Grant{}, &Refusal{Reason: ReasonDenied, Message: "nobody may log in here from outside"}
}

// Run blocks until ctx ends; then it ends all sockets with close code 1001,
// waits for them, 5 s at most before it cuts them, and returns nil. A relay runs
// once.
func (r *Relay) Run(ctx context.Context) error {
	return r.sockets.run(ctx, func() {
		r.cancel()
		r.houses.close()
	})
}

// Here lists who of a house is logged in, ordered by name. It is never nil.
func (r *Relay) Here(house string) []Peer { return r.houses.of(house).here() }

// Expel ends what a client whose right has ended still has: its connection, with
// close code CloseRevoked after a leave for each of its calls, and its calls. The
// doors of the house are told in any case, by the name that it had: a call goes on
// without a relay otherwise.
func (r *Relay) Expel(house, client, name string) { r.houses.of(house).expel(client, name) }

// ServeHTTP takes a WebSocket in. Any other request is told 426 and a sentence.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.accept(w, req, r.allowOrigin)
}

// Handler is another way into the same relay, with its own AllowOrigin; nil is
// SameOrigin. Plain listeners for base clients take AnyOrigin.
func (r *Relay) Handler(allowOrigin func(*http.Request) bool) http.Handler {
	if allowOrigin == nil {
		allowOrigin = SameOrigin
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.accept(w, req, allowOrigin) })
}

func (r *Relay) accept(w http.ResponseWriter, req *http.Request, allow func(*http.Request) bool) {
	release, ok := r.sockets.admit(w, req, allow)
	if !ok {
		return
	}
	conn, err := r.sockets.upgrader.Upgrade(w, req, nil)
	if err != nil { // Upgrade has answered
		r.log.Debug("signaling: upgrade failed", "addr", req.RemoteAddr, "error", err)
		release()
		return
	}
	login := Login{RemoteAddr: req.RemoteAddr, Header: req.Header, TLS: req.TLS != nil, host: req.Host}
	r.sockets.start(conn, release, func(w *wire) { r.serve(w, login) })
}

// serve is the life of one socket.
func (r *Relay) serve(w *wire, login Login) {
	s := &session{
		party:  party{relay: r, out: w, login: login},
		bucket: newBucket(r.limits),
	}
	s.patience = time.AfterFunc(r.limits.LoginTimeout, func() {
		w.shut(closure{code: websocket.ClosePolicyViolation, text: "not logged in for too long"})
	})
	w.control = s.control
	err := w.run(func(data []byte, err error) { s.receive(r.ctx, data, err) })
	s.patience.Stop()
	s.logOut()
	r.log.Debug("signaling: connection ended", "addr", login.RemoteAddr, "why", err)
}
