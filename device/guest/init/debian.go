//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	newRoot = "/mnt"
	// tools is where the agent and busybox are for the programs of the new root.
	tools = "/run/guest/bin"
)

// word is the value of a word of the kernel's command line, NAME=value, or "".
func word(name string) (string, error) {
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", err
	}
	for _, w := range strings.Fields(string(b)) {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value, nil
		}
	}
	return "", nil
}

// enterDebian makes the disk with the given serial number the root, and its systemd process 1. The agent is
// a service there. It returns only with an error.
func enterDebian(serial string) error {
	modules, err := word("guest.modules")
	if err != nil {
		return err
	}
	for _, module := range append([]string{"ext4"}, strings.FieldsFunc(modules, func(r rune) bool { return r == ',' })...) {
		if err := run("modprobe", module); err != nil {
			return err
		}
	}
	disk, err := findDisk(serial)
	if err != nil {
		return err
	}
	if err := mount(disk, newRoot, "ext4", ""); err != nil {
		return err
	}
	if err := bringTools(); err != nil {
		return fmt.Errorf("bring tools along: %w", err)
	}
	// The small root stays where it is, out of sight, for the modules that are loaded from it.
	if err := syscall.Mount("/usr/lib/modules", newRoot+"/usr/lib/modules", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bring modules along: %w", err)
	}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := syscall.Mount(dir, newRoot+dir, "", syscall.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := errors.Join(os.Chdir(newRoot), syscall.Mount(newRoot, "/", "", syscall.MS_MOVE, ""), syscall.Chroot("."), os.Chdir("/")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	return fmt.Errorf("start systemd: %w", syscall.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ()))
}

// findDisk finds a disk by its serial number.
func findDisk(serial string) (string, error) {
	names, err := filepath.Glob("/sys/block/vd*/serial")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == serial {
			return "/dev/" + filepath.Base(filepath.Dir(name)), nil
		}
	}
	return "", fmt.Errorf("no disk with serial %q among %v", serial, names)
}

// bringTools puts the agent, and those of busybox's commands that the new root lacks, into a folder that
// it will see.
func bringTools() error {
	if err := os.MkdirAll(tools, 0o755); err != nil {
		return err
	}
	for to, from := range map[string]string{"guest": "/init", "busybox": "/usr/bin/busybox"} {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tools, to), b, 0o755); err != nil {
			return err
		}
	}
	links, err := filepath.Glob("/usr/bin/*")
	if err != nil {
		return err
	}
	for _, link := range links {
		name := filepath.Base(link)
		if target, err := os.Readlink(link); err != nil || target != "busybox" || has(newRoot, name) {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(tools, name)); err != nil {
			return err
		}
	}
	return nil
}

func has(root, program string) bool {
	for _, dir := range []string{"usr/bin", "usr/sbin", "bin", "sbin"} {
		if _, err := os.Lstat(filepath.Join(root, dir, program)); err == nil {
			return true
		}
	}
	return false
}
