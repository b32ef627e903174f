//go:build browser

package main

import (
	_ "embed"
	"strconv"
	"strings"
	"testing"
	"time"

	"doorbell/rtc/badnet"
)

//go:embed testdata/badnet.js
var badNetworkScript string

// through leads the media of a page that is not logged in yet through a bad network.
func (p *phone) through(door *process) *badnet.Relay {
	p.t.Helper()
	port := door.status().Door.MediaPort
	network, err := badnet.Start(port)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(network.Close)
	eval[bool](p, strings.NewReplacer("PORT", strconv.Itoa(port), "THROUGH", strconv.Itoa(network.Port())).Replace(badNetworkScript))
	return network
}

// TestBrowserBadNetwork has packets lost between a real browser and the door, then all of
// them: the picture moves on or comes back, and both are heard.
func TestBrowserBadNetwork(t *testing.T) {
	door := start(t, simulated)
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	network := anna.through(door)
	eval[bool](anna, probeScript+"probe.speaks()")
	anna.login()
	anna.answersThe(door)
	if _, passed := network.Bytes(); passed == 0 {
		t.Fatal("the media goes another way: the test proves nothing")
	}
	anna.until("document.getElementById('stage').dataset.mic === 'on'")
	eval[bool](anna, "probe.sees() && probe.hears()")

	clean := anna.perceives(3 * time.Second).rate() // of a machine that has other tests to run
	network.Loss.Store(50)
	got := anna.perceives(6 * time.Second)
	anna.beeps(door)
	network.Loss.Store(0)
	t.Logf("5 %% lost: %.1f pictures a second of %.1f, longest gap %.0f ms, melody found in %.0f %%", got.rate(), clean, got.longest(), 100*got.understood())
	if clean == 0 || got.longest() > 2000 || got.rate() < clean/2 {
		t.Errorf("with 5 %% lost there are %.1f of %.1f pictures a second, the longest gap is %.0f ms", got.rate(), clean, got.longest())
	}
	if got.understood() < 0.7 {
		t.Errorf("with 5 %% lost the melody is found in %.0f %% of the time", 100*got.understood())
	}

	network.Cut.Store(true)
	anna.until(`document.getElementById('callState').textContent.includes('seconds old')`) // its picture stands still, the page says
	network.Cut.Store(false)
	restored := time.Now()
	got = anna.perceives(3 * time.Second)
	back := got.backAfter(restored)
	t.Logf("back %.0f ms after an outage", back)
	if back > 2000 {
		t.Errorf("the picture is back %.0f ms after an outage", back)
	}
	anna.state("incall")
	anna.until(`document.getElementById('callState').textContent.includes('In call') && !('late' in document.getElementById('stage').dataset)`)
}
