//go:build vm

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"doorbell/device/guest"
	"doorbell/signaling"
	"doorbell/store"
)

// householdConfig is what somebody wrote after the installation. The picture is one that emulation manages.
const householdConfig = `# our door
name: porch
ring: {timeout: 2m}
camera: {source: auto, width: 320, height: 180, frame_rate: 4}
`

// debian is a Debian with systemd, a camera, a sound card, a button and a watchdog, into which the package
// is installed.
type debian struct {
	*guest.Guest
	t *testing.T // of the subtest that runs
}

// TestPackage installs the Debian package as a household does, and has all happen to it that may.
func TestPackage(t *testing.T) {
	deb := builtPackage(t)
	d := &debian{t: t, Guest: guest.New(t, guest.Options{Debian: "bookworm"}, guest.Config{
		Camera: &guest.Camera{}, Sound: &guest.Sound{}, GPIO: &guest.GPIO{}, Watchdog: true,
		Reboot: true, Kernel: []string{"panic=0"}, // a kernel that has crashed stands still
	})}
	d.must(d.PutFile(d.within(time.Minute), earlierPackage(t, deb), "/tmp/earlier.deb"))
	d.must(d.PutFile(d.within(time.Minute), deb, "/tmp/doorbell.deb"))
	self, err := os.Executable()
	d.must(err)
	d.must(d.PutProgram(d.within(2*time.Minute), self, "/tmp/phone")) // with libraries, which are not the package's
	before := d.files()
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"install", d.install},
		{"ring", d.ring},
		{"upgrade in a call", d.upgrade},
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

func (d *debian) install() {
	out := d.apt("install", "/tmp/earlier.deb")
	if !strings.Contains(out, "doorbell doctor") {
		d.t.Errorf("the installation does not say what to do next: %s", out)
	}
	show := d.shell("systemctl show doorbell -p Type,User,ActiveState,UnitFileState,WatchdogUSec,NRestarts")
	for _, want := range []string{"Type=notify", "User=doorbell", "ActiveState=active", "UnitFileState=enabled", "WatchdogUSec=20s", "NRestarts=0"} {
		if !strings.Contains(show, want+"\n") {
			d.t.Errorf("no %s of the service:\n%s", want, show)
		}
	}
	d.must(d.Put(d.within(10*time.Second), "/root/household.yaml", 0o644, []byte(householdConfig)))
	d.shell("cat /root/household.yaml >/etc/doorbell/doorbell.yaml; systemctl restart doorbell")
	d.waitShell("the camera and the button are there", `s=$(doorbell status); case $s in *"ok, no line"* | *lost*) false;; esac`)
	d.t.Logf("doorbell doctor; doorbell status:\n%s", d.shell("doorbell doctor; doorbell status"))
}

// ring pulls the button's line.
func (d *debian) ring() {
	d.must(d.Press(d.within(10 * time.Second)))
	d.waitStatus("it rings", func(s status) bool { return s.Door.Visit != nil && s.Door.Visit.Ringing })
	d.must(d.Release(d.within(10 * time.Second)))
	d.shell("doorbell hangup")
	d.waitStatus("it rings no more", func(s status) bool { return s.Door.Visit == nil })
}

// upgrade installs the newer package while a phone talks.
func (d *debian) upgrade() {
	phone, err := d.Start(d.within(time.Minute), guest.Command{
		Args: []string{"/tmp/phone", "-test.run=^TestPackagePhone$", "-test.v"}, Env: []string{"DOORBELL_TEST_PHONE=ws://127.0.0.1:8080/ws"}, Dir: "/tmp",
	})
	d.must(err)
	d.waitStatus("the phone is here", func(s status) bool { return len(s.Door.Phones) == 1 })
	d.must(d.Press(d.within(10 * time.Second)))
	d.must(phone.WaitOutput(d.within(time.Minute), "phone: sees the visitor"))
	d.must(d.Release(d.within(10 * time.Second)))
	d.waitStatus("anna talks", func(s status) bool { return s.Door.Visit != nil && s.Door.Visit.By == "anna" })
	process, version := d.shell("systemctl show doorbell -p MainPID"), d.version()

	d.apt("install", "/tmp/doorbell.deb")
	d.must(phone.WaitOutput(d.within(time.Minute), "phone: the call has ended: shutdown"))
	if d.shell("systemctl is-active doorbell; systemctl show doorbell -p MainPID") == "active\n"+process || d.version() == version {
		d.t.Errorf("after the upgrade runs version %s as before, %s", version, process)
	}
	d.kept()
	d.waitStatus("the phone has come back", func(s status) bool { return len(s.Door.Phones) == 1 })
	d.must(d.Press(d.within(10 * time.Second)))
	d.must(phone.WaitOutput(d.within(time.Minute), "phone: rings again"))
	d.must(d.Release(d.within(10 * time.Second)))
	d.must(phone.Wait(d.within(time.Minute)))
	d.shell("doorbell hangup")
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

// kept sees that neither configuration nor visits are lost.
func (d *debian) kept() {
	d.t.Helper()
	out, err := d.Get(d.within(10*time.Second), "/etc/doorbell/doorbell.yaml")
	d.must(err)
	if string(out) != householdConfig {
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
		Args: []string{"apt-get", "-q", "-y", "--no-install-recommends", command, what}, Env: []string{"DEBIAN_FRONTEND=noninteractive"},
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

// earlierPackage is the same package with an earlier version number.
func earlierPackage(t *testing.T, deb string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "earlier")
	tool(t, "dpkg-deb", "-R", deb, dir)
	tool(t, "sed", "-i", "s/^Version: .*/Version: 0.0.0~earlier/", dir+"/DEBIAN/control")
	tool(t, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", dir, dir+".deb")
	return dir + ".deb"
}

// TestPackagePhone is the phone of the upgrade, in the guest.
func TestPackagePhone(t *testing.T) {
	url := os.Getenv("DOORBELL_TEST_PHONE")
	if url == "" {
		t.Skip("this is TestPackage's phone, for the guest")
	}
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	anna := newCaller(t, ctx, group, url)
	t.Cleanup(func() {
		stop()
		if err := unlessStopped(group.Wait()); err != nil {
			t.Error(err)
		}
	})
	anna.accept()
	select {
	case <-anna.pictures:
		fmt.Println("phone: sees the visitor")
	case <-time.After(loopbackPatience):
		t.Fatal("no picture came")
	}
	fmt.Println("phone: the call has ended:", next(t, anna, signaling.TypeLeave).Reason)
	next(t, anna, signaling.TypeOffer)
	fmt.Println("phone: rings again")
}

// next is the phone's next message of that type. An upgrade during a call takes an emulated machine a while.
func next(t *testing.T, phone *caller, kind string) signaling.Message {
	t.Helper()
	timeout := time.After(4 * time.Minute)
	for {
		select {
		case m := <-phone.inbox:
			if m.Type == kind {
				return m
			}
		case <-timeout:
			t.Fatalf("waited for %q in vain", kind)
		}
	}
}
