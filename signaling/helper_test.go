package signaling

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// patience is how long a test waits for what must come; in a synctest bubble it
// costs nothing.
const patience = 40 * time.Second

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// network is a listener with a way to dial it: in-memory pipes, for synctest, or
// the loopback interface.
type network struct {
	net.Listener
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	url  string
}

// pipes is a listener whose connections are net.Pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *network {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	return &network{Listener: p, dial: p.dial, url: "ws://relay.test/"}
}

func newLoopback(t *testing.T) *network {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &network{Listener: l, url: "ws://" + l.Addr().String() + "/ws"}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve serves h on the network until the test or stop ends it.
func (n *network) serve(t *testing.T, h http.Handler) (stop func()) {
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(n)
	}()
	stop = sync.OnceFunc(func() {
		_ = server.Close()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// background runs f until the test or stop ends it.
func background(t *testing.T, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- f(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// startRelay runs a relay on the network. Without other wishes anybody may log
// in but as doorbell.
func startRelay(t *testing.T, n *network, o RelayOptions) (r *Relay, stop func()) {
	if o.Authorize == nil {
		o.Authorize = Open("doorbell")
	}
	o.Logger = quiet()
	r = NewRelay(o)
	closeServer := n.serve(t, r)
	end := background(t, r.Run)
	return r, func() {
		closeServer()
		if err := end(); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// peer is one WebSocket of a test.
type peer struct {
	t     *testing.T
	conn  *websocket.Conn
	got   chan string
	ended error // valid once got is closed
}

// connect opens a WebSocket and reads what comes.
func connect(t *testing.T, n *network) *peer {
	p := connectDeaf(t, n)
	p.listen()
	return p
}

// connectDeaf opens a WebSocket that reads nothing until listen is called.
func connectDeaf(t *testing.T, n *network) *peer {
	t.Helper()
	d := websocket.Dialer{NetDialContext: n.dial}
	conn, _, err := d.Dial(n.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, got: make(chan string, 1000)}
	t.Cleanup(func() { _ = conn.Close() })
	return p
}

func (p *peer) listen() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.got)
		for {
			_, data, err := p.conn.ReadMessage()
			if err != nil {
				p.ended = err
				return
			}
			p.got <- string(data)
		}
	}()
	p.t.Cleanup(func() {
		_ = p.conn.Close()
		<-done
	})
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatalf("send %.60s: %v", text, err)
	}
}

// next waits for the next message.
func (p *peer) next() string {
	p.t.Helper()
	select {
	case text, ok := <-p.got:
		if !ok {
			p.t.Fatalf("socket ended: %v", p.ended)
		}
		return text
	case <-time.After(patience):
		p.t.Fatal("no message came")
	}
	return ""
}

// expect waits for the next message and compares it as JSON.
func (p *peer) expect(want string) {
	p.t.Helper()
	if got := p.next(); !sameJSON(p.t, got, want) {
		p.t.Fatalf("message\n got %s\nwant %s", got, want)
	}
}

// expectError waits for an error with a code about a type.
func (p *peer) expectError(code, about string) Message {
	p.t.Helper()
	text := p.next()
	m, err := Decode([]byte(text))
	if err != nil || m.Type != TypeError || m.Code != code || m.About != about {
		p.t.Fatalf("got %s, want error %s about %q", text, code, about)
	}
	return m
}

// nothing checks that all that was sent to p before has been received: the reply
// to a message of its own comes next.
func (p *peer) nothing() {
	p.t.Helper()
	p.send(`{"type":"fence"}`)
	if m := p.expectError(CodeUnknownType, "fence"); m.Message != "Command not found: fence" {
		p.t.Fatalf("fence: %v", m)
	}
}

// login logs in, with more fields such as `,"presence":true`.
func (p *peer) login(name, more string) Message {
	p.t.Helper()
	p.send(`{"type":"login","name":"` + name + `"` + more + `}`)
	m, err := Decode([]byte(p.next()))
	if err != nil || m.Type != TypeLogin || m.Success == nil {
		p.t.Fatalf("login: %+v, %v", m, err)
	}
	return m
}

// member connects and logs in.
func join(t *testing.T, n *network, name, more string) *peer {
	t.Helper()
	p := connect(t, n)
	if m := p.login(name, more); !*m.Success {
		t.Fatalf("login as %s refused: %s", name, m.Reason)
	}
	return p
}

// closed waits for the end of the socket, whatever comes before it, and checks
// its close code.
func (p *peer) closed(code int) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case _, ok := <-p.got:
			if ok {
				continue
			}
			if !websocket.IsCloseError(p.ended, code) {
				p.t.Fatalf("socket ended with %v, want close code %d", p.ended, code)
			}
			return
		case <-timeout:
			p.t.Fatal("socket did not end")
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

// golden reads an example of PROTOCOL.md.
func golden(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "messages", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

// recorder is a Handler that keeps what it is told.
type recorder struct {
	t     *testing.T
	got   chan Message
	downs chan error
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{t: t, got: make(chan Message, 1000), downs: make(chan error, 1000)}
}

func (r *recorder) Message(m Message) { r.got <- m }
func (r *recorder) Down(err error)    { r.downs <- err }

func (r *recorder) next() Message {
	r.t.Helper()
	select {
	case m := <-r.got:
		return m
	case <-time.After(patience):
		r.t.Fatal("no message came")
	}
	return Message{}
}

// expect waits for the next message and compares it with JSON.
func (r *recorder) expect(want string) {
	r.t.Helper()
	m := r.next()
	got, err := m.Encode()
	if err != nil || !sameJSON(r.t, string(got), want) {
		r.t.Fatalf("message\n got %s (%v)\nwant %s", got, err, want)
	}
}

// up waits for a login that succeeds.
func (r *recorder) up() Message {
	r.t.Helper()
	m := r.next()
	if m.Type != TypeLogin || m.Success == nil || !*m.Success {
		r.t.Fatalf("got %+v, want a successful login", m)
	}
	return m
}

func (r *recorder) down() error {
	r.t.Helper()
	select {
	case err := <-r.downs:
		return err
	case <-time.After(patience):
		r.t.Fatal("Down was not called")
	}
	return nil
}
