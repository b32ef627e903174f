package signaling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoginReplies(t *testing.T) {
	servers := []ICEServer{{URLs: []string{"stun:stun.example.org:3478"}},
		{URLs: []string{"turn:turn.example.org:3478?transport=udp"}, Username: "1793460000:anna", Credential: "c2VjcmV0"}}
	in(t, RelayOptions{ICEServers: servers}, func(t *testing.T, n *network, r *Relay) {
		door := r.Local(Login{Name: "doorbell"})
		background(t, func(ctx context.Context) error { return door.Run(ctx, newRecorder(t)) })
		synctest.Wait()
		join(t, n, "bert", "")
		anna := connect(t, n)
		anna.send(golden(t, "login"))
		anna.expect(golden(t, "login-reply"))
		other := connect(t, n)
		other.send(golden(t, "login-base"))
		other.expect(golden(t, "login-refused"))
		if got := fmt.Sprint(r.Here("")); got != "[{anna phone} {bert phone} {doorbell door}]" {
			t.Errorf("Here() = %s", got)
		}
	})
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		if here := r.Here(""); here == nil || len(here) != 0 {
			t.Errorf("Here() = %#v", here)
		}
		anna := connect(t, n)
		anna.send(golden(t, "login"))
		anna.expect(golden(t, "login-reply-alone"))
	})
}

func TestLoginRefusals(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		p := connect(t, n)
		for _, tt := range []struct{ name, reason string }{
			{"", ReasonInvalidName}, {"  ", ReasonInvalidName}, {"a\\u0000b", ReasonInvalidName},
			{strings.Repeat("x", 65), ReasonInvalidName}, {strings.Repeat("x", 100000), ReasonInvalidName},
			{"doorbell", ReasonReserved}, {" DoorBell ", ReasonReserved},
		} {
			if m := p.login(tt.name, ""); *m.Success || m.Reason != tt.reason || m.Message == "" || m.Here != nil {
				t.Errorf("login as %.20q: %+v, want reason %s", tt.name, m, tt.reason)
			}
		}
		if m := p.login(" Mu\\u0308ller ", ""); !*m.Success || m.Name != "Müller" {
			t.Errorf("login after refusals: %+v", m)
		}
	})
}

func TestAuthorize(t *testing.T) {
	var seen []Login
	policy := func(_ context.Context, l Login) (Grant, error) {
		seen = append(seen, l)
		switch l.Name {
		case "full":
			return Grant{}, fmt.Errorf("wrapped: %w", &Refusal{Reason: ReasonFull, Message: "five are enough"})
		case "broken":
			return Grant{}, errors.New("database is locked")
		}
		return Grant{}, nil
	}
	in(t, RelayOptions{Authorize: policy}, func(t *testing.T, n *network, r *Relay) {
		p := connect(t, n)
		if m := p.login("full", ""); m.Reason != ReasonFull || m.Message != "five are enough" {
			t.Errorf("refused: %+v", m)
		}
		if m := p.login("broken", ""); m.Reason != ReasonDenied || strings.Contains(m.Message, "database") {
			t.Errorf("failed: %+v", m)
		}
		p.login(" anna ", `,"credential":"c","kind":"door"`)
		l := seen[len(seen)-1]
		if l.Name != "anna" || l.Credential != "c" || l.Kind != KindDoor || l.Local || l.Header.Get("Upgrade") != "websocket" {
			t.Errorf("policy was told %+v", l)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		r := NewRelay(RelayOptions{Logger: quiet()}) // no policy
		n.serve(t, r)
		background(t, r.Run)
		if m := connect(t, n).login("anna", ""); *m.Success || m.Reason != ReasonDenied {
			t.Errorf("relay without a policy: %+v", m)
		}
		h := newRecorder(t)
		background(t, func(ctx context.Context) error { return r.Local(Login{Name: "doorbell"}).Run(ctx, h) })
		h.up()
	})
}

func TestPresence(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		curious, plain := join(t, n, "anna", `,"presence":true`), join(t, n, "carl", "")
		curious.expect(`{"type":"presence","name":"carl","kind":"phone","present":true}`)
		bert := join(t, n, "bert", `,"presence":true,"credential":"b"`)
		curious.expect(golden(t, "presence-came"))
		again := join(t, n, "bert", `,"credential":"b"`) // no coming, no going
		bert.closed(CloseReplaced)
		_ = again.conn.Close()
		curious.expect(golden(t, "presence-went"))
		curious.nothing()
		plain.nothing()
	})
}

func TestTakeover(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", `,"credential":"a"`), join(t, n, "bert", "")
		offer(anna, "anna", bert, "bert", "1")
		for _, stranger := range []string{``, `,"credential":""`, `,"credential":"b"`} {
			if m := connect(t, n).login("anna", stranger); *m.Success || m.Reason != ReasonTaken {
				t.Errorf("stranger with %q: %+v", stranger, m)
			}
			if m := connect(t, n).login("bert", stranger); *m.Success || m.Reason != ReasonTaken {
				t.Errorf("stranger with %q: %+v", stranger, m)
			}
		}
		start := time.Now()
		again := join(t, n, "anna", `,"credential":"a"`)
		if took := time.Since(start); took != 0 {
			t.Errorf("the same client waited %v", took)
		}
		anna.closed(CloseReplaced)
		bert.nothing()
		bert.send(`{"type":"candidate","name":"anna","candidate":{},"call":"1"}`)
		again.expect(`{"type":"candidate","name":"bert","candidate":{},"call":"1"}`)
		again.send(`{"type":"leave","name":"bert","call":"1"}`)
		bert.expect(`{"type":"leave","name":"anna","call":"1"}`)
	})
}

// TestReplacedIsMute checks that what a replaced connection still says is not
// taken for its successor's.
func TestReplacedIsMute(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		old := &member{Peer: Peer{Name: "anna"}, out: newOutbox(Limits{}.withDefaults()), known: true}
		if refusal := r.houses.of("").login(old, Message{Type: TypeLogin}, nil); refusal != nil {
			t.Fatal(refusal)
		}
		bert := join(t, n, "bert", "")
		next := *old
		next.out = newOutbox(Limits{}.withDefaults())
		if refusal := r.houses.of("").login(&next, Message{Type: TypeLogin}, nil); refusal != nil {
			t.Fatal(refusal)
		}
		m := Message{Type: TypeOffer, Name: "bert"}
		if e := r.houses.of("").pass(old, "bert", m, newFrame(m)); e == nil || e.Code != CodeNotLoggedIn {
			t.Errorf("replaced connection: %v", e)
		}
		r.houses.of("").logout(old)
		if len(r.Here("")) != 2 {
			t.Errorf("the old one's end took its successor out: %v", r.Here(""))
		}
		bert.nothing()
	})
}
