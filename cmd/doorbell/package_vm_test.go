//go:build vm && browser

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
	"doorbell/rtc"
	"doorbell/store"
)

// householdConfig is what somebody wrote after the installation, with that port for media. The picture is one
// that emulation manages.
func householdConfig(media int) string {
	return fmt.Sprintf(`# our door`+vmTrial+`
name: porch
listen: 0.0.0.0:%d
ring: {timeout: 2m}
camera: {source: auto, width: 320, height: 180, frame_rate: 4}
ice: {port: %d, loopback: true}
`, vmPort, media)
}

// debian is a Debian with systemd, a camera, a sound card, a button and a watchdog, into which the package
// is installed.
type debian struct {
	*guest.Guest
	t      *testing.T // of the subtest that runs
	config string     // the household's
}

// TestPackage installs the Debian package as a household does, and has all happen to it that may, with a browser
// on the host as the phone: in Debian 12, or in the release that DOORBELL_TEST_DEBIAN names.
func TestPackage(t *testing.T) {
	deb, media := builtPackage(t), freePort(t)
	d := &debian{t: t, config: householdConfig(media), Guest: guest.New(t, guest.Options{Debian: cmp.Or(os.Getenv("DOORBELL_TEST_DEBIAN"), "bookworm")}, guest.Config{
		Camera: &guest.Camera{}, Sound: &guest.Sound{}, GPIO: &guest.GPIO{}, Watchdog: true,
		Forward: []guest.Forward{{Guest: vmPort}, {Guest: media, Host: media}, {Guest: sshPort}},
		Reboot:  true, Kernel: []string{"panic=0"}, // a kernel that has crashed stands still
	})}
	d.must(d.PutFile(d.within(time.Minute), deb, "/tmp/doorbell.deb"))
	d.must(d.PutFile(d.within(time.Minute), laterPackage(t, deb), "/tmp/later.deb"))
	before := d.files()
	browser := startBrowser(t)
	var anna *phone
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"machine", d.machine},
		{"hardware tests over ssh", d.hardware},
		{"install", d.install},
		{"ring", d.ring},
		{"call", func() { anna = openPhone(t, browser, localPage(d.Address(vmPort)), "anna"); d.talk(anna) }},
		{"upgrade in a call", func() { d.upgrade(anna) }},
		{"service hangs", d.serviceHangs},
		{"system hangs", d.systemHangs},
		{"remove", d.remove},
		{"purge", func() { d.purge(before) }},
	} {
		began := time.Now()
		passed := t.Run(step.name, func(t *testing.T) {
			d.t = t
			t.Cleanup(func() {
				if t.Failed() {
					d.explain()
				}
			})
			step.run()
		})
		t.Logf("%s: %v", step.name, time.Since(began).Round(time.Second/10))
		if d.t = t; !passed {
			return
		}
	}
}

// machine is a Debian without a fault, with its devices as udev has them.
func (d *debian) machine() {
	out := d.shell("cat /proc/1/comm; systemctl is-system-running --wait; apt-get --version | head -1; id -un")
	if !strings.HasPrefix(out, "systemd\nrunning\napt ") || !strings.HasSuffix(out, "root\n") {
		d.t.Errorf("%s\nfailed: %s", out, d.shell("systemctl --failed --no-legend"))
	}
	if out := d.shell("ls -l /dev/video0 /dev/snd/controlC0"); !strings.Contains(out, "video") || !strings.Contains(out, "audio") {
		d.t.Errorf("devices: %s", out)
	}
}

func (d *debian) install() {
	out := d.apt("install", "/tmp/doorbell.deb")
	if !strings.Contains(out, "doorbell doctor") {
		d.t.Errorf("the installation does not say what to do next: %s", out)
	}
	show := d.shell("systemctl show doorbell -p Type,User,ActiveState,UnitFileState,WatchdogUSec,NRestarts")
	for _, want := range []string{"Type=notify", "User=doorbell", "ActiveState=active", "UnitFileState=enabled", "WatchdogUSec=20s", "NRestarts=0"} {
		if !strings.Contains(show, want+"\n") {
			d.t.Errorf("no %s of the service:\n%s", want, show)
		}
	}
	d.says("id -nG doorbell | tr ' ' '\\n' | sort | xargs", "audio doorbell gpio video")
	d.says("systemctl is-enabled doorbell-relay.service || true", "disabled")
	d.guarded()
	// As it is installed it lets nobody in, and can be claimed.
	if invited := d.shell("doorbell phones; doorbell invite"); !strings.Contains(invited, "becomes an owner's") || !strings.Contains(invited, "(SHA-256)") {
		d.t.Errorf("doorbell invite: %s", invited)
	}
	d.configure(d.config)
	d.waitShell("the camera and the button are there", `s=$(doorbell status); case $s in *"ok, no line"* | *lost*) false;; esac`)
	d.t.Logf("doorbell doctor; doorbell status:\n%s", d.shell("doorbell doctor; doorbell status"))
}

// configure writes the household's configuration, and starts the service with it.
func (d *debian) configure(config string) {
	d.t.Helper()
	d.config = config
	d.must(d.Put(d.within(10*time.Second), "/root/household.yaml", 0o644, []byte(config)))
	d.shell("cat /root/household.yaml >/etc/doorbell/doorbell.yaml; systemctl restart doorbell")
}

// ring pulls the button's line.
func (d *debian) ring() {
	d.must(d.Press(d.within(10 * time.Second)))
	d.waitStatus("it rings", func(s status) bool { return s.Door.Visit != nil && s.Door.Visit.Ringing })
	d.must(d.Release(d.within(10 * time.Second)))
	d.shell("doorbell hangup")
	d.waitStatus("it rings no more", func(s status) bool { return s.Door.Visit == nil })
}

// call rings a phone, which accepts and sees the visitor.
func (d *debian) call(anna *phone) {
	d.t.Helper()
	anna.t = d.t
	d.waitStatus("the phone is here", func(s status) bool { return len(s.Door.Phones) == 1 })
	d.must(d.Press(d.within(10 * time.Second)))
	anna.state("ringing")
	d.must(d.Release(d.within(10 * time.Second)))
	anna.tap("acceptBtn")
	anna.state("incall")
	anna.seesMotion()
}

// talk is a call, with all that the door has.
func (d *debian) talk(anna *phone) {
	anna.login()
	d.call(anna)
	d.waitStatus("all devices work", func(s status) bool {
		for _, device := range []string{"camera", "microphone", "speaker", "button"} {
			if s.Door.Devices[device] != rtc.DeviceOK {
				return false
			}
		}
		return s.Door.Visit != nil && s.Door.Visit.By == "anna"
	})
	anna.tap("hangUpBtn")
	anna.state("home")
}

// upgrade installs the newer package while a phone looks: the call ends, and the phone is back by itself. An
// emulated processor that encodes and decodes sound has little left for anything else, so there is none.
func (d *debian) upgrade(anna *phone) {
	d.configure(d.config + "microphone: none\nspeaker: none\n")
	d.call(anna)
	process, version := d.shell("systemctl show doorbell -p MainPID"), d.version()

	d.apt("install", "/tmp/later.deb")
	anna.state("home")
	if d.shell("systemctl is-active doorbell; systemctl show doorbell -p MainPID") == "active\n"+process || d.version() == version {
		d.t.Errorf("after the upgrade runs version %s as before, %s", version, process)
	}
	d.kept()
	d.guarded()
	d.says("systemctl is-enabled doorbell.service", "enabled")
	d.call(anna)
	anna.tap("hangUpBtn")
	anna.state("home")
}

// serviceHangs stops all threads of the program: systemd starts it again.
func (d *debian) serviceHangs() {
	began := time.Now()
	d.shell(`pid=$(systemctl show doorbell -p MainPID --value); echo $pid >/tmp/pid; kill -STOP $pid`)
	d.waitShell("the service is started again", `pid=$(systemctl show doorbell -p MainPID --value); [ $pid != 0 ] && [ $pid != $(cat /tmp/pid) ] && systemctl -q is-active doorbell && doorbell status >/dev/null`)
	d.t.Logf("it answered again after %v", time.Since(began).Round(time.Second/10))
	if log := d.shell("journalctl -q -o cat -u doorbell"); !strings.Contains(log, "Watchdog timeout") {
		d.t.Errorf("no word about the watchdog:\n%s", log)
	}
}

// systemHangs crashes the kernel, which then stands still: the watchdog resets the machine, and the door is back.
func (d *debian) systemHangs() {
	boot, err := d.Boot(d.within(time.Minute))
	d.must(err)
	d.must(d.Put(d.within(time.Minute), "/run/systemd/system.conf.d/watchdog.conf", 0o644, []byte("[Manager]\nRuntimeWatchdogSec=10s\n")))
	d.shell("sync; systemctl daemon-reexec; systemctl show -p RuntimeWatchdogUSec | grep -qx RuntimeWatchdogUSec=10s")
	began := time.Now()
	_, err = d.Start(d.within(10*time.Second), guest.Command{Args: []string{"sh", "-c", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"}})
	if err != nil && !errors.Is(err, guest.ErrGone) {
		d.t.Fatal(err)
	}
	d.must(d.WaitReset(d.within(2*time.Minute), boot))
	d.t.Logf("the machine is up again after %v", time.Since(began).Round(time.Second/10))
	d.waitShell("the door is back", "systemctl -q is-active doorbell && doorbell status >/dev/null")
	d.kept()
	d.ring()
}

func (d *debian) remove() {
	d.apt("remove", "doorbell")
	d.shell(`! systemctl -q is-active doorbell; ! pidof doorbell; ! [ -e /usr/bin/doorbell ]; ! [ -e /run/doorbell ]; cmp /root/household.yaml /etc/doorbell/doorbell.yaml`)
}

func (d *debian) purge(before string) {
	d.apt("purge", "doorbell")
	if left := difference(d.files(), before); len(left) > 0 {
		d.t.Errorf("left behind: %q", left)
	}
	if gone := difference(before, d.files()); len(gone) > 0 {
		d.t.Errorf("taken along: %q", gone)
	}
	d.shell(`! getent passwd doorbell; ! getent group doorbell; systemctl is-system-running`)
}

// guarded sees that others can't read the configuration, which may hold passwords.
func (d *debian) guarded() {
	d.t.Helper()
	d.says("stat -c '%U:%G %a' /etc/doorbell/doorbell.yaml", "root:doorbell 640")
}

// says runs a script that has to print that.
func (d *debian) says(script, want string) {
	d.t.Helper()
	if got := strings.TrimSpace(d.shell(script)); got != want {
		d.t.Errorf("%s: %s, want %s", script, got, want)
	}
}

// kept sees that neither configuration nor visits are lost.
func (d *debian) kept() {
	d.t.Helper()
	out, err := d.Get(d.within(10*time.Second), "/etc/doorbell/doorbell.yaml")
	d.must(err)
	if string(out) != d.config {
		d.t.Errorf("the configuration is now: %s", out)
	}
	var visits []store.Visit
	d.must(json.Unmarshal([]byte(d.shell("doorbell visits --json")), &visits))
	for _, v := range visits {
		if v.By == "anna" {
			return
		}
	}
	d.t.Errorf("anna's call is not among the visits %+v", visits)
}

func (d *debian) version() string { return d.shell("dpkg-query -W -f '${Version}' doorbell") }

// apt runs apt-get without a source of packages.
func (d *debian) apt(command, what string) string {
	d.t.Helper()
	out, err := d.Do(d.within(3*time.Minute), guest.Command{
		// To the question which configuration to keep, nobody answers: that is, the household's.
		Args: []string{"apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef", command, what},
		Env:  []string{"DEBIAN_FRONTEND=noninteractive"},
	})
	d.must(err)
	return out
}

// files lists all that there is, but for what dpkg and apt note and what a running system changes.
func (d *debian) files() string {
	d.t.Helper()
	return d.shell(`find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /tmp -o -path /var/tmp -o -path /root -o -name '*-' \) -prune -o -print | sort`)
}

// difference lists the lines of a that b lacks.
func difference(a, b string) []string {
	has := map[string]bool{}
	for line := range strings.Lines(b) {
		has[line] = true
	}
	var lines []string
	for line := range strings.Lines(a) {
		if !has[line] {
			lines = append(lines, line)
		}
	}
	return lines
}

func (d *debian) shell(script string) string {
	d.t.Helper()
	out, err := d.Shell(d.within(time.Minute), script)
	d.must(err)
	return out
}

// waitShell waits until a script ends well.
func (d *debian) waitShell(what, script string) {
	d.t.Helper()
	if _, err := d.Run(d.within(90*time.Second), "sh", "-c", "until { "+script+"\n}; do sleep 0.5; done"); err != nil {
		d.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// waitStatus waits until the door says of itself what is wanted.
func (d *debian) waitStatus(what string, done func(status) bool) {
	d.t.Helper()
	var out string
	err := poll(time.Minute, func() bool {
		var s status
		out, _ = d.Run(d.within(30*time.Second), "sh", "-c", "sleep 0.5; doorbell status --json") // asking takes a while itself
		return json.Unmarshal([]byte(out), &s) == nil && done(s)
	})
	if err != nil {
		d.t.Fatalf("waiting until %s: %v; now: %s", what, err, out)
	}
}

func (d *debian) within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(d.t.Context(), limit, fmt.Errorf("%v have passed", limit))
	d.t.Cleanup(cancel)
	return ctx
}

func (d *debian) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// explain prints what a person looks at first.
func (d *debian) explain() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), 20*time.Second)
	defer cancel()
	out, err := d.Run(ctx, "sh", "-c", "systemctl --no-pager -l status doorbell; journalctl -q -n 60 -o short-monotonic --no-hostname")
	d.t.Logf("%s\n%v", out, err)
}

// builtPackage finds the package that make deb has made.
func builtPackage(t *testing.T) string {
	t.Helper()
	debs, err := filepath.Glob("../../dist/doorbell_*_amd64.deb")
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages in dist: %q, want one for amd64: make deb", debs)
	}
	return debs[0]
}

// laterPackage is the same package with a later version number and another configuration as an example, packed so
// that it costs an emulated processor that is in a call little to unpack.
func laterPackage(t *testing.T, deb string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "later")
	tool(t, "dpkg-deb", "-R", deb, dir)
	tool(t, "sed", "-i", "s/^Version: .*/&+later/", dir+"/DEBIAN/control")
	tool(t, "sed", "-i", "1i # as it comes later", dir+"/etc/doorbell/doorbell.yaml")
	tool(t, "dpkg-deb", "--root-owner-group", "-Znone", "-b", dir, dir+".deb")
	return dir + ".deb"
}
