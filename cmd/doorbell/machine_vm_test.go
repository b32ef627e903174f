//go:build vm && browser

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"doorbell/device/guest"
)

const (
	vmProgram = "/usr/bin/doorbell"
	vmConfig  = "/etc/doorbell/doorbell.yaml"
	vmPort    = 8080
	lightLine = 27
)

// vmTrial is trial for a guest, where whoever comes through a forwarded port comes from QEMU's own network.
const vmTrial = `
access: {mode: open, open_networks: [10.0.2.0/24]}
tls: {listen: none}
local_name: ""
`

// machine is a virtual machine in which the real program runs on the kernel's own drivers. Its page and
// its media come through forwarded ports: QEMU takes them on the host's loopback, so the door offers phones
// its loopback address, with ICE over TCP.
type machine struct {
	*guest.Guest
	t       *testing.T // of the subtest that runs
	media   int        // port, the same on both sides
	picture string     // keys of the camera's configuration
	door    *guest.Process
}

// startMachine boots a machine with a camera, a sound card and a button, and the program in it.
func startMachine(t *testing.T, c guest.Config) *machine {
	t.Helper()
	return startMachineWith(t, guest.Options{}, c, executable(t), "width: 640, height: 360, frame_rate: 6, bit_rate: 400000")
}

// startMachineWith is startMachine for another architecture's program, with the keys of a picture that its
// emulation manages.
func startMachineWith(t *testing.T, o guest.Options, c guest.Config, program, picture string) *machine {
	t.Helper()
	media := freePort(t)
	c.Camera, c.Sound, c.GPIO = &guest.Camera{}, &guest.Sound{}, &guest.GPIO{}
	c.Forward = append(c.Forward, guest.Forward{Guest: vmPort}, guest.Forward{Guest: media, Host: media})
	m := &machine{Guest: guest.New(t, o, c), t: t, media: media, picture: picture}
	if err := m.PutProgram(m.within(time.Minute), program, vmProgram); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && m.door != nil {
			lines := strings.Split(m.door.Output(), "\n")
			t.Logf("doorbell's log:\n%s", strings.Join(lines[max(0, len(lines)-150):], "\n"))
		}
	})
	return m
}

// sub runs a part of the test; the machine goes on for the next.
func (m *machine) sub(name string, run func(t *testing.T)) {
	before := m.t
	defer func() { m.t = before }()
	before.Run(name, func(t *testing.T) {
		m.t = t
		run(t)
	})
}

// within is the time that one step may take.
func (m *machine) within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(m.t.Context(), limit, fmt.Errorf("%v have passed", limit))
	m.t.Cleanup(cancel)
	return ctx
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// shell runs a script in the guest.
func (m *machine) shell(script string) string {
	m.t.Helper()
	out, err := m.Shell(m.within(30*time.Second), script)
	m.must(err)
	return out
}

// run starts the program with that camera, with the sound card or without, and waits until it serves.
func (m *machine) run(camera string, sound bool) {
	m.t.Helper()
	m.configure(camera, sound)
	m.launch()
}

// configure writes the configuration. The button's pull resistor is none of ours, since gpio-sim takes the
// request for one as a finger: a button that is held would be let go whenever the program starts.
func (m *machine) configure(camera string, sound bool) {
	m.t.Helper()
	card := "none"
	if sound {
		card = "hw:Loopback,1"
	}
	m.must(m.Put(m.within(10*time.Second), vmConfig, 0o644, fmt.Appendf(nil, vmTrial+`
listen: 0.0.0.0:%d
camera: {source: %s, %s}
microphone: %s
speaker: %[4]s
button: {source: %[5]s, pull: none}
light: GPIO%[6]d
ice: {port: %[7]d, loopback: true}
control: /run/doorbell/control.sock
log: {level: debug}
`, vmPort, camera, m.picture, card, guest.ButtonName, lightLine, m.media)))
}

func (m *machine) launch() {
	m.t.Helper()
	door, err := m.Start(m.within(30*time.Second), guest.Command{Args: []string{vmProgram, "run"}})
	m.must(err)
	m.door = door
	m.must(door.WaitOutput(m.within(time.Minute), "The page:"))
}

// stop ends the program as systemd would.
func (m *machine) stop() {
	m.t.Helper()
	m.must(m.door.Signal(syscall.SIGTERM))
	if err := m.door.Wait(m.within(30 * time.Second)); err != nil {
		m.t.Errorf("doorbell ended with %v", err)
	}
}

// status asks the program.
func (m *machine) status() status {
	m.t.Helper()
	var s status
	out, err := m.Run(m.within(30*time.Second), vmProgram, "status", "--json")
	m.must(errors.Join(err, json.Unmarshal([]byte(out), &s)))
	return s
}

// page is where the host finds the guest's page.
func (m *machine) page() string { return localPage(m.Address(vmPort)) }

// localPage is the page at a loopback address under the name for which browsers give it the microphone.
func localPage(address string) string {
	return "http://" + strings.Replace(address, "127.0.0.1", "localhost", 1) + "/"
}

// rings counts the presses that the door took.
func (m *machine) rings() int {
	return strings.Count(m.door.Output(), "the button was pressed")
}

// lit waits until the light is on, or off.
func (m *machine) lit(on bool) {
	m.t.Helper()
	err := poll(10*time.Second, func() bool {
		high, err := m.Level(m.within(10*time.Second), lightLine)
		m.must(err)
		return high == on
	})
	if err != nil {
		m.t.Errorf("the light is on: %t, want %t", !on, on)
	}
}

// usage is what the program has at the moment.
type usage struct {
	descriptors, goroutines int
	cpu                     time.Duration
}

func (m *machine) usage() usage {
	m.t.Helper()
	out := m.shell(fmt.Sprintf("ls /proc/%d/fd 2>/dev/null | wc -l; cut -d' ' -f14,15 /proc/%[1]d/stat", m.door.PID()))
	var descriptors, user, system int
	if _, err := fmt.Sscan(out, &descriptors, &user, &system); err != nil {
		m.t.Fatalf("%v: %q", err, out)
	}
	const tick = 10 * time.Millisecond // USER_HZ, proc(5)
	return usage{descriptors: descriptors, goroutines: m.status().Goroutines, cpu: time.Duration(user+system) * tick}
}

// seesBars waits until the colours from left to right, at that height of the picture (0 to 1), are those of
// the test picture, and then that the picture moves.
func (p *phone) seesBars(bars []color.RGBA, height float64) {
	p.t.Helper()
	p.seesMotion()
	eval[bool](p, fmt.Sprintf(`(() => {
		const video = document.getElementById('remoteVideo'), canvas = document.createElement('canvas');
		const context = canvas.getContext('2d', { willReadFrequently: true });
		const draw = () => {
			[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
			context.drawImage(video, 0, 0);
		};
		window.bars = () => {
			draw();
			return Array.from({ length: %d }, (_, i) => [...context.getImageData((i + 0.5) * canvas.width / %[1]d, canvas.height * %g, 1, 1).data]);
		};
		window.pixels = () => {
			draw();
			return context.getImageData(0, 0, canvas.width, canvas.height).data;
		};
		return true;
	})()`, len(bars), height))
	var got [][]float64
	err := poll(30*time.Second, func() bool {
		got = eval[[][]float64](p, "window.bars()")
		return matches(got, bars)
	})
	if err != nil {
		p.t.Fatalf("%s sees %.0f, want %v", p.name, got, bars)
	}
	eval[bool](p, "(() => { window.before = window.pixels(); return true; })()")
	p.until("window.pixels().some((v, i) => Math.abs(v - window.before[i]) > 100)")
}

// matches allows for what colour spaces and a small bit rate do.
func matches(got [][]float64, bars []color.RGBA) bool {
	for i, bar := range bars {
		for k, want := range []uint8{bar.R, bar.G, bar.B} {
			if i >= len(got) || math.Abs(got[i][k]-float64(want)) > 45 {
				return false
			}
		}
	}
	return true
}

// device waits until the page knows that a device of the door is "ok" or "lost".
func (p *phone) device(name, state string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.getElementById('stage').dataset.%s === %q", name, state))
	if state == "lost" {
		p.until("!document.getElementById('devices').hidden")
	}
}
