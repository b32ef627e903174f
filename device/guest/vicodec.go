package guest

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// vicodec is the kernel's test driver for memory-to-memory codecs, which Debian does not build: it is compiled
// here, out of the kernel's source, with Debian's headers.
const (
	vicodecModule = "vicodec"
	vicodecSource = "drivers/media/test-drivers/vicodec"
	// m2mSource is what all such drivers share. Kernels without one lack it, so that it is made a part of the module.
	m2mSource = "drivers/media/v4l2-core/v4l2-mem2mem.c"
)

// buildVicodec returns the module for the kernel of those packages, compiled or found in the cache.
func buildVicodec(ctx context.Context, o Options, m manifest) ([]byte, error) {
	if o.Arch != runtime.GOARCH {
		return nil, fmt.Errorf("%w: vicodec for %s on %s", errors.ErrUnsupported, o.Arch, runtime.GOARCH)
	}
	release, err := kernelRelease(m, o.Arch)
	if err != nil {
		return nil, err
	}
	cached := filepath.Join(o.Cache, "vicodec-"+release+"-"+o.Arch+".ko")
	if object, err := os.ReadFile(cached); err == nil {
		return object, nil
	}
	dir, err := os.MkdirTemp(o.Cache, "vicodec-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	object, err := compileVicodec(ctx, o, release, dir)
	if err != nil {
		return nil, fmt.Errorf("compile vicodec for Linux %s: %w", release, err)
	}
	if err := os.WriteFile(cached+".new", object, 0o644); err != nil {
		return nil, err
	}
	return object, os.Rename(cached+".new", cached)
}

// kernelRelease reads the version of the kernel, such as 7.3.4+deb13, from its package's name.
func kernelRelease(m manifest, arch string) (string, error) {
	for _, deb := range m.Kernel {
		name, _, _ := strings.Cut(deb, "_")
		if release, ok := strings.CutPrefix(name, "linux-image-"); ok {
			return strings.TrimSuffix(release, "-"+arch), nil
		}
	}
	return "", fmt.Errorf("no linux-image among %v", m.Kernel)
}

func compileVicodec(ctx context.Context, o Options, release, dir string) ([]byte, error) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return nil, fmt.Errorf("kernel release %q", release)
	}
	source := "linux-source-" + parts[0] + "." + parts[1]
	headers := "linux-headers-" + release + "-" + o.Arch
	for suite, names := range map[string][]string{
		o.KernelSuite: {headers, "linux-headers-" + release + "-common", "linux-kbuild-" + release, source},
		// The kernel's tools want the libc of their own Debian.
		strings.TrimSuffix(o.KernelSuite, "-backports"): {"libc6"},
	} {
		a, err := openArchive(ctx, filepath.Join(o.Cache, "apt", suite+"_"+o.Arch), o.Mirror, suite, o.Arch)
		if err != nil {
			return nil, err
		}
		if err := a.download(ctx, dir, names...); err != nil {
			return nil, err
		}
	}
	root := filepath.Join(dir, "root")
	all, err := debs(dir)
	if err != nil {
		return nil, err
	}
	for _, deb := range all {
		if err := quietly(ctx, "dpkg-deb", "--extract", filepath.Join(dir, deb), root); err != nil {
			return nil, err
		}
	}
	tar := filepath.Join(root, "usr/src", source+".tar.xz")
	if err := quietly(ctx, "tar", "--extract", "--file", tar, "--directory", dir, "--strip-components=1", source+"/"+vicodecSource, source+"/"+m2mSource); err != nil {
		return nil, err
	}
	if err := relocate(root, filepath.Join(root, "usr/src", headers, "Makefile")); err != nil {
		return nil, err
	}
	module := filepath.Join(dir, vicodecSource)
	if err := addM2M(dir, filepath.Join(root, "usr/src", headers, "Module.symvers")); err != nil {
		return nil, err
	}
	// Options that only the kernel's own compiler has are left out.
	err = quietly(ctx, "make", "-C", filepath.Join(root, "usr/src", headers), "M="+module, "CC=gcc",
		"CONFIG_VIDEO_VICODEC=m", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(module, vicodecModule+".ko"))
}

// addM2M compiles what the drivers share into the module, unless the kernel, whose symbols are listed, has it.
func addM2M(dir, symbols string) error {
	list, err := os.ReadFile(symbols)
	if err != nil || bytes.Contains(list, []byte("\tv4l2_m2m_init\t")) {
		return err
	}
	name := filepath.Base(m2mSource)
	if err := os.Rename(filepath.Join(dir, m2mSource), filepath.Join(dir, vicodecSource, name)); err != nil {
		return err
	}
	makefile := filepath.Join(dir, vicodecSource, "Makefile")
	b, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	object := strings.TrimSuffix(name, ".c") + ".o"
	// Both have a parameter "debug".
	b = fmt.Appendf(b, "\nvicodec-objs += %s\nCFLAGS_%[1]s := -Ddebug=m2m_debug\n", object)
	return os.WriteFile(makefile, b, 0o644)
}

// relocate has the headers' Makefile and programs work in a root that is not the machine's.
func relocate(root, makefile string) error {
	b, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	b = bytes.ReplaceAll(b, []byte("=/usr/src/"), []byte("="+root+"/usr/src/"))
	if err := os.WriteFile(makefile, bytes.ReplaceAll(b, []byte(" /usr/src/"), []byte(" "+root+"/usr/src/")), 0o644); err != nil {
		return err
	}
	loaders, err := filepath.Glob(filepath.Join(root, "usr/lib*/ld-linux*.so.*"))
	if err != nil || len(loaders) == 0 {
		return errors.Join(errors.New("libc6 has no loader"), err)
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*/libc.so.6"))
	if err != nil || len(libraries) == 0 {
		return errors.Join(errors.New("libc6 has no libc"), err)
	}
	return filepath.WalkDir(filepath.Join(root, "usr/lib"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(name, "/linux-kbuild-") {
			return err
		}
		f, err := elf.Open(name)
		if err != nil {
			return nil // a script
		}
		needed, err := f.ImportedLibraries()
		if err := errors.Join(err, f.Close()); err != nil || len(needed) == 0 {
			return err
		}
		return wrap(name, loaders[0], filepath.Dir(libraries[0]))
	})
}

// wrap puts a script in a program's place that runs it with those libraries.
func wrap(name, loader, libraries string) error {
	if err := os.Rename(name, name+".elf"); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' --library-path '%s' --argv0 \"$0\" '%s.elf' \"$@\"\n", loader, libraries, name)
	return os.WriteFile(name, []byte(script), 0o755)
}

// canBuildVicodec says what is missing on this host to compile the module.
func canBuildVicodec() error {
	for program, debian := range map[string]string{"make": "make", "gcc": "gcc", "tar": "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: no vicodec: %w: apt install %s", errors.ErrUnsupported, err, debian)
		}
	}
	return nil
}
