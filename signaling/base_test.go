package signaling

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"doorbell/signaling/demorelay"

	"github.com/gorilla/websocket"
)

// baseClient is a client of the base dialect, written to its table and no more:
// it knows nothing of this package's messages. Like the demo's page it has one
// call at most, answers every offer by itself, puts the name of the one it is
// connected with on all it sends, and takes what comes without a name as that
// one's.
type baseClient struct {
	t             *testing.T
	conn          *websocket.Conn
	connectedUser string
}

// baseMessage has the fields that the table has.
type baseMessage struct {
	Type      string          `json:"type"`
	Name      string          `json:"name,omitempty"`
	Success   *bool           `json:"success,omitempty"`
	Offer     json.RawMessage `json:"offer,omitempty"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Candidate json.RawMessage `json:"candidate,omitempty"`
	Message   string          `json:"message,omitempty"`
}

func newBaseClient(t *testing.T, n *network) *baseClient {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(n.url, http.Header{"Origin": {"http://localhost:5000"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &baseClient{t: t, conn: conn}
}

func (c *baseClient) send(m baseMessage) {
	c.t.Helper()
	if c.connectedUser != "" {
		m.Name = c.connectedUser
	}
	if err := c.conn.WriteJSON(m); err != nil {
		c.t.Fatal(err)
	}
}

// receive waits for the next message of a type, and skips what is not JSON.
func (c *baseClient) receive(kind string) baseMessage {
	c.t.Helper()
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", kind, err)
		}
		var m baseMessage
		if json.Unmarshal(data, &m) != nil {
			continue
		}
		if m.Type != kind {
			c.t.Fatalf("waiting for %s: got %s", kind, data)
		}
		return m
	}
}

func (c *baseClient) login(name string) bool {
	c.t.Helper()
	c.send(baseMessage{Type: "login", Name: name})
	success := c.receive("login").Success
	return success == nil || *success // such clients test === false
}

func (c *baseClient) call(name string) {
	c.connectedUser = name
	c.send(baseMessage{Type: "offer", Offer: sdp("offer")})
}

// answerOffer does what the page does with an offer.
func (c *baseClient) answerOffer() {
	c.t.Helper()
	m := c.receive("offer")
	c.connectedUser = m.Name
	c.send(baseMessage{Type: "answer", Answer: sdp("answer")})
}

func (c *baseClient) hangUp() {
	c.send(baseMessage{Type: "leave"})
	c.connectedUser = ""
}

func sdp(kind string) json.RawMessage {
	return json.RawMessage(`{"type":"` + kind + `","sdp":"v=0\r\n"}`)
}

func candidate(i int) json.RawMessage {
	return fmt.Appendf(nil, `{"candidate":"candidate:%d","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"u"}`, i)
}

// baseRelays runs a test on our relay, as base clients reach it, through a
// bridge, and on the demo's.
func baseRelays(t *testing.T, f func(t *testing.T, n *network)) {
	t.Run("ours", func(t *testing.T) {
		n := newLoopback(t)
		r := NewRelay(RelayOptions{Authorize: Open("doorbell"), Logger: quiet()})
		n.serve(t, r.Handler(AnyOrigin))
		background(t, r.Run)
		f(t, n)
	})
	t.Run("bridge", func(t *testing.T) {
		far, n := newLoopback(t), newLoopback(t)
		startRelay(t, far, RelayOptions{})
		b, err := NewBridge(far.url, BridgeOptions{AllowOrigin: AnyOrigin, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		n.serve(t, b)
		background(t, b.Run)
		f(t, n)
	})
	t.Run("demo", func(t *testing.T) {
		n := newLoopback(t)
		startDemo(t, n)
		f(t, n)
	})
}

func startDemo(t *testing.T, n *network) (r *demorelay.Relay, stop func()) {
	r = demorelay.New(quiet())
	closeServer := n.serve(t, r)
	end := background(t, r.Run)
	return r, func() {
		closeServer()
		_ = end()
	}
}

func TestBaseDialect(t *testing.T) {
	baseRelays(t, func(t *testing.T, n *network) {
		anna, bert := newBaseClient(t, n), newBaseClient(t, n)
		if !anna.login("anna") || bert.login("anna") || !bert.login("bert") {
			t.Fatal("log-ins went wrong")
		}
		for round := range 2 {
			anna.call("bert")
			anna.send(baseMessage{Type: "candidate", Candidate: candidate(round)}) // before the answer
			bert.answerOffer()
			if got := bert.receive("candidate"); string(got.Candidate) != string(candidate(round)) {
				t.Fatalf("candidate is %s", got.Candidate)
			}
			bert.send(baseMessage{Type: "candidate", Candidate: candidate(9)})
			if got := anna.receive("answer"); string(got.Answer) != string(sdp("answer")) {
				t.Fatalf("answer is %s", got.Answer)
			}
			anna.receive("candidate")
			bert.hangUp()
			anna.receive("leave")
			anna.connectedUser = ""
		}
		anna.send(baseMessage{Type: "dance"})
		if got := anna.receive("error"); got.Message != "Command not found: dance" {
			t.Fatalf("error is %q", got.Message)
		}
	})
}

func TestBaseDialectClosedSocketIsALeave(t *testing.T) {
	baseRelays(t, func(t *testing.T, n *network) {
		anna, bert := newBaseClient(t, n), newBaseClient(t, n)
		anna.login("anna")
		bert.login("bert")
		anna.call("bert")
		bert.answerOffer()
		anna.receive("answer")
		_ = anna.conn.Close() // browsers end it so when a page is closed
		bert.receive("leave")
	})
}

// TestBaseClientHangsUpWithoutACall is what kills the demo's relay.
func TestBaseClientHangsUpWithoutACall(t *testing.T) {
	n := newLoopback(t)
	startRelay(t, n, RelayOptions{AllowOrigin: AnyOrigin})
	anna := newBaseClient(t, n)
	anna.login("anna")
	anna.hangUp()
	anna.receive("error")
	anna.connectedUser = "nobody"
	anna.hangUp()
	anna.receive("error")
	anna.connectedUser = "nobody"
	anna.send(baseMessage{Type: "offer", Offer: sdp("offer")})
	anna.receive("error")
}

// TestBaseClientAndOurs has a base client and one with all additions call each other.
func TestBaseClientAndOurs(t *testing.T) {
	n := newLoopback(t)
	r, _ := startRelay(t, n, RelayOptions{AllowOrigin: AnyOrigin})
	door, h := r.Local(Login{Name: "doorbell"}), newRecorder(t)
	background(t, func(ctx context.Context) error { return door.Run(ctx, h) })
	h.up()
	anna := newBaseClient(t, n)
	anna.login("anna")
	h.expect(`{"type":"presence","name":"anna","kind":"phone","present":true}`)
	say := func(m Message) {
		t.Helper()
		if err := door.Send(m); err != nil {
			t.Fatal(err)
		}
	}

	anna.call("doorbell")
	h.expect(`{"type":"offer","name":"anna","offer":{"type":"offer","sdp":"v=0\r\n"}}`)
	say(Message{Type: TypeAnswer, Name: "anna", Answer: sdp("answer")})
	say(Message{Type: TypeCandidate, Name: "anna", Candidate: candidate(1)})
	anna.receive("answer")
	anna.receive("candidate")
	anna.hangUp()
	h.expect(`{"type":"leave","name":"anna"}`)

	say(Message{Type: TypeOffer, Name: "anna", Offer: sdp("offer"), Call: "1", Ring: true})
	anna.answerOffer()
	h.expect(`{"type":"answer","name":"anna","answer":{"type":"answer","sdp":"v=0\r\n"}}`)
	say(Message{Type: TypeLeave, Name: "anna", Call: "1", Reason: ReasonShutdown})
	anna.receive("leave")
}
