package access

import (
	"context"
	"slices"
	"time"
)

const (
	// seenStep is how exactly it is kept on disk when a phone was here: a card
	// wears out of being written.
	seenStep = time.Hour
	// watchStep is how often dates are looked at, since a clock can be set.
	watchStep = time.Minute
)

// Run ends the right of guests at their date, forgets invitations that nobody
// took up, and saves now and then who was here. It blocks until ctx ends, saves
// once more and returns nil.
func (k *Keyring) Run(ctx context.Context) error {
	for {
		timer := time.NewTimer(k.sweep())
		select {
		case <-ctx.Done():
			timer.Stop()
			k.saveSeen(0)
			return nil
		case <-k.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// sweep ends what is over, and tells how long until it is to be called again.
func (k *Keyring) sweep() time.Duration {
	k.mu.Lock()
	now, clock := time.Now(), k.now()
	next := watchStep
	var over []Phone
	stale := false
	for _, key := range k.state.Phones {
		switch left := key.Until.Sub(clock); {
		case key.Until.IsZero():
		case left <= 0:
			over = append(over, key.Phone)
		default:
			next = min(next, left)
		}
	}
	for _, t := range k.state.Invitations {
		stale = stale || !now.Before(t.Expires)
	}
	k.mu.Unlock()
	for _, phone := range over {
		k.log.Info("a guest's date has passed", "phone", phone.Name, "until", phone.Until)
		_ = k.Revoke(phone.House, phone.ID, true) // logged, and in force all the same
	}
	if stale {
		_ = k.change(func(s *State) error {
			s.Invitations = slices.DeleteFunc(s.Invitations, func(t Ticket) bool { return !now.Before(t.Expires) })
			return nil
		}, keepUnsaved) // logged
	}
	k.saveSeen(seenStep)
	return next
}

// saveSeen writes down who was here, if that is news by more than step.
func (k *Keyring) saveSeen(step time.Duration) {
	k.mu.Lock()
	news := k.now().Sub(k.state.Newest) > seenStep
	for _, key := range k.state.Phones {
		if seen, ok := k.seen[key.ID]; ok && seen.Sub(key.Seen) > step {
			news = true
		}
	}
	k.mu.Unlock()
	if news {
		_ = k.change(func(*State) error { return nil }, keepUnsaved) // logged
	}
}
