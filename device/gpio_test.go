package device

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
)

func TestNoChips(t *testing.T) {
	denied := func(string) error { return os.ErrPermission }
	if err := noChips([]string{"/dev/gpiochip0"}, denied); !errors.Is(err, ErrLinePermission) || !strings.Contains(err.Error(), "group gpio") {
		t.Errorf("denied: %v", err)
	}
	if err := noChips([]string{"/dev/gpiochip0"}, func(string) error { return nil }); !errors.Is(err, ErrNoGPIO) || !strings.Contains(err.Error(), "kernel's log") {
		t.Errorf("useless: %v", err)
	}
}

func TestFindLine(t *testing.T) {
	var lines []Line
	for i, name := range []string{"ID_SDA", "ID_SCL", "GPIO2", "GPIO17", ""} {
		lines = append(lines, Line{Chip: "gpiochip0", Label: "pinctrl-bcm2711", Number: i, Name: name})
	}
	for i, name := range []string{"BT_ON", "", "GPIO2b"} {
		lines = append(lines, Line{Chip: "gpiochip1", Label: "raspberrypi-exp-gpio", Number: i, Name: name})
	}
	tests := []struct{ name, want string }{
		{"GPIO17", "gpiochip0:3"},
		{" GPIO17 ", "gpiochip0:3"},
		{"gpio17", "gpiochip0:3"},
		{"17", "gpiochip0:3"}, // by name
		{"4", "gpiochip0:4"},  // by number
		{"2", "gpiochip0:2"},
		{"gpiochip1:1", "gpiochip1:1"},
		{"/dev/gpiochip1:1", "gpiochip1:1"},
		{"raspberrypi-exp-gpio:BT_ON", "gpiochip1:0"},
		{"gpiochip0:", ""},
		{"gpiochip2:1", ""},
		{"GPIO18", ""},
		{"", ""},
		{"99", ""},
	}
	for _, test := range tests {
		line, err := findLine(lines, test.name)
		if test.want == "" {
			if !errors.Is(err, ErrNoSuchLine) {
				t.Errorf("%q: %+v, %v", test.name, line, err)
			}
			continue
		}
		line.Name = ""
		if err != nil || line.ID() != test.want {
			t.Errorf("%q: %s, %v; want %s", test.name, line.ID(), err, test.want)
		}
	}
	if _, err := findLine(lines, "GPIO18"); err == nil || !strings.Contains(err.Error(), "nearest are GPIO17") {
		t.Errorf("no hint: %v", err)
	}
	if _, err := findLine(lines, "gpiochip0:7"); err == nil || !strings.Contains(err.Error(), "gpiochip0:0") {
		t.Errorf("no hint: %v", err)
	}
}

func TestLineWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpiochip0")
	line := fakeLine()
	line.path = path
	if _, err := line.watch(); !errors.Is(err, ErrLineGone) {
		t.Errorf("not there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check, err := line.watch()
	if err != nil {
		t.Fatal(err)
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	other := path + "-other"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if err := check(); !errors.Is(err, ErrLineGone) {
		t.Errorf("another chip of the same name: %v", err)
	}
}

// fakeOutput is an output line.
type fakeOutput struct {
	levels []gpio.Level
	fail   error
	closed int
}

func (p *fakeOutput) Out(level gpio.Level) error {
	p.levels = append(p.levels, level)
	return p.fail
}

func (p *fakeOutput) Close() { p.closed++ }

func TestLight(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		pin, line := &fakeOutput{}, fakeLine()
		light, err := newLight(line, pin, LightOptions{ActiveLow: activeLow})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newLight(line, pin, LightOptions{}); !errors.Is(err, ErrLineBusy) {
			t.Errorf("a second light on the line: %v", err)
		}
		for _, on := range []bool{true, false, true} {
			if err := light.Set(on); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := light.Close(); err != nil {
				t.Error(err)
			}
		}
		on := gpio.Level(!activeLow)
		if want := []gpio.Level{!on, on, !on, on, !on}; !slices.Equal(pin.levels, want) || pin.closed != 1 || line.taken.Load() {
			t.Errorf("levels %v, want %v; closed %d times", pin.levels, want, pin.closed)
		}
		if err := light.Set(true); err == nil {
			t.Error("set after Close")
		}
	}
	pin, line := &fakeOutput{fail: errors.New("GPIOLine.Out(): line_request ioctl: device or resource busy")}, fakeLine()
	if _, err := newLight(line, pin, LightOptions{}); !errors.Is(err, ErrLineBusy) || line.taken.Load() {
		t.Errorf("busy: %v", err)
	}
}
