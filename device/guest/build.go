package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// recipe changes when an image made from the same packages would come out differently.
const recipe = 1

// Build makes the image, or finds it in the cache. Of each of its parts, the small system and the Debian root, only
// one process at a time builds one in one cache; the others wait. A root stays for each release of Debian.
func Build(ctx context.Context, o Options) (*Image, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	image, err := buildSmall(ctx, o)
	if err != nil || o.Debian == "" {
		return image, err
	}
	image.Debian, err = buildDebian(ctx, o)
	return image, err
}

// buildSmall makes kernel and initramfs, or finds them in the cache.
func buildSmall(ctx context.Context, o Options) (*Image, error) {
	unlock, err := lock(ctx, filepath.Join(o.Cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	init, err := buildInit(ctx, o)
	if err != nil {
		return nil, err
	}
	dir, m, err := packages(ctx, o)
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal(struct {
		Recipe   int
		Manifest manifest
		Modules  []string
		Init     [sha256.Size]byte
	}{recipe, m, o.modules(), sha256.Sum256(init)})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key)
	images := filepath.Join(o.Cache, "images")
	kind := o.Arch
	if o.Vicodec { // kept beside the usual one
		kind += "+" + vicodecModule
	}
	image := filepath.Join(images, kind+"-"+hex.EncodeToString(sum[:8]))
	if found, err := openImage(image, o.Arch); err == nil {
		return found, nil
	}
	if err := makeImage(ctx, o, dir, m, init, image); err != nil {
		return nil, fmt.Errorf("make the guest's image: %w", err)
	}
	if err := dropOld(images, kind, image); err != nil {
		return nil, err
	}
	return openImage(image, o.Arch)
}

// lock waits until no other process holds the lock.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of the cache: %w", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		// Flock can't be interrupted: the lock is given back when it comes.
		go func() { <-locked; f.Close() }()
		return nil, fmt.Errorf("%s: another process builds in it: %w", name, context.Cause(ctx))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// buildInit compiles the guest's first program.
func buildInit(ctx context.Context, o Options) ([]byte, error) {
	return goBuild(ctx, o.Arch, "doorbell/device/guest/init")
}

// goBuild compiles one of the guest's static programs.
func goBuild(ctx context.Context, arch, pkg string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, path.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w -buildid=", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build %s: %w: %s", pkg, err, bytes.TrimSpace(msg))
	}
	return os.ReadFile(out)
}

func openImage(dir, arch string) (*Image, error) {
	release, err := os.ReadFile(filepath.Join(dir, "release"))
	if err != nil {
		return nil, err
	}
	return &Image{
		Arch: arch, Release: strings.TrimSpace(string(release)),
		Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd"),
	}, nil
}

// dropOld removes images of a kind that no current recipe makes.
func dropOld(images, kind, current string) error {
	all, err := filepath.Glob(filepath.Join(images, kind+"-*"))
	if err != nil {
		return err
	}
	for _, image := range all {
		if image != current {
			if err := os.RemoveAll(image); err != nil {
				return err
			}
		}
	}
	return nil
}
