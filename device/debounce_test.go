package device

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// move is one change of a contact's level.
type move struct {
	at   time.Duration
	down bool
}

// pressesOf drives a debounce as Button does with a contact that makes these moves, and
// returns its presses.
func pressesOf(settle time.Duration, ignoreHeld bool, moves []move, end time.Duration) []time.Duration {
	start := time.Now()
	contact := debounce{settle: settle}
	level, now := false, time.Duration(0)
	for len(moves) > 0 && moves[0].at <= 0 {
		level, moves = moves[0].down, moves[1:]
	}
	if ignoreHeld {
		contact.down = level
	}
	var presses []time.Duration
	for now < end {
		wait := buttonPoll
		if left, restless := contact.restless(start.Add(now)); restless {
			wait = left
		}
		if len(moves) > 0 && moves[0].at <= now+wait {
			now, level, moves = max(now, moves[0].at), moves[0].down, moves[1:]
			contact.edge(start.Add(now))
		} else {
			now += wait
		}
		if _, restless := contact.restless(start.Add(now)); restless {
			continue
		}
		if at, is := contact.level(level, start.Add(now)); is {
			presses = append(presses, at.Sub(start))
		}
	}
	return presses
}

func TestDebounceTable(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name       string
		ignoreHeld bool
		moves      []move
		want       []time.Duration
	}{
		{"nothing", false, nil, nil},
		{"clean press", false, []move{{200 * ms, true}, {400 * ms, false}}, []time.Duration{200 * ms}},
		{"bouncing press and release", false, []move{{200 * ms, true}, {201 * ms, false}, {203 * ms, true}, {204 * ms, false}, {210 * ms, true}, {400 * ms, false}, {401 * ms, true}, {405 * ms, false}}, []time.Duration{200 * ms}},
		{"spike", false, []move{{200 * ms, true}, {202 * ms, false}}, nil},
		{"spike while held", false, []move{{200 * ms, true}, {300 * ms, false}, {302 * ms, true}, {500 * ms, false}}, []time.Duration{200 * ms}},
		{"twice", false, []move{{200 * ms, true}, {300 * ms, false}, {400 * ms, true}, {500 * ms, false}}, []time.Duration{200 * ms, 400 * ms}},
		{"twice too fast is one", false, []move{{200 * ms, true}, {300 * ms, false}, {310 * ms, true}, {500 * ms, false}}, []time.Duration{200 * ms}},
		{"held for long", false, []move{{200 * ms, true}, {4 * time.Second, false}}, []time.Duration{200 * ms}},
		{"held from the start", false, []move{{0, true}, {300 * ms, false}}, []time.Duration{100 * ms}},
		{"held from the start, ignored", true, []move{{0, true}, {300 * ms, false}, {600 * ms, true}}, []time.Duration{600 * ms}},
		{"never quiet", false, chatter(200*ms, 4*time.Second, 7*ms), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := pressesOf(30*ms, test.ignoreHeld, test.moves, 5*time.Second); !slices.Equal(got, test.want) {
				t.Errorf("pressed at %v, want %v", got, test.want)
			}
		})
	}
}

// chatter moves up and down, and is up in the end.
func chatter(from, to, every time.Duration) []move {
	var moves []move
	for at := from; at < to; at += every {
		moves = append(moves, move{at, len(moves)%2 == 0})
	}
	return append(moves, move{to, false})
}

// Presses that bounce for less than the settle time and are longer than that, with longer
// pauses, are each reported once, at their first edge.
func TestDebounceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settle := time.Duration(rapid.IntRange(5, 60).Draw(t, "settle")) * time.Millisecond
		var moves []move
		var want []time.Duration
		now := 200 * time.Millisecond
		bounce := func(down bool) {
			moves = append(moves, move{now, down})
			for range rapid.IntRange(0, 6).Draw(t, "bounces") {
				for _, level := range []bool{!down, down} {
					now += time.Duration(rapid.Int64Range(1, int64(settle)-1).Draw(t, "bounce"))
					moves = append(moves, move{now, level})
				}
			}
			now += settle + time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(t, "quiet"))
		}
		for range rapid.IntRange(0, 8).Draw(t, "presses") {
			want = append(want, now)
			bounce(true)
			bounce(false)
		}
		if got := pressesOf(settle, false, moves, now+time.Second); !slices.Equal(got, want) {
			t.Fatalf("pressed at %v, want %v; moves %v", got, want, moves)
		}
	})
}

// Whatever the contact does, presses are in order, each starts with an edge or at a poll,
// and there is a time of being up between two.
func TestDebounceAnyMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var moves []move
		now := time.Duration(0)
		for range rapid.IntRange(0, 60).Draw(t, "moves") {
			now += time.Duration(rapid.Int64Range(1, int64(80*time.Millisecond)).Draw(t, "after"))
			moves = append(moves, move{now, len(moves)%2 == 0})
		}
		got := pressesOf(30*time.Millisecond, false, moves, now+time.Second)
		for i, at := range got {
			if !slices.ContainsFunc(moves, func(m move) bool { return m.at == at }) {
				t.Fatalf("pressed at %v without an edge", at)
			}
			if i > 0 && at-got[i-1] < 60*time.Millisecond {
				t.Fatalf("pressed at %v and %v", got[i-1], at)
			}
		}
	})
}
