// Package demorelay is the relay of the well-known small WebRTC demo, written
// again in Go for tests: what it sends, whom it tells and what it dies of are
// those of the demo's Node program. Clients of the base dialect are tested
// against it. It has the demo's faults on purpose; nothing but tests may use it.
package demorelay

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// Greeting is the text frame that the demo sends to everybody who connects.
const Greeting = "Hello world"

// Relay is the demo's relay: an http.Handler that takes a WebSocket on any path
// from any origin.
type Relay struct {
	// Fixed after New.
	log      *slog.Logger
	upgrader websocket.Upgrader
	crashed  chan struct{}

	wg sync.WaitGroup // the sockets in live

	// Guarded by mu, which stands for Node's one thread.
	mu    sync.Mutex
	users map[string]*connection
	live  map[*connection]struct{}
	err   error // once set, the relay is dead
}

var _ http.Handler = (*Relay)(nil)

// ErrStopped is Err after Run has ended.
var ErrStopped = errors.New("demo relay: stopped")

// New makes a relay. Nil is slog.Default().
func New(log *slog.Logger) *Relay {
	if log == nil {
		log = slog.Default()
	}
	return &Relay{
		log:      log,
		upgrader: websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }},
		crashed:  make(chan struct{}),
		users:    make(map[string]*connection),
		live:     make(map[*connection]struct{}),
	}
}

// Run blocks until ctx ends, then ends all connections as the death of the
// process would, without a close frame, and waits for them.
func (r *Relay) Run(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	r.die(ErrStopped)
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// Crashed is closed when the relay has died of a message, as the demo does.
func (r *Relay) Crashed() <-chan struct{} { return r.crashed }

// Err says what the relay died of; nil while it lives.
func (r *Relay) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// ServeHTTP takes a WebSocket in and blocks until it has ended.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := r.upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := newConnection(conn)
	if !r.connected(c) {
		_ = conn.Close()
		return
	}
	defer r.wg.Done()
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			break
		}
		r.message(c, data)
	}
	r.closed(c)
	c.end()
	<-written
}

// connected is wss.on('connection').
func (r *Relay) connected(c *connection) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false
	}
	r.wg.Add(1)
	r.live[c] = struct{}{}
	c.send([]byte(Greeting))
	return true
}

// message is connection.on('message').
func (r *Relay) message(c *connection, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	data, err := parse(text)
	if err == nil {
		err = r.act(c, data)
	}
	if err != nil {
		r.log.Warn("demo relay: died, as the demo does", "error", err)
		r.die(err)
	}
}

// closed is connection.on('close').
func (r *Relay) closed(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, c)
	if r.err != nil || !truthy(c.name) {
		return
	}
	delete(r.users, toString(c.name))
	if !truthy(c.otherName) {
		return
	}
	if err := r.leave(c.otherName); err != nil {
		r.log.Warn("demo relay: died, as the demo does", "error", err)
		r.die(err)
	}
}

// die ends all connections. The caller holds mu.
func (r *Relay) die(err error) {
	if r.err != nil {
		return
	}
	r.err = err
	if !errors.Is(err, ErrStopped) {
		close(r.crashed)
	}
	for c := range r.live {
		_ = c.conn.NetConn().Close()
	}
}

// wire is what the demo sends, in the order in which it writes the keys.
type wire struct {
	Type      string          `json:"type"`
	Success   *bool           `json:"success,omitempty"`
	Offer     json.RawMessage `json:"offer,omitempty"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Candidate json.RawMessage `json:"candidate,omitempty"`
	Name      json.RawMessage `json:"name,omitempty"`
	Message   string          `json:"message,omitempty"`
}
