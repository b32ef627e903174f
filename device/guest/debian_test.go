package guest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestDebianIsBootedFromADiskThatIsNotChanged(t *testing.T) {
	m, err := machineOf("amd64")
	if err != nil {
		t.Fatal(err)
	}
	image := &Image{Arch: "amd64", Debian: "/cache/a,b.ext4"}
	a := arguments(image, m, Config{Watchdog: true, Kernel: []string{"panic=0"}}.withDefaults(), "agent", "qmp")
	if !slices.Contains(a, "if=none,id=debian,format=raw,snapshot=on,file=/cache/a,,b.ext4") {
		t.Errorf("no disk with the root: %q", a)
	}
	words := a[slices.Index(a, "-append")+1]
	if !strings.Contains(words, "guest.root=debian ") || !strings.Contains(words, "guest.modules=i6300esb ") || !strings.HasSuffix(words, " panic=0") {
		t.Errorf("kernel's words: %s", words)
	}
	image.Debian = ""
	if a := strings.Join(arguments(image, m, Config{}.withDefaults(), "agent", "qmp"), " "); strings.Contains(a, "debian") {
		t.Errorf("the small guest: %s", a)
	}
}

func TestDebianOfAnotherArchitectureIsRefused(t *testing.T) {
	if err := canBuildDebian("s390x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestDebianFiles(t *testing.T) {
	files := debianFiles()
	for name, want := range map[string]string{
		"etc/systemd/system/guest-agent.service":                         "ExecStart=/run/guest/bin/guest agent",
		"etc/systemd/system/multi-user.target.wants/guest-agent.service": linkTo + "/etc/systemd/system/guest-agent.service",
		"etc/systemd/system/apt-daily.timer":                             linkTo + "/dev/null",
		"etc/machine-id":                                                 "\n",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s is %q, want %q in it", name, files[name], want)
		}
	}
}
