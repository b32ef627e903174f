package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
)

// unpack adds to t those files and links of a Debian package that wanted accepts, by their path in a
// merged root.
func unpack(ctx context.Context, t tree, deb string, wanted func(name string) bool) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack %s: %w", deb, err)
	}
	defer func() {
		if err != nil {
			cancel()
		}
		if e := cmd.Wait(); e != nil {
			err = fmt.Errorf("unpack %s: %w: %s", deb, errors.Join(err, e), stderr.String())
		}
	}()
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, out) // the padding after the archive's end
			return err
		}
		if err != nil {
			return err
		}
		name := merged(h.Name)
		if !wanted(name) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			b, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			t.file(name, fs.FileMode(h.Mode).Perm(), b)
		case tar.TypeSymlink:
			t.link(name, h.Linkname)
		}
	}
}

// unxz decompresses.
func unxz(ctx context.Context, b []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout")
	cmd.Stdin = bytes.NewReader(b)
	return cmd.Output()
}
