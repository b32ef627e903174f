//go:build browser

package main

import (
	"fmt"
	"testing"
	"time"

	"doorbell/rtc/badnet"
)

// The bad network of each figure is there for a while before it counts.
const (
	networkSettles = 15 * time.Second
	networkCounts  = 20 * time.Second
	outage         = 10 * time.Second
)

// benchNetwork measures what a real browser shows and sounds through a bad network, each
// in a call of its own.
func benchNetwork(b *testing.B, t *table) {
	door := start(b, fmt.Sprintf(measured, false))
	anna := openPhone(b, startBrowser(b), door.status().Page, "anna")
	network := anna.through(door)
	anna.login()
	call := func(during func()) {
		anna.answersThe(door)
		anna.probe()
		<-time.After(3 * time.Second)
		during()
		anna.tap("hangUpBtn")
		anna.state("home")
		door.wait("the door to be quiet", func() bool { return len(door.asked().Door.Connections) == 0 })
	}
	t.head("network between door and phone", "pictures a second", "longest gap", "glass to glass: median, 95th percentile", "the door sends, bit/s", "lost on the way", "melody found")
	for _, c := range []struct {
		name               string
		loss, jitter, rate int64
	}{
		{"clean", 0, 0, 0},
		{"1 % lost", 10, 0, 0},
		{"5 % lost", 50, 0, 0},
		{"50 ms of jitter", 0, 50, 0},
		{"300 kbit/s", 0, 0, 300_000},
	} {
		call(func() {
			network.Loss.Store(c.loss)
			network.Jitter.Store(c.jitter)
			network.Rate.Store(c.rate)
			<-time.After(networkSettles)
			sentBefore, passedBefore := network.Bytes()
			got := anna.perceives(networkCounts)
			sent, passed := network.Bytes()
			sent, passed = sent-sentBefore, passed-passedBefore
			ages := got.ages()
			t.row(c.name, fmt.Sprintf("%.1f", got.rate()), fmt.Sprintf("%.0f ms", got.longest()),
				fmt.Sprintf("%.0f ms, %.0f ms", ages.at(0.5), ages.at(0.95)),
				fmt.Sprintf("%.0fk", float64(8*sent)/got.seconds/1000), fmt.Sprintf("%.1f %%", 100*max(0, 1-float64(passed)/float64(sent))),
				fmt.Sprintf("%.0f %%", 100*got.understood()))
			network.Loss.Store(0)
			network.Jitter.Store(0)
			network.Rate.Store(0)
		})
	}
	call(func() { benchOutage(t, anna, network) })
}

// benchOutage cuts the network for a while.
func benchOutage(t *table, anna *phone, network *badnet.Relay) {
	network.Cut.Store(true)
	<-time.After(outage)
	network.Cut.Store(false)
	restored := time.Now()
	got := anna.perceives(outage)
	t.row(fmt.Sprintf("cut for %v", outage), fmt.Sprintf("back after %.0f ms (aim: 2 s)", got.backAfter(restored)), "", "", "", "",
		fmt.Sprintf("back after %.0f ms", got.heardAfter(restored)))
}
