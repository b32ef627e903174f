package demorelay

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/gorilla/websocket"
)

// connection is one WebSocket with what the demo hangs on it. What is sent is
// queued without bound, as Node does.
type connection struct {
	// Fixed.
	conn  *websocket.Conn
	ready chan struct{} // has a token when there is something to write

	// Guarded by the relay's mu. Nil is undefined.
	name      json.RawMessage
	otherName json.RawMessage

	// Guarded by mu.
	mu    sync.Mutex
	queue [][]byte
	ended bool
}

func newConnection(conn *websocket.Conn) *connection {
	return &connection{conn: conn, ready: make(chan struct{}, 1)}
}

// sendJSON is the demo's sendTo.
func (c *connection) sendJSON(m wire) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return // can't be: all of it came out of a JSON parser
	}
	c.send(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func (c *connection) send(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, data)
	c.wake()
}

// end lets write return.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.wake()
	_ = c.conn.Close()
}

// wake is called with mu held.
func (c *connection) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// write sends what is queued, until end is called or the socket fails.
func (c *connection) write() {
	for range c.ready {
		c.mu.Lock()
		queue, ended := c.queue, c.ended
		c.queue = nil
		c.mu.Unlock()
		for _, data := range queue {
			if c.conn.WriteMessage(websocket.TextMessage, data) != nil {
				_ = c.conn.Close()
				return
			}
		}
		if ended {
			return
		}
	}
}
