package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"doorbell/access"
	"doorbell/store"
)

// house of these tests: an owner, a member, and what others may try.
type besieged struct {
	*closedDoor
	owner, member *intruder
}

// attack is a request, or several, that must fail.
type attack struct {
	name string
	// why is what would come of it.
	why string
	// try makes it, and returns what the door said; it fails the test where that lets
	// anything through.
	try func(t *testing.T, b *besieged)
}

// wants fails the test unless an answer has one of the statuses.
func (a answer) wants(t *testing.T, what string, statuses ...int) {
	t.Helper()
	for _, status := range statuses {
		if a.status == status {
			return
		}
	}
	t.Errorf("%s: %s, want %v", what, a, statuses)
}

// id is the id of a phone.
func (b *besieged) id(t *testing.T, name string) string {
	t.Helper()
	var all listed
	if err := json.Unmarshal([]byte(b.do("phones", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, phone := range all.Phones {
		if phone.Name == name {
			return phone.ID
		}
	}
	t.Fatalf("no phone %s", name)
	return ""
}

func (b *besieged) dialTLS(t *testing.T) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", b.secure, &tls.Config{RootCAs: b.roots, ServerName: "door.test", NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// raw sends bytes as they are, and returns what comes back until the end.
func (b *besieged) raw(t *testing.T, request string) string {
	t.Helper()
	conn := b.dialTLS(t)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, request) }() // the door may answer, and close, before it has read all
	text, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && len(text) == 0 {
		return ""
	}
	return string(text)
}

// TestAttacks makes requests that must fail at the running program, each of which
// somebody would make.
func TestAttacks(t *testing.T) {
	t.Parallel()
	d := startClosed(t, "")
	b := &besieged{closedDoor: d, owner: d.joined("owner"), member: d.joined("member")}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for _, i := range []*intruder{b.owner, b.member} {
				i.t = t
			}
			a.try(t, b)
			if t.Failed() {
				t.Logf("what would come of it: %s", a.why)
			}
		})
	}
	b.owner.t = t
	b.owner.do("GET", "https://door.test/settings.json", nil).wants(t, "the owner, after all that", 200)
}

// TestClaimAttacks guesses at a door that has no owner yet.
func TestClaimAttacks(t *testing.T) {
	t.Parallel()
	d := startClosed(t, "")
	words := d.invite()
	for n := range 5 {
		eve := d.stranger()
		eve.from = fmt.Sprintf("127.0.0.%d", 100+n)
		eve.join("not the right words", "eve").wants(t, "a guess", 403)
	}
	anna := d.stranger()
	anna.join(words, "anna").wants(t, "the right words after five wrong ones", 403)
	// New ones come from the appliance alone: nothing that a stranger can reach makes them.
	anna.do("POST", "https://door.test/invitations", map[string]string{"role": "owner"}).wants(t, "an invitation to oneself", 401)
	d.do("press")
	anna.join(words, "anna").wants(t, "after the button was pressed", 403)
	anna.join(d.invite(), "anna").wants(t, "new words from the console", 200)
}

// TestExpiredInvitation takes up an invitation that was made 16 minutes ago, as
// its file says.
func TestExpiredInvitation(t *testing.T) {
	t.Parallel()
	d := startClosed(t, "")
	d.joined("owner")
	words := d.invite()
	d.stop()
	file := store.NewFile[access.State](filepath.Join(d.dir, "access"))
	state, found, err := file.Load()
	if err != nil || !found || len(state.Invitations) != 1 {
		t.Fatalf("%+v, %t, %v", state, found, err)
	}
	state.Invitations[0].Expires = state.Invitations[0].Expires.Add(-16 * time.Minute)
	if err := file.Save(state); err != nil {
		t.Fatal(err)
	}
	d.launch()
	d.find()
	d.stranger().join(words, "late").wants(t, "after 16 minutes", 403)
}

// TestRevokeEndsACall has a phone removed while it is logged in: all that it has
// ends within a second.
func TestRevokeEndsItAll(t *testing.T) {
	t.Parallel()
	d := startClosed(t, "")
	owner, member := d.joined("owner"), d.joined("member")
	conn, reason := member.login("member", "")
	if reason != "" {
		t.Fatal(reason)
	}
	idle, _ := member.socket()
	var all struct{ Phones []struct{ ID, Name string } }
	if err := json.Unmarshal(owner.do("GET", "https://door.test/phones.json", nil).body, &all); err != nil {
		t.Fatal(err)
	}
	for _, phone := range all.Phones {
		if phone.Name == "member" {
			owner.do("DELETE", "https://door.test/phones/"+phone.ID, nil).wants(t, "remove", 204)
		}
	}
	if code, took := closes(t, conn, 5*time.Second); code != 4003 || took > time.Second {
		t.Errorf("the socket ended with %d after %v", code, took)
	}
	member.do("GET", "https://door.test/settings.json", nil).wants(t, "the session", 401)
	if err := idle.WriteMessage(websocket.TextMessage, []byte(`{"type":"login","name":"member"}`)); err != nil {
		t.Fatal(err)
	}
	var reply struct{ Reason string }
	if err := idle.ReadJSON(&reply); err != nil || reply.Reason != "denied" {
		t.Errorf("a socket from before: %+v, %v", reply, err)
	}
}
