package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"golang.org/x/sys/unix"
)

// The two machines of this test's network: the door, and one that is phone and
// router.
const (
	doorAddress   = "10.99.0.2"
	routerAddress = "10.99.0.1"
)

// wire is a network of two namespaces, in which every packet that the door sends is
// seen.
type wire struct {
	t            *testing.T
	door, router string // the namespaces' names
}

func newWire(t *testing.T) *wire {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	w := &wire{t: t, door: fmt.Sprintf("door-%d", os.Getpid()), router: fmt.Sprintf("router-%d", os.Getpid())}
	for _, name := range []string{w.door, w.router} {
		w.ip("netns", "add", name)
		t.Cleanup(func() { w.ip("netns", "delete", name) })
		w.ip("-n", name, "link", "set", "lo", "up")
	}
	w.ip("-n", w.door, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", w.router)
	for name, address := range map[string]string{w.door: doorAddress, w.router: routerAddress} {
		w.ip("-n", name, "address", "add", address+"/24", "dev", "eth0")
		w.ip("-n", name, "link", "set", "eth0", "up")
	}
	w.ip("-n", w.door, "route", "add", "default", "via", routerAddress)
	return w
}

func (w *wire) ip(args ...string) {
	w.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v: %s (make test installs iproute2)", strings.Join(args, " "), err, out)
	}
}

// inside runs f in a namespace. Its thread ends with it: a thread that was elsewhere
// must not be used for anything else.
func (w *wire) inside(name string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		space, err := os.Open("/run/netns/" + name)
		if err == nil {
			defer func() { _ = space.Close() }()
			err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// dial connects to the door from the router.
func (w *wire) dial(port string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (conn net.Conn, err error) {
		err = w.inside(w.router, func() error {
			conn, err = net.Dial("tcp", net.JoinHostPort(doorAddress, port))
			return err
		})
		return conn, err
	}
}

// destinations are the addresses and ports to which the door has sent packets, told
// since watch.
type destinations struct {
	mu   sync.Mutex
	seen map[string]int
}

func (d *destinations) to(address string) (packets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for to, n := range d.seen {
		if strings.HasPrefix(to, address) {
			packets += n
		}
	}
	return packets
}

// watch notes where the packets go that arrive at the router, until the test ends.
func (w *wire) watch() *destinations {
	w.t.Helper()
	d := &destinations{seen: map[string]int{}}
	var fd int
	err := w.inside(w.router, func() (err error) {
		const all = 0x0300 // ETH_P_ALL in network order, linux/if_ether.h
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = unix.Close(fd) }()
		packet := make([]byte, 2048)
		for ctx.Err() == nil {
			n, from, err := unix.Recvfrom(fd, packet, 0)
			link, ok := from.(*unix.SockaddrLinklayer)
			if err != nil || !ok || link.Pkttype == unix.PACKET_OUTGOING || n < 24 || packet[0]>>4 != 4 {
				continue
			}
			header := int(packet[0]&15) * 4 // RFC 791, section 3.1
			to := netip.AddrFrom4([4]byte(packet[16:20])).String()
			if n >= header+4 {
				to += fmt.Sprintf(":%d/%d", int(packet[header+2])<<8|int(packet[header+3]), packet[9])
			}
			d.mu.Lock()
			d.seen[to]++
			d.mu.Unlock()
		}
	}()
	w.t.Cleanup(func() { stop(); <-ended })
	return d
}

// foreign are ways that a phone names and that lead to others.
var foreign = []string{
	"candidate:1 1 udp 2130706431 198.51.100.7 5000 typ host",
	"candidate:2 1 udp 1694498815 198.51.100.8 53 typ srflx raddr 198.51.100.7 rport 5000",
	"candidate:3 1 udp 41885695 198.51.100.9 3478 typ relay raddr 0.0.0.0 rport 0",
	"candidate:4 1 tcp 1518280447 198.51.100.10 22 typ host tcptype passive",
	"candidate:5 1 udp 2130706431 somebody.example 5000 typ host",
}

// TestForeignCandidates has a member call the door with candidates that are other
// people's addresses, in the offer and after it: no packet goes there. With a STUN
// server configured, which is for phones elsewhere, some must: so it is seen that
// they would be.
func TestForeignCandidates(t *testing.T) {
	for name, test := range map[string]struct {
		config string
		sent   bool
	}{
		"at home":            {"", false},
		"with a STUN server": {"ice: {servers: [{urls: ['stun:" + routerAddress + ":3478']}]}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			packets := w.watch()
			d := w.startDoor(test.config)
			w.callWith(d, foreign)
			begun := time.Now()
			d.wait("checks", func() bool { // the router is asked for by ARP alone; give every check its time
				return test.sent && packets.to("198.51.100.") > 0 || time.Since(begun) > 4*time.Second
			})
			if n := packets.to("198.51.100."); (n > 0) != test.sent {
				t.Errorf("%d packets to addresses that the phone named: %v", n, packets.seen)
			}
			if packets.to(routerAddress) == 0 {
				t.Error("nothing was seen at all: the test proves nothing")
			}
		})
	}
}

// startDoor runs the program in the door's namespace.
func (w *wire) startDoor(more string) *closedDoor {
	w.t.Helper()
	d := w.prepareDoor("listen: 0.0.0.0:80\ntls: {listen: '0.0.0.0:443'}\n" + more)
	d.launch()
	w.t.Cleanup(d.stop)
	d.status()
	d.trustDoor()
	return d
}

// prepareDoor makes one that is to be launched in the door's namespace, at the ports
// that browsers ask for.
func (w *wire) prepareDoor(config string) *closedDoor {
	w.t.Helper()
	p := prepare(w.t, "local_name: ''\nhosts: [door.test]\n"+
		"camera: {source: sim, width: 320, height: 180, frame_rate: 5}\nmicrophone: none\nspeaker: none\nbutton: sim\nlog: {level: debug}\n"+config)
	p.within = []string{"ip", "netns", "exec", w.door}
	return &closedDoor{process: p, plain: doorAddress + ":80", secure: doorAddress + ":443", reach: w.dial}
}

// callWith has a phone that joined call the door.
func (w *wire) callWith(d *closedDoor, candidates []string) {
	w.t.Helper()
	member := d.joined("member")
	conn, reason := member.login("member", "")
	if reason != "" {
		w.t.Fatal(reason)
	}
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = pc.GracefulClose() })
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		w.t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, candidate := range candidates {
		offer.SDP += "a=" + candidate + "\r\n"
	}
	say := func(message any) {
		w.t.Helper()
		data, err := json.Marshal(message)
		if err == nil {
			err = conn.WriteMessage(1, data)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	say(map[string]any{"type": "offer", "name": "doorbell", "call": "1", "offer": offer})
	for _, candidate := range candidates {
		say(map[string]any{"type": "candidate", "name": "doorbell", "call": "1", "candidate": map[string]any{"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}})
	}
	d.wait("the door's answer", func() bool {
		var message struct{ Type, Reason, Message string }
		if err := conn.ReadJSON(&message); err != nil {
			w.t.Fatal(err)
		}
		if message.Type == "leave" {
			w.t.Fatalf("the door left: %+v", message)
		}
		return message.Type == "answer"
	})
}
