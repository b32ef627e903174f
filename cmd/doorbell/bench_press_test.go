//go:build browser

package main

import (
	"fmt"
	"testing"
	"time"
)

// presses is how often the button is pressed for one figure, pressSettle after all was
// quiet: a visitor does not press while the browser still takes the last call apart.
const (
	presses     = 30
	pressSettle = time.Second
)

// watch lets the page note when it rang and when it showed a picture of that
// ring, in milliseconds since 1970.
const watch = `(() => {
	const now = () => performance.timeOrigin + performance.now();
	window.seen = {};
	new MutationObserver(() => {
		if (document.documentElement.dataset.state !== 'ringing' || window.seen.ring) return;
		window.seen.ring = now();
		document.getElementById('remoteVideo').requestVideoFrameCallback(() => { window.seen.picture = now(); });
	}).observe(document.documentElement, { attributeFilter: ['data-state'] });
	return true;
})()`

// benchPress measures from the press of the button to the ring at the page, and to the
// first picture that is decoded and shown there.
func benchPress(b *testing.B, t *table) {
	t.head("from the press of the button", "aim", "median", "95th percentile")
	for _, c := range []struct {
		name              string
		keepOpen, standby bool
		aim               string
	}{
		{"cold", false, false, "600 ms"},
		{"camera open", true, false, "150 ms"},
		{"a connection kept ready", false, true, ""},
		{"a connection kept ready and the camera open", true, true, "50 ms"},
	} {
		b.Run(c.name, func(b *testing.B) {
			ring, picture := pressed(b, c.keepOpen, c.standby)
			b.ReportMetric(ring.at(0.5), "ms/ring")
			b.ReportMetric(picture.at(0.5), "ms/picture")
			t.spread("to the ring, "+c.name, "20 ms", "%.0f ms", ring)
			t.spread("to the first picture, "+c.name, c.aim, "%.0f ms", picture)
		})
	}
}

// pressed presses the button over and over, each time when all is quiet and, where one
// is to be kept, a connection is ready.
func pressed(b *testing.B, keepOpen, standby bool) (ring, picture figures) {
	door := start(b, fmt.Sprintf(measured, keepOpen)+fmt.Sprintf("ring: {standby: %t}\n", standby))
	anna := openPhone(b, startBrowser(b), door.status().Page, "anna")
	anna.login()
	for range presses {
		door.wait("the door to be quiet", func() bool {
			s := door.asked()
			return s.Door.Visit == nil && len(s.Door.Connections) == 0 && len(s.Door.Standby) > 0 == standby
		})
		<-time.After(pressSettle)
		eval[bool](anna, watch)
		at := float64(door.press().UnixMicro()) / 1000
		anna.until("window.seen.picture > 0")
		ring = append(ring, eval[float64](anna, "window.seen.ring")-at)
		picture = append(picture, eval[float64](anna, "window.seen.picture")-at)
		anna.tap("declineBtn")
		anna.state("home")
	}
	return ring, picture
}

// latencyCalls is how many calls the age of pictures and sound is measured in. Each has
// the camera's pictures at other times, compared with those of the screen.
const latencyCalls = 12

// benchLatency measures how old pictures and sound are when they are seen and heard.
func benchLatency(b *testing.B, t *table) {
	door := start(b, fmt.Sprintf(measured, false))
	anna := openPhone(b, startBrowser(b), door.status().Page, "anna")
	eval[bool](anna, probeScript)
	eval[bool](anna, "probe.speaks()")
	anna.login()
	var ages, lags, replies figures
	for range latencyCalls {
		anna.answersThe(door)
		anna.until("document.getElementById('stage').dataset.mic === 'on'")
		eval[bool](anna, "probe.sees() && probe.hears()")
		<-time.After(3 * time.Second) // the browser's buffers settle
		got := anna.perceives(4 * time.Second)
		ages, lags = append(ages, got.ages()...), append(lags, got.lags...)
		for range 4 {
			replies = append(replies, anna.beeps(door))
		}
		anna.tap("hangUpBtn")
		anna.state("home")
		door.wait("the door to be quiet", func() bool { return len(door.asked().Door.Connections) == 0 })
	}
	b.ReportMetric(ages.at(0.5), "ms/glass")
	b.ReportMetric(lags.at(0.5), "ms/mouth")
	b.ReportMetric(replies.at(0.5), "ms/reply")
	t.head("from the one end to the other", "aim", "median", "95th percentile")
	t.spread("the door's camera to the page (glass to glass)", "40 ms", "%.0f ms", ages)
	t.spread("the door's microphone to the browser's sound output (mouth to ear)", "120 ms", "%.0f ms", lags)
	t.spread("the phone's microphone to the door's loudspeaker", "", "%.0f ms", replies)
}

// beeps has the phone's microphone hear a beep, and returns how many ms later the
// loudspeaker plays it.
func (p *phone) beeps(door *process) float64 {
	p.t.Helper()
	silent := func() bool { pitch := door.asked().Devices["speaker"].Pitch; return pitch == nil || *pitch == 0 }
	<-time.After(700 * time.Millisecond) // the loudspeaker's window
	door.wait("silence", silent)
	beeped := eval[float64](p, "probe.beep()")
	deadline := time.Now().Add(5 * time.Second)
	for silent() {
		if time.Now().After(deadline) {
			p.t.Fatal("the door hears no beep")
		}
	}
	return float64(time.Now().UnixMicro())/1000 - beeped
}
