package guest

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// SharedLibraries lists the shared libraries that a program needs, with those that they need in turn and
// the loader, as they are on this host for the program's architecture: the host's path by the path where
// the guest's loader finds it. The program is read, not run, so it may be another machine's. For a static
// program there are none.
func SharedLibraries(program string) (map[string]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", program, err)
	}
	defer f.Close()
	m, err := machineFor(f.Machine)
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", program, err)
	}
	found := map[string]string{}
	if err := addLibraries(f, m, found); err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", program, err)
	}
	return found, nil
}

func machineFor(m elf.Machine) (machine, error) {
	switch m {
	case elf.EM_X86_64:
		return machineOf("amd64")
	case elf.EM_AARCH64:
		return machineOf("arm64")
	}
	return machine{}, fmt.Errorf("%v: %w", m, errors.ErrUnsupported)
}

// addLibraries adds what f needs to found, looking where Debian keeps libraries: those of the host's own and
// of other architectures, and those for cross-compilers.
func addLibraries(f *elf.File, m machine, found map[string]string) error {
	names, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, name := range names {
		in := path.Join("/usr/lib", m.triplet, name)
		if found[in] != "" {
			continue
		}
		dirs := []string{"/usr/lib/" + m.triplet, "/lib/" + m.triplet, "/usr/" + m.triplet + "/lib"}
		i := slices.IndexFunc(dirs, func(dir string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil })
		if i < 0 {
			return fmt.Errorf("%s is in none of %v", name, dirs)
		}
		found[in] = filepath.Join(dirs[i], name)
		library, err := elf.Open(found[in])
		if err != nil {
			return err
		}
		err = errors.Join(addLibraries(library, m, found), library.Close())
		if err != nil {
			return err
		}
	}
	return nil
}
