//go:build vm && browser

package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// vmSecurePort is where a closed door has its page.
const vmSecurePort = 8443

// strictDoor lets nobody in without a key. There are no devices: this is about
// time.
const strictDoor = `
listen: 0.0.0.0:8080
tls: {listen: '0.0.0.0:8443'}
local_name: ""
hosts: [door.test]
camera: none
microphone: none
speaker: none
button: sim
state_dir: /var/lib/claimed
control: /run/doorbell/control.sock
`

// claimedIn1970 claims a door whose clock stands at 1970, as that of a board
// without one does at its first start, and sets the clock then: certificates and
// sessions are right before and after.
func (m *machine) claimedIn1970() {
	t, ctx := m.t, m.within(4*time.Minute)
	m.must(m.Put(ctx, vmConfig, 0o644, []byte(strictDoor)))
	m.launch()
	d := &closedDoor{process: &process{t: t}, plain: m.Address(vmPort), secure: m.Address(vmSecurePort)}
	d.trustDoor()
	console := func(args ...string) (string, error) {
		return m.Run(ctx, append([]string{vmProgram}, args...)...)
	}
	join := func(name string, args ...string) *intruder {
		t.Helper()
		out, err := console(append([]string{"invite", "--json"}, args...)...)
		var made invited
		if err := errors.Join(err, json.Unmarshal([]byte(out), &made)); err != nil {
			t.Fatal(err)
		}
		i := d.stranger()
		i.join(made.Words, name).wants(t, "joining as "+name, 200)
		return i
	}
	// The host's clock is right, and finds the certificate valid.
	owner := join("owner")
	first := d.leaf(t)
	if _, err := console("invite", "--role", "guest", "--until", time.Now().AddDate(0, 0, 1).Format("2006-01-02")); err == nil || !strings.Contains(err.Error(), "what day it is") {
		t.Errorf("a guest without a clock: %v", err)
	}
	now := time.Now()
	m.set(now)
	owner.do("GET", "https://door.test/settings.json", nil).wants(t, "the owner's session once the clock is set", 200)
	if second := d.leaf(t); now.After(second) || second.Equal(first) {
		t.Errorf("the certificate ended %v before the clock was set, %v after", first, second)
	}
	out, err := console("invite", "--json", "--role", "guest", "--until", now.Add(2*time.Hour).UTC().Format("2006-01-02T15:04"))
	var made invited
	if err := errors.Join(err, json.Unmarshal([]byte(out), &made)); err != nil {
		t.Fatal(err)
	}
	visitor := d.stranger()
	visitor.join(made.Words, "visitor").wants(t, "a guest", 200)

	// The power goes, and the clock with it: a guest's date that has passed stays passed.
	m.set(now.Add(3 * time.Hour))
	visitor.do("GET", "https://door.test/settings.json", nil).wants(t, "the guest after the date", 401)
	m.stop()
	m.set(later1970)
	m.launch()
	owner.do("GET", "https://door.test/settings.json", nil).wants(t, "the owner, in 1970 again", 200)
	visitor.do("GET", "https://door.test/settings.json", nil).wants(t, "the guest, in 1970 again", 401)
	if strings.Contains(m.door.Output(), "panic") {
		t.Error(m.door.Output())
	}
	m.stop()
}

// leaf makes a handshake, in which the host's clock judges, and returns until when the
// certificate is valid.
func (d *closedDoor) leaf(t *testing.T) time.Time {
	t.Helper()
	conn, err := tls.Dial("tcp", d.secure, &tls.Config{RootCAs: d.roots, ServerName: "door.test"})
	if err != nil {
		t.Fatal(fmt.Errorf("the certificate: %w", err))
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].NotAfter
}
