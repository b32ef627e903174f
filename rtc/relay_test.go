package rtc

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"doorbell/rtc/badnet"
)

func startBadNetwork(t *testing.T, doorPort int) *badnet.Relay {
	t.Helper()
	r, err := badnet.Start(doorPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
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
	return each(ctx, time.Second/30, func(i int, now time.Time) error {
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
		return nil
	})
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
	r := startBadNetwork(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	anna.call("c1", nil)
	anna.sees()
	if got := r.Passed(2 * time.Second); got < 1_200_000 {
		t.Errorf("over a good network come %.0f bit/s", got)
	}
	const narrow = 500_000
	r.Rate.Store(narrow)
	waitUntil(t, 30*time.Second, "the bit rate to come below the network's", func() bool { return camera.rate() < narrow })
	<-time.After(3 * time.Second)
	lowest := camera.rate()
	got := r.Passed(4 * time.Second)
	t.Logf("%d bit/s carried: aimed at %d, %.0f pass", narrow, lowest, got)
	if camera.rate() > narrow || got < narrow/4 {
		t.Errorf("aimed at %d bit/s, %.0f pass", camera.rate(), got)
	}
	anna.sees()

	bert := x.newPhone(t, "bert") // on a network of its own
	bert.call("c2", nil)
	r.Rate.Store(100_000)
	waitUntil(t, time.Minute, "the others to be freed of the weakest", func() bool { return camera.rate() == camera.full })
	bert.sees()
	<-time.After(2 * time.Second)
	if got := r.Passed(4 * time.Second); got > 100_000 {
		t.Errorf("%.0f bit/s pass where 100000 can", got)
	}
	r.Rate.Store(0)
	waitUntil(t, 2*time.Minute, "the weak phone to get everything again", func() bool { return r.Passed(time.Second) > 800_000 })
	anna.sees()
}

// Where nothing moves before the camera hardly anything is sent, and a moment's jitter makes the estimate fall below
// even that: there is room again for a picture of somebody who comes, soon after.
func TestStillSceneKeepsRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	camera := &elastic{full: 40_000}
	d, x := startDoor(t, Options{Video: camera})
	r := startBadNetwork(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	anna.call("c1", nil)
	anna.sees()
	r.Jitter.Store(400)
	waitUntil(t, time.Minute, "the network to be taken for a bad one", func() bool { l := camera.limit.Load(); return l > 0 && l < 200_000 })
	r.Jitter.Store(0)
	began := time.Now()
	waitUntil(t, 30*time.Second, "room for a picture", func() bool { return camera.limit.Load() > 1_500_000 })
	t.Logf("there is room again after %v", time.Since(began))
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
	r := startBadNetwork(t, status(t, d).MediaPort)
	anna := x.newPhoneThrough(t, "anna", r)
	anna.call("c1", nil)
	anna.sees()
	for _, c := range []struct {
		name         string
		loss, jitter int64
	}{{"1 % lost", 10, 0}, {"5 % lost", 50, 0}, {"50 ms of jitter", 0, 50}} {
		r.Loss.Store(c.loss)
		r.Jitter.Store(c.jitter)
		got := r.Passed(4 * time.Second)
		t.Logf("%s: %.0f bit/s", c.name, got)
		if got < 300_000 {
			t.Errorf("%s: only %.0f bit/s pass", c.name, got)
		}
		anna.sees()
	}
	r.Loss.Store(0)
	r.Jitter.Store(0)
	r.Cut.Store(true)
	<-time.After(10 * time.Second)
	r.Cut.Store(false)
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
