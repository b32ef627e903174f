//go:build browser

package main

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"doorbell/device/sim"
)

// TestBrowserFirefox rings a Firefox that has no H.264, as it is before it has
// fetched its plug-in, beside a Chromium that has: each gets its codec, and Firefox
// sees, hears and is heard.
func TestBrowserFirefox(t *testing.T) {
	door := start(t, simulated)
	fritz := startFirefox(t)
	fritz.open(door.status().Page)
	// What it offers tells: RTCRtpReceiver.getCapabilities may name H.264 without the plug-in, too.
	if offer := evalIn[string](fritz, `
		const probe = new RTCPeerConnection();
		probe.addTransceiver('video', { direction: 'recvonly' });
		const { sdp } = await probe.createOffer();
		probe.close();
		return sdp;`); !strings.Contains(offer, "VP8/90000") || strings.Contains(offer, "H264/90000") {
		t.Fatalf("this Firefox should offer VP8 and no H.264, as one does that has not fetched its plug-in; it offers\n%s", offer)
	}
	evalIn[bool](fritz, `
		const set = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = function (...args) {
			window.link = this;
			return set.apply(this, args);
		};
		return true;`)
	fritz.state("login")
	fritz.types("usernameInput", "fritz")
	fritz.tap("loginBtn")
	fritz.state("home")
	fritz.until("document.documentElement.dataset.connection === 'online'")
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	door.wait("both to keep a connection ready", func() bool { return len(door.status().Door.Standby) == 2 })
	if path := door.status().Devices["camera"].Path; strings.Contains(path, "VP8") {
		t.Errorf("nobody looks, and the status says %q", path)
	}

	door.do("press")
	anna.state("ringing")
	fritz.state("ringing")
	anna.seesMotion()
	fritz.seesTestCard(t)
	if codec := fritz.codec(); codec != "video/VP8" {
		t.Errorf("Firefox gets %s", codec)
	}
	door.wait("the status to tell of VP8", func() bool { return strings.Contains(door.status().Devices["camera"].Path, "VP8") })

	fritz.tap("acceptBtn")
	fritz.state("incall")
	anna.state("home")
	fritz.seesTestCard(t)
	fritz.hearsMelody(t)
	door.wait("the door to hear Firefox", func() bool {
		speaker := door.status().Devices["speaker"]
		return speaker.Pitch != nil && math.Abs(*speaker.Pitch-1000) < 10 // Firefox's own test tone
	})
	fritz.tap("hangUpBtn")
	fritz.state("home")
	door.wait("VP8 to end", func() bool { return !strings.Contains(door.status().Devices["camera"].Path, "VP8") })
}

// codec is what the page's picture comes in.
func (f *firefox) codec() string {
	f.t.Helper()
	return evalIn[string](f, `
		const stats = [...(await window.link.getStats()).values()];
		const video = stats.find((one) => one.type === 'inbound-rtp' && one.kind === 'video');
		return stats.find((one) => one.id === video?.codecId)?.mimeType ?? 'no codec';`)
}

// picture is what the page shows now, from its canvas.
func (f *firefox) picture() image.Image {
	f.t.Helper()
	url := evalIn[string](f, `
		const video = document.getElementById('remoteVideo');
		if (!video.videoWidth) return '';
		const canvas = document.createElement('canvas');
		canvas.width = video.videoWidth;
		canvas.height = video.videoHeight;
		canvas.getContext('2d').drawImage(video, 0, 0);
		return canvas.toDataURL('image/png');`)
	_, encoded, found := strings.Cut(url, ",")
	if !found {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// seesTestCard reads the time from pictures until it has moved on, and looks whether
// the colour bars have their colours.
func (f *firefox) seesTestCard(t *testing.T) {
	t.Helper()
	var first, last sim.TimeCode
	read := 0
	var p image.Image
	err := poll(60e9, func() bool {
		shown := f.picture()
		if shown == nil {
			return false
		}
		code, err := sim.ReadTimeCode(shown)
		if err != nil {
			return false
		}
		if p = shown; read == 0 {
			first = code
		}
		read, last = read+1, code
		return int32(last.Millis-first.Millis) > 1000
	})
	if err != nil {
		t.Fatalf("Firefox shows no moving test card: %d times were read, from %+v to %+v", read, first, last)
	}
	if p.Bounds().Size() != (image.Point{X: 640, Y: 360}) {
		t.Errorf("the picture is %v", p.Bounds().Size())
	}
	// The bars, from the left: white, yellow, cyan, green, magenta, red, blue, black, as
	// far as each has red, green and blue.
	for i, want := range [][3]bool{
		{true, true, true}, {true, true, false}, {false, true, true}, {false, true, false},
		{true, false, true}, {true, false, false}, {false, false, true}, {false, false, false},
	} {
		r, g, b, _ := p.At((2*i+1)*640/16, 20).RGBA()
		if got := [3]bool{r > 0x6000, g > 0x6000, b > 0x6000}; got != want {
			t.Errorf("bar %d is %x %x %x", i, r>>8, g>>8, b>>8)
		}
	}
}

// hearsMelody records what the page plays until two different notes of the door's
// melody were in it. Firefox has no running AudioContext where there is no sound card,
// but a recorder.
func (f *firefox) hearsMelody(t *testing.T) {
	t.Helper()
	const rate = 48000
	heard := map[float64]bool{}
	if err := poll(60e9, func() bool {
		samples := evalIn[[]float64](f, `
			const video = document.getElementById('remoteVideo');
			if (video.muted || video.paused) return [];
			const recorder = new MediaRecorder(new MediaStream(video.srcObject.getAudioTracks()));
			const parts = [];
			recorder.ondataavailable = ({ data }) => parts.push(data);
			const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
			recorder.start();
			setTimeout(() => recorder.stop(), 2000);
			await stopped;
			const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(await new Blob(parts).arrayBuffer());
			return [...sound.getChannelData(0)];`)
		const window = rate / 5
		for ; len(samples) >= window; samples = samples[window:] {
			for _, note := range sim.Melody() {
				if purity(samples[:window], note.Frequency, rate) > 0.5 {
					heard[note.Frequency] = true
				}
			}
		}
		return len(heard) >= 2
	}); err != nil {
		t.Errorf("Firefox heard only %v of the melody", heard)
	}
}

// purity is the share of the samples' energy that is at one frequency.
func purity(samples []float64, frequency, rate float64) float64 {
	var in, out, energy float64
	for i, v := range samples {
		angle := 2 * math.Pi * frequency * float64(i) / rate
		in, out, energy = in+v*math.Cos(angle), out+v*math.Sin(angle), energy+v*v
	}
	if energy < 1e-6*float64(len(samples)) {
		return 0
	}
	return 2 * (in*in + out*out) / (energy * float64(len(samples)))
}
