//go:build vm

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
)

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
state_dir: /var/lib/doorbell
control: /run/doorbell/control.sock
`

// TestVMAccessClock claims a door whose clock stands at 1970, as that of a board
// without one does at its first start, and sets the clock then: certificates and
// sessions are right before and after.
func TestVMAccessClock(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 4*time.Minute, errors.New("4 minutes have passed"))
	defer cancel()
	g := guest.New(t, guest.Options{}, guest.Config{
		Clock: time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC), Forward: []guest.Forward{{Guest: 8080}, {Guest: 8443}},
	})
	if err := errors.Join(
		g.PutProgram(ctx, executable(t), "/usr/bin/doorbell"),
		g.Put(ctx, "/etc/doorbell/doorbell.yaml", 0o644, []byte(strictDoor)),
	); err != nil {
		t.Fatal(err)
	}
	program, err := g.Start(ctx, guest.Command{Args: []string{"/usr/bin/doorbell", "run"}})
	if err == nil {
		err = program.WaitOutput(ctx, "The page:")
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &closedDoor{process: &process{t: t}, plain: g.Address(8080), secure: g.Address(8443)}
	d.trustDoor()
	console := func(args ...string) (string, error) {
		return g.Run(ctx, append([]string{"/usr/bin/doorbell"}, args...)...)
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
	set := func(now time.Time) {
		t.Helper()
		if _, err := g.Shell(ctx, "date -u -s '"+now.UTC().Format(time.DateTime)+"'"); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	set(now)
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
	set(now.Add(3 * time.Hour))
	visitor.do("GET", "https://door.test/settings.json", nil).wants(t, "the guest after the date", 401)
	if err := errors.Join(program.Signal(15), program.Wait(ctx)); err != nil {
		t.Fatal(err)
	}
	set(time.Date(1970, 1, 1, 0, 0, 10, 0, time.UTC))
	program, err = g.Start(ctx, guest.Command{Args: []string{"/usr/bin/doorbell", "run"}})
	if err == nil {
		err = program.WaitOutput(ctx, "The page:")
	}
	if err != nil {
		t.Fatal(err)
	}
	owner.do("GET", "https://door.test/settings.json", nil).wants(t, "the owner, in 1970 again", 200)
	visitor.do("GET", "https://door.test/settings.json", nil).wants(t, "the guest, in 1970 again", 401)
	if strings.Contains(program.Output(), "panic") {
		t.Error(program.Output())
	}
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
