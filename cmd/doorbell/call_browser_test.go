//go:build browser

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// TestBrowserPhoneToPhone lets two phones of the house call each other with
// picture and sound.
func TestBrowserPhoneToPhone(t *testing.T) {
	_, anna, bert := houseOfTwo(t)
	anna.do(chromedp.SendKeys(chromedp.CSS("#callToUsernameInput"), "bert"))
	anna.tap("callBtn")
	bert.state("ringing")
	bert.tap("acceptBtn")
	anna.state("incall")
	bert.state("incall")
	anna.seesMotion()
	bert.seesMotion()
	bert.tap("hangUpBtn")
	anna.state("home")
}

// TestBrowserReload loads the page anew in a call: the call goes on.
func TestBrowserReload(t *testing.T) {
	door, anna := house(t)
	anna.answersThe(door)
	visit := door.status().Door.Visit
	anna.do(chromedp.Reload())
	anna.state("incall")
	anna.seesMotion()
	s := door.status()
	if visit == nil || s.Door.Visit == nil || s.Door.Visit.ID != visit.ID || s.Door.Visit.By != "anna" || len(s.Door.Connections) != 1 {
		t.Errorf("after the reload: %+v, connections %+v", s.Door.Visit, s.Door.Connections)
	}
	anna.tap("hangUpBtn")
	door.wait("the visit to end", func() bool { return door.status().Door.Visit == nil })
}

// TestBrowserReloadWhileRinging loads the page anew while it rings: it rings
// again.
func TestBrowserReloadWhileRinging(t *testing.T) {
	door, anna := house(t)
	door.do("press")
	anna.state("ringing")
	anna.do(chromedp.Reload())
	anna.state("ringing")
	anna.seesMotion()
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.seesMotion()
}

// TestBrowserRelayRestart kills the relay, to which door and phone are logged
// in, in a call: the media goes on, the signaling comes back, and hanging up
// works after it.
func TestBrowserRelayRestart(t *testing.T) {
	port := freePort(t)
	relay := start(t, trial+fmt.Sprintf("listen: 127.0.0.1:%d\n", port), "relay")
	relay.wait("the relay", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	door := start(t, simulated+fmt.Sprintf("signaling: {url: 'ws://127.0.0.1:%d/ws'}\n", port))
	door.wait("the door to log in", func() bool { return door.status().Door.Online })
	anna := openPhone(t, startBrowser(t), fmt.Sprintf("http://localhost:%d/", port), "anna")
	anna.login()
	door.wait("anna to be here", func() bool { return len(door.status().Door.Phones) == 1 })
	anna.answersThe(door)

	relay.kill()
	anna.until("document.documentElement.dataset.connection === 'offline'")
	anna.seesMotion()
	if s := door.status(); s.Door.Online || s.Door.Visit == nil {
		t.Errorf("without the relay: %+v", s.Door)
	}
	relay.launch("relay")
	anna.online()
	door.wait("the door to come back", func() bool { return door.status().Door.Online })
	anna.seesMotion()
	if s := door.status(); s.Door.Visit == nil || s.Door.Visit.By != "anna" {
		t.Errorf("with the relay again: %+v", s.Door)
	}
	anna.tap("hangUpBtn")
	door.wait("the hang-up to arrive", func() bool { return door.status().Door.Visit == nil })
}

// TestBrowserDoorRestart cuts the door's power in a call: the page comes back to
// the door by itself, and the next press rings there.
func TestBrowserDoorRestart(t *testing.T) {
	door := start(t, strings.Replace(simulated, "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", freePort(t)), 1))
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	anna.answersThe(door)
	door.kill()
	anna.until("document.documentElement.dataset.connection === 'offline'")
	door.launch()
	door.status()
	anna.online()
	anna.seesMotion() // the page has called the door again, under the call's old id
	anna.tap("hangUpBtn")
	anna.state("home")
	anna.answersThe(door)
}

// TestBrowserBridge opens the page that a door serves which is logged in
// elsewhere: there is no other difference.
func TestBrowserBridge(t *testing.T) {
	port := freePort(t)
	start(t, trial+fmt.Sprintf("listen: 127.0.0.1:%d\n", port), "relay")
	door := start(t, simulated+fmt.Sprintf("signaling: {url: 'ws://127.0.0.1:%d/ws'}\n", port))
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	door.wait("anna to be here", func() bool { return len(door.status().Door.Phones) == 1 })
	door.do("press")
	anna.state("ringing")
	anna.seesMotion()
	anna.tap("acceptBtn")
	anna.state("incall")
}

// TestBrowserPressWhileViewing rings at a phone that is looking already.
func TestBrowserPressWhileViewing(t *testing.T) {
	door, anna, bert := houseOfTwo(t)
	anna.tap("doors button")
	anna.state("viewing")
	anna.seesMotion()
	door.do("press")
	anna.state("ringing")
	bert.state("ringing")
	bert.tap("acceptBtn")
	anna.state("viewing") // and goes on looking
	anna.seesMotion()
	bert.tap("hangUpBtn")
	bert.state("home")
	door.do("press")
	anna.state("ringing")
	anna.tap("acceptBtn")
	anna.state("incall")
	bert.state("home")
	door.do("press") // in the call it is only shown
	anna.until("!document.getElementById('pressed').hidden")
	anna.state("incall")
}

// TestBrowserNetworkChange tells the page that its network has changed: it looks
// for a new way to the door, and the call goes on.
func TestBrowserNetworkChange(t *testing.T) {
	door, anna := house(t)
	anna.answersThe(door)
	const answers = `msg="description sent" phone=anna`
	before := strings.Count(door.log.String(), answers)
	eval[bool](anna, "window.dispatchEvent(new Event('online'))")
	door.wait("the page to look for a new way", func() bool { return strings.Count(door.log.String(), answers) > before })
	anna.seesMotion()
	if s := door.status(); s.Door.Visit == nil || s.Door.Visit.By != "anna" || len(s.Door.Connections) != 1 {
		t.Errorf("after the change: %+v, connections %+v", s.Door.Visit, s.Door.Connections)
	}
}

// TestBrowserBaseClient lets a phone and a client of the base dialect call each
// other.
func TestBrowserBaseClient(t *testing.T) {
	port := freePort(t)
	door := start(t, simulated+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\n", port))
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	base := newBaseClient(t, fmt.Sprintf("ws://127.0.0.1:%d/", port), "base")
	base.call("anna")
	anna.state("ringing")
	anna.tap("acceptBtn")
	anna.state("incall")
	base.receives()
	anna.tap("hangUpBtn")
	base.isLeft()
	base.close()

	other := newBaseClient(t, fmt.Sprintf("ws://127.0.0.1:%d/", port), "other")
	anna.state("home")
	anna.do(chromedp.SendKeys(chromedp.CSS("#callToUsernameInput"), "other"))
	anna.tap("callBtn")
	anna.state("incall")
	other.receives()
	other.hangUp()
	anna.state("home")
}

// TestBrowserInsecure opens the page under a name over plain HTTP, where
// browsers give no microphone: one sees and hears, and is told why not to talk.
func TestBrowserInsecure(t *testing.T) {
	door := start(t, simulated+"hosts: [door.test]\n")
	chrome := startBrowser(t, chromedp.Flag("host-resolver-rules", "MAP door.test 127.0.0.1"))
	page := strings.Replace(door.status().Page, "localhost", "door.test", 1)
	anna := openPhone(t, chrome, page, "anna")
	anna.login()
	anna.until("!document.getElementById('insecure').hidden && document.getElementById('insecure').innerText.length > 40")
	door.do("press")
	anna.state("ringing")
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.until("document.getElementById('stage').dataset.mic === 'insecure' && !document.getElementById('micNote').hidden")
	anna.seesMotion()
	anna.hearsMelody()
}

// TestBrowserMicrophoneRefused answers without a microphone: one sees and hears,
// and is told.
func TestBrowserMicrophoneRefused(t *testing.T) {
	door := start(t, simulated)
	anna := openPhone(t, startBrowser(t, chromedp.Flag("use-fake-ui-for-media-stream", false)), door.status().Page, "anna")
	anna.denyMicrophone()
	anna.login()
	door.do("press")
	anna.state("ringing")
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.until("!document.getElementById('micNote').hidden && document.getElementById('micNoteText').innerText.length > 20")
	anna.seesMotion()
	anna.hearsMelody()
}

func (p *phone) denyMicrophone() {
	p.t.Helper()
	for _, name := range []string{"microphone", "camera"} {
		p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingDenied,
			})
			return err
		}))
	}
}

// TestBrowserCameraLost stops the program that feeds the camera's pipe, in a
// look at the door: the page says so, and the picture returns with the program.
func TestBrowserCameraLost(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "camera")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := feedPipe(t, pipe)
	door := start(t, strings.Replace(simulated, "camera: {source: sim,", "camera: {source: 'pipe:"+pipe+"',", 1))
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	anna.tap("doors button")
	anna.state("viewing")
	anna.seesMotion()
	const covered = "getComputedStyle(document.getElementById('poster')).display !== 'none'"
	anna.until("!(" + covered + ")")
	stop()
	anna.until("!document.getElementById('devices').hidden")
	anna.until(covered) // not a frozen face
	stop = feedPipe(t, pipe)
	defer stop()
	anna.until("document.getElementById('devices').hidden")
	anna.until("!(" + covered + ")")
	anna.seesMotion()
}

// feedPipe writes a live Y4M picture into a named pipe until it is stopped.
func feedPipe(t *testing.T, path string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var pipe *os.File
		err := poll(time.Minute, func() bool { // until the door reads: before that there is no such device or address
			var err error
			pipe, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			return err == nil || ctx.Err() != nil
		})
		if err != nil || pipe == nil {
			return
		}
		defer func() { _ = pipe.Close() }()
		const width, height = 320, 240
		_, _ = fmt.Fprintf(pipe, "YUV4MPEG2 W%d H%d F15:1 C420jpeg\n", width, height)
		ticker := time.NewTicker(time.Second / 15)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			frame := bytes.Repeat([]byte{byte(16 + i%200)}, width*height*3/2)
			_ = pipe.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = pipe.Write(append([]byte("FRAME\n"), frame...))
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// TestBrowserRpicam has a camera module, read by a program that dies again and
// again: the picture comes, goes, and comes back by itself.
func TestBrowserRpicam(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-tags", "nolibopusfile", "-o", filepath.Join(dir, "rpicam-vid"), "doorbell/device/rpicamtest").CombinedOutput()
	if err != nil {
		t.Fatalf("building the stand-in for rpicam-vid: %v\n%s", err, out)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("RPICAMTEST", "die:90")
	door := start(t, strings.Replace(simulated, "camera: {source: sim,", "camera: {source: rpicam,", 1))
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	anna.tap("doors button")
	anna.state("viewing")
	for range 3 {
		anna.seesMotion()
		anna.until("!document.getElementById('devices').hidden")
		anna.until("document.getElementById('devices').hidden")
	}
	anna.seesMotion()
	if s := door.status(); !strings.Contains(s.Devices["camera"].Path, "rpicam-vid gives pictures") {
		t.Errorf("the camera is %+v", s.Devices["camera"])
	}
}
