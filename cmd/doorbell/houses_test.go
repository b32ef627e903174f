package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pion/webrtc/v4"
)

// street is a relay that two houses share, each with a door that has a page of its own.
type street struct {
	t           *testing.T
	relay       *closedDoor
	front, back *closedDoor // of house A, and of house B
}

// newStreet starts the relay first without doors, since their keys aren't known yet,
// as its owner would.
func newStreet(t *testing.T) *street {
	t.Helper()
	plain, secure := freePort(t), freePort(t)
	at := fmt.Sprintf("listen: 127.0.0.1:%d\ntls: {listen: 127.0.0.1:%d}\nlocal_name: ''\nhosts: [door.test]\nlog: {level: debug}\n", plain, secure)
	s := &street{t: t}
	url := fmt.Sprintf("signaling: {url: 'ws://127.0.0.1:%d/ws'}\n", plain)
	s.front = startClosed(t, "name: front\n"+url)
	s.back = startClosed(t, "name: back\n"+url)
	key := func(d *closedDoor) string { return strings.TrimSpace(d.do("key")) }
	p := start(t, at+"relay: {doors: [{name: front, key: "+key(s.front)+", house: A}, {name: back, key: "+key(s.back)+", house: B}]}\n", "relay")
	s.relay = &closedDoor{process: p, plain: fmt.Sprintf("127.0.0.1:%d", plain), secure: fmt.Sprintf("127.0.0.1:%d", secure)}
	s.relay.wait("the relay's page", func() bool { return reaches(s.relay.plain) && reaches(s.relay.secure) })
	s.relay.trustDoor()
	s.front.online(true)
	s.back.online(true)
	return s
}

func reaches(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// online waits until the door is logged in at its relay, or not.
func (d *closedDoor) online(want bool) {
	d.t.Helper()
	d.wait(fmt.Sprintf("online: %t", want), func() bool { return d.status().Door.Online == want })
}

// said is a message of the relay.
type said struct {
	Type, Name, Reason, Code string
	Present                  *bool
	Success                  *bool
	Here                     []struct{ Name, Kind string }
}

// resident is a phone with its connection to a relay.
type resident struct {
	*intruder
	conn *websocket.Conn
	name string
	here []string // when it logged in
}

// logsIn opens the connection of a phone.
func (i *intruder) logsIn(name string) *resident {
	i.t.Helper()
	conn, status := i.socket()
	if conn == nil {
		i.t.Fatalf("%s: WebSocket: %d", name, status)
	}
	c := &resident{intruder: i, conn: conn, name: name}
	c.say(map[string]any{"type": "login", "name": name, "kind": "phone", "presence": true})
	reply := c.hears("login")
	if reply.Success == nil || !*reply.Success {
		i.t.Fatalf("%s: the log-in: %+v", name, reply)
	}
	for _, peer := range reply.Here {
		c.here = append(c.here, peer.Name+" "+peer.Kind)
	}
	return c
}

func (r *resident) say(message map[string]any) {
	r.t.Helper()
	if err := r.conn.WriteJSON(message); err != nil {
		r.t.Fatalf("%s: %v", r.name, err)
	}
}

// hears reads until a message of one of these types comes.
func (r *resident) hears(types ...string) said {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	for {
		var m said
		if err := r.conn.ReadJSON(&m); err != nil {
			r.t.Fatalf("%s waits for %v: %v", r.name, types, err)
		}
		if slices.Contains(types, m.Type) {
			return m
		}
	}
}

// calls offers somebody a call, and returns what comes of it: answer, or the code of an
// error.
func (r *resident) calls(name string) string {
	r.t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = pc.GracefulClose() })
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		r.t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.say(map[string]any{"type": "offer", "name": name, "call": "1", "offer": offer})
	m := r.hears("answer", "error", "leave")
	if m.Type == "answer" && m.Name != name {
		r.t.Errorf("%s called %s, and %s answered", r.name, name, m.Name)
	}
	return m.Type + m.Code + m.Reason
}

// wants compares who is here.
func (r *resident) wants(here ...string) {
	r.t.Helper()
	if !slices.Equal(r.here, here) {
		r.t.Errorf("%s sees %q, want %q", r.name, r.here, here)
	}
}

// TestHouses has phones of two houses at the relay's own page: each sees and reaches
// its own door and nobody else, under whatever name.
func TestHouses(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	anna := s.relay.joined("Anna", "--house", "A").logsIn("Anna")
	anna.wants("front door")
	berta := s.relay.joined("Berta", "--house", "B").logsIn("Berta")
	berta.wants("back door")
	namesake := s.relay.joined("Anna", "--house", "B").logsIn("Anna") // names are a house's own
	namesake.wants("Berta phone", "back door")
	if m := berta.hears("presence"); m.Name != "Anna" {
		t.Errorf("Berta hears of %q, want her house's Anna", m.Name)
	}
	alfred := s.relay.joined("Alfred", "--house", "A").logsIn("Alfred")
	alfred.wants("Anna phone", "front door")
	if m := anna.hears("presence"); m.Name != "Alfred" {
		t.Errorf("Anna hears of %q first, so she heard of the other house", m.Name)
	}
	for _, test := range []struct {
		who        *resident
		name, want string
	}{
		{anna, "back", "errornot-found"}, {anna, "Berta", "errornot-found"}, {anna, "front", "answer"},
		{berta, "front", "errornot-found"}, {berta, "Alfred", "errornot-found"}, {berta, "back", "answer"},
	} {
		if got := test.who.calls(test.name); got != test.want {
			t.Errorf("%s calls %s: %s, want %s", test.who.name, test.name, got, test.want)
		}
	}
	if got := anna.do("GET", "https://door.test/phones.json", nil); got.status != 200 || strings.Contains(string(got.body), "Berta") || !strings.Contains(string(got.body), "Alfred") {
		t.Errorf("the first of a house manages it, and nothing else: %s", got)
	}
	if got := anna.do("DELETE", "https://door.test/phones/"+s.relay.id("B/Berta"), nil); got.status != 404 {
		t.Errorf("removing a phone of the other house: %s", got)
	}
	s.relay.do("revoke", "B/Anna")
	if code, _ := closes(t, namesake.conn, 5*time.Second); code != 4003 {
		t.Errorf("revoked: close code %d", code)
	}
	if got := anna.calls("front"); got != "answer" {
		t.Errorf("after her namesake was revoked, Anna calls her door: %s", got)
	}
}

// id is that of a phone as `doorbell phones` names it.
func (d *closedDoor) id(name string) string {
	d.t.Helper()
	for line := range strings.Lines(d.do("phones")) {
		if words := strings.Fields(line); words[0] == name {
			return words[len(words)-1]
		}
	}
	d.t.Fatalf("doorbell phones has no %s", name)
	return ""
}

// TestHousesThroughTheDoor has a phone at its door's own page: the relay elsewhere takes
// the door's word for it, and it is out when the door says so.
func TestHousesThroughTheDoor(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	anna := s.relay.joined("Anna", "--house", "A").logsIn("Anna")
	dora := s.front.joined("Dora")
	at := dora.logsIn("Dora")
	at.wants("Anna phone", "front door")
	if m := anna.hears("presence"); m.Name != "Dora" || !*m.Present {
		t.Errorf("Anna hears %+v", m)
	}
	for name, want := range map[string]string{"back": "errornot-found", "front": "answer"} {
		if got := at.calls(name); got != want {
			t.Errorf("Dora calls %s: %s, want %s", name, got, want)
		}
	}
	if _, reason := dora.login("front", `,"kind":"door"`); reason != "reserved" {
		t.Errorf("Dora takes the door's name: %q", reason)
	}
	if _, reason := dora.login("Erika", ""); reason != "denied" {
		t.Errorf("Dora takes another name: %q", reason)
	}
	ann := s.front.joined("Anna") // a name that the relay's own keys give to somebody else
	if _, reason := ann.login("Anna", ""); reason != "reserved" {
		t.Errorf("the door vouches for the relay's own phone: %q", reason)
	}
	if out := s.front.do("phones"); !strings.Contains(lineOf(out, "Dora"), "now") || strings.Contains(lineOf(out, "Anna"), "now") {
		t.Errorf("the door doesn't know that Dora alone is here:\n%s", out)
	}
	s.front.wait("the call", func() bool { return len(s.front.status().Door.Connections) == 1 })
	s.front.do("revoke", "Dora")
	if code, took := closes(t, at.conn, 5*time.Second); code != 4003 || took > time.Second {
		t.Errorf("revoked: close code %d after %v", code, took)
	}
	if m := anna.hears("presence"); m.Name != "Dora" || *m.Present {
		t.Errorf("Anna hears %+v", m)
	}
	s.front.wait("the end of the call", func() bool { return len(s.front.status().Door.Connections) == 0 })
	if got := dora.do("GET", "https://door.test/settings.json", nil); got.status != 401 {
		t.Errorf("after revoke: %s", got)
	}
}

func lineOf(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			return line
		}
	}
	return ""
}

// TestHousesKeys has doors with a key that the relay doesn't know, with another
// door's name, and with the same key twice.
func TestHousesKeys(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	_, port, err := net.SplitHostPort(s.relay.plain)
	if err != nil {
		t.Fatal(err)
	}
	url := "signaling: {url: 'ws://127.0.0.1:" + port + "/ws'}\n"
	for _, name := range []string{"front", "side"} {
		d := startClosed(t, "name: "+name+"\n"+url)
		want := "relay.doors, {name: " + name + ", key: " + strings.TrimSpace(d.do("key")) + "}"
		d.wait("what to do, in the log", func() bool { return strings.Contains(d.log.String(), want) })
		if d.status().Door.Online {
			t.Errorf("a door called %s whose key nobody knows is in", name)
		}
	}

	// The card of the front door, put into another machine.
	twin := prepare(t, closed+"name: front\n"+url)
	key, err := os.ReadFile(filepath.Join(s.front.dir, "device.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(twin.dir, "device.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	anna := s.relay.joined("Anna", "--house", "A").logsIn("Anna")
	twin.launch()
	t.Cleanup(twin.stop)
	(&closedDoor{process: twin}).online(true)
	err = <-s.front.exited
	s.front.cmd = nil
	if err == nil || !strings.Contains(s.front.log.String(), "doorbell reset") {
		t.Errorf("the first door: %v\n%s", err, s.front.log)
	}
	if got := anna.calls("front"); got != "answer" {
		t.Errorf("calling the new door: %s", got)
	}
	if n := len(twin.status().Door.Connections); n != 1 {
		t.Errorf("the new door has %d connections, want 1", n)
	}
}

// TestHousesConsole asks the relay's console for what it can't do.
func TestHousesConsole(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	for _, wrong := range []struct {
		args []string
		want string
	}{
		{[]string{"invite"}, `"A" "B"`},
		{[]string{"invite", "--house", "C"}, `"A" "B"`},
		{[]string{"status"}, "relay alone"},
		{[]string{"press"}, "relay alone"},
		{[]string{"revoke", "Anna"}, "no phone"},
	} {
		if out, err := s.relay.try(wrong.args...); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("doorbell %v: %s, %v", wrong.args, out, err)
		}
	}
	if strings.Contains(s.relay.log.String(), "no owner yet") {
		t.Errorf("the relay asks for the owner of a house without a door:\n%s", s.relay.log)
	}
}
