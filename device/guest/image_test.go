package guest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCPIO(t *testing.T) {
	root := tree{}
	root.folder("tmp", fs.ModeSticky|0o777)
	root.file("usr/bin/door", 0o755, []byte("bell"))
	root.link("bin", "usr/bin")
	var b, again bytes.Buffer
	if err := writeCPIO(&b, root); err != nil {
		t.Fatal(err)
	}
	if err := writeCPIO(&again, root); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same tree gave other bytes")
	}
	if b.Len()%512 != 0 {
		t.Errorf("%d bytes: no multiple of 512", b.Len())
	}
	want := []string{"120777 bin=usr/bin", "041777 tmp=", "040755 usr=", "040755 usr/bin=", "100755 usr/bin/door=bell", "100000 TRAILER!!!="}
	if got := readCPIO(t, b.Bytes()); !slices.Equal(got, want) {
		t.Errorf("archive has %q, want %q", got, want)
	}
}

// readCPIO lists an archive as mode, name and content.
func readCPIO(t *testing.T, b []byte) []string {
	var list []string
	for at := 0; ; {
		var field [13]int
		head := string(b[at : at+110])
		if head[:6] != "070701" {
			t.Fatalf("no header at %d", at)
		}
		for i := range field {
			if _, err := fmt.Sscanf(head[6+8*i:14+8*i], "%x", &field[i]); err != nil {
				t.Fatal(err)
			}
		}
		mode, size, length := field[1], field[6], field[11]
		name := string(b[at+110 : at+110+length-1])
		data := (at + 110 + length + 3) / 4 * 4
		list = append(list, fmt.Sprintf("%06o %s=%s", mode, name, b[data:data+size]))
		if name == "TRAILER!!!" {
			return list
		}
		at = (data + size + 3) / 4 * 4
	}
}

func TestMerged(t *testing.T) {
	for name, want := range map[string]string{
		"./bin/busybox": "usr/bin/busybox", "./lib64/ld.so": "usr/lib64/ld.so", "./usr/lib/x": "usr/lib/x", "etc/x": "etc/x",
	} {
		if got := merged(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// object is an ELF file with nothing but a .modinfo section.
func object(info string) []byte {
	names := "\x00.modinfo\x00.shstrtab\x00"
	var b bytes.Buffer
	write := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	const head = 64
	tables := uint64(head + len(info) + len(names))
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	write([]uint16{1, 62})
	write([]uint32{1})
	write([]uint64{0, 0, tables})
	write([]uint32{0})
	write([]uint16{head, 0, 0, 64, 3, 2})
	b.WriteString(info + names)
	for _, s := range []struct {
		name, kind uint32
		at, size   int
	}{{}, {1, 1, head, len(info)}, {10, 3, head + len(info), len(names)}} {
		write([]uint32{s.name, s.kind})
		write([]uint64{0, 0, uint64(s.at), uint64(s.size), 0, 1, 0})
	}
	return b.Bytes()
}

func TestModules(t *testing.T) {
	const dir = "usr/lib/modules/7/kernel/"
	kernel, root := tree{}, tree{}
	kernel.file(dir+"door-bell.ko", 0o644, object("depends=wire,built_in\x00softdep=pre: chime missing post: late\x00"))
	kernel.file(dir+"wire.ko", 0o644, object("depends=copper\x00"))
	kernel.file(dir+"copper.ko", 0o644, object("depends=\x00"))
	kernel.file(dir+"chime.ko", 0o644, object("license=GPL\x00"))
	kernel.file(dir+"other.ko", 0o644, object("depends=nowhere\x00"))
	set := newModuleSet(kernel)
	builtin := map[string]bool{"built_in": true}
	for _, name := range []string{"door-bell", "wire", "built-in"} {
		if err := set.add(t.Context(), name, builtin); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.add(t.Context(), "other", builtin); err == nil || !strings.Contains(err.Error(), "other: module nowhere") {
		t.Errorf("a module that needs one which is not there: %v", err)
	}
	set.install(root, "7")
	want := "kernel/copper.ko:\nkernel/wire.ko: kernel/copper.ko\nkernel/chime.ko:\nkernel/door-bell.ko: kernel/chime.ko kernel/wire.ko kernel/copper.ko\n"
	if got := string(root["usr/lib/modules/7/modules.dep"].data); got != want {
		t.Errorf("modules.dep\n%swant\n%s", got, want)
	}
	if root[dir+"door-bell.ko"].data == nil {
		t.Error("the module itself is not there")
	}
}

func TestUnpack(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb: apt install dpkg")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"p/DEBIAN/control": "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: p\n",
		"p/bin/tool":       "tool", "p/usr/share/doc/p": "doc",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("tool", filepath.Join(dir, "p/bin/alias")); err != nil {
		t.Fatal(err)
	}
	deb := filepath.Join(dir, "p.deb")
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "--build", filepath.Join(dir, "p"), deb).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := tree{}
	if err := unpack(t.Context(), got, deb, func(name string) bool { return strings.HasPrefix(name, "usr/bin/") }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || string(got["usr/bin/tool"].data) != "tool" || string(got["usr/bin/alias"].data) != "tool" {
		t.Errorf("unpacked %v", got)
	}
	if err := unpack(t.Context(), got, filepath.Join(dir, "none.deb"), func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "none.deb") {
		t.Errorf("a package that is not there: %v", err)
	}
}

func TestParseDepends(t *testing.T) {
	record := "Package: p\nDepends: libc6 (>= 2.36), libasound2t64 (>= 1.2) | libasound2, plain\nSuggests: other\n"
	if got, want := parseDepends(record), []string{"libc6", "libasound2t64", "plain"}; !slices.Equal(got, want) {
		t.Errorf("depends on %v, want %v", got, want)
	}
}

func TestSharedLibraries(t *testing.T) {
	program, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("no dpkg-deb: apt install dpkg")
	}
	libraries, err := SharedLibraries(program)
	if err != nil {
		t.Skipf("not on this machine: %v", err)
	}
	var libc bool
	for in, on := range libraries {
		if _, err := os.Stat(on); err != nil || filepath.Base(in) != filepath.Base(on) {
			t.Errorf("%s is %s on the host: %v", in, on, err)
		}
		libc = libc || filepath.Base(in) == "libc.so.6"
	}
	if !libc {
		t.Errorf("no libc among %v", libraries)
	}
	if _, err := SharedLibraries("/dev/null"); err == nil {
		t.Error("an empty file has libraries")
	}
}
