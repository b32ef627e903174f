package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// keyring signs what is downloaded. Package debian-archive-keyring.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// archive is one suite of Debian for one architecture, seen through an apt of its own: the host's lists
// and installed packages are neither read nor changed. Its proxies and the like in /etc/apt/apt.conf.d are
// used.
type archive struct {
	dir     string // lists and state
	mirror  string
	suite   string
	arch    string
	options []string
}

// openArchive makes the private apt and fetches the suite's list of packages.
func openArchive(ctx context.Context, dir, mirror, suite, arch string) (*archive, error) {
	a := &archive{dir: dir, mirror: mirror, suite: suite, arch: arch}
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	sources := filepath.Join(dir, "sources.list")
	line := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, suite)
	if err := os.WriteFile(sources, []byte(line), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, err
	}
	for _, o := range []string{
		"Dir::State::lists=" + filepath.Join(dir, "lists"),
		"Dir::State::status=" + filepath.Join(dir, "status"),
		"Dir::Cache=" + filepath.Join(dir, "cache"),
		"Dir::Etc::sourcelist=" + sources,
		"Dir::Etc::sourceparts=/dev/null",
		"Dir::Etc::preferences=/dev/null",
		"Dir::Etc::preferencesparts=/dev/null",
		"APT::Architecture=" + arch,
		"APT::Architectures=" + arch,
		"APT::Sandbox::User=",
		"APT::Update::Post-Invoke=",
		"APT::Update::Post-Invoke-Success=",
		"Acquire::Languages=none",
		"Acquire::Retries=3",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled=false",
	} {
		a.options = append(a.options, "-o", o)
	}
	if _, err := a.run(ctx, dir, "apt-get", "--error-on=any", "update"); err != nil {
		return nil, fmt.Errorf("package list of %s: %w", suite, err)
	}
	return a, nil
}

// ownMirror asks this machine's apt where it has Debian from.
func ownMirror() (string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("asking apt for its archive: %w (set Mirror)", err)
	}
	mirror := debianArchive(string(out))
	if mirror == "" {
		return "", errors.New("apt knows no Debian archive here: run apt-get update, or set Mirror")
	}
	return mirror, nil
}

// debianArchive picks Debian's main archive from lines of an origin and an address each; its
// security archive lacks most packages.
func debianArchive(targets string) string {
	for line := range strings.Lines(targets) {
		origin, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		if origin == "Debian" && !strings.Contains(address, "security") {
			return address
		}
	}
	return ""
}

func (a *archive) run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(a.options), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, lastLines(stderr.String(), 5))
	}
	return out, nil
}

// depends lists the names of the packages that a package's newest version depends on.
func (a *archive) depends(ctx context.Context, name string) ([]string, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "--no-all-versions", "show", name)
	return parseDepends(string(out)), err
}

// parseDepends lists the names in a package's Depends field, of alternatives the first.
func parseDepends(record string) []string {
	var names []string
	for line := range strings.Lines(record) {
		list, ok := strings.CutPrefix(line, "Depends:")
		if !ok {
			continue
		}
		for alternative := range strings.SplitSeq(list, ",") {
			if first := strings.Fields(alternative); len(first) > 0 {
				names = append(names, first[0])
			}
		}
	}
	return names
}

// kernel lists the packages that hold the newest kernel, whether it is one package or, as
// 7.3 is, an image that depends on binary, modules and base packages.
func (a *archive) kernel(ctx context.Context) ([]string, error) {
	meta, err := a.depends(ctx, "linux-image-"+a.arch)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(meta, func(n string) bool { return strings.HasPrefix(n, "linux-image-") })
	if i < 0 {
		return nil, fmt.Errorf("linux-image-%s of %s depends on %v: no kernel among them", a.arch, a.suite, meta)
	}
	image := meta[i]
	version := strings.TrimPrefix(image, "linux-image-")
	parts, err := a.depends(ctx, image)
	if err != nil {
		return nil, err
	}
	names := []string{image}
	for _, part := range parts {
		if strings.HasPrefix(part, "linux-") && strings.HasSuffix(part, "-"+version) {
			names = append(names, part)
		}
	}
	return names, nil
}

// download fetches packages into dir, checked against the signed list.
func (a *archive) download(ctx context.Context, dir string, names ...string) error {
	_, err := a.run(ctx, dir, "apt-get", append([]string{"download"}, names...)...)
	return err
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
