// Package guest boots a small virtual machine with the kernel's own camera, sound, GPIO and watchdog
// drivers in it, for tests: Debian's kernel with its stock modules, busybox, ALSA's tools and the
// project's own init, under QEMU's software emulation.
//
// Build makes the machine's image from Debian packages and keeps it; Start boots it, in seconds; a Guest
// then runs commands, takes files, and has its devices pressed, unplugged and given back. New does all
// of it for a test, and skips the test where QEMU is not installed.
//
// With Options.Debian the guest is a whole Debian with systemd instead, to install packages and run services
// in; all else is the same.
//
// Packages needed on the host (Debian names): qemu-system-x86 for amd64, qemu-system-arm for arm64;
// apt, dpkg, xz-utils and debian-archive-keyring, which Debian always has; and Go, which builds the
// guest's init. Nothing is installed by this package, and it needs no root,
// but for a Debian root, which takes root, mmdebstrap and e2fsprogs to make.
package guest
