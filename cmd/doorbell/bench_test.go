//go:build browser

package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// measured is the camera of these figures: what a door sends by default.
const measured = trial + `
listen: 127.0.0.1:0
camera: {source: sim, width: 1280, height: 720, frame_rate: 30, keep_open: %t}
microphone: sim
speaker: sim
button: sim
ice: {port: 0, loopback: true}
log: {level: warn}
`

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

// report puts a row into the table that `make bench` ends with.
func report(row string, median, p95 float64, unit string) {
	table.Do(func() { fmt.Printf("\n| | median | 95th percentile |\n|---|---|---|\n") })
	fmt.Printf("| %s | %.0f %s | %.0f %s |\n", row, median, unit, p95, unit)
}

var table sync.Once

// BenchmarkPress measures from the press of the button to the ring at the page,
// and to the first picture that is shown there, in Chromium on this machine.
func BenchmarkPress(b *testing.B) {
	for name, keepOpen := range map[string]bool{"camera closed": false, "camera open": true} {
		b.Run(name, func(b *testing.B) {
			door := start(b, fmt.Sprintf(measured, keepOpen))
			anna := openPhone(b, startBrowser(b), door.status().Page, "anna")
			anna.login()
			var ring, picture figures
			for b.Loop() {
				eval[bool](anna, watch)
				pressed := float64(door.press().UnixMicro()) / 1000
				anna.until("window.seen.picture > 0")
				ring = append(ring, eval[float64](anna, "window.seen.ring")-pressed)
				picture = append(picture, eval[float64](anna, "window.seen.picture")-pressed)
				anna.tap("declineBtn")
				anna.state("home")
				door.wait("the door to be quiet", func() bool { s := door.status(); return s.Door.Visit == nil && len(s.Door.Connections) == 0 })
			}
			b.ReportMetric(ring.at(0.5), "ms/ring")
			b.ReportMetric(picture.at(0.5), "ms/picture")
			report("press to ring, "+name, ring.at(0.5), ring.at(0.95), "ms")
			report("press to first picture, "+name, picture.at(0.5), picture.at(0.95), "ms")
		})
	}
}

// watchTime is how long the cost of phones is measured, each time.
const watchTime = 5 * time.Second

// BenchmarkPhones measures what phones that look cost the door at 1280x720 and 30
// pictures per second: processor time and memory. 1 and 8 phones are measured in
// turn at the same door, since a machine is not as fast at all times.
func BenchmarkPhones(b *testing.B) {
	port := freePort(b)
	door := start(b, fmt.Sprintf(measured, false)+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\n", port))
	door.status()
	look := func(name string) *baseClient {
		c := newBaseClient(b, fmt.Sprintf("ws://127.0.0.1:%d/", port), name)
		c.call("doorbell")
		c.receives()
		return c
	}
	look("first")
	var one, eight, ratio, memory figures
	for b.Loop() {
		alone := door.cost(watchTime)
		var others []*baseClient
		for i := range 7 {
			others = append(others, look(fmt.Sprintf("phone %d", i)))
		}
		together := door.cost(watchTime)
		one, eight, ratio = append(one, alone), append(eight, together), append(ratio, together/alone)
		memory = append(memory, door.memory())
		for _, c := range others {
			c.hangUp()
		}
		door.wait("the others to be gone", func() bool { return len(door.status().Door.Connections) == 1 })
		for _, c := range others {
			c.close()
		}
	}
	b.ReportMetric(ratio.at(0.5), "8:1")
	report("processor, 1 phone that looks", one.at(0.5), one.at(0.95), "% of a core")
	report("processor, 8 phones that look", eight.at(0.5), eight.at(0.95), "% of a core")
	report("processor, 8 phones against 1", 100*ratio.at(0.5), 100*ratio.at(0.95), "%")
	report("memory, 8 phones that look", memory.at(0.5), memory.at(0.95), "MB")
}
