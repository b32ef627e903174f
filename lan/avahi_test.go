package lan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// avahi is avahi-daemon in a machine, with a bus of its own: an implementation of
// multicast DNS that is not ours.
type avahi struct {
	machine
	bus string
	log *os.File
}

// startAvahi starts one that calls its machine by a name.
func startAvahi(m machine, name string) avahi {
	m.t.Helper()
	for _, program := range []string{"avahi-daemon", "avahi-resolve", "dbus-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			m.t.Fatalf("%v: install avahi-daemon, avahi-utils and dbus", err)
		}
	}
	dir := m.t.TempDir()
	a := avahi{machine: m, bus: "unix:path=" + filepath.Join(dir, "bus")}
	write(m.t, filepath.Join(dir, "bus.conf"), `<busconfig><type>system</type><listen>`+a.bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>`)
	write(m.t, filepath.Join(dir, "avahi.conf"), "[server]\nhost-name="+name+"\nuse-ipv4=yes\nuse-ipv6=yes\n[wide-area]\nenable-wide-area=no\n[publish]\npublish-workstation=no\npublish-hinfo=no\n")
	var err error
	if a.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = a.log.Close() })
	a.background("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+filepath.Join(dir, "bus.conf"))
	a.until("the bus", func() bool { _, err := os.Stat(filepath.Join(dir, "bus")); return err == nil })
	// Each has a folder of its own for what there is only one of.
	a.background("sh", "-c", "mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && "+
		"exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "+filepath.Join(dir, "avahi.conf"))
	a.until("avahi's name", func() bool { return strings.Contains(a.said(), "startup complete") })
	return a
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// background runs a program until the test ends.
func (a avahi) background(args ...string) {
	a.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", a.name}, args...)...)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+a.bus)
	cmd.Stdout, cmd.Stderr = a.log, a.log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func (a avahi) said() string {
	log, err := os.ReadFile(a.log.Name())
	if err != nil {
		a.t.Fatal(err)
	}
	return string(log)
}

// until looks until something is so.
func (a avahi) until(what string, so func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("not seen: %s; avahi said:\n%s", what, a.said())
		}
	}
}

// resolve returns the address of a name in a family ("-4" or "-6").
func (a avahi) resolve(family, name string) (string, error) {
	cmd := exec.Command("ip", "netns", "exec", a.name, "avahi-resolve", family, "-n", name)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+a.bus)
	out, err := cmd.CombinedOutput()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 2 || !strings.EqualFold(fields[0], name) {
		return "", fmt.Errorf("avahi-resolve %s: %v: %s", name, err, out)
	}
	return fields[1], nil
}

func (a avahi) expect(family, name, want string) {
	a.t.Helper()
	if got, err := a.resolve(family, name); got != want {
		a.t.Errorf("%s is %q, want %s: %v", name, got, want, err)
	}
}

// TestAvahi has a phone resolve the name that a door claimed, with the addresses of
// both families, after they changed, and no longer after it said goodbye; and another
// avahi beside us.
func TestAvahi(t *testing.T) {
	n := newNet(t)
	door, phone := n.add("door", "192.168.77.1/24", "fd77::1/64"), n.add("phone", "192.168.77.2/24", "fd77::2/64")
	beside := startAvahi(door, "beside")
	p := door.respond("doorbell", "")
	p.expect("addresses [192.168.77.1 fd77::1]")
	p.expect("claimed doorbell")
	a := startAvahi(phone, "phone")
	a.expect("-4", "doorbell.local", "192.168.77.1")
	a.expect("-6", "doorbell.local", "fd77::1")
	a.expect("-4", "DOORBELL.local", "192.168.77.1")
	a.expect("-4", "beside.local", "192.168.77.1")
	beside.expect("-4", "doorbell.local", "192.168.77.1")
	beside.expect("-4", "phone.local", "192.168.77.2")

	door.address("add", "192.168.77.9/24")
	door.address("delete", "192.168.77.1/24") // and its secondary ones with it
	door.run("ip", "address", "replace", "192.168.77.9/24", "dev", "eth0")
	a.until("the new address", func() bool { got, _ := a.resolve("-4", "doorbell.local"); return got == "192.168.77.9" })

	p.stop("doorbell.local")
	a.until("goodbye", func() bool { got, err := a.resolve("-4", "doorbell.local"); _ = got; return err != nil })
}

// TestAvahiHasTheName takes the next name where another machine has ours, whoever
// was first.
func TestAvahiHasTheName(t *testing.T) {
	n := newNet(t)
	door, other := n.add("door", "192.168.77.1/24"), n.add("other", "192.168.77.2/24")
	first := startAvahi(other, "doorbell")
	p := door.respond("doorbell", "")
	p.expect("claimed doorbell-2")
	first.expect("-4", "doorbell.local", "192.168.77.2")
	first.expect("-4", "doorbell-2.local", "192.168.77.1")
	late := startAvahi(n.add("late", "192.168.77.3/24"), "doorbell-2")
	if !strings.Contains(late.said(), "doorbell-3.local") {
		t.Errorf("avahi took the door's name:\n%s", late.said())
	}
	late.expect("-4", "doorbell-2.local", "192.168.77.1")
}

// TestAvahiOfTheSameName has a machine that is called doorbell itself, as a Raspberry
// Pi may be: avahi-daemon and we share the name.
func TestAvahiOfTheSameName(t *testing.T) {
	n := newNet(t)
	door := n.add("door", "192.168.77.1/24", "fd77::1/64")
	before := startAvahi(door, "doorbell")
	p := door.respond("doorbell", "")
	p.expect("claimed doorbell")
	phone := startAvahi(n.add("phone", "192.168.77.2/24"), "phone")
	phone.expect("-4", "doorbell.local", "192.168.77.1")
	if strings.Contains(before.said(), "conflict") {
		t.Errorf("avahi gave way:\n%s", before.said())
	}
	p.stop("doorbell.local")
}
