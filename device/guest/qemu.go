package guest

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// arguments are QEMU's. KVM is never asked for: where it is there it may still not boot a stock kernel.
func arguments(image *Image, m machine, c Config, agentSocket, qmpSocket string) []string {
	// No nokaslr: after a reset the emulator takes 15 s longer to put a kernel where one has run before.
	kernel := append([]string{
		"console=" + m.console, "quiet", "loglevel=4", "panic=-1", "mitigations=off", "random.trust_cpu=on",
		// On a host that is busy an emulated timer may not tick in time for the kernel's check of it, which ends in a
		// panic (Documentation/admin-guide/kernel-parameters.txt).
		"no_timer_check",
	}, debianWords(image, c)...)
	kernel = append(kernel, c.Kernel...)
	a := append([]string{
		"-accel", "tcg,thread=multi", "-smp", strconv.Itoa(c.Processors), "-m", strconv.Itoa(c.Memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-kernel", image.Kernel, "-initrd", image.Initrd, "-append", strings.Join(kernel, " "),
		"-chardev", "socket,id=qmp,path=" + comma(qmpSocket), "-mon", "chardev=qmp,mode=control",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,reconnect=1,path=" + comma(agentSocket), "-device", "virtserialport,chardev=agent,name=agent",
		"-device", "virtio-rng-pci",
		"-netdev", netdev(c), "-device", "virtio-net-pci,netdev=net,romfile=",
	}, m.options...)
	for i, d := range c.Disks {
		drive := fmt.Sprintf("if=none,id=disk%d,%s", i, d.source())
		if d.ReadOnly {
			drive += ",readonly=on"
		}
		a = append(a, "-drive", drive, "-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d", i))
	}
	if image.Debian != "" { // changes go into a file that QEMU makes and drops
		a = append(a, "-drive", "if=none,id=debian,format=raw,snapshot=on,file="+comma(image.Debian),
			"-device", "virtio-blk-pci,drive=debian,serial="+debianSerial)
	}
	if c.Watchdog {
		a = append(a, "-device", "i6300esb", "-action", "watchdog=reset")
	}
	if !c.Reboot {
		a = append(a, "-no-reboot")
	}
	if !c.Clock.IsZero() {
		a = append(a, "-rtc", "base="+c.Clock.UTC().Format("2006-01-02T15:04:05"))
	}
	return a
}

// source is where QEMU reads and writes a disk.
func (d Disk) source() string {
	if d.Log == "" {
		return "format=raw,file=" + comma(d.Path)
	}
	return "driver=blklogwrites,file.driver=file,file.filename=" + comma(d.Path) + ",log.driver=file,log.filename=" + comma(d.Log)
}

// debianSerial tells init which disk is the Debian root.
const debianSerial = "debian"

// debianWords tell init, and systemd, what to do with the Debian root. systemd looks for the watchdog when it
// starts, so its driver is to be there by then.
func debianWords(image *Image, c Config) []string {
	if image.Debian == "" {
		return nil
	}
	words := []string{"guest.root=" + debianSerial, "systemd.getty_auto=no", "systemd.show_status=no"}
	if c.Watchdog {
		words = append(words, "guest.modules=i6300esb")
	}
	return words
}

// processors is how many an emulated machine has by default; see Config.Processors.
func processors(ctx context.Context, qemu, arch string) (int, error) {
	if arch != "amd64" {
		return 2, nil
	}
	out, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", qemu, err)
	}
	return processorsUnder(string(out)), nil
}

func processorsUnder(version string) int {
	var major, minor int
	if _, err := fmt.Sscanf(version, "QEMU emulator version %d.%d", &major, &minor); err != nil || major < 8 || major == 8 && minor < 1 {
		return 1
	}
	return 2
}

func netdev(c Config) string {
	s := "user,id=net,ipv6=off"
	if !c.Open {
		s += ",restrict=on"
	}
	for _, f := range c.Forward {
		s += fmt.Sprintf(",hostfwd=%s:127.0.0.1:%d-:%d", f.network(), f.Host, f.Guest)
	}
	return s
}

func (f Forward) network() string {
	if f.Network == "" {
		return "tcp"
	}
	return f.Network
}

// comma doubles the commas of a value, as QEMU's option syntax wants.
func comma(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// runTied starts cmd, calls started with the outcome, and waits for its end. The process is killed by the
// kernel if this one dies. That is tied to the thread which starts it (prctl(2), PR_SET_PDEATHSIG), so the
// thread is held until the end.
func runTied(cmd *exec.Cmd, started func(error)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err := cmd.Start()
	started(err)
	if err != nil {
		return err
	}
	return cmd.Wait()
}
