//go:build browser

package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"doorbell/device/sim"
)

// TestBrowserRing is the main job, end to end: press, ring, picture while it
// rings, accept, picture and sound both ways, hang up.
func TestBrowserRing(t *testing.T) {
	const tone = 523.0 // Hz, what the phone's microphone hears
	door := start(t, simulated)
	browser := startBrowser(t, chromedp.Flag("use-file-for-fake-audio-capture", toneFile(t, tone)))
	anna := openPhone(t, browser, door.status().Page, "anna")
	anna.login()

	door.do("press")
	anna.state("ringing")
	anna.seesMotion()
	anna.silent()
	if s := door.status(); s.Door.Visit == nil || !s.Door.Visit.Ringing {
		t.Errorf("while it rings the status is %+v", s.Door)
	}

	anna.tap("acceptBtn")
	anna.state("incall")
	anna.seesMotion()
	anna.hearsMelody()
	door.wait("the door to hear the phone", func() bool {
		speaker := door.status().Devices["speaker"]
		return speaker.Pitch != nil && math.Abs(*speaker.Pitch-tone) < 10
	})
	if s := door.status(); s.Door.Visit == nil || s.Door.Visit.By != "anna" {
		t.Errorf("in the call the status is %+v", s.Door)
	}

	anna.tap("hangUpBtn")
	anna.state("home")
	door.wait("the door to be quiet", func() bool { s := door.status(); return s.Door.Visit == nil && len(s.Door.Connections) == 0 })
}

// TestBrowserDoorHangsUp ends a call from the other side.
func TestBrowserDoorHangsUp(t *testing.T) {
	door, anna := house(t)
	anna.answersThe(door)
	door.do("hangup")
	anna.state("home")
}

// TestBrowserLook calls the door without a press, and then talks.
func TestBrowserLook(t *testing.T) {
	const tone = 700.0
	door := start(t, simulated)
	browser := startBrowser(t, chromedp.Flag("use-file-for-fake-audio-capture", toneFile(t, tone)))
	anna := openPhone(t, browser, door.status().Page, "anna")
	anna.login()
	anna.tap("doors button")
	anna.state("viewing")
	anna.seesMotion()
	anna.hearsMelody()
	if s := door.status(); s.Devices["speaker"].Detail != "" {
		t.Errorf("looking opened the loudspeaker: %+v", s.Devices["speaker"])
	}
	anna.tap("micBtn")
	anna.state("incall")
	door.wait("the door to hear the phone", func() bool {
		speaker := door.status().Devices["speaker"]
		return speaker.Pitch != nil && math.Abs(*speaker.Pitch-tone) < 10
	})
}

// TestBrowserTwoPhones rings two: one accepts, the other is told.
func TestBrowserTwoPhones(t *testing.T) {
	door, anna, bert := houseOfTwo(t)
	door.do("press")
	anna.state("ringing")
	bert.state("ringing")
	anna.seesMotion()
	bert.seesMotion()
	bert.tap("acceptBtn")
	bert.state("incall")
	anna.state("home")
	anna.until("document.getElementById('notice').innerText.includes('bert')")
	bert.seesMotion()
}

// TestBrowserDecline declines on the only phone.
func TestBrowserDecline(t *testing.T) {
	door, anna := house(t)
	door.do("press")
	anna.state("ringing")
	anna.tap("declineBtn")
	anna.state("home")
	door.wait("the visit to end", func() bool { return door.status().Door.Visit == nil })
	door.do("press") // and the next visitor rings again
	anna.state("ringing")
}

// TestBrowserMissed lets it ring out.
func TestBrowserMissed(t *testing.T) {
	door := start(t, simulated+"ring: {timeout: 2s}\n")
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	door.do("press")
	anna.state("ringing")
	anna.state("home")
	anna.until("!document.getElementById('missed').hidden && document.querySelectorAll('#missedList li').length === 1")
}

// TestBrowserMissedWhileAway rings while the phone's page is closed: it is told
// when it comes back, once.
func TestBrowserMissedWhileAway(t *testing.T) {
	door := start(t, simulated+"ring: {timeout: 1s}\n")
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	anna.do(chromedp.Navigate("about:blank"))
	door.wait("anna to be away", func() bool { return len(door.status().Door.Phones) == 0 })
	door.do("press")
	door.wait("the visit to be missed", func() bool { return strings.Contains(door.do("visits"), "missed") })
	anna.do(chromedp.Navigate(door.status().Page))
	anna.until("!document.getElementById('missed').hidden && document.querySelectorAll('#missedList li').length === 1")
	anna.do(chromedp.Reload())
	anna.until("document.documentElement.dataset.connection === 'online' && document.querySelectorAll('#missedList li').length === 1")
	anna.tap("missedBtn")
	anna.until("document.getElementById('missed').hidden")
}

// toneFile writes a WAV file (RIFF, 16 bit PCM, 48 kHz, mono) of one pure tone.
func toneFile(t *testing.T, frequency float64) string {
	t.Helper()
	const rate, seconds = 48000, 10
	samples := make([]int16, rate*seconds)
	for i := range samples {
		samples[i] = int16(12000 * math.Sin(2*math.Pi*frequency*float64(i)/rate))
	}
	size := uint32(2 * len(samples))
	file := []byte("RIFF")
	file = binary.LittleEndian.AppendUint32(file, 36+size)
	file = append(file, "WAVEfmt "...)
	for _, field := range []any{uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16)} {
		file, _ = binary.Append(file, binary.LittleEndian, field)
	}
	file = append(file, "data"...)
	file = binary.LittleEndian.AppendUint32(file, size)
	file, _ = binary.Append(file, binary.LittleEndian, samples)
	path := filepath.Join(t.TempDir(), "tone.wav")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listens lets the page measure the pitch of what the door sends: window.pitch().
func (p *phone) listens() {
	p.t.Helper()
	eval[bool](p, `(async () => {
		const context = new AudioContext();
		await context.resume();
		const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
		new MediaStreamAudioSourceNode(context, { mediaStream: document.getElementById('remoteVideo').srcObject }).connect(analyser);
		const bins = new Float32Array(analyser.frequencyBinCount);
		window.pitch = () => {
			analyser.getFloatFrequencyData(bins);
			let best = 1;
			for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
			return bins[best] > -60 ? best * context.sampleRate / analyser.fftSize : 0;
		};
		return true;
	})()`)
}

// hearsMelody waits until two different notes of the simulated microphone's
// melody were heard.
func (p *phone) hearsMelody() {
	p.t.Helper()
	p.listens()
	heard := map[float64]bool{}
	err := poll(20e9, func() bool {
		pitch := eval[float64](p, "window.pitch()")
		for _, note := range sim.Melody() {
			if math.Abs(pitch-note.Frequency) < 8 {
				heard[note.Frequency] = true
			}
		}
		return len(heard) >= 2
	})
	if err != nil {
		p.t.Errorf("%s heard only %v of the melody", p.name, heard)
	}
}

// silent sees that the visitor is not heard before somebody accepts.
func (p *phone) silent() {
	p.t.Helper()
	if !eval[bool](p, "document.getElementById('remoteVideo').muted") {
		p.t.Errorf("%s's page plays the visitor's sound before anybody accepted", p.name)
	}
}
