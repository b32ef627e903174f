// Package badnet is a bad network for tests: a relay of UDP packets between phones and
// the door that delays, drops, limits and cuts. It needs nothing of the kernel.
package badnet

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Queue is how much waits at a narrow place before packets are dropped, as in a router
// of a house.
const Queue = 250 * time.Millisecond

// Relay passes packets on between phones and the door, and does to them what its fields
// say. They may change at any time.
type Relay struct {
	Loss   atomic.Int64 // packets of a thousand, either way
	Rate   atomic.Int64 // to the phone, bit/s, IP and UDP headers included; 0: no limit
	Jitter atomic.Int64 // to the phone: one packet in 20 waits up to so many milliseconds, and all behind it
	Cut    atomic.Bool  // nothing passes, either way

	sent   atomic.Int64 // bytes that came from the door
	passed atomic.Int64 // bytes of them that went on to phones

	// Fixed after Start.
	front *net.UDPConn
	door  *net.UDPAddr
	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup

	mu   sync.Mutex // guards back
	back map[string]*net.UDPConn
}

// Start runs a relay on 127.0.0.1 to the door's port there, until it is closed.
func Start(doorPort int) (*Relay, error) {
	loopback := net.IPv4(127, 0, 0, 1)
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Relay{front: front, door: &net.UDPAddr{IP: loopback, Port: doorPort}, ctx: ctx, stop: stop, back: map[string]*net.UDPConn{}}
	r.tasks.Go(r.toDoor)
	return r, nil
}

// Close ends the relay and waits for what it started.
func (r *Relay) Close() {
	r.stop()
	_ = r.front.Close()
	r.mu.Lock()
	for _, c := range r.back {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.tasks.Wait()
}

// Port is where phones reach the door.
func (r *Relay) Port() int { return r.front.LocalAddr().(*net.UDPAddr).Port }

// DoorPort is where the door is.
func (r *Relay) DoorPort() int { return r.door.Port }

// Passed waits, and returns the rate (bit/s) of what passed to phones meanwhile.
func (r *Relay) Passed(d time.Duration) float64 {
	_, before := r.Bytes()
	<-time.After(d)
	_, after := r.Bytes()
	return float64(8*(after-before)) / d.Seconds()
}

// Bytes is how much came from the door since Start, and how much of that passed on to
// phones.
func (r *Relay) Bytes() (sent, passed int64) { return r.sent.Load(), r.passed.Load() }

func (r *Relay) toDoor() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := r.front.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		if c := r.socket(from); c != nil && !r.Cut.Load() && !r.loses() {
			_, _ = c.Write(buffer[:n])
		}
	}
}

// loses tells whether a packet is lost.
func (r *Relay) loses() bool { return rand.Int64N(1000) < r.Loss.Load() }

// socket is the relay's side towards the door, for one phone.
func (r *Relay) socket(phone *net.UDPAddr) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.back[phone.String()]; c != nil {
		return c
	}
	c, err := net.DialUDP("udp4", nil, r.door)
	if err != nil {
		return nil
	}
	if r.ctx.Err() != nil { // Close has been through
		_ = c.Close()
		return nil
	}
	r.back[phone.String()] = c
	packets := make(chan due, 5000)
	r.tasks.Go(func() { r.fromDoor(c, packets) })
	r.tasks.Go(func() { r.narrow(phone, packets) })
	return c
}

// due is a packet and when it comes out.
type due struct {
	packet []byte
	at     time.Time
}

func (r *Relay) fromDoor(c *net.UDPConn, packets chan<- due) {
	defer close(packets)
	var free time.Time // when the narrow place will be free
	for {
		buffer := make([]byte, 2048)
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		r.sent.Add(int64(n))
		now := time.Now()
		if r.Cut.Load() || r.loses() || free.Sub(now) > Queue {
			continue
		}
		if free.Before(now) {
			free = now
		}
		if rate := r.Rate.Load(); rate > 0 {
			free = free.Add(time.Duration(int64(n+28) * 8 * int64(time.Second) / rate))
		}
		if jitter := r.Jitter.Load(); jitter > 0 && rand.IntN(20) == 0 {
			free = free.Add(time.Duration(rand.Int64N(jitter)) * time.Millisecond)
		}
		select {
		case packets <- due{buffer[:n], free}:
		default:
		}
	}
}

// narrow lets packets out when they are due.
func (r *Relay) narrow(phone *net.UDPAddr, packets <-chan due) {
	for p := range packets {
		if wait := time.Until(p.at); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.ctx.Done():
			}
		}
		r.passed.Add(int64(len(p.packet)))
		_, _ = r.front.WriteToUDP(p.packet, phone)
	}
}
