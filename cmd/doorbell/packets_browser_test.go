//go:build browser

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// soundScript keeps the page's connection, and counts its packets of sound.
const soundScript = `
	const set = RTCPeerConnection.prototype.setRemoteDescription;
	RTCPeerConnection.prototype.setRemoteDescription = function (...args) {
		window.heldLink = this;
		return set.apply(this, args);
	};
	window.soundPackets = { sent: 0, received: 0 };
	setInterval(async () => {
		for (const one of (await window.heldLink?.getStats() ?? new Map()).values()) {
			if (one.kind !== 'audio') continue;
			if (one.type === 'outbound-rtp') window.soundPackets.sent = one.packetsSent;
			if (one.type === 'inbound-rtp') window.soundPackets.received = one.packetsReceived;
		}
	}, 50);
	true`

// TestBrowserSoundPackets counts packets of sound at a real browser, both ways: as long
// as configured while there is a sound, and hardly any in silence.
func TestBrowserSoundPackets(t *testing.T) {
	for _, c := range []struct {
		name, packet string
		tone         float64 // that the phone hears; 0: silence
		sent         [2]float64
		received     float64
	}{
		{"10 ms", "10ms", 700, [2]float64{85, 115}, 100},
		{"20 ms", "20ms", 700, [2]float64{42, 58}, 50},
		{"silence", "20ms", 0, [2]float64{1, 15}, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			door := start(t, strings.Replace(simulated, "microphone: sim", "microphone: {source: sim, packet: "+c.packet+"}", 1))
			anna := openPhone(t, startBrowser(t, chromedp.Flag("use-file-for-fake-audio-capture", toneFile(t, c.tone))), door.status().Page, "anna")
			eval[bool](anna, soundScript)
			anna.login()
			anna.answersThe(door)
			anna.until("window.soundPackets.sent > 0 && window.soundPackets.received > 0")
			<-time.After(2 * time.Second) // until the silence counts as one
			type count struct{ Sent, Received, At float64 }
			const read = "({Sent: window.soundPackets.sent, Received: window.soundPackets.received, At: performance.now()})"
			before := eval[count](anna, read)
			<-time.After(4 * time.Second)
			after := eval[count](anna, read)
			seconds := (after.At - before.At) / 1000
			sent, received := (after.Sent-before.Sent)/seconds, (after.Received-before.Received)/seconds
			t.Logf("each second the phone sends %.0f packets and gets %.0f", sent, received)
			if sent < c.sent[0] || sent > c.sent[1] {
				t.Errorf("the phone sends %.0f packets a second, wanted %v", sent, c.sent)
			}
			if received < c.received*0.85 || received > c.received*1.15 {
				t.Errorf("the phone gets %.0f packets a second, wanted %.0f", received, c.received)
			}
		})
	}
}
