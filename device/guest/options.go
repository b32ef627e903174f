package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Options say what image to build. The zero value is good.
type Options struct {
	// Arch is amd64 (default) or arm64.
	Arch string

	// Cache is the folder where packages and images are kept, about 260 MB for each architecture.
	// Default: $DOORBELL_VM_CACHE, or doorbell-vm in the user's cache folder.
	Cache string

	// Mirror is the address of the Debian archive. Default: the one that this machine's apt uses.
	Mirror string

	// KernelSuite is where the kernel comes from. Default: trixie-backports. Debian's kernels 6.1
	// and 6.12 have no gpio-sim.
	KernelSuite string

	// Suite is where busybox, libc and ALSA come from. Its libc must not be older than the one that
	// programs put into the guest were linked against. Default: bookworm.
	Suite string

	// Debian is the suite of a whole Debian with systemd that the guest boots into, such as bookworm, in
	// about three times the time. Default: none, the small guest. Making its root, about 200 MB in the cache, takes
	// mmdebstrap, e2fsprogs and root. What a guest writes into its root is gone with it.
	Debian string

	// Modules are kernel modules to have in the image besides the usual ones.
	Modules []string

	// Vicodec adds the kernel's test driver for codecs, /dev/video* nodes that encode and decode FWHT. It is compiled
	// once, out of about 180 MB that are not kept, with make and gcc; only for this machine's architecture.
	Vicodec bool

	// Refresh asks the archive for newer packages even though some are in the cache.
	Refresh bool
}

// Image is a machine that can be booted.
type Image struct {
	Arch    string
	Release string // of the kernel, as uname -r prints it
	Kernel  string // path of the kernel
	Initrd  string // path of the root file system, an uncompressed cpio archive
	Debian  string // path of the Debian root, an ext4 file system, or "" for the small guest
}

func (o Options) withDefaults() (Options, error) {
	if o.Arch == "" {
		o.Arch = "amd64"
	}
	if _, err := machineOf(o.Arch); err != nil {
		return o, err
	}
	if o.Cache == "" {
		o.Cache = os.Getenv("DOORBELL_VM_CACHE")
	}
	if o.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("cache folder: %w: set DOORBELL_VM_CACHE", err)
		}
		o.Cache = filepath.Join(dir, "doorbell-vm")
	}
	cache, err := filepath.Abs(o.Cache)
	if err != nil {
		return o, err
	}
	o.Cache = cache
	if o.Mirror == "" {
		if o.Mirror, err = ownMirror(); err != nil {
			return o, err
		}
	}
	if o.KernelSuite == "" {
		o.KernelSuite = "trixie-backports"
	}
	if o.Suite == "" {
		o.Suite = "bookworm"
	}
	return o, nil
}

// modules are the modules of the image, without those that they need in turn.
func (o Options) modules() []string {
	all := append([]string{
		"virtio_net", "virtio_blk", "virtio-rng", "configfs", "ext4", // the machine itself
		"vivid", "uvcvideo", "vhci-hcd", "snd-aloop", "gpio-sim", "i6300esb", // the door's devices
	}, o.Modules...)
	if o.Vicodec {
		all = append(all, vicodecModule)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// machine is how QEMU emulates an architecture.
type machine struct {
	qemu    string   // program
	debian  string   // its package
	options []string // board and processor
	console string   // the first serial port, as the kernel calls it
	triplet string   // of its libraries' folder
}

func machineOf(arch string) (machine, error) {
	switch arch {
	case "amd64": // with -cpu max, which has AVX and more to save with each switch of threads, a tenth slower
		return machine{
			qemu: "qemu-system-x86_64", debian: "qemu-system-x86", options: []string{"-M", "q35", "-cpu", "Westmere"},
			console: "ttyS0", triplet: "x86_64-linux-gnu",
		}, nil
	case "arm64": // with -cpu max three times slower
		return machine{
			qemu: "qemu-system-aarch64", debian: "qemu-system-arm", options: []string{"-M", "virt", "-cpu", "cortex-a53"},
			console: "ttyAMA0", triplet: "aarch64-linux-gnu",
		}, nil
	}
	return machine{}, fmt.Errorf("architecture %q: %w: amd64 and arm64 are", arch, errors.ErrUnsupported)
}
