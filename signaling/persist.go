package signaling

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Handler is told what comes from the relay. Its methods are called in order
// from one goroutine, that of Run, and must not block; they may call Send.
type Handler interface {
	// Message is one message, beginning with each reply to a login.
	Message(Message)
	// Down says that a connection that was logged in is lost, and why. Calls that
	// stand go on; the next login reply says that the relay is there again.
	Down(err error)
}

const (
	backoffBase = 500 * time.Millisecond
	backoffMax  = 30 * time.Second
	// backoffReset is how long a connection must have lasted for the next wait
	// to be a short one again.
	backoffReset = 10 * time.Second
)

// backoff gives the waits between attempts: full jitter, so that all the clients
// of a relay that was restarted don't come back at once.
type backoff struct{ ceiling time.Duration }

func (b *backoff) next() time.Duration {
	if b.ceiling == 0 {
		b.ceiling = backoffBase
	}
	wait := rand.N(b.ceiling) + 1
	b.ceiling = min(2*b.ceiling, backoffMax)
	return wait
}

// persist repeats attempt until ctx ends, then returns nil. An attempt blocks
// for the life of one connection and tells whether it was logged in. Only
// ErrReplaced ends the repeating.
func persist(ctx context.Context, log *slog.Logger, h Handler, attempt func(context.Context) (up bool, err error)) error {
	var b backoff
	for {
		started := time.Now()
		up, err := attempt(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if up {
			h.Down(err)
		}
		if errors.Is(err, ErrReplaced) {
			log.Warn("signaling: the same client logged in elsewhere; this one stays away", "error", err)
			return err
		}
		if up && time.Since(started) >= backoffReset {
			b = backoff{}
		}
		wait := b.next()
		log.Warn("signaling: not connected to the relay", "error", err, "retry_in", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
