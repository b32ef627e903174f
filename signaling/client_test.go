package signaling

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newTestClient(t *testing.T, n *network, name, credential string) *Client {
	t.Helper()
	c, err := NewClient(ClientOptions{URL: n.url, Name: name, Credential: credential, Kind: KindDoor, Presence: true, Dial: n.dial, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestClientComesBack restarts the relay under a client.
func TestClientComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		_, stop := startRelay(t, n, RelayOptions{})
		h := newRecorder(t)
		var current atomic.Pointer[network]
		current.Store(n)
		o := ClientOptions{URL: n.url, Name: "door", Logger: quiet(), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return current.Load().dial(ctx, network, addr)
		}}
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		h.up()
		for range 3 {
			time.Sleep(time.Minute)
			stop()
			h.down()
			if err := c.Send(Message{Type: TypeLeave}); !errors.Is(err, ErrOffline) {
				t.Errorf("Send without a relay: %v", err)
			}
			time.Sleep(10 * time.Minute)
			n = newPipes()
			_, stop = startRelay(t, n, RelayOptions{})
			current.Store(n)
			start := time.Now()
			if h.up(); time.Since(start) > backoffMax {
				t.Errorf("came back after %v", time.Since(start))
			}
		}
		for range 8 { // restarted at once: however often, it is back as fast
			time.Sleep(time.Minute)
			n = newPipes()
			old := stop
			_, stop = startRelay(t, n, RelayOptions{})
			current.Store(n)
			start := time.Now()
			old()
			if h.up(); time.Since(start) > backoffBase {
				t.Errorf("came back after %v", time.Since(start))
			}
			h.down()
		}
	})
}

// TestClientComesBackFast breaks a connection without the relay noticing: the
// client has its name back within half a second.
func TestClientComesBackFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		startRelay(t, n, RelayOptions{})
		anna, h := join(t, n, "anna", ""), newRecorder(t)
		var last *halfOpen
		c, err := NewClient(ClientOptions{URL: n.url, Name: "door", Credential: "secret", Logger: quiet(),
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := n.dial(ctx, network, addr)
				last = &halfOpen{Conn: conn, cut: make(chan struct{})}
				return last, err
			}})
		if err != nil {
			t.Fatal(err)
		}
		background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		h.up()
		offer(anna, "anna", &peer{t: t, got: relayTo(t, h)}, "door", "1")
		start, broken := time.Now(), last
		defer broken.Conn.Close()
		close(broken.cut)
		h.down()
		h.up()
		if took := time.Since(start); took > backoffBase {
			t.Errorf("came back after %v", took)
		}
		anna.nothing() // it never heard of it
		if err := c.Send(Message{Type: TypeAnswer, Name: "anna", Answer: sdp("answer"), Call: "1"}); err != nil {
			t.Fatal(err)
		}
		anna.expect(`{"type":"answer","name":"door","answer":{"type":"answer","sdp":"v=0\r\n"},"call":"1"}`)
	})
}

// relayTo gives the next message of a recorder as text.
func relayTo(t *testing.T, h *recorder) chan string {
	got := make(chan string, 1)
	go func() {
		text, err := h.next().Encode()
		if err != nil {
			t.Error(err)
		}
		got <- string(text)
	}()
	return got
}

// halfOpen is a connection that can break on this side only.
type halfOpen struct {
	net.Conn
	cut chan struct{}
}

func (c *halfOpen) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(b))
	go func() {
		n, err := c.Conn.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(b, buf[:r.n]), r.err
	case <-c.cut:
		return 0, net.ErrClosed
	}
}

// Close leaves the other side in the belief that all is well, once cut.
func (c *halfOpen) Close() error {
	select {
	case <-c.cut:
		return nil
	default:
		return c.Conn.Close()
	}
}

func TestBackoff(t *testing.T) {
	var longest [10]time.Duration
	for range 2000 {
		var b backoff
		for i := range longest {
			longest[i] = max(longest[i], b.next())
		}
	}
	ceiling := backoffBase
	for i, got := range longest {
		if got > ceiling || got < ceiling*9/10 {
			t.Errorf("longest wait %d of 2000 is %v, want nearly %v", i, got, ceiling)
		}
		ceiling = min(2*ceiling, backoffMax)
	}
}

// TestClientBackoff counts how often a client knocks at a door that is shut.
func TestClientBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, h := 0, newRecorder(t)
		c, err := NewClient(ClientOptions{URL: "ws://relay.test/", Name: "door", Logger: quiet(),
			Dial: func(context.Context, string, string) (net.Conn, error) {
				tries++
				return nil, errors.New("connection refused")
			}})
		if err != nil {
			t.Fatal(err)
		}
		stop := background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		time.Sleep(24 * time.Hour)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if mean := 24 * time.Hour / time.Duration(tries); mean < 14*time.Second || mean > 16*time.Second {
			t.Errorf("knocked every %v, want 15 s in the mean", mean)
		}
		if len(h.downs) != 0 || len(h.got) != 0 {
			t.Error("the handler was told of connections that never were")
		}
	})
}

func TestClientQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		startRelay(t, n, RelayOptions{})
		h, stuck := newRecorder(t), make(chan struct{})
		defer close(stuck)
		o := ClientOptions{URL: n.url, Name: "door", Limits: Limits{SendQueue: 5}, Dial: n.dial, Logger: quiet()}
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		h.up()
		full := 0
		for range 100 { // faster than any network
			if errors.Is(c.Send(Message{Type: TypeLeave, Name: "x"}), ErrQueueFull) {
				full++
			}
		}
		if full == 0 {
			t.Error("a queue of 5 took 100 messages")
		}
		synctest.Wait()
		for len(h.got) > 0 {
			<-h.got
		}
		if err := c.Send(Message{Type: TypeLeave, Name: "x"}); err != nil {
			t.Errorf("Send after the queue was empty again: %v", err)
		}
		h.expect(`{"type":"error","name":"x","code":"not-found","about":"leave","message":"leave: nobody called \"x\" is here"}`)
	})
}

func TestClientOptions(t *testing.T) {
	for _, o := range []ClientOptions{
		{URL: "", Name: "door"}, {URL: "http://x/", Name: "door"}, {URL: "ws:///", Name: "door"}, {URL: "ws://x:y:z/", Name: "door"},
		{URL: "ws://x/", Name: ""}, {URL: "ws://x/", Name: "a\nb"},
	} {
		if _, err := NewClient(o); err == nil {
			t.Errorf("NewClient takes %+v", o)
		}
	}
	if _, err := NewBridge("http://x/", BridgeOptions{}); err == nil {
		t.Error("NewBridge takes an http URL")
	}
	for _, u := range []string{"ftp://user:pw@x/", "ws://user:pw@x:y/", "ws://user:pw@%zz/"} {
		if _, err := NewClient(ClientOptions{URL: u, Name: "d"}); err == nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("error tells the password: %v", err)
		}
	}
}
