package guest

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// moduleSet resolves what modules need. Names are as in /proc/modules: with underscores.
type moduleSet struct {
	// Fixed after newModuleSet.
	packed map[string]string // path in the tree, by name
	kernel tree

	// Filled by add.
	order   []string            // in the order in which they can be loaded
	needs   map[string][]string // by name
	objects map[string][]byte   // decompressed, by name
}

func newModuleSet(kernel tree) *moduleSet {
	s := &moduleSet{packed: map[string]string{}, kernel: kernel, needs: map[string][]string{}, objects: map[string][]byte{}}
	for name := range kernel {
		if base, _, ok := strings.Cut(path.Base(name), ".ko"); ok {
			s.packed[underscored(base)] = name
		}
	}
	return s
}

func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// add adds a module after all that it needs. One built into the kernel is no module and is left out.
func (s *moduleSet) add(ctx context.Context, name string, builtin map[string]bool) error {
	name = underscored(name)
	if s.objects[name] != nil || builtin[name] {
		return nil
	}
	file, ok := s.packed[name]
	if !ok {
		return fmt.Errorf("module %s: this kernel has none", name)
	}
	object := s.kernel[file].data
	if strings.HasSuffix(file, ".xz") {
		var err error
		if object, err = unxz(ctx, object); err != nil {
			return fmt.Errorf("decompress module %s: %w", name, err)
		}
	}
	hard, soft, err := moduleInfo(object)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	s.objects[name] = object
	for _, need := range soft { // often an alias of something built in
		if s.packed[underscored(need)] != "" {
			hard = append(hard, need)
		}
	}
	for _, need := range hard {
		if err := s.add(ctx, need, builtin); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		if need = underscored(need); !builtin[need] {
			s.needs[name] = append(s.needs[name], need)
		}
	}
	s.order = append(s.order, name)
	return nil
}

// moduleInfo lists what a module says that it needs, and what should be there before it if it can.
func moduleInfo(object []byte) (hard, soft []string, err error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, nil, errors.New("no .modinfo section")
	}
	b, err := section.Data()
	if err != nil {
		return nil, nil, err
	}
	for field := range bytes.SplitSeq(b, []byte{0}) {
		key, value, _ := strings.Cut(string(field), "=")
		switch {
		case key == "depends" && value != "":
			hard = append(hard, strings.Split(value, ",")...)
		case key == "softdep" && strings.HasPrefix(value, "pre:"):
			before, _, _ := strings.Cut(strings.TrimPrefix(value, "pre:"), "post:")
			soft = append(soft, strings.Fields(before)...)
		}
	}
	return hard, soft, nil
}

// install puts the modules into a root, with the modules.dep that modprobe reads: each module's path,
// then all that it needs, what must be loaded first last.
func (s *moduleSet) install(root tree, release string) {
	dir := "usr/lib/modules/" + release + "/"
	relative := func(name string) string {
		file, _, _ := strings.Cut(s.packed[name], ".ko")
		return strings.TrimPrefix(file, dir) + ".ko"
	}
	var dep bytes.Buffer
	for _, name := range s.order {
		root.file(dir+relative(name), 0o644, s.objects[name])
		fmt.Fprintf(&dep, "%s:", relative(name))
		for _, need := range s.closure(name) {
			fmt.Fprintf(&dep, " %s", relative(need))
		}
		dep.WriteByte('\n')
	}
	root.file(dir+"modules.dep", 0o644, dep.Bytes())
}

// closure lists all that a module needs, in the reverse of the order in which they are loaded.
func (s *moduleSet) closure(name string) []string {
	needed := map[string]bool{}
	var visit func(string)
	visit = func(n string) {
		for _, need := range s.needs[n] {
			if !needed[need] {
				needed[need] = true
				visit(need)
			}
		}
	}
	visit(name)
	var list []string
	for _, n := range slices.Backward(s.order) {
		if needed[n] {
			list = append(list, n)
		}
	}
	return list
}
