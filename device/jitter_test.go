package device

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// opusSilence is a packet of 20 ms of CELT; jitterBuffer looks no further than its first byte.
var opusSilence = []byte{31 << 3, 0xff, 0xfe}

// jitterRun plays packets that arrive at given times and returns what was played.
type jitterRun struct {
	buffer jitterBuffer
	played []uint16 // sequence numbers; of a catch-up both
	turns  map[jitterTurn]int
	oldest time.Duration // the longest that a packet was in hand
}

// arrival is one packet's coming.
type arrival struct {
	at     time.Duration
	number int
}

// run lets packets arrive, and takes one every 20 ms, from 5 ms on, until end.
func (r *jitterRun) run(start time.Time, arrivals []arrival, end time.Duration) {
	r.turns = map[jitterTurn]int{}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return int(a.at - b.at) })
	for now := 5 * time.Millisecond; now < end; now += FrameDuration {
		for len(arrivals) > 0 && arrivals[0].at <= now {
			a := arrivals[0]
			arrivals = arrivals[1:]
			r.buffer.put(uint16(a.number), uint32(a.number)*FrameSamples, opusSilence, start.Add(a.at))
		}
		turn, packet, second := r.buffer.take(start.Add(now))
		r.turns[turn]++
		switch turn {
		case turnPacket:
			r.played = append(r.played, packet.sequence)
			r.oldest = max(r.oldest, start.Add(now).Sub(packet.came))
		case turnCatchUp:
			r.played = append(r.played, packet.sequence, second.sequence)
		}
	}
}

// regular returns packets that come every 20 ms, changed by change (nil drops one).
func regular(n int, change func(i int, at time.Duration) []time.Duration) []arrival {
	var list []arrival
	for i := range n {
		times := []time.Duration{time.Duration(i) * FrameDuration}
		if change != nil {
			times = change(i, times[0])
		}
		for _, at := range times {
			list = append(list, arrival{at, 65500 + i}) // and so over the end of the numbers
		}
	}
	return list
}

func TestJitterTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tests := []struct {
		name      string
		change    func(i int, at time.Duration) []time.Duration
		played    int // packets played of 200, at least
		lost      int64
		late      int64
		waits     int // at most
		delay     time.Duration
		delayMost time.Duration
	}{
		{"clean", nil, 198, 0, 0, 0, 20 * time.Millisecond, 20 * time.Millisecond},
		{"every packet twice", func(_ int, at time.Duration) []time.Duration { return []time.Duration{at, at + time.Millisecond} }, 198, 0, 200, 0, 20 * time.Millisecond, 20 * time.Millisecond},
		{"pairs in the wrong order", func(i int, at time.Duration) []time.Duration {
			return []time.Duration{at + []time.Duration{25, 0}[i%2]*time.Millisecond}
		}, 195, 2, 2, 3, 40 * time.Millisecond, 60 * time.Millisecond},
		{"every tenth lost", func(i int, at time.Duration) []time.Duration {
			if i%10 == 5 {
				return nil
			}
			return []time.Duration{at}
		}, 178, 20, 0, 20, 20 * time.Millisecond, 20 * time.Millisecond},
		{"30 ms of jitter", func(_ int, at time.Duration) []time.Duration {
			return []time.Duration{at + time.Duration(random.IntN(30))*time.Millisecond}
		}, 190, 4, 4, 4, 40 * time.Millisecond, 60 * time.Millisecond},
		{"90 ms of jitter", func(_ int, at time.Duration) []time.Duration {
			return []time.Duration{at + time.Duration(random.IntN(90))*time.Millisecond}
		}, 170, 20, 20, 8, 80 * time.Millisecond, 120 * time.Millisecond},
		{"in bursts of four", func(i int, at time.Duration) []time.Duration {
			return []time.Duration{at + time.Duration(3-i%4)*FrameDuration}
		}, 190, 0, 0, 5, 60 * time.Millisecond, 80 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r jitterRun
			r.run(time.Now(), regular(200, test.change), 4*time.Second)
			c := r.buffer.counts
			if len(r.played) < test.played {
				t.Errorf("%d played, want %d", len(r.played), test.played)
			}
			if !slices.IsSortedFunc(r.played, func(a, b uint16) int { return int(int16(a - b)) }) {
				t.Errorf("out of order: %v", r.played)
			}
			if c.Lost > test.lost || c.Late > test.late || r.turns[turnWait] > test.waits {
				t.Errorf("%+v and %d waits; want at most %d lost, %d late, %d waits", c, r.turns[turnWait], test.lost, test.late, test.waits)
			}
			if d := r.buffer.delay.target(); d < test.delay || d > test.delayMost {
				t.Errorf("delay %v, want %v to %v", d, test.delay, test.delayMost)
			}
		})
	}
}

func TestJitterAfterAPauseOfTheNetwork(t *testing.T) {
	var r jitterRun
	r.run(time.Now(), regular(100, func(i int, at time.Duration) []time.Duration {
		if i >= 30 && i < 60 { // 600 ms of packets come at once
			return []time.Duration{60 * FrameDuration}
		}
		return []time.Duration{at}
	}), 1200*time.Millisecond+20*FrameDuration)
	if r.oldest > jitterMax+FrameDuration {
		t.Errorf("played a packet %v after it came", r.oldest)
	}
	if r.buffer.counts.Skipped < 20 {
		t.Errorf("%+v: the burst was not skipped", r.buffer.counts)
	}
}

func TestJitterDiscontinuousTransmission(t *testing.T) {
	var buffer jitterBuffer
	start := time.Now()
	// Comfort noise every 400 ms: each must be played soon after it came, or not at all.
	for now := time.Duration(0); now < 4*time.Second; now += FrameDuration {
		if now%(400*time.Millisecond) == 0 {
			n := uint16(now / (400 * time.Millisecond))
			buffer.put(n, uint32(samplesIn(now)), opusSilence, start.Add(now))
		}
		turn, packet, _ := buffer.take(start.Add(now))
		if turn == turnPacket && start.Add(now).Sub(packet.came) > jitterMax {
			t.Errorf("played a packet %v after it came", start.Add(now).Sub(packet.came))
		}
		if turn == turnWait {
			buffer.pause()
		}
	}
}

func TestJitterNewStream(t *testing.T) {
	for _, jump := range []uint16{30000, 2000, 0x10000 - 2000, 0x10000 - 50} {
		t.Run(fmt.Sprint(int16(jump)), func(t *testing.T) {
			var buffer jitterBuffer
			start, played := time.Now(), 0
			for i := range 100 {
				now := start.Add(time.Duration(i) * FrameDuration)
				sequence, timestamp := uint16(i), uint32(i)*FrameSamples
				if i >= 50 {
					sequence, timestamp = sequence+jump, timestamp+uint32(jump)*77777
				}
				buffer.put(sequence, timestamp, opusSilence, now)
				turn, packet, _ := buffer.take(now)
				if turn == turnPacket && packet.sequence == sequence && i >= 50 {
					played++
				}
			}
			if played < 20 {
				t.Errorf("%d packets of the new stream played: %+v", played, buffer.counts)
			}
		})
	}
}

func TestJitterFollowsASlowLoudspeaker(t *testing.T) {
	var buffer jitterBuffer
	start := time.Now()
	next := 0
	for i := range 3000 { // packets every 19.9 ms: 5000 ppm
		now := start.Add(time.Duration(i) * FrameDuration)
		for ; time.Duration(next)*199*time.Millisecond/10 <= now.Sub(start); next++ {
			buffer.put(uint16(next), uint32(next)*FrameSamples, opusSilence, now)
		}
		buffer.take(now)
		if span := buffer.span(); span > jitterMax+jitterStep {
			t.Fatalf("after %v %v are in hand", now.Sub(start), span)
		}
	}
	if buffer.counts.Skipped < 10 || buffer.counts.Lost > 0 {
		t.Errorf("%+v", buffer.counts)
	}
}

// Whatever comes: what is in hand stays bounded, nothing is played twice or backwards
// within a stream, and every packet is accounted for.
func TestJitterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buffer jitterBuffer
		now := time.Now()
		var last *uint16
		played, received := int64(0), int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "put") {
				sequence := uint16(rapid.IntRange(0, 300).Draw(t, "sequence"))
				packet := rapid.SampledFrom([][]byte{opusSilence, {16 << 3}, {3<<3 | 1}, nil, {31<<3 | 3}}).Draw(t, "packet")
				timestamp := uint32(sequence)*FrameSamples + rapid.SampledFrom([]uint32{0, 0, 0, 1 << 31}).Draw(t, "jump")
				before := buffer.counts.Skipped
				buffer.put(sequence, timestamp, packet, now)
				received++
				if !buffer.known && buffer.counts.Skipped >= before {
					last = nil // perhaps another stream
				}
				if buffer.lates == 0 && !buffer.playing {
					last = nil
				}
			} else {
				turn, first, second := buffer.take(now)
				for _, p := range map[jitterTurn][]jitterPacket{turnPacket: {first}, turnCatchUp: {first, second}}[turn] {
					if last != nil && int16(p.sequence-*last) <= 0 {
						t.Fatalf("played %d after %d", p.sequence, *last)
					}
					last = &p.sequence
				}
				if turn == turnPacket || turn == turnCatchUp {
					played++
				}
			}
			if len(buffer.packets) > jitterPackets || len(buffer.packets) > 1 && buffer.span() > jitterMax+jitterStep {
				t.Fatalf("%d packets, %v in hand", len(buffer.packets), buffer.span())
			}
		}
		c := buffer.counts
		if sum := played + c.Late + c.Bad + c.Skipped + int64(len(buffer.packets)); c.Received != received || sum != received {
			t.Fatalf("%d received; %d played and %+v with %d in hand", received, played, c, len(buffer.packets))
		}
	})
}

func TestTalkerSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		talker := NewMixer(MixerOptions{}).Join()
		block := make([]float32, FrameSamples)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			talker.Receive(uint16(rapid.IntRange(0, 40).Draw(t, "sequence")), rapid.Uint32().Draw(t, "timestamp"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "packet"))
			clear(block)
			talker.addTo(block)
			if len(talker.ready) > opusMaxSamples*2 {
				t.Fatalf("%d samples ready", len(talker.ready))
			}
		}
	})
}

func TestTalkerConcealsAndFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talker := NewMixer(MixerOptions{}).Join()
		packets := tonePackets(440, 0.5, 40)
		var levels []float64
		block, pcm := make([]float32, FrameSamples), make([]int16, FrameSamples)
		var l limiter
		for i := range 60 {
			if i < 40 {
				talker.Receive(uint16(i), uint32(i*FrameSamples), packets[i])
			}
			time.Sleep(FrameDuration)
			clear(block)
			talker.addTo(block)
			l.limit(block, pcm)
			levels = append(levels, LevelDBFS(pcm))
		}
		if levels[35] < -12 || levels[40] < -20 {
			t.Errorf("levels %.0f: the first lost packet should hardly be heard", levels[35:])
		}
		for _, level := range levels[48:] { // 160 ms after the last packet
			if level > SilenceDBFS {
				t.Errorf("levels %.0f: no silence", levels[40:])
				break
			}
		}
	})
}
