package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// New builds the image, or finds it in the cache, and boots it, for one test: the guest ends with the
// test. If the test has failed, the guest's console and kernel log are printed. Where QEMU is not
// installed the test is skipped, and says so, unless DOORBELL_VM=must is set.
func New(t testing.TB, o Options, c Config) *Guest {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if err := available(o); err != nil {
		if os.Getenv("DOORBELL_VM") == "must" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	image, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Start(t.Context(), image, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			g.explain(t)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// available says whether such guests can run here.
func available(o Options) error {
	m, err := machineOf(o.Arch)
	if err != nil {
		return err
	}
	for program, debian := range map[string]string{m.qemu: m.debian, "apt-get": "apt", "dpkg-deb": "dpkg", "xz": "xz-utils"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("no virtual machine: %w: apt install %s", err, debian)
		}
	}
	if o.Vicodec {
		if err := canBuildVicodec(); err != nil {
			return err
		}
	}
	if o.Debian != "" {
		return canBuildDebian(o.Arch)
	}
	return nil
}

// explain prints what a person looks at first when a test has failed.
func (g *Guest) explain(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	t.Logf("the guest's console:\n%s", lastLines(g.Console(), 100))
	if log, err := g.KernelLog(ctx); err == nil {
		t.Logf("the guest's kernel log:\n%s", lastLines(log, 60))
	} else {
		t.Logf("the guest's kernel log: %v", err)
	}
}

// GoTest builds the test program of a package of this module, with the build tags of the test
// that calls it, and runs
// it in the guest in a folder with the package's testdata, for at most ten minutes. It is built for
// each guest once. Environment and
// arguments (-test.run and the like) are the program's. t fails if it does; what it prints is logged.
func (g *Guest) GoTest(t testing.TB, pkg string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Minute, errors.New("the test took ten minutes"))
	defer cancel()
	home := path.Join("/tmp/test", pkg)
	if g.firstOf(pkg) {
		if err := g.putTest(ctx, t.TempDir(), pkg, home); err != nil {
			t.Fatal(err)
		}
	}
	out, err := g.Do(ctx, Command{Args: append([]string{"./program.test", "-test.v"}, args...), Env: env, Dir: home})
	if out != "" {
		t.Logf("in the guest:\n%s", out)
	}
	if err != nil {
		how := &ExitError{}
		if errors.As(err, &how) {
			how.Output = "see above"
		}
		t.Error(err)
	}
	return out
}

// firstOf tells, once for each package, that its test program isn't in the guest yet.
func (g *Guest) firstOf(pkg string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.tests, pkg) {
		return false
	}
	g.tests = append(g.tests, pkg)
	return true
}

// putTest builds a package's test program and puts it into the guest, with its testdata.
func (g *Guest) putTest(ctx context.Context, temp, pkg, home string) error {
	program, dir, err := g.buildTest(ctx, temp, pkg)
	if err != nil {
		return err
	}
	if err := g.PutProgram(ctx, program, path.Join(home, "program.test")); err != nil {
		return err
	}
	if err := g.putFolder(ctx, filepath.Join(dir, "testdata"), path.Join(home, "testdata")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// buildTest compiles a package's tests for the guest. It returns the program and the package's folder.
func (g *Guest) buildTest(ctx context.Context, temp, pkg string) (program, dir string, err error) {
	env := append(os.Environ(), g.image.compiler()...)
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg)
	list.Env = env
	out, err := list.Output()
	if err != nil {
		return "", "", fmt.Errorf("go list %s: %w", pkg, err)
	}
	program = filepath.Join(temp, "program.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-tags="+buildTags(), "-o", program, pkg)
	build.Env = env
	if out, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("go test -c %s: %w: %s", pkg, err, out)
	}
	return program, strings.TrimSpace(string(out)), nil
}

// buildTags are the build tags of this program, which are meant for what it builds too.
func buildTags() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
}

// compiler is the environment in which Go builds programs for the guest, with Debian's cross-compiler
// where its architecture is not the host's.
func (i *Image) compiler() []string {
	env := []string{"CGO_ENABLED=1", "GOOS=linux", "GOARCH=" + i.Arch}
	m, err := machineOf(i.Arch)
	if err != nil || i.Arch == runtime.GOARCH {
		return env
	}
	return append(env, "CC="+m.triplet+"-gcc", "CXX="+m.triplet+"-g++",
		"PKG_CONFIG_LIBDIR=/usr/lib/"+m.triplet+"/pkgconfig:/usr/share/pkgconfig")
}

// PutProgram puts a program of the host into the guest, with those shared libraries that are not there yet.
func (g *Guest) PutProgram(ctx context.Context, from, to string) error {
	libraries, err := SharedLibraries(from)
	if err != nil {
		return err
	}
	for in, on := range libraries {
		if _, err := g.Run(ctx, "test", "-e", in); err == nil {
			continue
		}
		if err := g.PutFile(ctx, on, in); err != nil {
			return err
		}
	}
	return g.PutFile(ctx, from, to)
}

// putFolder puts a folder's files into the guest.
func (g *Guest) putFolder(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return g.PutFile(ctx, name, path.Join(to, filepath.ToSlash(relative)))
	})
}
