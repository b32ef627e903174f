//go:build vm && browser

package main

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"doorbell/device/guest"
)

// The pitches of the visitor and of the phone, Hz.
const (
	visitorPitch = 440.0
	phonePitch   = 523.0
)

// TestVM is the appliance on the kernel's own devices, with a browser as the phone. All is in one machine, whose
// start takes longer than many a part.
func TestVM(t *testing.T) {
	began := time.Now()
	m := startMachine(t, guest.Config{})
	m.run(guest.VideoDevice, true)
	t.Logf("the appliance is up after %v", time.Since(began))
	browser := startBrowser(t, chromedp.Flag("use-file-for-fake-audio-capture", toneFile(t, phonePitch)))
	anna := openPhone(t, browser, m.page(), "anna")
	anna.login()
	m.sub("button", func(*testing.T) { m.button(anna) })
	m.sub("picture and sound", func(*testing.T) { m.pictureAndSound(anna) })
	m.sub("sound card", func(*testing.T) { m.soundCard(anna) })
	m.sub("image controls", func(*testing.T) { m.impossibleControls() })
	m.sub("vivid", func(*testing.T) { m.vivid(anna) })
	m.sub("USB camera", func(*testing.T) { m.usbCamera(anna) })
	m.sub("a camera's own H.264", func(*testing.T) { m.ownH264(browser, anna) })
	m.sub("watchdog", func(*testing.T) { m.watchdog(anna) })
}

// button is pressed, bounces, is held, and is down while the program restarts.
func (m *machine) button(anna *phone) {
	for name, press := range map[string]func() error{
		"pressed": func() error { return m.Press(m.within(time.Minute)) },
		"bounces": func() error { return m.Bounce(m.within(time.Minute), 5) },
	} {
		m.sub(name, func(t *testing.T) {
			before := m.rings()
			m.must(press())
			anna.state("ringing")
			anna.tap("declineBtn")
			anna.state("home")
			m.shell("sleep 2") // held down meanwhile
			m.must(m.Release(m.within(time.Minute)))
			m.shell("sleep 0.5")
			if n := m.rings() - before; n != 1 {
				t.Errorf("%d presses were taken, want 1", n)
			}
		})
	}
	m.sub("while the program restarts", func(t *testing.T) {
		m.stop()
		m.must(m.Press(m.within(time.Minute)))
		m.launch()
		anna.state("ringing")
		m.must(m.Release(m.within(time.Minute)))
		anna.tap("declineBtn")
		anna.state("home")
		m.shell("sleep 0.5") // so that the release counts as one
		if n := m.rings(); n != 1 {
			t.Errorf("%d presses were taken, want 1", n)
		}
	})
}

// ring presses the button and accepts.
func (m *machine) ring(anna *phone) {
	m.t.Helper()
	anna.state("home")
	m.must(m.Press(m.within(time.Minute)))
	anna.state("ringing")
	m.lit(true)
	m.must(m.Release(m.within(time.Minute)))
	anna.tap("acceptBtn")
	anna.state("incall")
	m.lit(false)
	m.shell("sleep 0.5") // so that the release counts as one
}

// pictureAndSound is a call, with vivid's bars, and tones both ways through the loop.
func (m *machine) pictureAndSound(anna *phone) {
	m.ring(anna)
	m.sub("vivid's picture", func(t *testing.T) { anna.seesBars(guest.Bars(), 0.9) })
	m.sub("the visitor is heard", func(t *testing.T) {
		m.visitorIsHeard(anna)
	})
	m.sub("the phone is heard", func(t *testing.T) { m.hearsPhone() })
	anna.tap("hangUpBtn")
	anna.state("home")
}

// visitorIsHeard plays the visitor's tone until the page measures its pitch in what the door sends.
func (m *machine) visitorIsHeard(anna *phone) {
	m.t.Helper()
	visitor := m.speak()
	anna.listens()
	pitch := 0.0
	err := poll(30*time.Second, func() bool {
		pitch = eval[float64](anna, "window.pitch()")
		return math.Abs(pitch-visitorPitch) < 8
	})
	if err != nil {
		m.t.Errorf("%s hears %.1f Hz, want %.1f; aplay says %q, and the sound card and the door:\n%s", anna.name, pitch, visitorPitch, visitor.Output(),
			m.shell("grep . /proc/asound/Loopback/pcm*/sub0/[hs]*; "+vmProgram+" status --json"))
	}
	m.must(visitor.Kill(m.within(10 * time.Second)))
}

// speak plays the visitor's tone, over and over, into the other end of the door's microphone.
func (m *machine) speak() *guest.Process {
	m.t.Helper()
	var pcm []byte
	for i := range 48000 { // a whole number of periods
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(12000*math.Sin(2*math.Pi*visitorPitch*float64(i)/48000))))
	}
	m.must(m.Put(m.within(time.Minute), "/tmp/visitor", 0o644, pcm))
	p, err := m.Start(m.within(time.Minute), guest.Command{Args: []string{"sh", "-c",
		"while :; do cat /tmp/visitor; done | aplay -q -Dhw:Loopback,0 -traw -fS16_LE -c1 -r48000"}})
	m.must(err)
	return p
}

// hearsPhone records the other end of the door's loudspeaker until the phone's tone is what is loudest.
func (m *machine) hearsPhone() {
	m.t.Helper()
	heard := 0.0
	err := poll(time.Minute, func() bool {
		m.shell("arecord -q -Dhw:Loopback,0 -traw -fS16_LE -c1 -r48000 -d1 /tmp/heard")
		pcm, err := m.Get(m.within(time.Minute), "/tmp/heard")
		m.must(err)
		heard = loudest(pcm)
		return math.Abs(heard-phonePitch) < 5
	})
	if err != nil {
		m.t.Errorf("the door plays %.0f Hz, want %.0f", heard, phonePitch)
	}
}

// loudest is the frequency from 200 to 1000 Hz that is strongest in 48 kHz mono S16 (Goertzel), 0 for silence.
func loudest(pcm []byte) float64 {
	best, most := 0.0, 1e6*float64(len(pcm))
	for hertz := 200.0; hertz < 1000; hertz++ {
		k, s1, s2 := 2*math.Cos(2*math.Pi*hertz/48000), 0.0, 0.0
		for i := 0; i+1 < len(pcm); i += 2 {
			s1, s2 = float64(int16(binary.LittleEndian.Uint16(pcm[i:])))+k*s1-s2, s1
		}
		if power := s1*s1 + s2*s2 - k*s1*s2; power > most {
			best, most = hertz, power
		}
	}
	return best
}

// impossibleControls has a camera that can't make its pictures as configured: doctor, and status of a running door,
// say what is wrong and what would be right.
func (m *machine) impossibleControls() {
	own := m.picture
	defer func() { m.picture = own }()
	m.picture += ", keep_open: true, image: {brightness: 1000, backlight: 1}" // vivid's goes to 255, and it has no backlight
	problems := []string{
		"camera.image.backlight: /dev/video0 has no such control: set it to auto; it has brightness (0 to 255), contrast (0 to 255), saturation (0 to 255)",
		"camera.image.brightness: /dev/video0 does not take 1000: it takes whole numbers from 0 to 255",
	}
	m.stop()
	m.configure(guest.VideoDevice, false)
	said, err := m.Run(m.within(time.Minute), vmProgram, "doctor")
	if want := "WRONG  camera      " + problems[0] + "\n                     " + problems[1] + "\n"; err == nil || !strings.Contains(said, want) {
		m.t.Errorf("doctor does not say %q, but %v:\n%s", want, err, said)
	}
	m.launch()
	err = poll(30*time.Second, func() bool {
		said, err = m.Run(m.within(time.Minute), vmProgram, "status")
		m.must(err)
		return strings.Contains(said, ", "+problems[0]+"; "+problems[1]+"\n")
	})
	if err != nil {
		m.t.Errorf("status says nothing of it:\n%s", said)
	}
}
