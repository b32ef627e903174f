package signaling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// Local is a client in the relay's own process: like a Client, without a socket.
type Local struct {
	// Fixed after Relay.Local.
	relay *Relay
	login Login

	// Guarded by mu.
	mu    sync.Mutex
	party *party // nil while not logged in
}

// Local makes a client of this relay in the same process. Of the login its Name,
// Credential and Kind count (default KindDoor). It hears who comes and goes. It
// may use a reserved name, if the policy knows Login.Local.
func (r *Relay) Local(l Login) *Local {
	if l.Kind == "" {
		l.Kind = KindDoor
	}
	l.Local, l.RemoteAddr, l.Header = true, "local", http.Header(nil)
	return &Local{relay: r, login: l}
}

// Run logs in and hands what comes to h until ctx ends; then it logs out and
// returns nil. A refused login is repeated as a Client does it. ErrReplaced says
// that the same client logged in elsewhere.
func (l *Local) Run(ctx context.Context, h Handler) error {
	return persist(ctx, l.relay.log, h, func(ctx context.Context) (bool, error) { return l.attempt(ctx, h) })
}

// Send hands a message to the relay. It never blocks. It is ErrOffline while
// not logged in, ErrTooLarge or an *Error where the relay could not read the
// message. What the relay says against it comes to the Handler.
func (l *Local) Send(m Message) error {
	l.mu.Lock()
	p := l.party
	l.mu.Unlock()
	if p == nil {
		return ErrOffline
	}
	// Through the same eyes as what comes over a socket, so that the doorbell
	// can't get used to what a relay elsewhere would refuse.
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if int64(len(data)) > l.relay.limits.MaxMessage {
		return ErrTooLarge
	}
	if m, err = Decode(data); err != nil {
		return fmt.Errorf("signaling: send: %w", err)
	}
	p.handle(l.relay.ctx, m)
	return nil
}

// attempt is one login and what follows until it is over.
func (l *Local) attempt(ctx context.Context, h Handler) (up bool, err error) {
	out := newOutbox(l.relay.limits)
	p := &party{relay: l.relay, out: out, login: l.login}
	p.handle(ctx, Message{Type: TypeLogin, Name: l.login.Name, Credential: l.login.Credential, Kind: l.login.Kind, Presence: true})
	up = p.member != nil
	if up {
		l.set(p)
		defer p.logOut()
		defer l.set(nil)
	}
	for {
		select {
		case <-ctx.Done():
			return up, ctx.Err()
		case <-out.ready:
			if err := deliver(out, h); err != nil {
				return up, err
			}
		}
	}
}

// deliver hands what is queued to h. Its error says that nothing more comes.
func deliver(out *outbox, h Handler) error {
	for {
		f, cause := out.next()
		switch {
		case f == nil && cause == nil:
			return nil
		case f == nil:
			return closureError(*cause)
		}
		h.Message(f.Message)
		if err := refused(f.Message); err != nil {
			return err
		}
	}
}

func (l *Local) set(p *party) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.party = p
}

// refused is the *Refusal in a login reply that is one.
func refused(m Message) error {
	if m.Type != TypeLogin || m.Success == nil || *m.Success {
		return nil
	}
	if m.Reason == "" { // a base relay has one reason only, and doesn't say it
		return &Refusal{Reason: ReasonTaken, Message: "somebody is logged in under that name already"}
	}
	return &Refusal{Reason: m.Reason, Message: m.Message}
}

// closureError is what a client makes of the relay's ending its connection.
func closureError(c closure) error {
	switch c.code {
	case CloseReplaced:
		return ErrReplaced
	case 0:
		return errors.New("signaling: connection ended")
	}
	return fmt.Errorf("signaling: relay ended the connection: %w", &websocket.CloseError{Code: c.code, Text: c.text})
}
