package guest

import (
	"context"
	"errors"
	"maps"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	m, err := machineOf("amd64")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Forward: []Forward{{Guest: 8080}, {Network: "udp", Guest: 8555, Host: 9555}}, Watchdog: true,
		Disks: []Disk{{Path: "/a,b", ReadOnly: true}}, Clock: time.Date(1970, 1, 2, 3, 4, 5, 0, time.UTC), Kernel: []string{"extra"},
	}.withDefaults()
	line := strings.Join(arguments(&Image{Kernel: "/k", Initrd: "/i"}, m, c, "/agent", "/qmp"), " ")
	for _, want := range []string{
		"-accel tcg,thread=multi", "-m 512", "console=ttyS0", "extra", "restrict=on", "-no-reboot",
		"hostfwd=tcp:127.0.0.1:0-:8080", "hostfwd=udp:127.0.0.1:9555-:8555",
		"file=/a,,b,readonly=on", "drive=disk0", "-rtc base=1970-01-02T03:04:05", "-device i6300esb -action watchdog=reset",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	c.Reboot, c.Open, c.Watchdog, c.Disks = true, true, false, nil
	line = strings.Join(arguments(&Image{}, m, c, "/agent", "/qmp"), " ")
	for _, no := range []string{"kvm", "-no-reboot", "restrict", "i6300esb", "-drive"} {
		if strings.Contains(line, no) {
			t.Errorf("%q in %s", no, line)
		}
	}
}

func TestArchitectures(t *testing.T) {
	if _, err := (Options{Arch: "m68k"}).withDefaults(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("m68k: %v", err)
	}
	if m, err := machineOf("arm64"); err != nil || !slices.Contains(m.options, "cortex-a53") {
		t.Errorf("arm64: %v, %v", m, err)
	}
}

func TestProcessors(t *testing.T) {
	for version, want := range map[string]int{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n": 1, "QEMU emulator version 8.0.5": 1, "QEMU emulator version 8.1.0": 2,
		"QEMU emulator version 10.0.2 (Debian)": 2, "something else": 1,
	} {
		if got := processorsUnder(version); got != want {
			t.Errorf("%q: %d, want %d", version, got, want)
		}
	}
}

func TestParseForwarded(t *testing.T) {
	table := "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n" +
		"  UDP[HOST_FORWARD]  13       127.0.0.1 50001       10.0.2.15  8555     0     0\r\n" +
		"  TCP[ESTABLISHED]   14       127.0.0.1 40123       10.0.2.15  8080     0     0\r\n" +
		"  TCP[HOST_FORWARD]  12       127.0.0.1 40123       10.0.2.15  8080     0     0\r\n"
	want := map[Forward]int{{Network: "udp", Guest: 8555}: 50001, {Network: "tcp", Guest: 8080}: 40123}
	if got := parseForwarded(table); !maps.Equal(got, want) {
		t.Errorf("forwarded %v, want %v", got, want)
	}
	g := &Guest{ports: want}
	if g.Address(8080) != "127.0.0.1:40123" || g.AddressUDP(8555) != "127.0.0.1:50001" || g.Address(8555) != "" {
		t.Errorf("addresses %q, %q, %q", g.Address(8080), g.AddressUDP(8555), g.Address(8555))
	}
}

func TestMonitor(t *testing.T) {
	host, qemu := net.Pipe()
	events := make(chan string, 1)
	m := newMonitor(host, func(event string) { events <- event })
	ended := make(chan struct{})
	go func() { defer close(ended); m.run() }()
	go func() {
		b := make([]byte, 4096)
		for _, answer := range []string{
			`{"QMP":{}} {"event":"RESET","data":{}} {"return":"yes","id":1}`, `{"error":{"class":"x","desc":"no such thing"},"id":2}`, ``,
		} {
			qemu.Read(b)
			qemu.Write([]byte(answer))
		}
		qemu.Close()
	}()
	if b, err := m.do(t.Context(), "ask", nil); err != nil || string(b) != `"yes"` {
		t.Errorf("answer %s, %v", b, err)
	}
	if event := <-events; event != "RESET" {
		t.Errorf("event %q", event)
	}
	if _, err := m.do(t.Context(), "ask", nil); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("an error of qemu's gave %v", err)
	}
	if _, err := m.do(t.Context(), "ask", nil); err == nil {
		t.Error("an answer from an ended qemu")
	}
	<-ended
	if _, err := m.do(t.Context(), "ask", nil); err == nil {
		t.Error("an answer after the end")
	}
	host.Close()
}

func TestStartWithWhatCannotBoot(t *testing.T) {
	_, err := Start(t.Context(), &Image{Arch: "amd64", Kernel: "/nonexistent", Initrd: "/nonexistent"}, Config{})
	switch _, missing := exec.LookPath("qemu-system-x86_64"); {
	case missing != nil && !errors.Is(err, ErrNoQEMU):
		t.Errorf("no qemu: %v", err)
	case missing == nil && (err == nil || !strings.Contains(err.Error(), "/nonexistent")):
		t.Errorf("no kernel: %v", err)
	}
}

func TestLock(t *testing.T) {
	name := t.TempDir() + "/lock"
	unlock, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	unlock, err = lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
