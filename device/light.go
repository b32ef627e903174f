package device

import (
	"errors"
	"fmt"
	"sync"

	"periph.io/x/conn/v3/gpio"
)

// LightOptions are what OpenLight can be told.
type LightOptions struct {
	// ActiveLow: the light or relay is on while the line is low, as with most relay boards.
	ActiveLow bool
}

// outputPin is what Light needs of a line (*gpioioctl.GPIOLine).
type outputPin interface {
	Out(level gpio.Level) error
	Close()
}

// Light is an output line with an LED or a chime's relay on it.
type Light struct {
	// Fixed after OpenLight.
	line    Line
	options LightOptions

	mu sync.Mutex
	// Guarded by mu.
	pin outputPin // nil: closed
}

// OpenLight takes the line of a name (see OpenButton) as an output and switches it off.
// The light is to be closed after use.
func OpenLight(name string, options LightOptions) (*Light, error) {
	line, err := FindLine(name)
	if err != nil {
		return nil, fmt.Errorf("light: %w", err)
	}
	return newLight(line, line.pin, options)
}

// newLight takes the line.
func newLight(line Line, pin outputPin, options LightOptions) (*Light, error) {
	if err := line.claim(); err != nil {
		return nil, fmt.Errorf("light: %w", err)
	}
	l := &Light{line: line, options: options, pin: pin}
	if err := l.Set(false); err != nil {
		_ = l.Close() // gives the line back, and has the same error
		return nil, err
	}
	return l, nil
}

// Description is the light's name for people.
func (l *Light) Description() string { return "light on " + l.line.ID() }

// Set switches the light. Any goroutine may call it.
func (l *Light) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pin == nil {
		return fmt.Errorf("light: gpio line %s: %w", l.line.ID(), errLightClosed)
	}
	if err := l.pin.Out(gpio.Level(on != l.options.ActiveLow)); err != nil {
		return fmt.Errorf("light: %w", l.line.requestError(err))
	}
	return nil
}

// errLightClosed is returned by Set after Close.
var errLightClosed = errors.New("it is closed")

// Close switches the light off and gives the line back. It may be called again. What the
// chip does with a line that nobody has is its own affair; most leave it as it was.
func (l *Light) Close() error {
	err := l.Set(false)
	if errors.Is(err, errLightClosed) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pin != nil {
		l.pin.Close()
		l.pin = nil
		l.line.taken.Store(false)
	}
	return err
}
