//go:build linux

// Command init is the first program of the test guest, and its only resident one. As process 1 it
// mounts the kernel's file systems, loads the modules that the virtual machine itself needs, brings the
// network up, and keeps the agent running; as the agent it does what the test on the host asks. It also
// has a few tools that busybox lacks: see tools.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func main() {
	if os.Getpid() == 1 {
		boot()
		return
	}
	if err := tool(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// boot is process 1. It never returns: where it can't go on it switches the machine off, which the host
// sees at once, with the reason on the console.
func boot() {
	agent, err := start()
	if err != nil {
		fmt.Println("guest: init:", err)
	}
	for err == nil { // reap what others leave behind, until the agent itself ends
		var pid int
		pid, err = syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			err = nil
		case err == nil && pid == agent:
			fmt.Println("guest: init: the agent has ended")
			err = syscall.ECHILD
		}
	}
	syscall.Sync()
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// start prepares the machine and starts the agent. It returns the agent's process number.
func start() (int, error) {
	if err := mounts(); err != nil {
		return 0, err
	}
	for name, value := range map[string]string{
		"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "USER": "root", "TMPDIR": "/tmp", "LANG": "C.UTF-8",
	} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	if err := syscall.Sethostname([]byte("door")); err != nil {
		return 0, fmt.Errorf("set the host name: %w", err)
	}
	for _, module := range []string{"virtio-rng", "virtio_net", "virtio_blk", "configfs"} {
		if err := run("modprobe", module); err != nil {
			return 0, err
		}
	}
	if err := mount("configfs", "/sys/kernel/config", "configfs", ""); err != nil {
		return 0, err
	}
	if err := network(); err != nil {
		return 0, err
	}
	if root, err := word("guest.root"); err != nil || root != "" {
		return 0, errors.Join(err, enterDebian(root))
	}
	agent := exec.Command("/init", "agent")
	agent.Stdout, agent.Stderr = os.Stdout, os.Stderr
	if err := agent.Start(); err != nil {
		return 0, err
	}
	return agent.Process.Pid, nil
}

// mounts gives programs the file systems that they expect.
func mounts() error {
	for _, m := range []struct{ kind, path, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devtmpfs", "/dev", ""},
		{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666"},
		{"tmpfs", "/dev/shm", "mode=1777"},
		{"tmpfs", "/run", "mode=0755"},
		{"debugfs", "/sys/kernel/debug", ""},
		{"tracefs", "/sys/kernel/tracing", ""},
		{"cgroup2", "/sys/fs/cgroup", ""},
	} {
		if err := mount(m.kind, m.path, m.kind, m.options); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, link); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

func mount(source, path, kind, options string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	err := syscall.Mount(source, path, kind, 0, options)
	if err != nil && !errors.Is(err, syscall.EBUSY) { // the kernel may have mounted /dev itself
		return fmt.Errorf("mount %s on %s: %w", kind, path, err)
	}
	return nil
}

// network gives the guest the address that QEMU's user network forwards to.
func network() error {
	cards, err := filepath.Glob("/sys/class/net/eth0")
	if err != nil {
		return err
	}
	if err := run("ip", "link", "set", "lo", "up"); err != nil || len(cards) == 0 {
		return err
	}
	if err := run("ip", "address", "add", "10.0.2.15/24", "dev", "eth0"); err != nil {
		return err
	}
	if err := run("ip", "link", "set", "eth0", "up"); err != nil {
		return err
	}
	return run("ip", "route", "add", "default", "via", "10.0.2.2")
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}
