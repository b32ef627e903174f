package rtc

import (
	"testing"
	"time"
)

func TestBandwidth(t *testing.T) {
	const still, moving = 40_000, 1_000_000 // bit/s that are sent
	type phase struct {
		periods int
		signs   signs
		least   int // of what the network is taken for at the end
		most    int
	}
	good := phase{4, signs{estimate: 8_000_000, sent: moving}, 8_000_000, 8_000_000}
	blip := phase{1, signs{estimate: 34_000, sent: still, late: true}, 34_000, 34_000}
	for name, phases := range map[string][]phase{
		"a moment's jitter while nothing moves": {good, blip,
			{5, signs{estimate: 36_000, sent: still}, 36_000, 36_000},
			{20, signs{estimate: 50_000, sent: still}, 800_000, 6_800_000},
			{20, signs{estimate: 60_000, sent: still}, 6_800_000, 6_800_000},
			{20, signs{estimate: 900_000, sent: moving}, 6_800_000, 6_800_000}},
		"jitter that was over before anybody looked": {good,
			{20, signs{estimate: 34_000, sent: still}, 8_000_000, 8_000_000}},
		"a narrow network while much moves": {good,
			{2, signs{estimate: 280_000, sent: moving, late: true}, 280_000, 280_000},
			{4, signs{estimate: 270_000, sent: 260_000, lost: 0.05}, 270_000, 270_000},
			{40, signs{estimate: 290_000, sent: 260_000}, 290_000, 290_000}},
		"and nothing afterwards": {good,
			{40, signs{estimate: 280_000, sent: 280_000, late: true}, 280_000, 280_000},
			{40, signs{estimate: 280_000, sent: still}, 280_000, 280_000}},
		"key frames alone": {good, blip,
			{60, signs{estimate: 50_000, sent: 20_000, starved: true}, 50_000, 50_000}},
		"losses go on": {good, blip,
			{60, signs{estimate: 34_000, sent: 5_000, lost: 0.03}, 34_000, 34_000}},
		"the estimate itself grows": {blip,
			{8, signs{estimate: 1_000_000, sent: moving}, 1_000_000, 1_000_000}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bandwidth
			now := time.Now()
			for i, phase := range phases {
				got := 0
				for range phase.periods {
					got = b.update(now, phase.signs)
					now = now.Add(ratePeriod)
				}
				if got < phase.least || got > phase.most {
					t.Errorf("after phase %d it is taken for %d bit/s, want %d to %d", i, got, phase.least, phase.most)
				}
			}
		})
	}
}
