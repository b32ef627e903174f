package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// makeImage packs an image into the folder dir, which appears only when it is whole.
func makeImage(ctx context.Context, o Options, packages string, m manifest, init []byte, dir string) error {
	kernel := tree{}
	for _, deb := range m.Kernel {
		if err := unpack(ctx, kernel, filepath.Join(packages, deb), kernelFile); err != nil {
			return err
		}
	}
	vmlinuz, release, err := findKernel(kernel)
	if err != nil {
		return err
	}
	if o.Vicodec {
		object, err := buildVicodec(ctx, o, m)
		if err != nil {
			return err
		}
		kernel.file("usr/lib/modules/"+release+"/kernel/"+vicodecSource+"/"+vicodecModule+".ko", 0o644, object)
	}
	root := skeleton()
	root.file("init", 0o755, init)
	if err := addModules(ctx, root, kernel, release, o.modules()); err != nil {
		return err
	}
	for _, deb := range m.User {
		if err := unpack(ctx, root, filepath.Join(packages, deb), userFile); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir + ".new"); err != nil {
		return err
	}
	if err := os.MkdirAll(dir+".new", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir+".new", "vmlinuz"), vmlinuz, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir+".new", "release"), []byte(release+"\n"), 0o644); err != nil {
		return err
	}
	if err := writeInitrd(filepath.Join(dir+".new", "initrd"), root); err != nil {
		return err
	}
	return os.Rename(dir+".new", dir)
}

func writeInitrd(name string, root tree) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := writeCPIO(w, root); err != nil {
		return err
	}
	return w.Flush()
}

// kernelFile accepts the kernel, its modules and the list of what is built in.
func kernelFile(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "vmlinuz") || base == "modules.builtin" || strings.Contains(base, ".ko")
}

// findKernel finds the kernel among a package's files: usr/lib/modules/RELEASE/vmlinuz, or
// boot/vmlinuz-RELEASE in older packages.
func findKernel(t tree) (kernel []byte, release string, err error) {
	for name, e := range t {
		switch base := path.Base(name); {
		case base == "vmlinuz":
			return e.data, path.Base(path.Dir(name)), nil
		case strings.HasPrefix(base, "vmlinuz-"):
			return e.data, strings.TrimPrefix(base, "vmlinuz-"), nil
		}
	}
	return nil, "", fmt.Errorf("kernel's packages: no vmlinuz among %d files", len(t))
}

func addModules(ctx context.Context, root, kernel tree, release string, names []string) error {
	list := kernel["usr/lib/modules/"+release+"/modules.builtin"].data
	builtin := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		builtin[underscored(strings.TrimSuffix(path.Base(strings.TrimSpace(line)), ".ko"))] = true
	}
	set := newModuleSet(kernel)
	for _, name := range names {
		if err := set.add(ctx, name, builtin); err != nil {
			return err
		}
	}
	set.install(root, release)
	return nil
}

// userFile accepts what the guest's programs need of libc, busybox and ALSA.
func userFile(name string) bool {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(name, "usr/share/alsa/"):
		return true
	case strings.HasPrefix(name, "usr/bin/"):
		return slices.Contains([]string{"busybox", "aplay", "arecord", "amixer", "speaker-test"}, base)
	case strings.Contains(name, "/gconv/"):
		return false
	}
	return strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(name, "usr/lib/") && strings.Contains(base, ".so")
}

// skeleton is a root with nothing but folders, links and the few files that libraries ask for.
func skeleton() tree {
	t := tree{}
	for _, dir := range []string{"dev", "etc", "proc", "run", "sys", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "var/lib", "mnt"} {
		t.folder(dir, 0o755)
	}
	t.folder("root", 0o700)
	t.folder("tmp", fs.ModeSticky|0o777)
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		t.link(dir, "usr/"+dir)
	}
	t.link("var/run", "/run")
	t.link("var/tmp", "/tmp")
	t.link("usr/bin/guest", "/init")
	for _, applet := range applets() {
		t.link("usr/bin/"+applet, "busybox")
	}
	t.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"))
	t.file("etc/group", 0o644, []byte("root:x:0:\naudio:x:29:\nvideo:x:44:\ngpio:x:997:\nnogroup:x:65534:\n"))
	t.file("etc/hosts", 0o644, []byte("127.0.0.1 localhost door\n::1 localhost\n"))
	t.file("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n"))
	t.file("etc/shells", 0o644, []byte("/bin/sh\n"))
	t.file("etc/os-release", 0o644, []byte("ID=doorbell-guest\nPRETTY_NAME=\"doorbell test guest\"\n"))
	return t
}

// applets are busybox's commands that are there by name; the others are called through busybox.
func applets() []string {
	return strings.Fields(`sh ash [ test true false echo printf cat cp mv rm mkdir rmdir ln ls readlink realpath stat touch
		chmod chown dd df du head tail grep egrep sed awk sort uniq wc cut tr tee xargs find seq od hexdump cmp md5sum
		sha256sum sleep usleep date env id uname hostname dmesg mount umount sync kill killall pidof ps top free uptime
		modprobe insmod rmmod lsmod ip ping nc wget netstat nslookup setsid nohup timeout start-stop-daemon
		mke2fs tune2fs fsync blockdev tar gzip gunzip reboot poweroff halt vi less which basename dirname expr
		fuser mkfifo mknod mktemp stty watchdog devmem time`)
}
