package rtc

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// lane is what a bad network does to the packets that go to the phone.
type lane struct {
	rate   atomic.Int64 // bit/s; 0: no limit
	loss   atomic.Int64 // packets of a thousand
	jitter atomic.Int64 // milliseconds at most
	cut    atomic.Bool  // nothing passes, either way

	bytes atomic.Int64 // that have passed
}

// laneQueue is how much waits at a narrow place before packets are dropped, as in a router of a house.
const laneQueue = 250 * time.Millisecond

// relay passes UDP packets on between phones and the door, by a lane.
type relay struct {
	*lane
	t     *testing.T
	front *net.UDPConn
	door  *net.UDPAddr
	ctx   context.Context

	mu    sync.Mutex
	back  map[string]*net.UDPConn
	tasks sync.WaitGroup
}

func startRelay(t *testing.T, doorPort int) *relay {
	t.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{lane: &lane{}, t: t, front: front, door: &net.UDPAddr{IP: loopback, Port: doorPort}, ctx: ctx, back: map[string]*net.UDPConn{}}
	r.tasks.Go(r.toDoor)
	t.Cleanup(func() {
		cancel()
		_ = front.Close()
		r.mu.Lock()
		for _, c := range r.back {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.tasks.Wait()
	})
	return r
}

func (r *relay) port() int { return r.front.LocalAddr().(*net.UDPAddr).Port }

func (r *relay) toDoor() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := r.front.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		if c := r.socket(from); c != nil && !r.cut.Load() {
			_, _ = c.Write(buffer[:n])
		}
	}
}

// socket is the relay's side towards the door, for one phone.
func (r *relay) socket(phone *net.UDPAddr) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.back[phone.String()]; c != nil {
		return c
	}
	c, err := net.DialUDP("udp4", nil, r.door)
	if err != nil || r.ctx.Err() != nil {
		return nil
	}
	r.back[phone.String()] = c
	packets := make(chan due, 5000)
	r.tasks.Go(func() { r.fromDoor(c, packets) })
	r.tasks.Go(func() { r.narrow(phone, packets) })
	return c
}

// due is a packet and when it comes out of the lane.
type due struct {
	packet []byte
	at     time.Time
}

func (r *relay) fromDoor(c *net.UDPConn, packets chan<- due) {
	defer close(packets)
	var free time.Time // when the narrow place will be free
	for {
		buffer := make([]byte, 2048)
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		now := time.Now()
		if r.cut.Load() || rand.Int64N(1000) < r.loss.Load() || free.Sub(now) > laneQueue {
			continue
		}
		if free.Before(now) {
			free = now
		}
		if rate := r.rate.Load(); rate > 0 {
			free = free.Add(time.Duration(int64(n+28) * 8 * int64(time.Second) / rate))
		}
		if jitter := r.jitter.Load(); jitter > 0 && rand.IntN(20) == 0 {
			free = free.Add(time.Duration(rand.Int64N(jitter)) * time.Millisecond)
		}
		select {
		case packets <- due{buffer[:n], free}:
		default:
		}
	}
}

// narrow lets packets out when they are due.
func (r *relay) narrow(phone *net.UDPAddr, packets <-chan due) {
	for p := range packets {
		if wait := time.Until(p.at); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.ctx.Done():
			}
		}
		r.bytes.Add(int64(len(p.packet)))
		_, _ = r.front.WriteToUDP(p.packet, phone)
	}
}

// withoutCandidates leaves the phone's own addresses out of its description, so that the door finds it through the relay
// alone.
func withoutCandidates(raw string) string {
	var lines []string
	for line := range strings.SplitSeq(raw, `\r\n`) {
		if !strings.HasPrefix(line, "a=candidate") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, `\r\n`)
}

// elastic is a camera whose units are as large as its bit rate says, 30 in a second, with a key frame every 5 s and on
// demand, which is six times as large as others.
type elastic struct {
	lens
	full int
	want atomic.Bool
}

func (e *elastic) RequestKeyFrame() { e.keys.Add(1); e.want.Store(true) }

func (e *elastic) rate() int {
	if limit := int(e.limit.Load()); limit > 0 {
		return min(limit, e.full)
	}
	return e.full
}

func (e *elastic) Stream(ctx context.Context, sink func([]byte, bool, time.Time)) error {
	ticker := time.NewTicker(time.Second / 30)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			key := e.want.Swap(false) || i%150 == 0
			size := e.rate() / 8 / 31
			unit := []byte{0, 0, 0, 1, 0x41, 1, 2, 3}
			if key {
				unit = []byte{0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 1, 2, 0, 0, 0, 1, 0x65}
				size *= 6
			}
			for len(unit) < size {
				unit = append(unit, byte(len(unit)|1))
			}
			sink(unit, key, now)
		}
	}
}

// passed is the rate of what passes the relay for a while, bit/s.
func (r *relay) passed(d time.Duration) float64 {
	before := r.bytes.Load()
	<-time.After(d)
	return float64(8*(r.bytes.Load()-before)) / d.Seconds()
}

// The picture of all goes down to what the weakest phone's network carries, and comes back with it; a phone whose network
// carries hardly anything gets key frames, and the others all.
func TestRateFollowsTheNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // with the other one, which waits as long
	camera := &elastic{full: 1_500_000}
	d, x := startDoor(t, Options{Video: camera, Audio: ear{}})
	r := startRelay(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	anna.call("c1", nil)
	anna.sees()
	if got := r.passed(2 * time.Second); got < 1_200_000 {
		t.Errorf("over a good network come %.0f bit/s", got)
	}
	const narrow = 500_000
	r.rate.Store(narrow)
	waitUntil(t, 30*time.Second, "the bit rate to come below the network's", func() bool { return camera.rate() < narrow })
	<-time.After(3 * time.Second)
	lowest := camera.rate()
	got := r.passed(4 * time.Second)
	t.Logf("%d bit/s carried: aimed at %d, %.0f pass", narrow, lowest, got)
	if camera.rate() > narrow || got < narrow/4 {
		t.Errorf("aimed at %d bit/s, %.0f pass", camera.rate(), got)
	}
	anna.sees()

	bert := x.newPhone(t, "bert") // on a network of its own
	bert.call("c2", nil)
	r.rate.Store(100_000)
	waitUntil(t, time.Minute, "the others to be freed of the weakest", func() bool { return camera.rate() == camera.full })
	bert.sees()
	<-time.After(2 * time.Second)
	if got := r.passed(4 * time.Second); got > 100_000 {
		t.Errorf("%.0f bit/s pass where 100000 can", got)
	}
	r.rate.Store(0)
	waitUntil(t, 2*time.Minute, "the weak phone to get everything again", func() bool { return r.passed(time.Second) > 800_000 })
	anna.sees()
}

func waitUntil(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Through losses, jitter and an outage the picture goes on, or comes back within 2 s.
func TestBadNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // with the other one, which waits as long
	camera := &elastic{full: 800_000}
	d, x := startDoor(t, Options{Video: camera, Audio: ear{}})
	r := startRelay(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	anna.call("c1", nil)
	anna.sees()
	for _, c := range []struct {
		name         string
		loss, jitter int64
	}{{"1 % lost", 10, 0}, {"5 % lost", 50, 0}, {"50 ms of jitter", 0, 50}} {
		r.loss.Store(c.loss)
		r.jitter.Store(c.jitter)
		got := r.passed(4 * time.Second)
		t.Logf("%s: %.0f bit/s", c.name, got)
		if got < 300_000 {
			t.Errorf("%s: only %.0f bit/s pass", c.name, got)
		}
		anna.sees()
	}
	r.loss.Store(0)
	r.jitter.Store(0)
	r.cut.Store(true)
	<-time.After(10 * time.Second)
	r.cut.Store(false)
	began := time.Now()
	anna.sees()
	t.Logf("back %v after an outage of 10 s", time.Since(began))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("back %v after an outage", took)
	}
	if s := status(t, d); len(s.Connections) != 1 {
		t.Errorf("after the outage: %+v", s.Connections)
	}
}
