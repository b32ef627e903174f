package signaling

import (
	"context"
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// session is one socket at the relay. All of it is owned by the goroutine that
// reads the socket.
type session struct {
	party
	bucket   *bucket
	patience *time.Timer // ends the socket unless it logs in
	ended    bool
}

// receive handles one frame.
func (s *session) receive(ctx context.Context, data []byte, err error) {
	switch s.bucket.take(len(data)) {
	case tooFast:
		s.tell(&Error{Code: CodeTooFast, Message: "too many messages at once: some were thrown away"})
		return
	case stillOn:
		return
	case flood:
		s.end()
		return
	}
	if err != nil {
		s.tell(&Error{Code: CodeBadJSON, Message: "message must be a text frame"})
		return
	}
	m, err := Decode(data)
	if err != nil {
		var e *Error
		errors.As(err, &e) // always: Decode says so
		s.tell(e)
		return
	}
	s.handle(ctx, m)
	if s.member != nil {
		s.patience.Stop()
	}
}

// control counts a ping or pong: these can flood too.
func (s *session) control() {
	if s.bucket.take(0) == flood {
		s.end()
	}
}

// end closes the socket of one that sends far too much. What it was told before
// still goes out.
func (s *session) end() {
	if s.ended {
		return
	}
	s.ended = true
	s.relay.log.Warn("signaling: dropped, it sends too many messages", "addr", s.login.RemoteAddr)
	s.logOut()
	s.out.shut(closure{code: websocket.ClosePolicyViolation, text: "too many messages", flush: true})
}
