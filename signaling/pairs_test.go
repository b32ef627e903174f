package signaling

import (
	"math/rand/v2"
	"testing"
)

func TestPairs(t *testing.T) {
	type offer struct{ maker, other, call string }
	tests := []struct {
		name    string
		offers  []offer
		a, b, c string // a message from a to b about c
		stands  bool
	}{
		{"none", nil, "a", "b", "", false},
		{"base offer, base answer", []offer{{"a", "b", ""}}, "b", "a", "", true},
		{"base offer, answer with an id", []offer{{"a", "b", ""}}, "b", "a", "1", true},
		{"offer with an id, base answer", []offer{{"a", "b", "1"}}, "b", "a", "", true},
		{"same id", []offer{{"a", "b", "1"}}, "b", "a", "1", true},
		{"old id", []offer{{"a", "b", "2"}}, "b", "a", "1", false},
		{"glare, first", []offer{{"a", "b", "1"}, {"b", "a", "2"}}, "a", "b", "1", true},
		{"glare, second", []offer{{"a", "b", "1"}, {"b", "a", "2"}}, "a", "b", "2", true},
		{"same id, another phone", []offer{{"door", "a", "1"}, {"door", "b", "1"}}, "a", "b", "1", false},
		{"third", []offer{{"a", "b", "1"}}, "c", "b", "1", false},
		{"third without an id", []offer{{"a", "b", ""}}, "c", "b", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPairs()
			for _, o := range tt.offers {
				if !p.stand(o.maker, o.other, o.call, 10) {
					t.Fatalf("offer %v refused", o)
				}
			}
			if got := p.stands(tt.a, tt.b, tt.c); got != tt.stands {
				t.Errorf("stands = %v", got)
			}
			if got := p.end(tt.a, tt.b, tt.c); got != tt.stands {
				t.Errorf("end = %v", got)
			}
			if p.end(tt.a, tt.b, tt.c) {
				t.Error("ended twice")
			}
		})
	}
}

func TestPairsEndWithoutIDEndsAll(t *testing.T) {
	p := newPairs()
	p.stand("a", "b", "1", 10)
	p.stand("b", "a", "2", 10)
	p.stand("a", "c", "1", 10)
	if !p.end("b", "a", "") || p.stands("a", "b", "") || !p.stands("a", "c", "1") {
		t.Errorf("left over: %v", p.of)
	}
}

func TestPairsLimit(t *testing.T) {
	p := newPairs()
	if !p.stand("a", "b", "1", 2) || !p.stand("a", "c", "1", 2) || p.stand("a", "d", "1", 2) {
		t.Error("limit is not 2")
	}
	if !p.stand("a", "b", "1", 2) || !p.stand("b", "a", "1", 2) {
		t.Error("an offer made again was refused")
	}
	if !p.stand("d", "a", "1", 2) {
		t.Error("others' offers count as one's own")
	}
	p.end("b", "a", "1")
	if !p.stand("a", "d", "2", 2) {
		t.Error("an ended offer still counts")
	}
}

// TestPairsProperty checks, over random orders, that both sides always agree and
// that nothing is left when all have gone.
func TestPairsProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names, calls := []string{"a", "b", "c", "d"}, []string{"", "1", "2"}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	p := newPairs()
	for range 20000 {
		a, b, call := pick(names), pick(names), pick(calls)
		if a == b {
			continue
		}
		switch random.IntN(8) {
		case 0:
			p.drop(a)
		case 1, 2:
			p.end(a, b, call)
		default:
			p.stand(a, b, call, 4)
		}
		made := make(map[string]int)
		for name, list := range p.of {
			for s, maker := range list {
				if p.of[s.other][standing{name, s.call}] != maker {
					t.Fatalf("%s and %s do not agree about %q: %v", name, s.other, s.call, p.of)
				}
				if maker == name {
					made[name]++
				}
			}
		}
		for name, n := range p.made {
			if n != made[name] || n < 1 || n > 4 {
				t.Fatalf("%s made %d, counted %d", name, made[name], n)
			}
		}
	}
	for _, n := range names {
		p.drop(n)
	}
	if len(p.of) != 0 || len(p.made) != 0 {
		t.Errorf("left over: %v, %v", p.of, p.made)
	}
}
