package device

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/driver"
	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/gpioioctl"
)

// Errors of buttons and output lines. What comes out of this package wraps one of them
// where it applies, with the line's name and what to do about it.
var (
	// ErrNoGPIO: the machine has no GPIO chip that this process can see.
	ErrNoGPIO = errors.New("there is no GPIO chip")
	// ErrNoSuchLine: there are GPIO chips, but none has that line.
	ErrNoSuchLine = errors.New("there is no such GPIO line")
	// ErrLineBusy: another program, the kernel or another device of this doorbell has the line.
	ErrLineBusy = errors.New("the GPIO line is in use")
	// ErrLinePermission: this process may not open the GPIO chip.
	ErrLinePermission = errors.New("permission denied")
	// ErrLineGone: the GPIO chip went away while the line was in use.
	ErrLineGone = errors.New("the GPIO chip is gone")
)

// Line is one line of a GPIO chip.
type Line struct {
	Chip     string // the kernel's name of the chip, such as "gpiochip0"
	Label    string // what the chip is, such as "pinctrl-bcm2711"
	Number   int    // of the line on its chip
	Name     string // such as "GPIO17"; many lines have none
	Consumer string // who had it when this process first looked, or "" for nobody

	chip  *gpioChip
	path  string
	pin   *gpioioctl.GPIOLine
	taken *atomic.Bool // a device of this process has it; the same for all copies of the line
}

// ID is a name to configure the line by.
func (l Line) ID() string {
	if l.Name != "" {
		return l.Name
	}
	return fmt.Sprintf("%s:%d", l.Chip, l.Number)
}

// ListLines returns the lines of all GPIO chips, those of the processor's own pins first. Chips
// that this process has seen are found again when they went away and came back; others that
// come when there are some already are seen only after a restart.
func ListLines() ([]Line, error) { return systemGPIO().list() }

// systemGPIO is the one of this process, since periph's registry is one.
var systemGPIO = sync.OnceValue(func() *gpioSystem { return &gpioSystem{} })

// gpioSystem is all chips.
type gpioSystem struct {
	mu sync.Mutex
	// Guarded by mu.
	driver driver.Impl // gpioioctl's, after the first look
	chips  []*gpioChip
	lines  []Line
}

// list looks at the chips and returns their lines.
func (s *gpioSystem) list() ([]Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.chips) == 0 {
		if err := s.scan(); err != nil {
			return nil, err
		}
	}
	if len(s.chips) == 0 {
		return nil, noChips(chipNodes(), readable)
	}
	taken := map[uint64]bool{}
	for _, chip := range s.chips {
		if chip.alive() && chip.fd >= 0 {
			taken[deviceOf(chip.fd)] = true
		}
	}
	for _, chip := range s.chips {
		there, err := chip.follow(taken)
		if err != nil {
			return nil, err
		}
		if there && chip.fd >= 0 {
			taken[deviceOf(chip.fd)] = true
		}
	}
	for i := range s.lines { // a chip may have returned under another number
		if l := &s.lines[i]; l.chip.path != l.path {
			l.path, l.Chip = l.chip.path, filepath.Base(l.chip.path)
		}
	}
	return slices.Clone(s.lines), nil
}

func chipNodes() []string {
	nodes, _ := filepath.Glob("/dev/gpiochip*") // the pattern is good
	return nodes
}

func readable(node string) error {
	return unix.Faccessat(unix.AT_FDCWD, node, unix.R_OK, unix.AT_EACCESS)
}

// scan lets periph look for chips, for the first time or after it found none.
func (s *gpioSystem) scan() error {
	if s.driver == nil {
		// Only gpioioctl is registered: host.Init would also touch a Pi's registers through /dev/mem.
		state, err := driverreg.Init()
		if err != nil {
			return fmt.Errorf("gpio: looking for chips: %w", err)
		}
		for _, d := range state.Loaded {
			s.driver = d
		}
		for _, d := range append(state.Skipped, state.Failed...) {
			s.driver = d.D
		}
	} else if slices.ContainsFunc(chipNodes(), func(node string) bool { return readable(node) == nil }) {
		// Otherwise periph would complain in the standard log, at each try.
		if _, err := s.driver.Init(); err != nil {
			return fmt.Errorf("gpio: looking for chips again: %w", err)
		}
	}
	for _, chip := range gpioioctl.Chips {
		c := newGPIOChip(chip)
		s.chips = append(s.chips, c)
		for _, pin := range chip.Lines() {
			s.lines = append(s.lines, Line{
				Chip: chip.Name(), Label: chip.Label(), Number: pin.Number(), Name: usefulName(pin.Name()),
				Consumer: pin.Consumer(), chip: c, path: chip.Path(), pin: pin, taken: new(atomic.Bool),
			})
		}
	}
	return nil
}

// usefulName is a line's name, or "" where drivers write "-" or "_" for none.
func usefulName(name string) string {
	if name == "-" || name == "_" {
		return ""
	}
	return name
}

// noChips says why no chip was seen, from the nodes that there are now.
func noChips(nodes []string, access func(string) error) error {
	if len(nodes) == 0 {
		return fmt.Errorf("gpio: %w (/dev/gpiochip*): is this a Raspberry Pi or a board like it, and has its kernel CONFIG_GPIO_CDEV?", ErrNoGPIO)
	}
	for _, node := range nodes {
		if err := access(node); err != nil {
			return fmt.Errorf("gpio: %s: %w: add this user to the group gpio (`sudo usermod -aG gpio $USER`) and log in again: %w", node, ErrLinePermission, err)
		}
	}
	return fmt.Errorf("gpio: %w that could be used: %s: does the kernel's log say why?", ErrNoGPIO, strings.Join(nodes, ", "))
}

// findLine returns the line of a name: "GPIO17", "17", "gpiochip0:17", "pinctrl-rp1:GPIO17".
func findLine(lines []Line, name string) (Line, error) {
	name = strings.TrimSpace(name)
	for _, same := range []func(l Line) bool{
		func(l Line) bool { return l.Name == name && name != "" },
		func(l Line) bool { return isLineOfChip(l, name) },
		func(l Line) bool { return l.Name == "GPIO"+name },
		// The first chip's: the processor's own pins, where the board has several chips.
		func(l Line) bool { return l.Chip == lines[0].Chip && strconv.Itoa(l.Number) == name },
		func(l Line) bool { return strings.EqualFold(l.Name, name) && name != "" },
	} {
		if i := slices.IndexFunc(lines, same); i >= 0 {
			return lines[i], nil
		}
	}
	return Line{}, fmt.Errorf("gpio line %q: %w: the nearest are %s", name, ErrNoSuchLine, strings.Join(nearestLines(lines, name), ", "))
}

// isLineOfChip tells whether name is the chip and the line with a colon between.
func isLineOfChip(l Line, name string) bool {
	chip, line, ok := strings.Cut(name, ":")
	chip = strings.TrimPrefix(chip, "/dev/")
	return ok && (chip == l.Chip || chip == l.Label) && (line == strconv.Itoa(l.Number) || line == l.Name && line != "")
}

// nearestLines returns up to five names of lines that look most like name.
func nearestLines(lines []Line, name string) []string {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ID()
		if strings.Contains(name, ":") {
			ids[i] = fmt.Sprintf("%s:%d", l.Chip, l.Number)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(editDistance(a, name), editDistance(b, name)) })
	return ids[:min(5, len(ids))]
}

// FindLine finds the line of a name (see [OpenButton]) among those of the machine.
// Its errors name the nearest lines, or what keeps this user from all of them.
func FindLine(name string) (Line, error) {
	lines, err := ListLines()
	if err != nil {
		return Line{}, err
	}
	line, err := findLine(lines, name)
	if err == nil && !line.chip.alive() {
		return line, line.goneError()
	}
	return line, err
}

// claim keeps the other devices of this process from using the line; the kernel keeps
// other processes from it. Release with taken.Store(false).
func (l Line) claim() error {
	if l.taken.CompareAndSwap(false, true) {
		return nil
	}
	return fmt.Errorf("gpio line %s: %w by doorbell itself: give each button and light a line of its own", l.ID(), ErrLineBusy)
}

// requestError says why the kernel refused a line. gpioioctl passes on the words for
// errno, not the number.
func (l Line) requestError(err error) error {
	has := func(number unix.Errno) bool { return strings.Contains(err.Error(), number.Error()) }
	switch {
	case has(unix.EBUSY):
		return fmt.Errorf("gpio line %s: %w by %s: stop that or choose another line: %w", l.ID(), ErrLineBusy, cmp.Or(l.Consumer, "another program"), err)
	case has(unix.EPERM), has(unix.EACCES):
		return fmt.Errorf("gpio line %s: %w: add this user to the group gpio (`sudo usermod -aG gpio $USER`) and log in again: %w", l.ID(), ErrLinePermission, err)
	case has(unix.ENODEV):
		return l.goneError()
	}
	return fmt.Errorf("gpio line %s: asking the kernel for it: %w", l.ID(), err)
}

// goneError tells that the chip is gone.
func (l Line) goneError() error {
	return fmt.Errorf("gpio line %s: %w: %s: it is looked for until it is back", l.ID(), ErrLineGone, l.Label)
}

// watch returns a function that tells whether the chip is still the one it was now.
func (l Line) watch() (func() error, error) {
	then, err := os.Stat(l.path)
	if err != nil {
		return nil, l.goneError()
	}
	return func() error {
		if now, err := os.Stat(l.path); err != nil || !os.SameFile(then, now) {
			return l.goneError()
		}
		return nil
	}, nil
}
