package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"

	"doorbell/signaling/demorelay"
)

// baseClient is a client of the base dialect: it knows the table in
// signaling/PROTOCOL.md, and nothing of what ours adds. Like the demo's page it
// has one peer connection, answers every offer by itself, and takes every answer,
// candidate and leave for its only call's.
type baseClient struct {
	t      testing.TB
	name   string
	socket *websocket.Conn
	out    chan any
	ended  chan struct{}
	logins chan bool
	pc     *webrtc.PeerConnection
	video  atomic.Int64 // packets
	audio  atomic.Int64
	other  atomic.Value // string: whom the call is with
	left   chan struct{}

	mu      sync.Mutex // held while descriptions change, as a page's one thread would
	closing sync.Once
	running sync.WaitGroup
}

// close goes away without a word, as a page that is closed does.
func (c *baseClient) close() {
	c.closing.Do(func() {
		close(c.ended)
		_ = c.socket.Close()
		c.running.Wait()
		_ = c.pc.GracefulClose()
	})
}

func newBaseClient(t testing.TB, url, name string) *baseClient {
	t.Helper()
	socket, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &baseClient{
		t: t, name: name, socket: socket,
		out: make(chan any, 100), ended: make(chan struct{}), logins: make(chan bool, 1), left: make(chan struct{}, 1),
	}
	c.other.Store("")
	c.prepare()
	c.running.Go(c.write)
	c.running.Go(c.read)
	t.Cleanup(c.close)
	c.out <- map[string]any{"type": "login", "name": name}
	if !<-c.logins {
		t.Fatalf("%s was not let in", name)
	}
	return c
}

// prepare makes the peer connection that the demo's page makes at log-in.
func (c *baseClient) prepare() {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.pc = pc
	for kind, direction := range map[webrtc.RTPCodecType]webrtc.RTPTransceiverDirection{
		webrtc.RTPCodecTypeVideo: webrtc.RTPTransceiverDirectionRecvonly, // it has no camera of its own
		webrtc.RTPCodecTypeAudio: webrtc.RTPTransceiverDirectionSendrecv,
	} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: direction}); err != nil {
			c.t.Fatal(err)
		}
	}
	pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate != nil {
			c.send(map[string]any{"type": "candidate", "candidate": candidate.ToJSON()})
		}
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		count := &c.audio
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			count = &c.video
		}
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			count.Add(1)
		}
	})
}

// send attaches the other one's name, as the demo's page does.
func (c *baseClient) send(message map[string]any) {
	if other := c.other.Load().(string); other != "" {
		message["name"] = other
	}
	select {
	case c.out <- message:
	case <-c.ended:
	}
}

func (c *baseClient) write() {
	for {
		select {
		case message := <-c.out:
			if c.socket.WriteJSON(message) != nil {
				return
			}
		case <-c.ended:
			return
		}
	}
}

func (c *baseClient) read() {
	for {
		_, data, err := c.socket.ReadMessage()
		if err != nil {
			return
		}
		var message struct {
			Type      string                     `json:"type"`
			Name      string                     `json:"name"`
			Success   bool                       `json:"success"`
			Offer     *webrtc.SessionDescription `json:"offer"`
			Answer    *webrtc.SessionDescription `json:"answer"`
			Candidate *webrtc.ICECandidateInit   `json:"candidate"`
		}
		if json.Unmarshal(data, &message) != nil {
			continue // the greeting
		}
		c.mu.Lock()
		switch message.Type {
		case "login":
			c.logins <- message.Success
		case "offer":
			c.other.Store(message.Name)
			c.check(c.pc.SetRemoteDescription(*message.Offer))
			answer, err := c.pc.CreateAnswer(nil)
			c.check(err)
			c.send(map[string]any{"type": "answer", "answer": answer})
			c.check(c.pc.SetLocalDescription(answer))
		case "answer":
			c.check(c.pc.SetRemoteDescription(*message.Answer))
		case "candidate":
			c.check(c.pc.AddICECandidate(*message.Candidate))
		case "leave":
			select {
			case c.left <- struct{}{}:
			default:
			}
		}
		c.mu.Unlock()
	}
}

func (c *baseClient) check(err error) {
	if err != nil {
		c.t.Errorf("%s: %v", c.name, err)
	}
}

// call calls somebody, as a tap on the demo's button does.
func (c *baseClient) call(name string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.other.Store(name)
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(map[string]any{"type": "offer", "offer": offer})
	if err := c.pc.SetLocalDescription(offer); err != nil {
		c.t.Fatal(err)
	}
}

func (c *baseClient) hangUp() { c.send(map[string]any{"type": "leave"}) }

// receives waits for picture and sound.
func (c *baseClient) receives() {
	c.t.Helper()
	if err := poll(20*time.Second, func() bool { return c.video.Load() > 20 && c.audio.Load() > 20 }); err != nil {
		c.t.Fatalf("%s got %d packets of picture and %d of sound", c.name, c.video.Load(), c.audio.Load())
	}
}

func (c *baseClient) isLeft() {
	c.t.Helper()
	select {
	case <-c.left:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("%s was not told that the other one left", c.name)
	}
}

// relays runs a test with a door at its own relay and with one at the demo's:
// the base client must not notice a difference.
func relays(t *testing.T, test func(t *testing.T, door *process, url string)) {
	t.Run("our relay", func(t *testing.T) {
		port := freePort(t)
		door := start(t, simulated+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\nring: {to: [anna]}\n", port))
		door.status()
		test(t, door, fmt.Sprintf("ws://127.0.0.1:%d/", port))
	})
	t.Run("the demo's relay", func(t *testing.T) {
		relay := demorelay.New(slog.New(slog.DiscardHandler))
		server := httptest.NewServer(relay)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the demo's relay died: %v", err)
			}
			server.Close()
		})
		url := strings.Replace(server.URL, "http", "ws", 1) + "/"
		door := start(t, simulated+fmt.Sprintf("signaling: {url: %q}\nring: {to: [anna]}\n", url))
		door.wait("the door to log in", func() bool { return door.status().Door.Online })
		test(t, door, url)
	})
}

func TestBaseClientIsRung(t *testing.T) {
	t.Parallel()
	relays(t, func(t *testing.T, door *process, url string) {
		anna := newBaseClient(t, url, "anna")
		door.wait("anna to be here", func() bool {
			s := door.status()
			return s.Relay != "" || len(s.Door.Phones) == 1
		})
		door.do("press")
		anna.receives()
		if s := door.status(); s.Door.Visit == nil || s.Door.Visit.By != "anna" {
			t.Errorf("an answer of the base dialect is an accepted call, but the status is %+v", s.Door)
		}
		anna.hangUp()
		door.wait("the visit to end", func() bool { s := door.status(); return s.Door.Visit == nil && len(s.Door.Connections) == 0 })
	})
}

func TestBaseClientCallsTheDoor(t *testing.T) {
	t.Parallel()
	relays(t, func(t *testing.T, door *process, url string) {
		anna := newBaseClient(t, url, "anna")
		anna.call("doorbell")
		anna.receives()
		door.do("hangup")
		anna.isLeft()
	})
}

// TestBaseClientsCloseIsNoticed closes the socket of a client in a call, and the
// media with it: the door has to be free for the next.
func TestBaseClientsCloseIsNoticed(t *testing.T) {
	t.Parallel()
	relays(t, func(t *testing.T, door *process, url string) {
		anna := newBaseClient(t, url, "anna")
		anna.call("doorbell")
		anna.receives()
		anna.close()
		door.wait("the door to be free", func() bool { return len(door.status().Door.Connections) == 0 })
		bert := newBaseClient(t, url, "bert")
		bert.call("doorbell")
		bert.receives()
	})
}
