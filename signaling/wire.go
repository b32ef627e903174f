package signaling

import (
	"errors"
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// CloseReplaced, of the range for private use (RFC 6455, 7.4.2), ends the older
// socket of a client that logged in again. The client at its end must not come
// back by itself.
const CloseReplaced = 4001

// CloseRevoked ends the socket of a client that may no longer log in. It must not
// come back by itself either.
const CloseRevoked = 4003

// closeGrace is how long the other end may take to answer a close frame.
const closeGrace = 2 * time.Second

var errNoText = errors.New("signaling: not a text frame")

// tooSlow ends a reader whose queue is full.
func tooSlow() closure {
	return closure{code: websocket.CloseTryAgainLater, text: "reads too slowly"}
}

// goingAway ends all when the program stops.
func goingAway() closure {
	return closure{code: websocket.CloseGoingAway, text: "the relay stops", flush: true}
}

// wire is one WebSocket with the queue in front of it: one goroutine reads, one
// writes and pings.
type wire struct {
	// Fixed after newWire.
	conn   *websocket.Conn
	limits Limits
	out    *outbox
	// control is called for each ping and pong that comes in. Set before run.
	control func()

	pong      chan string   // what the latest ping said, if it is yet to be answered
	readEnded chan struct{} // closed by run
}

func newWire(conn *websocket.Conn, l Limits) *wire {
	w := &wire{conn: conn, limits: l, out: newOutbox(l), pong: make(chan string, 1), readEnded: make(chan struct{})}
	w.control = func() {}
	conn.SetReadLimit(l.MaxMessage)
	return w
}

// push queues a frame; it is false when the queue is full.
func (w *wire) push(f *frame) bool { return w.out.push(f) }

// shut ends the wire, without waiting for it. A writer that is stuck is given a
// second to finish its message.
func (w *wire) shut(c closure) {
	w.out.shut(c)
	if !c.flush {
		_ = w.conn.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
	}
}

// run reads until the socket ends and hands each message to receive, until the
// wire is shut. It returns why, after the writer has ended and the socket is closed.
func (w *wire) run(receive func(data []byte, err error)) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.write()
	}()
	err := w.read(receive)
	if errors.Is(err, websocket.ErrReadLimit) {
		w.drain()
	}
	close(w.readEnded)
	w.out.shut(closure{})
	_ = w.conn.NetConn().Close() // also ends a write that is stuck
	<-written
	return err
}

// read is the reading side. After the wire was shut it goes on reading, for the
// close frame of the other end: unread data would reset the connection, and our
// own close frame with it.
func (w *wire) read(receive func(data []byte, err error)) error {
	w.alive()
	w.conn.SetPingHandler(func(text string) error {
		w.alive()
		w.control()
		// The writer answers, and only the latest (RFC 6455, 5.5.3). Were it done
		// here, two ends whose networks are full could wait for each other.
		select {
		case <-w.pong:
		default:
		}
		w.pong <- text
		return nil
	})
	w.conn.SetPongHandler(func(string) error {
		w.alive()
		w.control()
		return nil
	})
	for {
		kind, data, err := w.conn.ReadMessage()
		if err != nil {
			return err
		}
		w.alive()
		switch {
		case !w.out.open():
		case kind != websocket.TextMessage:
			receive(nil, errNoText)
		default:
			receive(data, nil)
		}
	}
}

// alive gives the other end time until the ping after next has gone unanswered.
func (w *wire) alive() {
	_ = w.conn.SetReadDeadline(time.Now().Add(w.limits.PingInterval + w.limits.PongTimeout))
}

// drain takes in the rest of a message that was too large, for the same reason
// as read goes on.
func (w *wire) drain() {
	_ = w.conn.NetConn().SetReadDeadline(time.Now().Add(closeGrace))
	_, _ = io.Copy(io.Discard, w.conn.NetConn())
}

// write is the writing side: what is queued, a ping now and then, a close frame
// at the end. It closes the socket.
func (w *wire) write() {
	defer func() { _ = w.conn.NetConn().Close() }()
	ticker := time.NewTicker(w.limits.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.out.ready:
			if cause, err := w.empty(); err != nil {
				return
			} else if cause != nil {
				w.farewell(*cause)
				return
			}
		case text := <-w.pong:
			if w.send(websocket.PongMessage, []byte(text)) != nil {
				return
			}
		case <-ticker.C:
			if w.send(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

// empty writes all that is queued. The closure is nil while there may be more.
func (w *wire) empty() (*closure, error) {
	for {
		f, cause := w.out.next()
		if f == nil {
			return cause, nil
		}
		if err := w.send(websocket.TextMessage, f.data); err != nil {
			return nil, err
		}
	}
}

func (w *wire) send(kind int, data []byte) error {
	deadline := time.Now().Add(w.limits.WriteTimeout)
	if kind != websocket.TextMessage {
		return w.conn.WriteControl(kind, data, deadline)
	}
	_ = w.conn.SetWriteDeadline(deadline)
	return w.conn.WriteMessage(kind, data)
}

// farewell sends the close frame and waits a while for the other end's.
func (w *wire) farewell(c closure) {
	if c.code == 0 {
		return
	}
	text := websocket.FormatCloseMessage(c.code, c.text)
	_ = w.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(time.Second))
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-w.readEnded:
	case <-timer.C:
	}
}
