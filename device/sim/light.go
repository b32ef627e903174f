package sim

import "sync"

// Light is an output line that remembers its state.
type Light struct {
	mu sync.Mutex
	// Guarded by mu.
	on      bool
	changes int
}

// NewLight returns a light that is off.
func NewLight() *Light { return &Light{} }

// Set switches the light.
func (l *Light) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on != l.on {
		l.on = on
		l.changes++
	}
	return nil
}

// On tells whether the light is on.
func (l *Light) On() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// Changes counts how often the light went on or off.
func (l *Light) Changes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}

// Close leaves the light off.
func (l *Light) Close() error { return l.Set(false) }
