package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifest says which packages an image is made of. It is kept beside them, and stands until a refresh
// is asked for: what a suite offers moves on.
type manifest struct {
	Kernel []string // file names of packages, sorted
	User   []string
}

// packages returns the folder with the packages, fetched if they are not there.
func packages(ctx context.Context, o Options) (string, manifest, error) {
	dir := filepath.Join(o.Cache, "packages", strings.Join([]string{o.KernelSuite, o.Suite, o.Arch}, "_"))
	if m, err := readManifest(dir); err == nil && !o.Refresh {
		return dir, m, nil
	}
	if err := os.RemoveAll(dir + ".new"); err != nil {
		return "", manifest{}, err
	}
	m, err := fetch(ctx, o, dir+".new")
	if err != nil {
		return "", manifest{}, fmt.Errorf("fetch the guest's packages: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", manifest{}, err
	}
	return dir, m, os.Rename(dir+".new", dir)
}

// readManifest reads a folder's manifest and sees that the packages are there.
func readManifest(dir string) (manifest, error) {
	var m manifest
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, err
	}
	for _, name := range slices.Concat(m.Kernel, m.User) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return m, err
		}
	}
	return m, nil
}

func fetch(ctx context.Context, o Options, dir string) (manifest, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return manifest{}, err
	}
	kernel, err := openArchive(ctx, filepath.Join(o.Cache, "apt", o.KernelSuite+"_"+o.Arch), o.Mirror, o.KernelSuite, o.Arch)
	if err != nil {
		return manifest{}, err
	}
	names, err := kernel.kernel(ctx)
	if err != nil {
		return manifest{}, err
	}
	if err := kernel.download(ctx, dir, names...); err != nil {
		return manifest{}, err
	}
	var m manifest
	if m.Kernel, err = debs(dir); err != nil {
		return manifest{}, err
	}
	user, err := openArchive(ctx, filepath.Join(o.Cache, "apt", o.Suite+"_"+o.Arch), o.Mirror, o.Suite, o.Arch)
	if err != nil {
		return manifest{}, err
	}
	names = []string{"busybox-static", "libc6", "alsa-utils", "libasound2-data"}
	utils, err := user.depends(ctx, "alsa-utils") // libasound2 is libasound2t64 since trixie
	if err != nil {
		return manifest{}, err
	}
	for _, name := range utils {
		if name == "libasound2" || name == "libasound2t64" {
			names = append(names, name)
		}
	}
	if err := user.download(ctx, dir, names...); err != nil {
		return manifest{}, err
	}
	all, err := debs(dir)
	if err != nil {
		return manifest{}, err
	}
	m.User = slices.DeleteFunc(all, func(n string) bool { return slices.Contains(m.Kernel, n) })
	if len(m.User) < len(names) {
		return manifest{}, fmt.Errorf("%v of %s gave %v: %w", names, o.Suite, m.User, errors.New("some are missing"))
	}
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return manifest{}, err
	}
	return m, os.WriteFile(filepath.Join(dir, "manifest.json"), b, 0o644)
}

// debs lists the packages in dir, sorted by name.
func debs(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return nil, err
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths, nil
}
