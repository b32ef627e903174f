package signaling

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// in runs a test in a synctest bubble with a relay on in-memory pipes.
func in(t *testing.T, o RelayOptions, f func(t *testing.T, n *network, r *Relay)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		r, _ := startRelay(t, n, o)
		f(t, n, r)
	})
}

// offer has a call stand between two: from makes an offer, which to receives.
func offer(from *peer, fromName string, to *peer, toName, call string) {
	from.t.Helper()
	from.send(`{"type":"offer","name":"` + toName + `","offer":{"sdp":"o"},"call":"` + call + `"}`)
	to.expect(`{"type":"offer","name":"` + fromName + `","offer":{"sdp":"o"},"call":"` + call + `"}`)
}

// TestErrors checks each error that one client alone can get against its golden
// file, and that the connection lives on.
func TestErrors(t *testing.T) {
	tests := []struct{ golden, in string }{
		{"bad-json", `Hello world`},
		{"missing-field", `{"type":"leave"}`},
		{"wrong-type", `{"type":"offer","name":"anna","offer":"v=0"}`},
		{"unknown-type", `{"type":"dance"}`},
		{"already-logged-in", `{"type":"login","name":"bert"}`},
		{"not-found", `{"type":"leave","name":"__proto__"}`},
	}
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		p := connect(t, n)
		p.send(`{"type":"leave","name":"anna"}`)
		p.expect(golden(t, "error-not-logged-in"))
		p.send(`{"type":"login","name":"anna","kind":"cat"}`)
		p.expect(golden(t, "error-bad-value"))
		p.login("anna", "")
		for _, tt := range tests {
			p.send(tt.in)
			p.expect(golden(t, "error-"+tt.golden))
		}
		_ = p.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"leave"}`))
		p.expectError(CodeBadJSON, "")
		for _, kind := range []string{TypeError, TypePresence} { // the relay's own
			p.send(`{"type":"` + kind + `","name":"anna","present":true}`)
			p.expectError(CodeUnknownType, kind)
		}
		p.send(`{"type":"offer","name":"anna","offer":{}}`)
		p.expectError(CodeBadValue, TypeOffer)
		p.send(`{"type":"offer","name":"\u0007","offer":{}}`)
		p.expectError(CodeNotFound, TypeOffer)
		if other := connect(t, n).login("anna", ""); *other.Success {
			t.Error("the first name was lost on the way")
		}
		if m := connect(t, n).login("bert", ""); !*m.Success {
			t.Error("the name of the second login is held")
		}
	})
}

func TestNobodySendsBeforeLogin(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, p := join(t, n, "anna", ""), connect(t, n)
		for _, kind := range []string{TypeOffer, TypeAnswer, TypeCandidate} {
			p.send(`{"type":"` + kind + `","name":"anna","` + kind + `":{}}`)
			p.expectError(CodeNotLoggedIn, kind)
		}
		for _, kind := range []string{TypeLeave, TypeAccept, TypePress, TypeStatus} {
			p.send(`{"type":"` + kind + `","name":"anna"}`)
			p.expectError(CodeNotLoggedIn, kind)
		}
		anna.nothing()
	})
}

func TestPrototypeIsANameLikeAnyOther(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna := join(t, n, "anna", "")
		for _, kind := range []string{TypeOffer, TypeAnswer, TypeCandidate} {
			anna.send(`{"type":"` + kind + `","name":"__proto__","` + kind + `":{}}`)
			anna.expectError(CodeNotFound, kind)
		}
		proto := join(t, n, "__proto__", "")
		offer(anna, "anna", proto, "__proto__", "1")
	})
}

// TestRelaying goes through a ring with all its messages.
func TestRelaying(t *testing.T) {
	in(t, RelayOptions{Authorize: Open()}, func(t *testing.T, n *network, r *Relay) {
		door, anna := join(t, n, "doorbell", `,"kind":"door"`), join(t, n, "anna", "")
		anna.nothing()
		for _, tt := range []struct {
			from, to           *peer
			fromName, toName   string
			sent, relayedExtra string
		}{
			{door, anna, "doorbell", "anna", `"type":"offer","offer":{"type":"offer","sdp":"x"},"call":"1","ring":true`, ``},
			{door, anna, "doorbell", "anna", `"type":"offer","offer":{"type":"offer","sdp":"x"},"call":"1","exchange":"e","standby":true`, ``},
			{anna, door, "anna", "doorbell", `"type":"answer","answer":{"type":"answer","sdp":"x"},"call":"1","exchange":"e","standby":true`, ``},
			{anna, door, "anna", "doorbell", `"type":"answer","answer":{"type":"answer","sdp":"x"},"call":"1","preview":true`, ``},
			{anna, door, "anna", "doorbell", `"type":"candidate","candidate":{"candidate":""},"call":"1"`, ``},
			{door, anna, "doorbell", "anna", `"type":"press","call":"1"`, ``},
			{door, anna, "doorbell", "anna", `"type":"press","call":"1","ring":true,"visit":"v"`, ``},
			{door, anna, "doorbell", "anna", `"type":"press","call":"1","reason":"answered","by":"bert"`, ``},
			{anna, door, "anna", "doorbell", `"type":"accept","call":"1"`, ``},
			{door, anna, "doorbell", "anna", `"type":"status","call":"1","camera":"lost","microphone":"ok","speaker":"none"`, ``},
			{door, anna, "doorbell", "anna", `"type":"leave","call":"1","reason":"answered","by":"bert","message":"m"`, ``},
		} {
			// What does not belong to the type is not passed on, least of all secrets.
			tt.from.send(`{` + tt.sent + `,"name":"` + tt.toName + `","credential":"secret","code":"x","from":"eve"}`)
			tt.to.expect(`{` + tt.sent + `,"name":"` + tt.fromName + `"}`)
		}
		anna.send(`{"type":"leave","name":"doorbell","call":"1"}`)
		anna.expect(golden(t, "error-not-in-call"))
	})
}

func TestNotFoundAtOnce(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna := join(t, n, "anna", "")
		start := time.Now()
		anna.send(`{"type":"offer","name":"bert","offer":{},"call":"1"}`)
		if e := anna.expectError(CodeNotFound, TypeOffer); e.Name != "bert" || time.Since(start) != 0 {
			t.Errorf("error %+v after %v", e, time.Since(start))
		}
		bert := join(t, n, "bert", "") // the offer has left nothing behind
		bert.send(`{"type":"answer","name":"anna","answer":{},"call":"1"}`)
		bert.expectError(CodeNotInCall, TypeAnswer)
	})
}

func TestThirdPartyCanNotTouchACall(t *testing.T) {
	in(t, RelayOptions{Authorize: Open()}, func(t *testing.T, n *network, r *Relay) {
		door, anna, eve := join(t, n, "doorbell", ""), join(t, n, "anna", ""), join(t, n, "eve", "")
		offer(door, "doorbell", anna, "anna", "1")
		for _, to := range []string{"anna", "doorbell"} {
			for _, call := range []string{``, `,"call":"1"`} {
				for _, kind := range []string{TypeAnswer, TypeCandidate, TypeLeave, TypeAccept, TypePress, TypeStatus} {
					eve.send(`{"type":"` + kind + `","name":"` + to + `","` + kind + `":{},"from":"anna","by":"anna"` + call + `}`)
					eve.expectError(CodeNotInCall, kind)
				}
			}
		}
		// An offer of her own with the same call id is a call of her own.
		offer(eve, "eve", anna, "anna", "1")
		eve.send(`{"type":"leave","name":"anna","call":"1"}`)
		anna.expect(`{"type":"leave","name":"eve","call":"1"}`)
		door.nothing()
		anna.send(`{"type":"answer","name":"doorbell","answer":{},"call":"1"}`)
		door.expect(`{"type":"answer","name":"anna","answer":{},"call":"1"}`)
	})
}

func TestLateMessagesOfAnOldCall(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", ""), join(t, n, "bert", "")
		offer(anna, "anna", bert, "bert", "1")
		anna.send(`{"type":"leave","name":"bert","call":"1"}`)
		bert.next()
		offer(anna, "anna", bert, "bert", "2")
		for _, kind := range []string{TypeAnswer, TypeCandidate, TypeLeave} {
			bert.send(`{"type":"` + kind + `","name":"anna","` + kind + `":{},"call":"1"}`)
			bert.expectError(CodeNotInCall, kind)
		}
		bert.send(`{"type":"leave","name":"anna","call":"2"}`)
		anna.expect(`{"type":"leave","name":"bert","call":"2"}`)
	})
}

func TestRingOfSeveralPhonesWithOneID(t *testing.T) {
	in(t, RelayOptions{Authorize: Open()}, func(t *testing.T, n *network, r *Relay) {
		door, anna, bert := join(t, n, "doorbell", ""), join(t, n, "anna", ""), join(t, n, "bert", "")
		offer(door, "doorbell", anna, "anna", "1")
		offer(door, "doorbell", bert, "bert", "1")
		bert.send(`{"type":"leave","name":"doorbell","call":"1","reason":"declined"}`)
		door.expect(`{"type":"leave","name":"bert","call":"1","reason":"declined"}`)
		anna.send(`{"type":"accept","name":"doorbell","call":"1"}`)
		door.expect(`{"type":"accept","name":"anna","call":"1"}`)
		bert.send(`{"type":"accept","name":"doorbell","call":"1"}`)
		bert.expectError(CodeNotInCall, TypeAccept)
	})
}

func TestTooManyCalls(t *testing.T) {
	in(t, RelayOptions{Authorize: Open(), Limits: Limits{MaxCalls: 3}}, func(t *testing.T, n *network, r *Relay) {
		anna, door := join(t, n, "anna", ""), join(t, n, "doorbell", "")
		for i := range 3 {
			offer(anna, "anna", door, "doorbell", fmt.Sprint(i))
		}
		anna.send(`{"type":"offer","name":"doorbell","offer":{},"call":"4"}`)
		anna.expect(golden(t, "error-too-many-calls"))
		offer(anna, "anna", door, "doorbell", "1")
		offer(door, "doorbell", anna, "anna", "5")
	})
}

func TestCandidatesKeepTheirOrder(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", ""), join(t, n, "bert", "")
		offer(anna, "anna", bert, "bert", "1")
		for i := range 100 { // before any answer
			anna.send(fmt.Sprintf(`{"type":"candidate","name":"bert","candidate":{"candidate":"%d"},"call":"1"}`, i))
		}
		for i := range 100 {
			bert.expect(fmt.Sprintf(`{"type":"candidate","name":"anna","candidate":{"candidate":"%d"},"call":"1"}`, i))
		}
	})
}

func TestGone(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert, carl := join(t, n, "anna", ""), join(t, n, "bert", ""), join(t, n, "carl", "")
		offer(anna, "anna", bert, "bert", "QX5M3TZ7LBOKD2RWEHJ6VNASCU")
		_ = anna.conn.Close()
		bert.expect(golden(t, "leave-gone"))
		carl.nothing()
		join(t, n, "anna", "") // the name is free at once
		bert.send(`{"type":"leave","name":"anna"}`)
		bert.expectError(CodeNotInCall, TypeLeave)
	})
}

// TestHTTP checks what is answered before a WebSocket opens.
func TestHTTP(t *testing.T) {
	n := newLoopback(t)
	r, _ := startRelay(t, n, RelayOptions{})
	plain := newLoopback(t)
	plain.serve(t, r.Handler(AnyOrigin))
	same := newLoopback(t)
	same.serve(t, r.Handler(nil))
	ask := func(n *network, method string, header ...string) (int, http.Header) {
		t.Helper()
		req, _ := http.NewRequest(method, "http"+strings.TrimPrefix(n.url, "ws"), nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode, res.Header
	}
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	if status, h := ask(n, "GET"); status != 426 || h.Get("Upgrade") != "websocket" {
		t.Errorf("plain GET: %d, %v", status, h)
	}
	if status, _ := ask(n, "POST"); status != 405 {
		t.Errorf("POST: %d", status)
	}
	foreign := append([]string{"Origin", "https://evil.example"}, upgrade...)
	own := append([]string{"Origin", "http://" + n.Addr().String()}, upgrade...)
	for _, tt := range []struct {
		name   string
		n      *network
		header []string
		want   int
	}{
		{"no origin", n, upgrade, 101}, {"own page", n, own, 101}, {"foreign page", n, foreign, 403},
		{"null origin", n, append([]string{"Origin", "null"}, upgrade...), 403},
		{"foreign page, base listener", plain, foreign, 101}, {"foreign page, same relay", same, foreign, 403},
		{"bad handshake", n, upgrade[:6], 400},
	} {
		if status, _ := ask(tt.n, "GET", tt.header...); status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, status, tt.want)
		}
	}
}
