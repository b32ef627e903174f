package signaling

import (
	"log/slog"
	"sync"
)

// houses keeps a registry for each household, so that one relay can serve
// several that don't know of each other. Which there are, the policy decides: they
// are few, and none is ever taken away.
type houses struct {
	// Fixed after newHouses.
	log      *slog.Logger
	maxCalls int

	// Guarded by mu.
	mu     sync.Mutex
	closed bool
	all    map[string]*registry
}

func newHouses(maxCalls int, log *slog.Logger) *houses {
	return &houses{log: log, maxCalls: maxCalls, all: make(map[string]*registry)}
}

// of is the registry of a house.
func (h *houses) of(name string) *registry {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.all[name]
	if g == nil {
		log := h.log
		if name != "" {
			log = log.With("house", name)
		}
		g = newRegistry(h.maxCalls, log)
		g.closed = h.closed
		h.all[name] = g
	}
	return g
}

// close lets nobody in any more.
func (h *houses) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, g := range h.all {
		g.close()
	}
}
