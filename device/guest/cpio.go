package guest

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// entry is a file, link or folder of the guest's root.
type entry struct {
	mode fs.FileMode // type and permission bits
	data []byte      // a link's target, a file's content
}

// tree is a root file system by path, without leading slash.
type tree map[string]entry

func (t tree) file(name string, perm fs.FileMode, data []byte) { t[name] = entry{perm, data} }
func (t tree) link(name, target string)                        { t[name] = entry{fs.ModeSymlink | 0o777, []byte(target)} }
func (t tree) folder(name string, perm fs.FileMode)            { t[name] = entry{fs.ModeDir | perm, nil} }

// writeCPIO writes the tree as the kernel's initramfs format (newc; Documentation/driver-api/
// early-userspace/buffer-format.rst), the same bytes for the same tree. Folders that are missing are added.
// Archives may follow one another in an initramfs: each is padded to 512 bytes.
func writeCPIO(w io.Writer, t tree) error {
	all := tree{}
	for name, e := range t {
		all[name] = e
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := t[dir]; !ok {
				all.folder(dir, 0o755)
			}
		}
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names) // a folder before what is in it
	c := &cpioWriter{w: w}
	for i, name := range names {
		c.entry(i+1, name, all[name])
	}
	c.entry(0, "TRAILER!!!", entry{})
	c.pad(512)
	return c.err
}

type cpioWriter struct {
	w   io.Writer
	n   int64 // bytes written
	err error // the first
}

func (c *cpioWriter) write(b []byte) {
	if c.err == nil {
		var n int
		n, c.err = c.w.Write(b)
		c.n += int64(n)
	}
}

func (c *cpioWriter) pad(to int64) {
	c.write(make([]byte, (to-c.n%to)%to))
}

func (c *cpioWriter) entry(inode int, name string, e entry) {
	c.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		inode, unixMode(e.mode), 0, 0, 1, 0, len(e.data), 0, 0, 0, 0, len(name)+1, 0, name))
	c.pad(4)
	c.write(e.data)
	c.pad(4)
}

// unixMode is the st_mode of a file.
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	switch {
	case m.IsDir():
		return mode | 0o040000
	case m&fs.ModeSymlink != 0:
		return mode | 0o120000
	}
	return mode | 0o100000
}

// merged is a package's path as it is in a root where bin, lib, lib64 and sbin are links into usr.
func merged(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "bin", "lib", "lib64", "sbin":
		return "usr/" + name
	}
	return name
}
