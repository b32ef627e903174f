package device

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// waiter waits for a file descriptor to become readable (or another event), and stops at once when
// a context ends or when it is told to close.
type waiter struct {
	events int16 // that are waited for; fixed before the first wait
	mu     sync.Mutex
	event  int  // eventfd; -1 when released. Guarded by mu, except that wait may read it.
	closed bool // Guarded by mu.
}

func newWaiter() (*waiter, error) {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("making an eventfd: %w", err)
	}
	return &waiter{event: event, events: unix.POLLIN}, nil
}

// wait blocks until fd has something to say or timeout has passed (then the
// events are 0). Negative timeouts wait for ever; a negative fd is not looked
// at. It returns the context's error, or ErrClosed after shut.
func (w *waiter) wait(ctx context.Context, fd int, timeout time.Duration) (events int16, err error) {
	if err := w.state(ctx); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, w.wake)
	defer stop()
	deadline := time.Now().Add(timeout)
	for {
		millis := -1
		if timeout >= 0 {
			millis = int((max(time.Until(deadline), 0) + time.Millisecond - 1) / time.Millisecond)
		}
		fds := []unix.PollFd{{Fd: int32(w.event), Events: unix.POLLIN}, {Fd: int32(fd), Events: w.events}}
		n, err := unix.Poll(fds, millis)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("waiting: %w", err)
		}
		if err == nil && fds[0].Revents != 0 {
			w.drain()
		}
		if err := w.state(ctx); err != nil {
			return 0, err
		}
		if err != nil {
			continue
		}
		if fds[1].Revents != 0 {
			return fds[1].Revents, nil
		}
		if n == 0 && timeout >= 0 && time.Until(deadline) <= 0 {
			return 0, nil
		}
	}
}

func (w *waiter) state(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// wake ends a wait; the one who waits finds out why.
func (w *waiter) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.event < 0 {
		return
	}
	one := binary.NativeEndian.AppendUint64(nil, 1)
	// EAGAIN would mean that it is signalled already.
	_, _ = unix.Write(w.event, one)
}

func (w *waiter) drain() {
	var count [8]byte
	_, _ = unix.Read(w.event, count[:])
}

// shut makes this and every later wait return ErrClosed.
func (w *waiter) shut() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wake()
}

// release gives the eventfd back; nobody may be waiting any more.
func (w *waiter) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.event >= 0 {
		_ = unix.Close(w.event)
	}
	w.event, w.closed = -1, true
}
