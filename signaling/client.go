package signaling

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// connectTimeout bounds the way to a logged-in connection: once for the dialling
// and once for the login.
const connectTimeout = 10 * time.Second

// ClientOptions configures a client of a relay elsewhere.
type ClientOptions struct {
	// URL is the relay's: ws://host:port/path, or wss.
	URL string
	// Name to log in with; see ValidName.
	Name string
	// Key is the device key by which the relay knows this client, and gives it its
	// name at once when it comes back. A base relay doesn't ask for it. Default none.
	Key ed25519.PrivateKey
	// Credential proves to the relay that it is this client that comes back, so
	// that it has its name at once. Default none: then the name is free only when
	// the relay has noticed that the old connection is dead. A plain ws URL lets
	// everybody on the way read it.
	Credential string
	// Kind is KindDoor or KindPhone. Default KindPhone.
	Kind string
	// Presence asks for messages about who comes and goes.
	Presence bool
	// TLS is for wss. Nil is Go's default: the system's certificates.
	TLS *tls.Config
	// Header is sent along when the WebSocket is opened. Default none.
	Header http.Header
	// Limits: MaxMessage counts for what is sent; the timing and SendQueue count
	// too. Each has a default.
	Limits Limits
	// Dial opens the network connection. Nil is a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Logger: nil is slog.Default().
	Logger *slog.Logger
}

// Client keeps a connection to a relay elsewhere, ours or a base relay.
type Client struct {
	// Fixed after NewClient.
	options ClientOptions
	limits  Limits
	dialer  websocket.Dialer
	login   *frame
	host    string // of the URL, as the relay sees it

	// Guarded by mu.
	mu   sync.Mutex
	wire *wire // nil while not logged in
}

// NewClient checks the options; it connects to nothing yet.
func NewClient(o ClientOptions) (*Client, error) {
	if err := checkURL(o.URL); err != nil {
		return nil, err
	}
	name, err := ValidName(o.Name)
	if err != nil {
		return nil, fmt.Errorf("signaling: client: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Kind == "" {
		o.Kind = KindPhone
	}
	login := Message{Type: TypeLogin, Name: name, Credential: o.Credential, Kind: o.Kind, Presence: o.Presence}
	if o.Key != nil {
		login.Key = KeyText(o.Key.Public().(ed25519.PublicKey))
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err // checkURL has parsed it
	}
	c := &Client{options: o, limits: o.Limits.withDefaults(), dialer: dialer(o.TLS, o.Dial), login: newFrame(login), host: u.Host}
	return c, nil
}

func dialer(t *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) websocket.Dialer {
	return websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: t, NetDialContext: dial, HandshakeTimeout: connectTimeout,
	}
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	var wrong *url.Error
	if errors.As(err, &wrong) {
		return fmt.Errorf("signaling: relay's url: %w", wrong.Err) // without the url: it may have a password
	}
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
		return fmt.Errorf("signaling: relay's url %q: write it as ws://host:port/ or wss://host/", u.Redacted())
	}
	return nil
}

// Run keeps a connection until ctx ends, then sends what is still queued, closes
// it and returns nil. When it is lost, or a login is refused, it comes back for
// ever: after a random wait whose limit grows from 0.5 s to 30 s. ErrReplaced
// says that the same client logged in elsewhere; nothing else ends it.
func (c *Client) Run(ctx context.Context, h Handler) error {
	return persist(ctx, c.options.Logger, h, func(ctx context.Context) (bool, error) { return c.attempt(ctx, h) })
}

// Send queues a message. It never blocks: it is ErrOffline while not logged in,
// ErrQueueFull or ErrTooLarge. A message queued when the connection breaks may
// be lost.
func (c *Client) Send(m Message) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if int64(len(data)) > c.limits.MaxMessage {
		return ErrTooLarge
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wire == nil {
		return ErrOffline
	}
	if !c.wire.push(&frame{Message: m, data: data}) {
		return ErrQueueFull
	}
	return nil
}

func (c *Client) set(w *wire) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wire = w
}

// attempt is the life of one connection.
func (c *Client) attempt(ctx context.Context, h Handler) (up bool, err error) {
	conn, err := dialWebSocket(ctx, &c.dialer, c.options.URL, c.options.Header)
	if err != nil {
		return false, err
	}
	limits := c.limits
	limits.MaxMessage += overhead // what a relay adds to another's message
	w := newWire(conn, limits)
	s := clientSession{client: c, wire: w, handler: h}
	s.patience = time.AfterFunc(connectTimeout, func() { w.shut(closure{code: websocket.CloseNormalClosure}) })
	stop := context.AfterFunc(ctx, func() {
		w.shut(closure{code: websocket.CloseNormalClosure, text: "the client stops", flush: true})
	})
	w.push(c.login)
	err = w.run(s.receive)
	c.set(nil)
	stop()
	if !s.patience.Stop() && !s.up {
		err = errors.New("signaling: relay does not answer the log-in: is it a doorbell's relay?")
	}
	if s.refusal != nil {
		err = s.refusal
	}
	if websocket.IsCloseError(err, CloseReplaced) {
		err = ErrReplaced
	}
	return s.up, err
}

// clientSession is one connection of a client. All of it is owned by the
// goroutine that reads the socket, which is that of Run.
type clientSession struct {
	client   *Client
	wire     *wire
	handler  Handler
	patience *time.Timer // ends the connection unless the relay answers the login

	up      bool
	refusal error
}

// receive handles one frame. What it can't read it skips: a base relay greets
// with text, and a newer relay may have more types.
func (s *clientSession) receive(data []byte, err error) {
	log := s.client.options.Logger
	if err != nil {
		log.Debug("signaling: skipped a frame from the relay", "error", err)
		return
	}
	m, err := Decode(data)
	if err != nil {
		log.Debug("signaling: skipped a frame from the relay", "error", err, "bytes", len(data))
		return
	}
	switch {
	case s.up && m.Type != TypeLogin:
		s.handler.Message(m)
	case !s.up && m.Type == TypeLogin && m.Success != nil:
		s.replied(m)
	case !s.up && m.Type == TypeChallenge && s.client.options.Key != nil:
		s.challenged(m.Nonce)
	case !s.up && m.Type == TypeError:
		log.Warn("signaling: relay does not like the log-in", "error", m.Message, "code", m.Code)
	}
}

// challenged logs in with the signature that the relay asks for.
func (s *clientSession) challenged(nonce string) {
	login := s.client.login.Message
	login.Signature = sign(s.client.options.Key, s.client.host, nonce, login.Kind, login.Name)
	s.wire.push(newFrame(login))
}

// replied handles the reply to the login.
func (s *clientSession) replied(m Message) {
	s.patience.Stop()
	if s.refusal = refused(m); s.refusal != nil {
		s.handler.Message(m)
		s.wire.shut(closure{code: websocket.CloseNormalClosure})
		return
	}
	s.up = true
	s.client.set(s.wire)
	s.client.options.Logger.Info("signaling: logged in to the relay",
		"addr", s.wire.conn.RemoteAddr().String(), "name", s.client.login.Name, "base_relay", m.Here == nil)
	s.handler.Message(m)
}

// dialWebSocket opens a WebSocket, and says more about a failure than gorilla does.
func dialWebSocket(ctx context.Context, d *websocket.Dialer, to string, header http.Header) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, response, err := d.DialContext(ctx, to, header)
	if err == nil {
		return conn, nil
	}
	if response != nil {
		return nil, fmt.Errorf("signaling: relay answers %q instead of opening a WebSocket: %w", response.Status, err)
	}
	return nil, fmt.Errorf("signaling: connect to the relay: %w", err)
}
