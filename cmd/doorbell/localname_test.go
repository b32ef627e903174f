package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// switched is a network of machines at one switch. No packet leaves it.
type switched struct {
	wire // which runs things inside of namespaces
	name string
}

func newSwitched(t *testing.T) *switched {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	s := &switched{wire: wire{t: t}, name: fmt.Sprintf("switch-%d", os.Getpid())}
	s.space(s.name)
	s.ip("-n", s.name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	s.ip("-n", s.name, "link", "set", "br0", "up")
	return s
}

func (s *switched) space(name string) {
	s.t.Helper()
	s.ip("netns", "add", name)
	s.t.Cleanup(func() { s.ip("netns", "delete", name) })
	s.ip("-n", name, "link", "set", "lo", "up")
}

// add connects a machine with an address in 10.98.0.0/24.
func (s *switched) add(number int) (name, address string) {
	s.t.Helper()
	name, address = fmt.Sprintf("machine%d-%d", number, os.Getpid()), fmt.Sprintf("10.98.0.%d", number)
	port := fmt.Sprintf("port%d", number)
	s.space(name)
	s.ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", s.name)
	s.ip("-n", s.name, "link", "set", port, "master", "br0", "up")
	s.ip("-n", name, "address", "add", address+"/24", "dev", "eth0")
	s.ip("-n", name, "link", "set", "eth0", "up")
	s.ip("-n", name, "route", "add", "default", "dev", "eth0")
	return name, address
}

// door prepares a doorbell in a machine, which is reached from another.
func (s *switched) door(number int, phone string) *closedDoor {
	s.t.Helper()
	name, address := s.add(number)
	p := prepare(s.t, "listen: 0.0.0.0:80\ntls: {listen: '0.0.0.0:443'}\nlocal_name: doorbell\n"+
		"camera: {source: sim, width: 320, height: 180, frame_rate: 5}\nmicrophone: none\nspeaker: none\nbutton: sim\nlog: {level: debug}\n")
	p.within = []string{"ip", "netns", "exec", name}
	return &closedDoor{process: p, plain: address + ":80", secure: address + ":443", reach: s.from(phone, address)}
}

// from connects from one machine to another.
func (s *switched) from(machine, address string) func(port string) func(context.Context, string, string) (net.Conn, error) {
	return func(port string) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (conn net.Conn, err error) {
			err = s.inside(machine, func() error {
				conn, err = net.DialTimeout("tcp", net.JoinHostPort(address, port), 10*time.Second)
				return err
			})
			return conn, err
		}
	}
}

// ask asks everybody at the switch for the address of a name, as a simple resolver does
// (RFC 6762, section 5.1), and returns all that is answered within a second.
func (s *switched) ask(machine, name string) []netip.Addr {
	s.t.Helper()
	var found []netip.Addr
	err := s.inside(machine, func() error {
		conn, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		query, err := new(dns.Msg).SetQuestion(name+".", dns.TypeA).Pack()
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(query, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		for packet := make([]byte, 9000); ; {
			n, _, err := conn.ReadFrom(packet)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			if err != nil {
				return err
			}
			reply := new(dns.Msg)
			if err := reply.Unpack(packet[:n]); err != nil {
				return fmt.Errorf("an answer that can't be read: %w", err)
			}
			for _, record := range reply.Answer {
				if a, ok := record.(*dns.A); ok && strings.EqualFold(record.Header().Name, name+".") {
					address, _ := netip.AddrFromSlice(a.A)
					found = append(found, address.Unmap())
				}
			}
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// called waits until the door answers to a name in the network, and only the door.
func (s *switched) called(d *closedDoor, phone, name string) {
	s.t.Helper()
	host, _, err := net.SplitHostPort(d.secure)
	if err != nil {
		s.t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr(host)}
	var got []netip.Addr
	d.wait(name, func() bool { got = s.ask(phone, name); return slices.Equal(got, want) })
	if got := d.status().Secure; len(got) == 0 || got[0] != "https://"+name {
		s.t.Errorf("%s is reached at %v", name, got)
	}
}

// TestLocalName finds doors by their name from another machine, over HTTPS with a
// certificate for it, and finds them by the same after restarts in any order.
func TestLocalName(t *testing.T) {
	s := newSwitched(t)
	phone, _ := s.add(9)
	first, second := s.door(1, phone), s.door(2, phone)
	run := func(d *closedDoor, name string) {
		t.Helper()
		d.launch()
		s.called(d, phone, name)
		d.trustDoorAs(name)
		for _, asked := range []string{name, "10.98.0." + map[*closedDoor]string{first: "1", second: "2"}[d]} {
			if err := d.handshake(name).VerifyHostname(asked); err != nil {
				t.Errorf("the certificate: %v", err)
			}
		}
		for host, status := range map[string]int{name: 200, strings.ToUpper(name): 200, name + ".": 200, "other.local": 421} {
			if got := d.stranger().do("GET", "https://"+name+"/join", nil, "Host", host); got.status != status {
				t.Errorf("Host %s: %s, want %d", host, got, status)
			}
		}
	}
	t.Cleanup(func() { first.stop(); second.stop() })
	run(first, "doorbell.local")
	run(second, "doorbell-2.local")
	if got := first.stranger().do("GET", "https://doorbell.local/join", nil, "Host", "doorbell-2.local"); got.status != 421 {
		t.Errorf("the first one answers for the second: %s", got)
	}
	var made invited
	if err := json.Unmarshal([]byte(second.do("invite", "--json")), &made); err != nil || made.Link != "http://10.98.0.2/#"+made.Words {
		t.Errorf("an invitation: %+v, %v", made, err)
	}
	var trust struct{ Sites []string }
	got := second.stranger().do("GET", "http://10.98.0.2/trust.json", nil)
	if err := json.Unmarshal(got.body, &trust); err != nil || !slices.Equal(trust.Sites, []string{"https://doorbell-2.local", "https://10.98.0.2"}) {
		t.Errorf("the welcome page goes on to %s", got)
	}

	first.stop()
	if found := s.ask(phone, "doorbell.local"); len(found) != 0 {
		t.Errorf("doorbell.local after its door went is %v", found)
	}
	second.stop()
	run(second, "doorbell-2.local") // although the other name is free now
	run(first, "doorbell.local")
}
