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
	"path/filepath"
	"runtime"
	"strings"
)

// debianRecipe changes when a root made from the same packages and files would come out differently.
const debianRecipe = 1

// debianSize is the size of the root's file system. The image is sparse: what is not written takes no room.
const debianSize = "1G"

// debianPackages are added to a release's essential packages and apt: systemd, what doors need to run, and a way in.
func debianPackages(suite string) []string {
	alsa := "libasound2t64" // with 64 bits of time, since Debian 13
	if suite == "bookworm" {
		alsa = "libasound2"
	}
	return []string{"systemd", "systemd-sysv", "udev", "passwd", alsa, "openssh-server"}
}

// buildDebian makes the root file system of Debian with systemd, or finds it in the cache. It takes minutes, for which
// no small system has to wait.
func buildDebian(ctx context.Context, o Options) (string, error) {
	unlock, err := lock(ctx, filepath.Join(o.Cache, "roots.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	files := debianFiles()
	key, err := json.Marshal(struct {
		Recipe   int
		Suite    string
		Size     string
		Packages []string
		Files    map[string]string
	}{debianRecipe, o.Debian, debianSize, debianPackages(o.Debian), files})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(key)
	roots := filepath.Join(o.Cache, "roots")
	release := filepath.Join(roots, o.Debian+"_"+o.Arch+"-")
	image := release + hex.EncodeToString(sum[:8]) + ".ext4"
	if _, err := os.Stat(image); err == nil && !o.Refresh {
		return image, nil
	}
	if err := canBuildDebian(o.Arch); err != nil {
		return "", err
	}
	outdated, err := filepath.Glob(release + "*")
	if err != nil {
		return "", err
	}
	for _, name := range append(outdated, filepath.Join(roots, "new")) {
		if err := os.RemoveAll(name); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(roots, 0o755); err != nil {
		return "", err
	}
	if err := makeDebian(ctx, o, filepath.Join(roots, "new"), files, image); err != nil {
		return "", fmt.Errorf("make a root of Debian %s: %w", o.Debian, err)
	}
	return image, nil
}

// canBuildDebian says what is missing on this host to make a Debian root.
func canBuildDebian(arch string) error {
	for program, debian := range map[string]string{"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: no Debian root: %w: apt install %s", errors.ErrUnsupported, err, debian)
		}
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: no Debian root: only root can make one", errors.ErrUnsupported)
	}
	if arch != runtime.GOARCH {
		return fmt.Errorf("%w: no Debian root for %s on %s", errors.ErrUnsupported, arch, runtime.GOARCH)
	}
	return nil
}

// makeDebian installs the packages into the folder dir, adds files, and makes an image of it all, which
// appears only when it is whole.
func makeDebian(ctx context.Context, o Options, dir string, files map[string]string, image string) error {
	defer os.RemoveAll(dir)
	err := quietly(ctx, "mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--format=directory",
		"--architectures="+o.Arch, "--include="+strings.Join(debianPackages(o.Debian), ","), "--keyring="+keyring,
		`--aptopt=Acquire::Languages "none"`, `--aptopt=Acquire::Retries "3"`, "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		o.Debian, dir, "deb "+o.Mirror+" "+o.Debian+" main")
	if err != nil {
		return err
	}
	// What is installed later must not be thinned out.
	if err := os.Remove(filepath.Join(dir, "etc/dpkg/dpkg.cfg.d/99mmdebstrap")); err != nil {
		return err
	}
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if target, link := strings.CutPrefix(content, linkTo); link {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(content), 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := quietly(ctx, "mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", dir, image+".new", debianSize); err != nil {
		return err
	}
	return os.Rename(image+".new", image)
}

// quietly runs a program, and shows the last of what it printed only when it fails.
func quietly(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, lastLines(string(bytes.TrimSpace(out)), 10))
	}
	return nil
}
