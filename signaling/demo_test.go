package signaling

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestClientAtDemoRelay has our client be the doorbell at the demo's relay.
func TestClientAtDemoRelay(t *testing.T) {
	n := newLoopback(t)
	demo, _ := startDemo(t, n)
	door, h := newTestClient(t, n, "doorbell", "secret"), newRecorder(t)
	stop := background(t, func(ctx context.Context) error { return door.Run(ctx, h) })
	h.expect(golden(t, "login-reply-base")) // and no `Hello world`
	anna := newBaseClient(t, n)
	anna.login("anna")
	say := func(m Message) {
		t.Helper()
		if err := door.Send(m); err != nil {
			t.Fatal(err)
		}
	}

	anna.call("doorbell")
	h.expect(`{"type":"offer","name":"anna","offer":{"type":"offer","sdp":"v=0\r\n"}}`)
	say(Message{Type: TypeAnswer, Name: "anna", Answer: sdp("answer")})
	anna.receive("answer")
	anna.hangUp()
	h.expect(golden(t, "leave-relayed-base"))

	say(Message{Type: TypeOffer, Name: "anna", Offer: sdp("offer"), Call: "1", Ring: true})
	anna.answerOffer()
	h.expect(`{"type":"answer","answer":{"type":"answer","sdp":"v=0\r\n"}}`)
	anna.send(baseMessage{Type: "candidate", Candidate: candidate(1)})
	h.expect(`{"type":"candidate","candidate":` + string(candidate(1)) + `}`)
	say(Message{Type: TypeLeave, Name: "anna", Call: "1", Reason: ReasonHangup})
	anna.receive("leave")
	say(Message{Type: TypePress, Name: "anna"})
	h.expect(`{"type":"error","message":"Command not found: press"}`)

	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := demo.Err(); err != nil {
		t.Error(err)
	}
}

// TestClientAtDemoRelayNameTaken has the name of a dead connection be in the way.
func TestClientAtDemoRelayNameTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		startDemo(t, n)
		old := connect(t, n)
		old.send(`{"type":"login","name":"doorbell"}`)
		if greeting := old.next(); greeting != "Hello world" {
			t.Errorf("greeted with %q", greeting)
		}
		old.expect(golden(t, "login-reply-base"))
		h := newRecorder(t)
		background(t, func(ctx context.Context) error { return newTestClient(t, n, "doorbell", "s").Run(ctx, h) })
		for range 5 {
			h.expect(golden(t, "login-refused-base"))
		}
		_ = old.conn.Close()
		h.expect(golden(t, "login-reply-base"))
	})
}

// TestClientAtDemoRelayComesBack kills the demo's relay, which says nothing.
func TestClientAtDemoRelayComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		_, stop := startDemo(t, n)
		o := ClientOptions{URL: n.url, Name: "doorbell", Logger: quiet(), Dial: n.dial}
		h := newRecorder(t)
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		h.up()
		stop()
		h.down()
	})
}

// TestClientAtSomethingElse has a server that opens WebSockets and is no relay.
func TestClientAtSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		mute := NewRelay(RelayOptions{Logger: quiet(), Authorize: func(ctx context.Context, _ Login) (Grant, error) {
			<-ctx.Done()
			return Grant{}, ctx.Err()
		}})
		n.serve(t, mute)
		background(t, mute.Run)
		c := newTestClient(t, n, "doorbell", "")
		start := time.Now()
		up, err := c.attempt(context.Background(), newRecorder(t))
		if up || err == nil || !strings.Contains(err.Error(), "log-in") || time.Since(start) > connectTimeout+closeGrace {
			t.Errorf("attempt: %v, %v after %v", up, err, time.Since(start))
		}
	})
}
