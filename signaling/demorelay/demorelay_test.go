package demorelay

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a conversation: each step is a client's name, > for what it sends
// or < for what it gets next, and the text. Clients connect when first named; x
// closes one and waits until the relay has noticed.
type script struct {
	name  string
	steps []string
	dies  string // part of what the relay dies of
}

var scripts = []script{
	{name: "login", steps: []string{
		`a<Hello world`, `a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`b<Hello world`, `b>{"type":"login","name":"anna"}`, `b<{"type":"login","success":false}`,
		`b>{"type":"login","name":"__proto__"}`, `b<{"type":"login","success":false}`,
		`b>{"type":"login","name":"bert"}`, `b<{"type":"login","success":true}`,
	}},
	{name: "call", steps: []string{
		`a<Hello world`, `b<Hello world`,
		`a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`b>{"type":"login","name":"bert"}`, `b<{"type":"login","success":true}`,
		`a>{"type":"offer","name":"bert","offer":{"sdp":"<x>"},"call":"1"}`, `b<{"type":"offer","offer":{"sdp":"<x>"},"name":"anna"}`,
		`a>{"type":"candidate","name":"bert","candidate":{"candidate":"c"}}`, `b<{"type":"candidate","candidate":{"candidate":"c"}}`,
		`b>{"type":"answer","name":"anna","answer":{"sdp":"y"}}`, `a<{"type":"answer","answer":{"sdp":"y"}}`,
		`b>{"type":"leave","name":"anna"}`, `a<{"type":"leave"}`,
	}},
	{name: "closing is a leave", steps: []string{
		`a<Hello world`, `b<Hello world`,
		`a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`b>{"type":"login","name":"bert"}`, `b<{"type":"login","success":true}`,
		`a>{"type":"offer","name":"bert","offer":{}}`, `b<{"type":"offer","offer":{},"name":"anna"}`,
		`ax`, `b<{"type":"leave"}`,
		`c<Hello world`, `c>{"type":"login","name":"anna"}`, `c<{"type":"login","success":true}`,
	}},
	{name: "what it does not know", steps: []string{
		`a<Hello world`,
		`a>{"type":"dance"}`, `a<{"type":"error","message":"Command not found: dance"}`,
		`a>no JSON`, `a<{"type":"error","message":"Command not found: undefined"}`,
		`a>[1]`, `a<{"type":"error","message":"Command not found: undefined"}`,
		`a>{"type":12.50}`, `a<{"type":"error","message":"Command not found: 12.5"}`,
		`a>{"type":null}`, `a<{"type":"error","message":"Command not found: null"}`,
		`a>{"type":{}}`, `a<{"type":"error","message":"Command not found: [object Object]"}`,
		`a>{"type":["login",[1,null]]}`, `a<{"type":"error","message":"Command not found: login,1,"}`,
	}},
	{name: "an offer to nobody vanishes", steps: []string{
		`a<Hello world`, `a>{"type":"offer","name":"bert","offer":{}}`, `a>{"type":"dance"}`,
		`a<{"type":"error","message":"Command not found: dance"}`,
	}},
	{name: "it relays for those who never logged in", steps: []string{
		`a<Hello world`, `a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`b<Hello world`, `b>{"type":"offer","name":"anna","offer":{}}`, `a<{"type":"offer","offer":{}}`,
	}},
	{name: "a second login leaks the first name", steps: []string{
		`a<Hello world`, `a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`a>{"type":"login","name":"bert"}`, `a<{"type":"login","success":true}`, `ax`,
		`b<Hello world`, `b>{"type":"login","name":"bert"}`, `b<{"type":"login","success":true}`,
		`c<Hello world`, `c>{"type":"login","name":"anna"}`, `c<{"type":"login","success":false}`,
	}},
	{name: "leave to nobody", dies: "otherName", steps: []string{`a<Hello world`, `a>{"type":"leave","name":"nobody"}`}},
	{name: "leave without a name", dies: "undefined", steps: []string{`a<Hello world`, `a>{"type":"leave"}`}},
	{name: "leave to a prototype", dies: "not a function", steps: []string{`a<Hello world`, `a>{"type":"leave","name":"__proto__"}`}},
	{name: "offer to a prototype", dies: "not a function", steps: []string{`a<Hello world`, `a>{"type":"offer","name":"toString","offer":{}}`}},
	{name: "null", dies: "null", steps: []string{`a<Hello world`, `a>null`}},
	{name: "closing after the other closed", dies: "otherName", steps: []string{
		`a<Hello world`, `b<Hello world`,
		`a>{"type":"login","name":"anna"}`, `a<{"type":"login","success":true}`,
		`b>{"type":"login","name":"bert"}`, `b<{"type":"login","success":true}`,
		`a>{"type":"offer","name":"bert","offer":{}}`, `b<{"type":"offer","offer":{},"name":"anna"}`,
		`bx`, `ax`,
	}},
}

func TestScripts(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) { play(t, s) })
	}
}

func play(t *testing.T, s script) {
	r := New(slog.New(slog.DiscardHandler))
	server := httptest.NewServer(r)
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	clients := make(map[byte]*websocket.Conn)
	for _, step := range s.steps {
		c := clients[step[0]]
		if c == nil {
			var err error
			if c, _, err = websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			clients[step[0]] = c
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		switch text := step[2:]; step[1] {
		case '>':
			if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
		case '<':
			if _, got, err := c.ReadMessage(); err != nil || string(got) != text {
				t.Fatalf("%s: got %s, %v", step, got, err)
			}
		}
		if step[1] == 'x' {
			hangUp(t, r, c)
		}
	}
	if s.dies == "" {
		if err := r.Err(); err != nil {
			t.Errorf("died: %v", err)
		}
		return
	}
	select {
	case <-r.Crashed():
	case <-time.After(10 * time.Second):
		t.Fatal("still alive")
	}
	if err := r.Err(); !strings.Contains(err.Error(), s.dies) {
		t.Errorf("died of %v, want %s", err, s.dies)
	}
	for _, c := range clients {
		for { // all are disconnected, without a close frame
			_, _, err := c.ReadMessage()
			if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
				t.Errorf("close frame from the dead: %v", err)
			}
			if err != nil {
				break
			}
		}
	}
}

// hangUp closes a client and waits until the relay has seen to it.
func hangUp(t *testing.T, r *Relay, c *websocket.Conn) {
	t.Helper()
	r.mu.Lock()
	before := len(r.live)
	r.mu.Unlock()
	_ = c.Close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		after := len(r.live)
		r.mu.Unlock()
		if after < before {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("the relay did not notice that a client is gone")
		}
	}
}

func TestStoppedRelayTakesNobodyIn(t *testing.T) {
	r := New(nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	defer server.Close()
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, _, err = c.ReadMessage()
		_ = c.Close()
	}
	if err == nil || r.Err() != ErrStopped {
		t.Errorf("read: %v, Err: %v", err, r.Err())
	}
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		in, text string
		truthy   bool
	}{
		{``, "undefined", false}, {`null`, "null", false}, {`true`, "true", true}, {`false`, "false", false},
		{`""`, "", false}, {`"a"`, "a", true}, {`0`, "0", false}, {`-0`, "0", false}, {`1e3`, "1000", true}, {`1e21`, "1e+21", true},
		{`0.000001`, "0.000001", true}, {`1e-7`, "1e-7", true}, {`1.5e300`, "1.5e+300", true}, {`[]`, "", true}, {`{}`, "[object Object]", true},
	} {
		var v json.RawMessage
		if tt.in != "" {
			v = json.RawMessage(tt.in)
		}
		if got := toString(v); got != tt.text {
			t.Errorf("toString(%s) = %q, want %q", tt.in, got, tt.text)
		}
		if got := truthy(v); got != tt.truthy {
			t.Errorf("truthy(%s) = %v", tt.in, got)
		}
	}
}
