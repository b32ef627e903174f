package signaling

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

func TestOversizedMessage(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", ""), join(t, n, "bert", "")
		big := func(size int) string {
			head := `{"type":"offer","name":"bert","offer":{"sdp":"`
			return head + strings.Repeat("x", size-len(head)-3) + `"}}`
		}
		anna.send(big(256 << 10))
		if got := bert.next(); len(got) < 256<<10 {
			t.Errorf("only %d bytes came", len(got))
		}
		// The other end may see the close before it has sent all.
		go func() { _ = anna.conn.WriteMessage(websocket.TextMessage, []byte(big(256<<10+1))) }()
		anna.closed(websocket.CloseMessageTooBig)
		bert.expect(`{"type":"leave","name":"anna","reason":"gone"}`)
	})
}

// TestOversizedMessageOnANetwork checks that the close code gets through though
// the other end is still sending: unread data would reset the connection.
func TestOversizedMessageOnANetwork(t *testing.T) {
	n := newLoopback(t)
	startRelay(t, n, RelayOptions{})
	anna := join(t, n, "anna", "")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = anna.conn.WriteMessage(websocket.TextMessage, make([]byte, 8<<20))
		_ = anna.conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	}()
	anna.closed(websocket.CloseMessageTooBig)
	_ = anna.conn.Close()
	<-done
}

func TestFlood(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", ""), join(t, n, "bert", `,"presence":true`)
		offer(anna, "anna", bert, "bert", "1")
		bert.nothing()
		text := `{"type":"candidate","name":"bert","candidate":{},"call":"1"}`
		for range 198 { // the login and the offer were two
			anna.send(text)
		}
		anna.send(text)
		anna.expect(golden(t, "error-too-fast"))
		time.Sleep(4 * time.Second) // quiet again: all is well
		for range 198 {
			bert.next()
		}
		for range 401 {
			anna.send(text)
		}
		anna.expect(golden(t, "error-too-fast"))
		anna.closed(websocket.ClosePolicyViolation)
		for range 200 {
			bert.next()
		}
		bert.expect(`{"type":"leave","name":"anna","call":"1","reason":"gone"}`)
		bert.expect(`{"type":"presence","name":"anna","kind":"phone","present":false}`)
	})
}

func TestPingFlood(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna := join(t, n, "anna", "")
		for range 450 {
			if anna.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
				break
			}
		}
		anna.closed(websocket.ClosePolicyViolation)
	})
}

// TestSlowReader checks that who does not read is dropped, and that nobody waits
// for it.
func TestSlowReader(t *testing.T) {
	in(t, RelayOptions{Limits: Limits{SendQueue: 20}}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", `,"presence":true`), join(t, n, "bert", "")
		anna.next()
		slow := connectDeaf(t, n)
		if err := slow.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"login","name":"slow"}`)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := slow.conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		anna.expect(`{"type":"presence","name":"slow","kind":"phone","present":true}`)
		start := time.Now()
		anna.send(`{"type":"offer","name":"slow","offer":{"sdp":"o"},"call":"1"}`)
		offer(anna, "anna", bert, "bert", "2")
		for range 21 {
			anna.send(`{"type":"candidate","name":"slow","candidate":{},"call":"1"}`)
			anna.send(`{"type":"candidate","name":"bert","candidate":{},"call":"2"}`)
			bert.expect(`{"type":"candidate","name":"anna","candidate":{},"call":"2"}`)
		}
		anna.expect(`{"type":"leave","name":"slow","call":"1","reason":"gone"}`)
		anna.expect(`{"type":"presence","name":"slow","kind":"phone","present":false}`)
		if took := time.Since(start); took != 0 {
			t.Errorf("the others waited %v", took)
		}
		join(t, n, "slow", "") // its name is free
		slow.listen()          // it wakes up within a second: then it is told why
		slow.closed(websocket.CloseTryAgainLater)
	})
}

// TestSlowStranger has one that never logged in read none of its errors.
func TestSlowStranger(t *testing.T) {
	in(t, RelayOptions{Limits: Limits{SendQueue: 5}}, func(t *testing.T, n *network, r *Relay) {
		p := connectDeaf(t, n)
		for range 10 {
			if p.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"dance"}`)) != nil {
				break
			}
		}
		synctest.Wait()
		p.listen()
		p.closed(websocket.CloseTryAgainLater)
	})
}

// TestSlowReaders checks that dropping one who is slow may find others that are.
func TestSlowReaders(t *testing.T) {
	in(t, RelayOptions{Limits: Limits{SendQueue: 1}}, func(t *testing.T, n *network, r *Relay) {
		for i := range 5 {
			p := connectDeaf(t, n)
			if err := p.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"login","name":"p%d","presence":true}`, i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if here := r.Here(""); len(here) > 2 {
			t.Errorf("those who do not read are still here: %v", here)
		}
	})
}

func TestPingTimeout(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		alive, dead := join(t, n, "anna", `,"presence":true`), connect(t, n)
		dead.conn.SetPingHandler(func(string) error { return nil }) // half open: nothing comes back
		dead.login("bert", "")
		start := time.Now()
		alive.expect(golden(t, "presence-came"))
		for {
			select {
			case text := <-alive.got:
				if !sameJSON(t, text, golden(t, "presence-went")) {
					t.Fatalf("got %s", text)
				}
				if took := time.Since(start); took != 30*time.Second {
					t.Errorf("given up after %v", took)
				}
				time.Sleep(time.Hour) // who answers pings stays
				alive.nothing()
				return
			case <-time.After(time.Minute):
				t.Fatal("never given up")
			}
		}
	})
}

func TestLoginTimeout(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, idle, start := join(t, n, "anna", ""), connect(t, n), time.Now()
		<-time.After(59 * time.Minute)
		idle.nothing()
		for range idle.got {
		}
		if took := time.Since(start); took != time.Hour || !websocket.IsCloseError(idle.ended, websocket.ClosePolicyViolation) {
			t.Errorf("ended after %v: %v", took, idle.ended)
		}
		anna.nothing()
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		r, stop := startRelay(t, n, RelayOptions{})
		anna, bert, idle := join(t, n, "anna", ""), join(t, n, "bert", `,"presence":true`), connect(t, n)
		offer(anna, "anna", bert, "bert", "1")
		anna.send(`{"type":"candidate","name":"bert","candidate":{},"call":"1"}`)
		anna.nothing()
		deaf := connectDeaf(t, n) // does not even answer the close frame
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took > endGrace {
			t.Errorf("Run took %v to end", took)
		}
		bert.expect(`{"type":"candidate","name":"anna","candidate":{},"call":"1"}`)
		select { // calls go on without the relay: nobody is said to be gone
		case text, ok := <-bert.got:
			if ok {
				t.Errorf("at the end came %s", text)
			}
		default:
		}
		for _, p := range []*peer{anna, bert, idle} {
			p.closed(websocket.CloseGoingAway)
		}
		_ = deaf.conn.Close()
		if err := r.Run(context.Background()); err == nil {
			t.Error("a relay ran twice")
		}
	})
}

func TestShutdownCutsTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		_, stop := startRelay(t, n, RelayOptions{})
		stuck := connectDeaf(t, n)
		for range 3 { // the reply to the first blocks the writer
			if err := stuck.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"dance"}`)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took > endGrace+time.Second {
			t.Errorf("Run took %v to end", took)
		}
	})
}

// TestLateSocket has a WebSocket be opened while the relay stops.
func TestLateSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, late := newPipes(), make(chan bool, 1)
		r, stop := startRelay(t, n, RelayOptions{})
		door := newPipes()
		door.serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			release, ok := r.sockets.admit(w, req, AnyOrigin)
			conn, err := r.sockets.upgrader.Upgrade(w, req, nil)
			if !ok || err != nil {
				t.Error(ok, err)
				return
			}
			stop() // between the admission and the start
			r.sockets.start(conn, func() { release(); late <- true }, func(*wire) { t.Error("served") })
		}))
		p := connect(t, door)
		p.closed(websocket.CloseAbnormalClosure)
		<-late
		if r.sockets.count != 0 {
			t.Error("not released")
		}
	})
}

// TestReofferAfterRestart checks that a call outlives the relay: the re-offer
// with its id makes it stand again.
func TestReofferAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		_, stop := startRelay(t, n, RelayOptions{})
		anna, bert := join(t, n, "anna", ""), join(t, n, "bert", "")
		offer(anna, "anna", bert, "bert", "1")
		stop()
		n = newPipes()
		startRelay(t, n, RelayOptions{})
		anna, bert = join(t, n, "anna", ""), join(t, n, "bert", "")
		bert.send(`{"type":"leave","name":"anna","call":"1"}`)
		bert.expectError(CodeNotInCall, TypeLeave)
		offer(anna, "anna", bert, "bert", "1")
		bert.send(`{"type":"leave","name":"anna","call":"1","reason":"hangup"}`)
		anna.expect(`{"type":"leave","name":"bert","call":"1","reason":"hangup"}`)
	})
}

func TestConnectionLimits(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		want   int
	}{{Limits{MaxConns: 2}, 503}, {Limits{MaxConnsPerAddr: 2}, 429}} {
		n := newLoopback(t)
		startRelay(t, n, RelayOptions{Limits: tt.limits})
		first := join(t, n, "anna", `,"presence":true`)
		second := join(t, n, "bert", "")
		first.expect(golden(t, "presence-came"))
		if _, res, err := websocket.DefaultDialer.Dial(n.url, nil); err == nil || res == nil || res.StatusCode != tt.want {
			t.Fatalf("third connection: %v, %v, want status %d", res, err, tt.want)
		}
		_ = second.conn.Close()
		first.expect(golden(t, "presence-went"))
		waitFor(t, "room for another", func() bool {
			conn, _, err := websocket.DefaultDialer.Dial(n.url, nil)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
}

// waitFor asks again and again, for what no message tells of on a real network.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("no %s", what)
		}
	}
}
