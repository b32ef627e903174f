package rtc

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWhoStarves has a phone with a low estimate look beside another one: it is left
// with key frames only where the network shows that more is too much for it.
func TestWhoStarves(t *testing.T) {
	for name, c := range map[string]struct {
		rate   int
		usage  string
		loss   float64
		away   bool // the camera
		starve bool
	}{
		"pictures come later and later":          {30_000, "overuse", 0, false, true},
		"pictures get lost":                      {30_000, "normal", 0.3, false, true},
		"nothing moves before the camera":        {30_000, "normal", 0.01, false, false},
		"the camera is away":                     {30_000, "overuse", 0, true, false},
		"late for a moment, on a network enough": {900_000, "overuse", 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New(Options{Video: &lens{}})
				weak, other := ratedPeer(d, 1, d.h264.fanout, c.rate), ratedPeer(d, 2, d.h264.fanout, 3_000_000)
				weak.on(carries{rate: c.rate, usage: c.usage, loss: c.loss})
				d.peers[weak.id], d.peers[other.id] = weak, other
				for range int(2 * starveTime / ratePeriod) {
					if !c.away {
						d.h264.fanout.write([]byte{0, 0, 0, 1, 0x41, 1}, false, moment{captured: time.Now()})
					}
					d.fitRate()
					time.Sleep(ratePeriod)
				}
				if weak.video.starved != c.starve || other.video.starved {
					t.Errorf("it starves: %v, the other: %v", weak.video.starved, other.video.starved)
				}
			})
		})
	}
}
