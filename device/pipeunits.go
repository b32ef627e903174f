package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// How long nothing must come after a slice for its access unit to be taken as
// whole. Waiting for the next start code instead would cost the time of a frame.
const (
	leastPatience = 2 * time.Millisecond
	mostPatience  = 50 * time.Millisecond
	blockPatience = 10 * time.Millisecond // after a whole number of blocks, as from a writer's full buffer
	writerBlock   = 4096
)

// pipeUnits reads access units from a pipe as soon as they are whole.
type pipeUnits struct {
	pipe     *PipeCamera
	splitter unitSplitter
	units    unitNormalizer
	patience time.Duration // grows when a unit was cut too early, in the end to for ever: -1
	began    time.Time     // when the first bytes of the unit being collected came
	burst    int           // bytes since the last pause
	garbage  int           // bytes since the last usable unit
	ended    bool          // the writer has gone
}

// next returns the next usable unit, io.EOF when the writer has gone.
func (u *pipeUnits) next(ctx context.Context) (Frame, error) {
	for {
		raw, captured, err := u.raw(ctx)
		if err != nil {
			return Frame{}, err
		}
		unit, key, err := u.units.normalize(raw)
		if err != nil {
			u.pipe.drops.Add(1)
			continue
		}
		if u.garbage = 0; key {
			u.pipe.describe(fmt.Sprintf("H.264 %dx%d", u.units.info.width, u.units.info.height))
		}
		return Frame{Unit: unit, Key: key, Captured: captured}, nil
	}
}

// raw returns the next unit as it was written.
func (u *pipeUnits) raw(ctx context.Context) ([]byte, time.Time, error) {
	for {
		if unit := u.splitter.next(); unit != nil {
			captured := u.began
			u.began = time.Now() // what follows has just come
			return unit, u.since(captured), nil
		}
		if u.splitter.wasTorn() {
			u.loseTime()
		}
		if u.ended {
			if unit := u.splitter.flush(); unit != nil {
				return unit, u.since(u.began), nil
			}
			return nil, u.began, io.EOF
		}
		timeout := time.Duration(-1)
		if u.splitter.flushable() {
			timeout = u.patience
			if u.patience > 0 && u.burst%writerBlock == 0 {
				timeout = max(timeout, blockPatience)
			}
		}
		n, at, err := u.pipe.fill(ctx, timeout)
		switch {
		case errors.Is(err, io.EOF):
			u.ended = true
		case err != nil:
			return nil, at, err
		case n == 0:
			unit := u.splitter.flush()
			captured := u.began
			u.began, u.burst = time.Time{}, 0
			return unit, u.since(captured), nil
		default:
			if err := u.take(n, at); err != nil {
				return nil, at, err
			}
		}
	}
}

// loseTime makes the pauses longer that end a unit. A writer that fills blocks
// before it writes can't be told from one that is done: for it there are none.
func (u *pipeUnits) loseTime() {
	switch {
	case u.patience >= mostPatience:
		u.patience = -1
	case u.patience > 0:
		u.patience = min(2*u.patience, mostPatience)
	}
}

// take notes bytes that have come.
func (u *pipeUnits) take(n int, at time.Time) error {
	if u.began.IsZero() {
		u.began = at
	}
	u.burst += n
	if u.garbage += n; u.garbage > mostGarbage {
		return fmt.Errorf("no usable H.264 in %d MiB", mostGarbage>>20)
	}
	return u.splitter.write(u.pipe.chunk[:n])
}

func (u *pipeUnits) since(began time.Time) time.Time {
	if began.IsZero() {
		return time.Now()
	}
	return began
}
