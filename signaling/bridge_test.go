package signaling

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// bridged runs a test in a bubble with a relay at far and a bridge to it at near.
func bridged(t *testing.T, o BridgeOptions, f func(t *testing.T, near, far *network, stopRelay func(), stopBridge func() error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := newPipes(), newPipes()
		_, stopRelay := startRelay(t, far, RelayOptions{})
		o.Dial, o.Logger = far.dial, quiet()
		b, err := NewBridge(far.url, o)
		if err != nil {
			t.Fatal(err)
		}
		near.serve(t, b)
		f(t, near, far, stopRelay, background(t, b.Run))
	})
}

func TestBridgeCopies(t *testing.T) {
	bridged(t, BridgeOptions{}, func(t *testing.T, near, far *network, _ func(), _ func() error) {
		anna, bert := join(t, near, "anna", `,"credential":"a","presence":true`), join(t, far, "bert", "")
		anna.expect(golden(t, "presence-came"))
		offer(anna, "anna", bert, "bert", "1")
		bert.send(`{"type":"answer","name":"anna","answer":{},"call":"1"}`)
		anna.expect(`{"type":"answer","name":"bert","answer":{},"call":"1"}`)
		anna.send("no JSON")
		anna.expect(golden(t, "error-bad-json"))
		time.Sleep(time.Hour)
		again := join(t, near, "anna", `,"credential":"a"`)
		anna.closed(CloseReplaced) // the code gets through
		start := time.Now()
		_ = again.conn.Close()
		bert.expect(`{"type":"leave","name":"anna","call":"1","reason":"gone"}`)
		if took := time.Since(start); took != 0 {
			t.Errorf("gone after %v", took)
		}
	})
}

func TestBridgeEnds(t *testing.T) {
	bridged(t, BridgeOptions{}, func(t *testing.T, near, _ *network, stopRelay func(), _ func() error) {
		anna := join(t, near, "anna", "")
		stopRelay()
		anna.closed(websocket.CloseGoingAway)
		d := websocket.Dialer{NetDialContext: near.dial}
		if _, res, err := d.Dial(near.url, nil); err == nil || res == nil || res.StatusCode != http.StatusBadGateway {
			t.Errorf("without a relay: %v, %v, want 502", res, err)
		}
	})
	bridged(t, BridgeOptions{}, func(t *testing.T, near, far *network, _ func(), stopBridge func() error) {
		anna, bert := join(t, near, "anna", ""), join(t, far, "bert", `,"presence":true`)
		start := time.Now()
		if err := stopBridge(); err != nil || time.Since(start) > endGrace {
			t.Errorf("Run: %v after %v", err, time.Since(start))
		}
		anna.closed(websocket.CloseGoingAway)
		bert.expect(`{"type":"presence","name":"anna","kind":"phone","present":false}`)
	})
}

func TestBridgeLimits(t *testing.T) {
	bridged(t, BridgeOptions{}, func(t *testing.T, near, _ *network, _ func(), _ func() error) {
		anna := join(t, near, "anna", "")
		go func() { _ = anna.conn.WriteMessage(websocket.TextMessage, make([]byte, 256<<10+1)) }()
		anna.closed(websocket.CloseMessageTooBig)
	})
	bridged(t, BridgeOptions{Limits: Limits{Burst: 10, MessagesPerSecond: 1}}, func(t *testing.T, near, far *network, _ func(), _ func() error) {
		anna, bert := join(t, near, "anna", ""), join(t, far, "bert", `,"presence":true`)
		for range 10 {
			anna.send(`{"type":"leave","name":"carl"}`)
		}
		told := 0
		for range 10 {
			m, err := Decode([]byte(anna.next()))
			if err != nil {
				t.Fatal(err)
			}
			if m.Code == CodeTooFast {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times that it is too fast", told)
		}
		for range 10 {
			anna.send(`{"type":"leave","name":"carl"}`)
		}
		anna.closed(websocket.ClosePolicyViolation)
		bert.expect(`{"type":"presence","name":"anna","kind":"phone","present":false}`)
	})
}

// TestBridgeSlowPhone checks that a phone that does not read is given up, and
// its name with it.
func TestBridgeSlowPhone(t *testing.T) {
	bridged(t, BridgeOptions{Limits: Limits{SendQueue: 5}}, func(t *testing.T, near, far *network, _ func(), _ func() error) {
		bert := join(t, far, "bert", `,"presence":true`)
		slow := connectDeaf(t, near)
		if err := slow.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"login","name":"slow"}`)); err != nil {
			t.Fatal(err)
		}
		bert.expect(`{"type":"presence","name":"slow","kind":"phone","present":true}`)
		bert.send(`{"type":"offer","name":"slow","offer":{}}`)
		for range 10 {
			bert.send(`{"type":"candidate","name":"slow","candidate":{}}`)
		}
		bert.expect(`{"type":"leave","name":"slow","reason":"gone"}`)
	})
}

func TestBridgeOrigin(t *testing.T) {
	near := newLoopback(t)
	b, err := NewBridge("ws://127.0.0.1:1/", BridgeOptions{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	near.serve(t, b)
	background(t, b.Run)
	_, res, err := websocket.DefaultDialer.Dial(near.url, http.Header{"Origin": {"https://evil.example"}})
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("foreign page: %v, %v", res, err)
	}
}

func TestSameEnd(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{&websocket.CloseError{Code: CloseReplaced}, CloseReplaced},
		{&websocket.CloseError{Code: websocket.CloseNormalClosure}, websocket.CloseNormalClosure},
		{&websocket.CloseError{Code: websocket.CloseAbnormalClosure}, websocket.CloseGoingAway},
		{&websocket.CloseError{Code: websocket.CloseNoStatusReceived}, websocket.CloseGoingAway},
		{&websocket.CloseError{Code: 999}, websocket.CloseGoingAway},
		{errors.New("reset"), websocket.CloseGoingAway},
	} {
		if got := sameEnd(tt.err); got.code != tt.code || !got.flush {
			t.Errorf("sameEnd(%v) = %+v", tt.err, got)
		}
	}
}

// TestDialErrors checks that the person is told what the other end said.
func TestDialErrors(t *testing.T) {
	n := newLoopback(t)
	n.serve(t, http.NotFoundHandler())
	c := newTestClient(t, n, "door", "")
	if _, err := c.attempt(context.Background(), newRecorder(t)); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("attempt: %v", err)
	}
}
