package signaling

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// endpoint is what a Client and a Local have in common.
type endpoint interface {
	Run(ctx context.Context, h Handler) error
	Send(Message) error
}

var (
	_ endpoint = (*Client)(nil)
	_ endpoint = (*Local)(nil)
)

// endpoints runs a test for each way to be a client of a relay: over a socket,
// in the same process and through a bridge.
func endpoints(t *testing.T, f func(t *testing.T, n *network, r *Relay, make func(credential string) endpoint)) {
	run := func(name string, build func(t *testing.T, n *network, r *Relay) func(string) endpoint) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newPipes()
				r, _ := startRelay(t, n, RelayOptions{Authorize: Open()})
				f(t, n, r, build(t, n, r))
			})
		})
	}
	run("client", func(t *testing.T, n *network, _ *Relay) func(string) endpoint {
		return func(credential string) endpoint { return newTestClient(t, n, "doorbell", credential) }
	})
	run("local", func(_ *testing.T, _ *network, r *Relay) func(string) endpoint {
		return func(credential string) endpoint { return r.Local(Login{Name: "doorbell", Credential: credential}) }
	})
	run("bridge", func(t *testing.T, n *network, _ *Relay) func(string) endpoint {
		near := newPipes()
		b, err := NewBridge(n.url, BridgeOptions{Dial: n.dial, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		near.serve(t, b)
		background(t, b.Run)
		return func(credential string) endpoint { return newTestClient(t, near, "doorbell", credential) }
	})
}

func TestEndpoint(t *testing.T) {
	endpoints(t, func(t *testing.T, n *network, r *Relay, make func(string) endpoint) {
		anna, door, h := join(t, n, "anna", `,"presence":true`), make(""), newRecorder(t)
		if err := door.Send(Message{Type: TypeLeave, Name: "anna"}); !errors.Is(err, ErrOffline) {
			t.Errorf("Send before Run: %v", err)
		}
		stop := background(t, func(ctx context.Context) error { return door.Run(ctx, h) })
		h.expect(`{"type":"login","name":"doorbell","success":true,"here":[{"name":"anna","kind":"phone"}]}`)
		anna.expect(`{"type":"presence","name":"doorbell","kind":"door","present":true}`)

		say := func(m Message) {
			t.Helper()
			if err := door.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		say(Message{Type: TypeOffer, Name: "anna", Offer: sdp("offer"), Call: "1", Ring: true})
		anna.expect(`{"type":"offer","name":"doorbell","offer":{"type":"offer","sdp":"v=0\r\n"},"call":"1","ring":true}`)
		anna.send(`{"type":"answer","name":"doorbell","answer":{},"call":"1","preview":true}`)
		h.expect(`{"type":"answer","name":"anna","answer":{},"call":"1","preview":true}`)
		say(Message{Type: TypeLeave, Name: "bert"})
		h.expect(`{"type":"error","name":"bert","code":"not-found","about":"leave","message":"leave: nobody called \"bert\" is here"}`)
		if err := door.Send(Message{Type: TypeOffer, Name: "anna", Offer: json.RawMessage(`{`)}); err == nil {
			t.Error("Send takes what is not JSON")
		}
		big := json.RawMessage(`{"sdp":"` + strings.Repeat("x", 256<<10) + `"}`)
		if err := door.Send(Message{Type: TypeOffer, Name: "anna", Offer: big}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Send of too much: %v", err)
		}
		time.Sleep(time.Hour) // kept alive
		// What was sent last still goes out.
		say(Message{Type: TypeLeave, Name: "anna", Call: "1", Reason: ReasonShutdown})
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		anna.expect(`{"type":"leave","name":"doorbell","call":"1","reason":"shutdown"}`)
		anna.expect(`{"type":"presence","name":"doorbell","kind":"door","present":false}`)
		if err := door.Send(Message{Type: TypeLeave, Name: "anna"}); !errors.Is(err, ErrOffline) {
			t.Errorf("Send after Run: %v", err)
		}
		if len(h.downs) != 0 {
			t.Errorf("Down at the end of Run: %v", <-h.downs)
		}
	})
}

// TestEndpointTakesTheLargest checks that the largest message that a relay takes
// gets to everybody, though the relay makes it longer.
func TestEndpointTakesTheLargest(t *testing.T) {
	endpoints(t, func(t *testing.T, n *network, r *Relay, make func(string) endpoint) {
		name := strings.Repeat("门", maxNameRunes)
		anna, door, h := join(t, n, name, ""), make(""), newRecorder(t)
		background(t, func(ctx context.Context) error { return door.Run(ctx, h) })
		h.up()
		head := `{"type":"offer","name":"doorbell","offer":{"sdp":"`
		anna.send(head + strings.Repeat("x", 256<<10-len(head)-3) + `"}}`)
		if m := h.next(); m.Name != name || len(m.Offer) < 255<<10 {
			t.Errorf("%s from %s with %d bytes", m.Type, m.Name, len(m.Offer))
		}
	})
}

func TestEndpointReplaced(t *testing.T) {
	endpoints(t, func(t *testing.T, n *network, r *Relay, make func(string) endpoint) {
		h, first := newRecorder(t), make("secret")
		result := background(t, func(ctx context.Context) error { return first.Run(context.Background(), h) })
		h.up()
		join(t, n, "doorbell", `,"credential":"secret"`)
		if err := h.down(); !errors.Is(err, ErrReplaced) {
			t.Errorf("Down(%v)", err)
		}
		if err := result(); !errors.Is(err, ErrReplaced) {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestEndpointRefusedTriesAgain(t *testing.T) {
	endpoints(t, func(t *testing.T, n *network, r *Relay, make func(string) endpoint) {
		other, h, door := join(t, n, "doorbell", ""), newRecorder(t), make("")
		background(t, func(ctx context.Context) error { return door.Run(ctx, h) })
		for range 3 {
			if m := h.next(); *m.Success || m.Reason != ReasonTaken {
				t.Fatalf("got %+v", m)
			}
			if err := door.Send(Message{Type: TypeLeave, Name: "x"}); !errors.Is(err, ErrOffline) {
				t.Errorf("Send: %v", err)
			}
		}
		_ = other.conn.Close()
		for m := h.next(); !*m.Success; m = h.next() {
		}
		if len(h.downs) != 0 {
			t.Error("Down though it was never up")
		}
	})
}

func TestEndpointIsToldThatTheRelayStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		r, stop := startRelay(t, n, RelayOptions{})
		h := newRecorder(t)
		background(t, func(ctx context.Context) error { return r.Local(Login{Name: "doorbell"}).Run(ctx, h) })
		h.up()
		stop()
		if err := h.down(); !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseGoingAway) {
			t.Errorf("Down(%v)", err)
		}
		if m := h.next(); *m.Success || m.Reason != ReasonBusy {
			t.Errorf("login at a relay that stopped: %+v", m)
		}
	})
}
