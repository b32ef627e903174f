package device

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Pull is the resistor that holds a line while nothing else does.
type Pull string

// The resistors of a line.
const (
	PullUp   Pull = "up"
	PullDown Pull = "down"
	PullNone Pull = "none" // there is one outside, or the line keeps the one that it had
)

// ButtonOptions are what OpenButton can be told.
type ButtonOptions struct {
	// ActiveHigh: the button connects the line to 3.3 V. Default: to ground.
	ActiveHigh bool
	// Pull. Default: up; with ActiveHigh, down. Without any, an open line catches presses
	// from the air.
	Pull Pull
	// Settle is how long the contact must be quiet to count as moved. Default: 30 ms. A
	// press shorter than that is taken for a disturbance.
	Settle time.Duration
	// IgnoreHeld: a button that is held down when Run begins is not a press. Default: it is
	// one, so that a press during a restart isn't lost.
	IgnoreHeld bool
	// Logger hears of a contact that never becomes quiet. Default: nobody.
	Logger *slog.Logger
}

const (
	// buttonSettle is the default of ButtonOptions.Settle.
	buttonSettle = 30 * time.Millisecond
	// buttonPoll is how often Run looks at its context and at the line, edges or no edges.
	buttonPoll = 100 * time.Millisecond
	// buttonHasty is how many waits in a row may end early and without an edge.
	buttonHasty = 50
	// buttonNoise is how long a contact may be restless until that is logged.
	buttonNoise = 5 * time.Second
)

// inputPin is what Button needs of a line (*gpioioctl.GPIOLine).
type inputPin interface {
	In(pull gpio.Pull, edge gpio.Edge) error
	// WaitForEdge returns whether there was an edge. Its timeout must be positive: 0 waits
	// for ever and negative ones don't wait.
	WaitForEdge(timeout time.Duration) bool
	// Read returns Low when reading fails, too.
	Read() gpio.Level
	Close()
}

// Button is a contact on a GPIO line.
type Button struct {
	// Fixed after OpenButton.
	line    Line
	pin     inputPin
	watch   func() (func() error, error) // Line.watch
	options ButtonOptions
}

// OpenButton finds the line of a name ("GPIO17", "17", "gpiochip0:17") and tries whether
// it can be had. It holds nothing: Run takes the line and gives it back. Its errors wrap
// ErrNoGPIO, ErrNoSuchLine, ErrLineBusy or ErrLinePermission where that is the cause.
func OpenButton(name string, options ButtonOptions) (*Button, error) {
	line, err := FindLine(name)
	if err != nil {
		return nil, fmt.Errorf("button: %w", err)
	}
	b, err := newButton(line, line.pin, line.watch, options)
	if err != nil {
		return nil, err
	}
	if err := b.request(); err != nil {
		return nil, err
	}
	b.release()
	return b, nil
}

// newButton fills in the defaults.
func newButton(line Line, pin inputPin, watch func() (func() error, error), options ButtonOptions) (*Button, error) {
	switch options.Pull {
	case PullUp, PullDown, PullNone:
	case "":
		options.Pull = PullUp
		if options.ActiveHigh {
			options.Pull = PullDown
		}
	default:
		return nil, fmt.Errorf("button: pull %q: it is `up`, `down` or `none`", options.Pull)
	}
	if options.Settle < 0 || options.Settle > time.Second {
		return nil, fmt.Errorf("button: a settle time of %v: it is between 0 (for the default, %v) and 1 s", options.Settle, buttonSettle)
	}
	if options.Settle == 0 {
		options.Settle = buttonSettle
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Button{line: line, pin: pin, watch: watch, options: options}, nil
}

// Description is the button's name for people.
func (b *Button) Description() string { return "button on " + b.line.ID() }

// Run calls pressed once for each press, with the time of its first edge (with Go's
// monotonic reading), until ctx ends, and then returns ctx's error. A button that is held
// down is one press. When the GPIO chip goes away Run returns ErrLineGone. Run may be
// called again after it returned, and not before (ErrLineBusy).
func (b *Button) Run(ctx context.Context, pressed func(at time.Time)) error {
	check, err := b.watch()
	if err != nil {
		return fmt.Errorf("button: %w", err)
	}
	if err := b.request(); err != nil {
		return err
	}
	defer b.release()
	contact := debounce{settle: b.options.Settle}
	if b.options.IgnoreHeld {
		contact.down = b.down()
	}
	if err := b.follow(ctx, &contact, check, pressed); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("button: %w", err)
	}
	return nil
}

// request asks the kernel for the line.
func (b *Button) request() error {
	if err := b.line.claim(); err != nil {
		return fmt.Errorf("button: %w", err)
	}
	pull := map[Pull]gpio.Pull{PullUp: gpio.PullUp, PullDown: gpio.PullDown, PullNone: gpio.Float}[b.options.Pull]
	if err := b.pin.In(pull, gpio.BothEdges); err != nil {
		b.release()
		return fmt.Errorf("button: %w", b.line.requestError(err))
	}
	return nil
}

// release gives the line back.
func (b *Button) release() {
	b.pin.Close()
	b.line.taken.Store(false)
}

// down reads whether the button is pressed.
func (b *Button) down() bool {
	return b.pin.Read() == gpio.Level(b.options.ActiveHigh)
}

// follow watches the contact until something ends it.
func (b *Button) follow(ctx context.Context, contact *debounce, check func() error, pressed func(at time.Time)) error {
	hasty, noisy := 0, false
	for ctx.Err() == nil {
		begin := time.Now()
		wait := buttonPoll
		if left, restless := contact.restless(begin); restless {
			wait = min(wait, max(left, time.Millisecond))
		}
		edge := b.pin.WaitForEdge(wait)
		now := time.Now()
		switch {
		case edge:
			contact.edge(now)
			hasty = 0
		case now.Sub(begin) < wait/2:
			hasty++
		default:
			hasty = 0
		}
		if hasty > buttonHasty {
			return fmt.Errorf("gpio line %s: waiting for it fails again and again: %w", b.line.ID(), ErrLineGone)
		}
		if noise := contact.moving && now.Sub(contact.first) > buttonNoise; noise && !noisy {
			noisy = true
			b.options.Logger.Warn("button never becomes quiet: is it wired to the line and to ground, with its pull resistor?", "line", b.line.ID())
		}
		if _, restless := contact.restless(now); restless {
			continue
		}
		down := b.down()
		if err := check(); err != nil { // before the level is believed: a lost line reads as low
			return err
		}
		if at, is := contact.level(down, now); is {
			pressed(at)
		}
	}
	return ctx.Err()
}
