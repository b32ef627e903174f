package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// deviceDir is where the kernel shows devices, and soundDir those of sound cards; the latter is there only
	// while there are any.
	deviceDir, soundDir = "/dev", "/dev/snd"
	// arrivalMask is what happens when a device comes: its node is made, and given to the group that may use it. Writes
	// to a device, which are many, count for neither (inotify(7)).
	arrivalMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB
	// arrivalPause is the least time from one arrival to the next: a device has several nodes.
	arrivalPause = 20 * time.Millisecond
)

// Arrivals tells that a device may have come, so that who waits for one needn't look every moment. It tells of more
// than there is: of any device's node. The zero value, and nil, tell nothing until Run runs.
type Arrivals struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next arrival; nil: nobody has asked
}

// Next returns what is closed when a device comes from now on. Who asks before it tries a device misses none that
// comes during the try.
func (a *Arrivals) Next() <-chan struct{} {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = make(chan struct{})
	}
	return a.next
}

func (a *Arrivals) tell() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		close(a.next)
		a.next = nil
	}
}

// Run watches /dev until ctx ends, and returns ctx's error. Where the kernel doesn't let it, it tells log, and nobody of
// any arrival: they look by themselves now and then.
func (a *Arrivals) Run(ctx context.Context, log *slog.Logger) error {
	if err := a.watch(ctx, deviceDir, soundDir); ctx.Err() == nil {
		log.Warn("devices that come are noticed a little later", "error", err)
	}
	<-ctx.Done()
	return ctx.Err()
}

// watch tells of what comes in folders, of which the first has to be there, until ctx ends or it can't.
func (a *Arrivals) watch(ctx context.Context, dir string, more ...string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := unix.InotifyAddWatch(fd, dir, arrivalMask); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	w, err := newWaiter()
	if err != nil {
		return err
	}
	defer w.release()
	follow := func() error { // what may have come; to watch one twice is to watch it once
		for _, dir := range more {
			if _, err := unix.InotifyAddWatch(fd, dir, arrivalMask); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("watch %s: %w", dir, err)
			}
		}
		return nil
	}
	if err := follow(); err != nil {
		return err
	}
	var events [4096]byte
	for {
		if _, err := w.wait(ctx, fd, -1); err != nil {
			return err
		}
		// What it says in detail is nothing to us.
		if _, err := unix.Read(fd, events[:]); err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
		if err := follow(); err != nil { // first, so that who is told finds what is there by now
			return err
		}
		a.tell()
		if _, err := w.wait(ctx, -1, arrivalPause); err != nil {
			return err
		}
	}
}
