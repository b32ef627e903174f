package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// keepVisits is how many visits are remembered.
const keepVisits = 200

// Visit is one press of the button and what came of it.
type Visit struct {
	// ID is the call id of the ring.
	ID string `json:"id"`
	// Pressed is when the button was pressed.
	Pressed time.Time `json:"pressed"`
	// Ended is when the ring or the call was over.
	Ended time.Time `json:"ended"`
	// Outcome is missed, declined or hangup (after a call), or shutdown.
	Outcome string `json:"outcome"`
	// By is who took the call, if somebody did.
	By string `json:"by,omitempty"`
}

// Visits is the book of visits: the newest keepVisits of them.
type Visits struct {
	// Fixed after NewVisits.
	file *File[[]Visit]
	log  *slog.Logger
	dirt chan struct{} // holds one token while something is to be saved

	mu     sync.Mutex // guards what follows
	visits []Visit    // oldest first
}

// NewVisits opens the book in a file. A damaged book is told to the log, and
// begun anew: it is no reason not to ring.
func NewVisits(path string, log *slog.Logger) *Visits {
	v := &Visits{file: NewFile[[]Visit](path), log: log, dirt: make(chan struct{}, 1)}
	visits, _, err := v.file.Load()
	if err != nil {
		log.Error("the book of visits is damaged", "error", err, "visits kept", len(visits))
	}
	v.visits = visits
	return v
}

// Add notes a visit; Run saves it. It never blocks.
func (v *Visits) Add(visit Visit) {
	v.mu.Lock()
	v.visits = append(v.visits, visit)
	if extra := len(v.visits) - keepVisits; extra > 0 {
		v.visits = slices.Delete(v.visits, 0, extra)
	}
	v.mu.Unlock()
	select {
	case v.dirt <- struct{}{}:
	default:
	}
}

// List returns the visits, newest first.
func (v *Visits) List() []Visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	visits := slices.Clone(v.visits)
	slices.Reverse(visits)
	return visits
}

// Run saves what is added, until ctx ends and everything is saved. A card that
// can't be written is told to the log, and tried again with the next visit.
func (v *Visits) Run(ctx context.Context) error {
	for {
		select {
		case <-v.dirt:
			v.save()
		case <-ctx.Done():
			select {
			case <-v.dirt:
				v.save()
			default:
			}
			return nil
		}
	}
}

func (v *Visits) save() {
	v.mu.Lock()
	visits := slices.Clone(v.visits)
	v.mu.Unlock()
	if err := v.file.Save(visits); err != nil {
		v.log.Error("the visit is not saved", "error", fmt.Errorf("book of visits: %w", err))
	}
}
